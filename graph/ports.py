"""Which loopback port an embedded server listens on: the one it had, else its usual one, else any that is free."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import psutil

from .data_dir import write_private

LOOPBACK = "127.0.0.1"


def choose(file: Path, usual: int) -> int:
    """A port free at this moment, remembered in `file` for the next start."""
    with suppress(OSError, ValueError):
        remembered = int(file.read_text("ascii"))
        if _is_free(remembered):
            return remembered
    port = usual if _is_free(usual) else _any()
    write_private(file, str(port))
    return port


def is_listening(pid: int, port: int) -> bool:
    """Whether it is that process, and no other, that listens there."""
    try:
        sockets = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(socket.status == psutil.CONN_LISTEN and socket.laddr.port == port for socket in sockets)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port closed a moment ago is free
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
        return True


def _any() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])

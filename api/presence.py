"""What a data directory tells command lines on the same machine: where Cairn serves, and the operator's key."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ..graph.data_dir import write_private

OPERATOR_KEY = "operator.key"
SERVER_FILE = "server.json"


def operator_key(data_dir: Path) -> str | None:
    """The key that lets whoever owns the data directory act as administrator; None before the first start."""
    with suppress(OSError):
        return (data_dir / OPERATOR_KEY).read_text("ascii").strip()
    return None


def announce(data_dir: Path, url: str, certificate: Path | None = None) -> None:
    """Say where this process serves and which certificate it shows, for command lines on the same machine."""
    mine = psutil.Process()
    shown = None if certificate is None else str(certificate.absolute())
    write_private(data_dir / SERVER_FILE, json.dumps({"url": url, "certificate": shown, "pid": mine.pid, "started": mine.create_time()}))


def withdraw(data_dir: Path) -> None:
    """Say that this process serves no more."""
    (data_dir / SERVER_FILE).unlink(missing_ok=True)


def running_url(data_dir: Path) -> str | None:
    """Where a process serves this data directory; None when none does."""
    server = _running(data_dir)
    return None if server is None else str(server["url"])


def running_certificate(data_dir: Path) -> Path | None:
    """The file of the certificate that this process shows; None when it shows none."""
    server = _running(data_dir)
    return None if server is None or not server.get("certificate") else Path(server["certificate"])


def _running(data_dir: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError, KeyError, psutil.Error):
        server = json.loads((data_dir / SERVER_FILE).read_text("utf-8"))
        if abs(psutil.Process(server["pid"]).create_time() - server["started"]) < 2:
            return server
    return None

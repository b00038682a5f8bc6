"""The data directory: readable by its owner alone, and one process's at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from ..errors import Unavailable

__all__ = ["held", "private_folder", "write_private"]


@contextmanager
def held(data_dir: Path) -> Generator[None]:
    """Keeps every other process off `data_dir`, which is made if absent. The system frees it when this process ends, however it ends.

    Raises Unavailable, naming the process that has it, or when it can't be written.
    """
    owner = data_dir / "owner"
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(data_dir / "lock", mode=0o600, thread_local=False)
        lock.acquire(timeout=0)
        write_private(owner, str(os.getpid()))
    except Timeout:
        raise Unavailable(f"{data_dir} is in use by {_process(owner)}. Stop that, or set CAIRN_DATA_DIR to another folder.") from None
    except OSError as error:
        raise Unavailable(f"{data_dir} can't be used: {error.strerror}. Set CAIRN_DATA_DIR to another folder.") from error
    try:
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def private_folder(folder: Path) -> Path:
    """`folder`, made if absent, with mode 0700."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_private(file: Path, text: str) -> None:
    """Writes `text` with mode 0600, so that the file is whole or as it was before, even after a crash, and stays once this returns."""
    part = file.with_name(f"{file.name}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    if os.name == "posix":
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def create_private(file: Path, text: str) -> None:
    """Writes `text` with mode 0600 unless there is such a file already; of two processes that do so at once, one wins for both."""
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    write_private(fresh, text)
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _process(owner: Path) -> str:
    with suppress(OSError, ValueError):
        pid = int(owner.read_text("ascii"))
        if psutil.pid_exists(pid):
            return f"process {pid}"
    return "another process"

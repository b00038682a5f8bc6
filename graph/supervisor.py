"""Keeps one child process running: starts it, waits until it answers, restarts it when it dies, and stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import psutil

from ..errors import Unavailable

__all__ = ["ChildDied", "Program", "Supervisor", "end_orphan", "tethered"]

_PID_FILE = "pid"
_TETHER = Path(__file__).with_name("tether.py")
_FIRST_PAUSE, _LONGEST_PAUSE, _STEADY = 0.25, 30.0, 60.0  # seconds: back-off, and the run after which it begins anew
_POLL = 0.05  # seconds between two questions whether the child is ready
_LINES = 20  # of the child's log in a message

_log = logging.getLogger(__name__)


class ChildDied(Unavailable):
    """The child ended, or never became ready. `lines` are the last ones of its log."""

    def __init__(self, message: str, lines: str) -> None:
        super().__init__(f"{message}. The last lines of its log:\n{lines}" if lines else f"{message}; its log is empty.")
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `folder` is its working directory, and its alone; `log` and `pid_file` stand in it.

    `ready` is asked with the child's process number until it says yes. Times are in seconds.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    ready: Callable[[int], Awaitable[bool]]
    patience: float = 120.0
    grace: float = 20.0

    @property
    def log(self) -> Path:
        """What the program prints."""
        return self.folder / "console.log"

    @property
    def pid_file(self) -> Path:
        """The number of the process that runs it or did last."""
        return self.folder / _PID_FILE


def tethered(command: Sequence[str], pid_file: Path) -> tuple[str, ...]:
    """The command that runs `command`, tied to this process and private: see `tether.py`."""
    return (sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), str(pid_file), *command)


async def end_orphan(folder: Path, executable: str, grace: float = 20.0) -> None:
    """Ends the `executable` that an earlier process started in `folder` and left behind; by force after `grace` seconds.

    To be called before a port is chosen, for the orphan may have it. Does nothing when there is none.
    """
    orphan = _orphan(folder, executable)
    if orphan is None:
        return
    _log.warning("%s (process %d) outlived the process that started it and is ended first", executable, orphan.pid)
    with suppress(psutil.NoSuchProcess):
        orphan.terminate()
        try:
            await asyncio.to_thread(orphan.wait, grace)
        except psutil.TimeoutExpired:
            orphan.kill()
            with suppress(psutil.TimeoutExpired):
                await asyncio.to_thread(orphan.wait, grace)


def _orphan(folder: Path, executable: str) -> psutil.Process | None:
    with suppress(OSError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        process = psutil.Process(int((folder / _PID_FILE).read_text("ascii")))
        # The number may be a stranger's by now; a stranger is no such program at work in our private folder.
        if process.name() == executable and Path(process.cwd()).samefile(folder):
            return process
    return None


class Supervisor:
    """Runs a Program until stopped.

    From `start` to `stop` there is at most one such process. A child that dies is logged with its last lines and started again after
    0.25 s, doubling up to 30 s. It ends with this process (on Linux at once, elsewhere by `end_orphan`), or rather with the thread
    that called `start`, which must live on.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._log_start = 0

    async def start(self) -> None:
        """Returns when the child is ready. Raises ChildDied when it ends before, or isn't ready in time."""
        await self._launch()
        self._watch = asyncio.create_task(self._keep_alive(), name=f"keeps {self.program.name} alive")

    async def stop(self, grace: float | None = None) -> None:
        """Returns when the child has ended: by itself on SIGTERM, or by SIGKILL after the grace time. May be called again."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        await self._end(self.program.grace if grace is None else grace)

    async def _launch(self) -> None:
        program = self.program
        with _appending(program.log) as log:
            self._log_start = log.tell()
            self._process = process = await asyncio.create_subprocess_exec(
                *tethered(program.command, program.pid_file),
                cwd=program.folder,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C reaches only this process, which stops the child in order
            )
        try:
            async with asyncio.timeout(program.patience):
                while process.returncode is None and not await program.ready(process.pid):
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            await self._end(0)
            raise self._died(f"{program.name} was not ready within {program.patience:.0f} seconds") from None
        if process.returncode is not None:
            raise self._died(f"{program.name} ended ({_cause(process.returncode)}) before it was ready")

    async def _keep_alive(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            assert self._process is not None
            since = monotonic()
            code = await self._process.wait()
            if monotonic() - since > _STEADY:
                pause = _FIRST_PAUSE
            _log.error("%s; it is started again in %.2f s", self._died(f"{self.program.name} ended ({_cause(code)})"), pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                await self._launch()
            except (Unavailable, OSError) as error:
                _log.error("%s", error)
            else:
                _log.warning("%s runs again", self.program.name)

    async def _end(self, grace: float) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(grace):
                await process.wait()
        except TimeoutError:
            _log.warning("%s did not end within %.0f seconds and is killed", self.program.name, grace)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with any it has started: it leads a group of its own
            await process.wait()

    def _died(self, message: str) -> ChildDied:
        try:
            with self.program.log.open("rb") as log:
                log.seek(self._log_start)
                lines = log.read()[-8192:].decode(errors="replace").splitlines()[-_LINES:]
        except OSError:
            lines = []
        return ChildDied(message, "\n".join(lines))


def _appending(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _cause(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"exit code {code}"

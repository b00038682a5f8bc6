from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from cairn.graph.supervisor import ChildDied, Program, Supervisor, end_orphan

pytestmark = pytest.mark.anyio

SLEEP, SHELL = shutil.which("sleep"), shutil.which("sh")
if SLEEP is None or SHELL is None:
    pytest.skip("needs sleep and sh", allow_module_level=True)

PARENT = """
import asyncio, psutil, sys
from pathlib import Path
from cairn.graph.supervisor import Program, Supervisor
async def ready(pid): return psutil.Process(pid).name() == "sleep"
async def main():
    await Supervisor(Program("Sleep", (sys.argv[1], "1000"), Path(sys.argv[2]), ready)).start()
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


async def at_work(pid: int) -> bool:
    return psutil.Process(pid).name() in ("sleep", "sh")


async def never(_: int) -> bool:
    return False


@pytest.fixture
async def supervise(tmp_path: Path) -> AsyncIterator[Callable[..., Supervisor]]:
    """Makes supervisors in this test's folder, all stopped at its end."""
    made: list[Supervisor] = []

    def make(*command: str, ready: Callable[[int], object] = at_work, **more: float) -> Supervisor:
        made.append(Supervisor(Program("Sleep", command or (SLEEP, "1000"), tmp_path, ready, **more)))
        return made[-1]

    yield make
    for supervisor in made:
        await supervisor.stop(0.2)


def pid_of(supervisor: Supervisor) -> int:
    return int(supervisor.program.pid_file.read_text())


@contextmanager
def spawned(*command: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the test."""
    with subprocess.Popen(command, text=True, **more) as process:
        try:
            yield process
        finally:
            process.kill()


async def eventually(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not holds():
            await anyio.sleep(0.01)


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_runs_from_start_to_stop(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    supervisor = supervise()
    await supervisor.start()
    child = psutil.Process(pid_of(supervisor))
    await eventually(lambda: child.cmdline() == [SLEEP, "1000"])
    assert child.ppid() == os.getpid()
    await supervisor.stop()
    assert not child.is_running()
    assert modes(tmp_path) == {0o600}


async def test_a_child_that_ends_before_it_is_ready_is_an_error_with_its_last_lines(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(SHELL, "-c", "echo no disk; exit 3", ready=never)
    with pytest.raises(ChildDied, match=r"ended \(exit code 3\) before it was ready.*\nno disk$"):
        await supervisor.start()


async def test_a_child_that_never_gets_ready_is_ended(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(ready=never, patience=0.2)
    with pytest.raises(ChildDied, match="not ready within"):
        await supervisor.start()
    assert not psutil.pid_exists(pid_of(supervisor))


async def test_a_child_that_dies_is_logged_and_started_again(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervise(SHELL, "-c", f"echo at work; exec {SLEEP} 1000")
    await supervisor.start()
    first = pid_of(supervisor)
    await eventually(lambda: "at work" in supervisor.program.log.read_text())
    with caplog.at_level(logging.WARNING):
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: "runs again" in caplog.text)
    assert "ended (by signal 9)" in caplog.text
    assert "at work" in caplog.text
    assert psutil.pid_exists(pid_of(supervisor))
    assert pid_of(supervisor) != first


async def test_a_child_that_ignores_the_request_to_end_is_killed(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(SHELL, "-c", "trap '' TERM; echo deaf; while :; do sleep 1000; done", grace=0.1)
    await supervisor.start()
    await eventually(lambda: "deaf" in supervisor.program.log.read_text())
    child = psutil.Process(pid_of(supervisor))
    await supervisor.stop()
    assert not child.is_running()


async def test_an_orphan_is_ended(tmp_path: Path) -> None:
    with spawned(SLEEP, "1000", cwd=tmp_path) as orphan:
        (tmp_path / "pid").write_text(str(orphan.pid))
        await end_orphan(tmp_path, "sleep")
        assert not psutil.pid_exists(orphan.pid)


async def test_an_orphan_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    with spawned(SHELL, "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done", cwd=tmp_path, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout is not None
        assert orphan.stdout.readline() == "deaf\n"
        (tmp_path / "pid").write_text(str(orphan.pid))
        await end_orphan(tmp_path, "sh", grace=0.1)
        assert not psutil.pid_exists(orphan.pid)


@pytest.mark.parametrize(("folder", "executable"), [("/", "sleep"), (".", "another")])
async def test_a_stranger_with_the_number_of_an_orphan_is_left_alone(tmp_path: Path, folder: str, executable: str) -> None:
    with spawned(SLEEP, "1000", cwd=tmp_path / folder) as stranger:
        (tmp_path / "pid").write_text(str(stranger.pid))
        await end_orphan(tmp_path, executable)
        assert stranger.poll() is None


@pytest.mark.parametrize("text", [None, "", "java", "999999999"])
async def test_no_orphan_is_no_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pid").write_text(text)
    await end_orphan(tmp_path, "sleep")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
async def test_a_child_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    with spawned(sys.executable, "-c", PARENT, str(SLEEP), str(tmp_path), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        child = psutil.Process(int((tmp_path / "pid").read_text()))
        parent.kill()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

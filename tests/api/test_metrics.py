"""/metrics of several workers: whichever is asked tells what all of them counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import psutil
import pytest

from cairn.settings import Settings

pytestmark = pytest.mark.anyio
WORKERS = 2


@pytest.fixture
def workers(settings: Settings) -> Iterator[tuple[str, psutil.Process]]:
    """A `cairn up` with workers: its address and its process."""
    given = {
        "CAIRN_DATA_DIR": str(settings.data_dir),
        "CAIRN_TENANT": settings.tenant,
        "CAIRN_NEO4J_URI": settings.neo4j_uri or "",
        "CAIRN_NEO4J_USER": settings.neo4j_user,
        "CAIRN_NEO4J_PASSWORD": settings.neo4j_password.get_secret_value() if settings.neo4j_password else "",
        "CAIRN_REDIS_URL": settings.redis_url or "",
        "CAIRN_MASTER_KEY_FILE": str(settings.master_key_file),
        "CAIRN_CONSOLIDATION_INTERVAL": "0",
    }
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}, **given}
    command = [sys.executable, "-m", "cairn", "up", "--port", "0", "--workers", str(WORKERS)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = next(line for line in process.stdout if line.startswith("Cairn is ready"))
        try:
            yield ready.split()[-1].removesuffix("/graphql"), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.communicate(timeout=60)


async def get(url: str) -> httpx.Response:
    """By a connection of its own, which any worker may take."""
    with anyio.fail_after(60):
        while True:
            try:
                async with httpx.AsyncClient(timeout=10) as http:
                    return await http.get(url)
            except httpx.HTTPError:  # its worker was killed
                await anyio.sleep(0.1)


async def found(url: str) -> tuple[int, float]:
    """How many times nothing was found, and how many requests are being answered."""
    lines = [line.split() for line in (await get(f"{url}/metrics")).text.splitlines()]
    values = {line[0]: float(line[-1]) for line in lines if not line[0].startswith("#")}
    return int(values.get('cairn_http_requests_total{status="404"}', 0)), values["cairn_http_requests_in_flight"]


def running(parent: psutil.Process, folder: Path) -> set[int]:
    """The workers that have counted something."""
    alive = {child.pid for child in parent.children(recursive=True)}
    return {int(file.stem.rpartition("_")[2]) for file in folder.glob("counter_*.db")} & alive


async def test_every_worker_tells_what_all_counted(workers: tuple[str, psutil.Process], settings: Settings) -> None:
    url, parent = workers
    folder = settings.data_dir / "metrics"
    count = 0
    with anyio.fail_after(60):
        while len(running(parent, folder)) < WORKERS:
            assert (await get(f"{url}/nothing")).status_code == 404
            count += 1
    for _ in range(10):
        assert await found(url) == (count, 1.0), "this very request is the only one"
    killed = running(parent, folder).pop()
    os.kill(killed, signal.SIGKILL)
    with anyio.fail_after(60):
        while killed in psutil.pids():
            await anyio.sleep(0.05)
    assert await found(url) == (count, 1.0)
    assert not list(folder.glob(f"gauge_live*_{killed}.db"))

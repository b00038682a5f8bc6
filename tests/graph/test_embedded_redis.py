from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import psutil
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError

from cairn.graph.data_dir import private_folder
from cairn.graph.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.anyio


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[str], object]]:
    """Starts a Redis in a folder of that name; stopped at the end of the test."""
    started: list[EmbeddedRedis] = []

    async def start(name: str) -> EmbeddedRedis:
        folder = tmp_path.joinpath(*name.split("/"))
        folder.parent.mkdir(parents=True, exist_ok=True)
        started.append(EmbeddedRedis(private_folder(folder), "32mb"))
        await started[-1].start()
        return started[-1]

    yield start
    for server in started:
        await server.stop()


def listens_at(folder: Path) -> list[tuple[str, int]]:
    sockets = psutil.Process(int((folder / "pid").read_text())).net_connections(kind="inet")
    return [tuple(socket.laddr) for socket in sockets if socket.status == psutil.CONN_LISTEN]


async def test_is_a_bounded_cache_on_a_private_socket(start: Callable[[str], object], tmp_path: Path) -> None:
    server = await start("a folder")
    async with Redis.from_url(server.url, decode_responses=True) as client:
        settings = {name: value for part in ("save", "appendonly", "maxmemory*") for name, value in (await client.config_get(part)).items()}
    assert settings["save"] == ""
    assert settings["appendonly"] == "no"
    assert settings["maxmemory"] == str(32 * 1024 * 1024)
    assert settings["maxmemory-policy"] == "volatile-lru"
    assert (tmp_path / "a folder" / "socket").stat().st_mode & 0o777 == 0o600
    assert listens_at(tmp_path / "a folder") == []


async def test_where_the_path_is_too_long_for_a_socket_it_takes_loopback_and_a_password(
    start: Callable[[str], object], tmp_path: Path
) -> None:
    name = "long/" * 20 + "redis"
    server = await start(name)
    async with Redis.from_url(server.url) as client:
        assert await client.ping()
    assert [host for host, _ in listens_at(tmp_path / name)] == ["127.0.0.1"]
    async with Redis(port=int(server.url.rsplit(":", 1)[1]), retry=Retry(NoBackoff(), 0)) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.ping()


@pytest.mark.parametrize("name", ["redis", "long/" * 20 + "redis"])
async def test_comes_back_at_the_same_place_after_it_was_killed(start: Callable[[str], object], tmp_path: Path, name: str) -> None:
    server = await start(name)
    pid = int((tmp_path / name / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    async with Redis.from_url(server.url) as client:
        with anyio.fail_after(20):
            while True:
                try:
                    assert (await client.info("server"))["process_id"] != pid
                    break
                except ConnectionError:
                    await anyio.sleep(0.02)


async def test_starts_after_it_was_stopped(start: Callable[[str], object], tmp_path: Path) -> None:
    await (await start("redis")).stop()
    assert not psutil.pid_exists(int((tmp_path / "redis" / "pid").read_text()))
    server = await start("redis")
    async with Redis.from_url(server.url) as client:
        assert await client.ping()

from __future__ import annotations

from pathlib import Path

import anyio
import psutil
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from cairn.errors import Unavailable
from cairn.graph.servers import Servers, servers, with_authorities
from cairn.settings import Settings

pytestmark = pytest.mark.anyio

ELSEWHERE = "bolt://graph.invalid:7687"


@pytest.fixture
def redis_only(tmp_path: Path) -> Settings:
    """Settings that name a Neo4j, so that only Redis is started."""
    return Settings(data_dir=tmp_path / "data", neo4j_uri=ELSEWHERE, redis_url=None)


def redis_pid(settings: Settings) -> int:
    return int((settings.data_dir / "redis" / "pid").read_text())


async def test_servers_that_are_named_are_taken_as_they_are_and_nothing_is_started(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        neo4j_uri=ELSEWHERE,
        neo4j_user="ada",
        neo4j_password=SecretStr("secret"),
        redis_url="redis://cache.invalid",
    )
    async with servers(settings) as running:
        assert running == Servers(ELSEWHERE, "ada", "secret", "neo4j", "redis://cache.invalid", embedded=False)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", ["rediss", "rediss+cluster", "rediss+sentinel"])
def test_every_client_of_redis_is_told_the_authorities(kind: str) -> None:
    assert with_authorities(f"{kind}://h/m", Path("/ca.pem")) == f"{kind}://h/m?ssl_ca_certs=%2Fca.pem"
    assert with_authorities(f"{kind.replace('rediss', 'redis')}://h", Path("/ca.pem")).endswith("h")


async def test_starts_only_what_is_not_named(redis_only: Settings) -> None:
    async with servers(redis_only) as running:
        assert (running.neo4j_uri, running.neo4j_password, running.embedded) == (ELSEWHERE, None, True)
        async with Redis.from_url(running.redis_url) as client:
            assert await client.ping()
        pid = redis_pid(redis_only)
    assert not psutil.pid_exists(pid)


async def test_stops_what_it_started_when_the_work_fails(redis_only: Settings) -> None:
    pids: list[int] = []

    async def work() -> None:
        async with servers(redis_only):
            pids.append(redis_pid(redis_only))
            raise RuntimeError("work")

    with pytest.raises(RuntimeError, match="work"):
        await work()
    assert not psutil.pid_exists(pids[0])


async def test_stops_what_it_started_when_the_work_is_cancelled(redis_only: Settings) -> None:
    with anyio.CancelScope() as scope:
        async with servers(redis_only):
            pid = redis_pid(redis_only)
            scope.cancel()
            await anyio.sleep_forever()
    assert not psutil.pid_exists(pid)


async def test_when_one_can_not_start_the_other_is_stopped_and_the_error_is_plain(
    tmp_path: Path, redis_only: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="CAIRN_CACHE_DIR"):
        async with servers(redis_only.model_copy(update={"neo4j_uri": None, "cache_dir": tmp_path / "cache"})):
            pass
    async with servers(redis_only):  # the directory is free, and no Redis is in the way
        assert psutil.pid_exists(redis_pid(redis_only))

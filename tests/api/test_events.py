"""The broker: events to subscribers here and in other replicas."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cairn.api.events import Events, Subscription, open_events
from cairn.errors import TooCostly
from cairn.graph.changes import Event
from cairn.graph.data_dir import private_folder
from cairn.graph.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.anyio

KINDS = frozenset({"memory", "state"})


def event(id: str, tenant: str = "t", kind: str = "memory") -> Event:
    return Event(kind, tenant, id, agent="ada", version=3)


async def take(subscription: Subscription, count: int = 1) -> list[str]:
    async with asyncio.timeout(10):
        return [(await anext(subscription)).id for _ in range(count)]


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[Events, Events]]:
    """Two replicas that hear each other."""
    space = uuid4().hex
    async with open_events(redis_url, space) as one, open_events(redis_url, space) as other:
        async with asyncio.timeout(10):
            await asyncio.gather(one.listening.wait(), other.listening.wait())
        yield one, other


async def test_subscribers_hear_their_tenant_and_kinds_in_order(pair: tuple[Events, Events]) -> None:
    here = pair[0]
    mine, states = here.subscribe("t", KINDS), here.subscribe("t", {"state"})
    await here.publish([event("1"), event("2", tenant="other"), event("3", kind="import"), event("4", kind="state")])
    await here.publish([event("5")])
    assert await take(mine, 3) == ["1", "4", "5"]
    assert await take(states) == ["4"]


async def test_other_replicas_hear_the_same_once(pair: tuple[Events, Events]) -> None:
    here, there = pair
    local, remote = here.subscribe("t", KINDS), there.subscribe("t", KINDS)
    await here.publish([event("1"), event("2")])
    await there.publish([event("3")])
    assert sorted(await take(local, 3)) == ["1", "2", "3"]
    assert sorted(await take(remote, 3)) == ["1", "2", "3"]
    await here.publish([event("4")])
    assert (await take(local), await take(remote)) == (["4"], ["4"])


async def test_an_event_arrives_elsewhere_whole(pair: tuple[Events, Events]) -> None:
    remote = pair[1].subscribe("t", KINDS)
    sent = Event("state", "t", "id", agent="ada", session="s", key="k", version=7)
    await pair[0].publish([sent])
    async with asyncio.timeout(10):
        assert await anext(remote) == sent


async def test_a_subscriber_that_is_too_slow_is_told_and_dropped(pair: tuple[Events, Events]) -> None:
    here = pair[0]
    slow, quick = here.subscribe("t", KINDS, room=3), here.subscribe("t", KINDS)
    await here.publish([event(str(number)) for number in range(4)])
    with pytest.raises(TooCostly, match="subscribe again"):
        await anext(slow)
    with pytest.raises(StopAsyncIteration):
        await anext(slow)
    assert await take(quick, 4) == ["0", "1", "2", "3"]
    assert here.subscribers == 1


async def test_closing_ends_who_waits(pair: tuple[Events, Events]) -> None:
    subscription = pair[0].subscribe("t", KINDS)
    waiting = asyncio.create_task(anext(subscription, None))
    await asyncio.sleep(0)
    await subscription.aclose()
    async with asyncio.timeout(10):
        assert await waiting is None
    assert pair[0].subscribers == 0


async def test_a_forgotten_subscription_is_not_kept(pair: tuple[Events, Events]) -> None:
    subscription = pair[0].subscribe("t", KINDS)
    assert pair[0].subscribers == 1
    del subscription
    gc.collect()
    assert pair[0].subscribers == 0


async def test_without_redis_events_stay_here(tmp_path: Path) -> None:
    async with open_events("redis://127.0.0.1:1/0", "n") as here:
        subscription = here.subscribe("t", KINDS)
        async with asyncio.timeout(5):
            for number in range(20_000):  # more than wait for Redis
                await here.publish([event(str(number))])
                assert await take(subscription) == [str(number)]


async def test_replicas_hear_each_other_again_when_redis_comes_back(tmp_path: Path, until: Any) -> None:
    redis = EmbeddedRedis(private_folder(tmp_path / "redis"), "32mb")
    try:
        await redis.start()
        async with open_events(redis.url, "n") as one, open_events(redis.url, "n") as other:
            remote = other.subscribe("t", KINDS)
            async with asyncio.timeout(10):
                await asyncio.gather(one.listening.wait(), other.listening.wait())
            await redis.stop()
            await until(lambda: not one.listening.is_set() and not other.listening.is_set())
            await one.publish([event("lost")])
            await redis.start()
            async with asyncio.timeout(20):
                await asyncio.gather(one.listening.wait(), other.listening.wait())
            async with asyncio.timeout(20):
                while True:  # what was sent while Redis was away may be lost, what comes after it not for long
                    await one.publish([event("again")])
                    heard = asyncio.create_task(anext(remote))
                    done, _ = await asyncio.wait({heard}, timeout=0.5)
                    if done:
                        assert heard.result().id in ("lost", "again")
                        break
                    heard.cancel()
    finally:
        await redis.stop()

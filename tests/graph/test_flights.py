"""Many who want the same share one attempt."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from cairn.graph.database import connect
from cairn.graph.flights import Flights
from cairn.graph.servers import Servers

pytestmark = pytest.mark.anyio


async def test_callers_at_the_same_time_share_one_attempt_and_later_ones_make_another() -> None:
    flights: Flights[str, int] = Flights([])
    landed = anyio.Event()
    attempts: list[int] = []
    results: list[int] = []

    async def attempt() -> int:
        attempts.append(1)
        await landed.wait()
        return len(attempts)

    async def ask() -> None:
        results.append(await flights.join("a", attempt))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        landed.set()
    assert results == [1] * 20
    assert await flights.join("a", attempt) == 2
    assert await flights.join("b", attempt) == 3


async def test_a_failure_is_shared_and_forgotten() -> None:
    flights: Flights[str, int] = Flights([])

    async def fail() -> int:
        raise ValueError("no")

    async def succeed() -> int:
        return 1

    with pytest.raises(ValueError, match="no"):
        await flights.join("a", fail)
    assert await flights.join("a", succeed) == 1


async def test_a_cancelled_caller_does_not_take_the_others_down() -> None:
    flights: Flights[str, int] = Flights([])
    landed = anyio.Event()
    results: list[int] = []

    async def attempt() -> int:
        await landed.wait()
        return 1

    async def ask() -> None:
        results.append(await flights.join("a", attempt))

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as first:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            first.cancel()
            await flights.join("a", attempt)
        await anyio.wait_all_tasks_blocked()
        landed.set()
    assert results == [1]


async def test_who_comes_when_an_attempt_is_just_over_waits_for_a_new_one() -> None:
    flights: Flights[str, int] = Flights([])
    attempts: list[int] = []
    late: list[asyncio.Task[int]] = []

    async def attempt() -> int:
        attempts.append(1)
        if len(attempts) == 1:  # what is called next runs when this is done, before anybody is told of it
            asyncio.get_running_loop().call_soon(lambda: late.append(asyncio.ensure_future(flights.join("a", attempt))))
        return len(attempts)

    assert await flights.join("a", attempt) == 1
    assert await late[0] == 2
    assert await flights.join("a", attempt) == 3, "the first one's end does not end the second"


async def test_no_attempt_outlives_the_database_that_it_looks_at(servers: Servers) -> None:
    begun = anyio.Event()

    async def attempt() -> int:
        begun.set()
        await anyio.sleep_forever()
        return 1

    async with connect(servers.neo4j_uri, servers.neo4j_user, servers.neo4j_password, servers.neo4j_database) as database:
        flights: Flights[str, int] = Flights(database.closing)
        under_way = flights.start("a", attempt)
        waiting = asyncio.ensure_future(flights.join("a", attempt))
        await begun.wait()
    assert under_way.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await waiting

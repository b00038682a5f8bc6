"""Deadlines: nothing goes on in Neo4j for a request whose time is over or whose caller is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from cairn.errors import TooCostly
from cairn.graph.database import Database
from cairn.graph.deadlines import deadline, seconds_left
from cairn.graph.statements import parse

pytestmark = pytest.mark.anyio
CYPHER = parse((Path(__file__).parent / "deadlines.cypher").read_text("utf-8"))


async def running(database: Database, mark: str) -> int:
    return (await database.read(CYPHER["running"], {"mark": mark}))[0]["n"]


async def gone(database: Database, mark: str) -> None:
    async with asyncio.timeout(20):
        while await running(database, mark):
            await asyncio.sleep(0.05)


async def test_neo4j_stops_a_read_at_the_deadline(database: Database) -> None:
    mark = uuid4().hex
    with deadline(0.5), pytest.raises(TooCostly, match="too long"):
        await database.read(CYPHER["long"], {"left": 3, "mark": mark})
    await gone(database, mark)


async def test_neo4j_stops_a_read_whose_caller_is_gone(database: Database) -> None:
    mark = uuid4().hex
    with deadline(30):
        task = asyncio.create_task(database.read(CYPHER["long"], {"left": 3, "mark": mark}))
    async with asyncio.timeout(20):
        while not await running(database, mark):
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await gone(database, mark)


def test_an_inner_deadline_is_never_later_than_an_outer_one() -> None:
    assert seconds_left(120) == 120
    with deadline(5):
        with deadline(50):
            assert seconds_left(120) <= 5
        with deadline(0):
            assert 0 < seconds_left(120) < 0.1
        assert 4 < seconds_left(120) <= 5
        assert seconds_left(1) == 1

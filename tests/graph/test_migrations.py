"""Migrations: once each, under one lock, never changed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from neo4j import AsyncManagedTransaction

from cairn.errors import Internal, Unavailable
from cairn.graph.database import Database, run
from cairn.graph.migrations import runner
from cairn.graph.migrations.runner import available, migrate
from cairn.graph.statements import parse

pytestmark = pytest.mark.anyio

NOTHING = "// nothing: nothing\nRETURN 1;\n"
CLEANING = parse((Path(__file__).parent / "writing.cypher").read_text("utf-8"))


@pytest.fixture
async def name(database: Database) -> AsyncIterator[str]:
    """The name of a migration that no release has; what the schema remembers of it is taken away afterwards."""
    name = f"9000_test_{uuid4().hex}"
    yield name

    async def forget(transaction: AsyncManagedTransaction) -> None:
        await run(transaction, CLEANING["migration_forget"], {"id": name})

    await database.write(forget)


def test_migrations_are_in_the_order_of_their_numbers() -> None:
    names = [name for name, _ in available()]
    assert names == sorted(names)
    assert names[0] == "0001_core"
    assert len({name[:4] for name in names}) == len(names)


def test_a_number_is_given_once(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("migrations")
    for name in ("0001_one", "0001_other"):
        (folder / f"{name}.cypher").write_text(NOTHING)
    monkeypatch.setattr(runner, "files", lambda _package: folder)
    with pytest.raises(Internal, match="share a number"):
        available()


async def test_what_was_applied_is_not_applied_again(database: Database) -> None:
    assert await migrate(database) == []


async def test_of_replicas_that_start_at_once_one_applies(database: Database, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "available", lambda: [(name, NOTHING)])
    results = await asyncio.gather(*(migrate(database) for _ in range(3)))
    assert sorted(map(len, results)) == [0, 0, 1]
    assert await migrate(database) == []


async def test_a_migration_that_was_changed_is_refused(database: Database, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "available", lambda: [(name, NOTHING)])
    assert await migrate(database) == [name]
    monkeypatch.setattr(runner, "available", lambda: [(name, NOTHING + "// more: more\nRETURN 2;\n")])
    with pytest.raises(Internal, match="changed after it was applied"):
        await migrate(database)
    monkeypatch.undo()
    assert await migrate(database) == []


async def test_a_lock_that_another_holds_is_waited_for_and_then_reported(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def busy(_database: Database, _lock: object, _only: object) -> list[str]:
        entered.set()
        await leave.wait()
        return []

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_apply", busy)
        holding = asyncio.ensure_future(migrate(database))
        await entered.wait()
    with pytest.raises(Unavailable, match="another replica"):
        await migrate(database, patience=0)
    leave.set()
    assert await holding == []
    assert await migrate(database) == []

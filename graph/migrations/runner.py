"""Applies the numbered schema migrations, once each, under a lock in the graph.

Safe with several replicas starting at once: one applies, the others wait. Schema commands can't share a transaction, so each is
written to be repeatable (`IF NOT EXISTS`) and a migration is recorded when all its commands have run.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection
from hashlib import sha256
from importlib.resources import files

from neo4j import AsyncManagedTransaction

from ...errors import Internal, Unavailable
from ..database import Database, Row, run
from ..statements import Statement, parse

log = logging.getLogger("cairn.migrations")
_LOCK_SECONDS = 120
_GRAPH = "graph"
"""Among the migrations' nodes, the one that names the graph."""


def available() -> list[tuple[str, str]]:
    """Every migration as (id, text), in the order of their numbers. Raises Internal when two share a number."""
    found = sorted(
        (entry.name.removesuffix(".cypher"), entry.read_text(encoding="utf-8"))
        for entry in files("cairn.graph.migrations").iterdir()
        if entry.name.endswith(".cypher") and entry.name[:4].isdigit()
    )
    numbers = [name[:4] for name, _ in found]
    if len(set(numbers)) != len(numbers):
        raise Internal(f"two migrations share a number: {', '.join(name for name, _ in found)}")
    return found


async def migrate(database: Database, patience: float = 120.0, only: Collection[str] | None = None) -> list[str]:
    """Bring the schema up to date and wait until its indexes are online. Returns the ids of the migrations applied here.

    With `only`, no others than these are applied: for data that comes from a time before the others.

    Raises Internal when an applied migration's text was changed afterwards, Unavailable when the lock or the indexes are not
    ready within `patience` seconds.
    """
    lock = _lock_statements()
    await _write(database, lock["migration_constraint"], {})
    holder = secrets.token_hex(8)
    deadline = asyncio.get_running_loop().time() + patience
    while not await _take(database, lock["lock_take"], holder):
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable("another replica has been migrating the schema for too long; look at its log, then start again")
        await asyncio.sleep(0.25)
    try:
        done = await _apply(database, lock, only)
        await _await_indexes(database, lock["indexes_pending"], deadline)
    finally:
        await _write(database, lock["lock_free"], {"holder": holder})
    return done


async def applied(database: Database) -> list[str]:
    """The ids of the migrations that this database has had, in order; none where Cairn has never been."""
    return sorted(row["id"] for row in await database.read(_lock_statements()["migrations_done"]) if row["id"] != _GRAPH)


async def graph_name(database: Database) -> str:
    """A name that no other graph has, the same for every replica: what is kept outside Neo4j about this graph goes under it."""
    return str((await _write(database, _lock_statements()["graph_name"], {}))[0]["name"])


async def graph_secret(database: Database) -> bytes:
    """A secret of this graph's replicas, for signing what they keep outside Neo4j where others might write."""
    return str((await _write(database, _lock_statements()["graph_secret"], {}))[0]["secret"]).encode("ascii")


async def _apply(database: Database, lock: dict[str, Statement], only: Collection[str] | None) -> list[str]:
    done = {row["id"]: row["sum"] for row in await database.read(lock["migrations_done"])}
    new: list[str] = []
    for name, text in available():
        if only is not None and name not in only:
            continue
        digest = sha256(text.encode("utf-8")).hexdigest()
        if name in done:
            if done[name] != digest:
                raise Internal(f"migration {name} was changed after it was applied; add a new migration instead")
            continue
        for statement in parse(text).values():
            await _write(database, statement, {})
        await _write(database, lock["migration_record"], {"id": name, "sum": digest})
        log.info("applied migration %s", name)
        new.append(name)
    return new


async def _await_indexes(database: Database, pending: Statement, deadline: float) -> None:
    while (rows := await database.read(pending)) and rows[0]["pending"]:
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(f"these indexes are still being built: {', '.join(rows[0]['names'])}; start again in a while")
        await asyncio.sleep(0.1)


def _lock_statements() -> dict[str, Statement]:
    return parse((files("cairn.graph.migrations") / "lock.cypher").read_text(encoding="utf-8"))


async def _take(database: Database, statement: Statement, holder: str) -> bool:
    return bool(await _write(database, statement, {"holder": holder, "seconds": _LOCK_SECONDS}))


async def _write(database: Database, statement: Statement, parameters: Row) -> list[Row]:
    async def work(transaction: AsyncManagedTransaction) -> list[Row]:
        return await run(transaction, statement, parameters)

    return await database.write(work)

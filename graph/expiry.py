"""Expiry: what was asked to be temporary goes for good, and so do idempotency keys that nobody repeats any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .changes import Change, Entry, Results, Settled, Step, answered
from .database import Database, Row
from .instants import utc
from .statements import load
from .writer import Writer

_CYPHER = load("expiry")


@dataclass(frozen=True, slots=True)
class Expired:
    """A memory that was to be gone by now."""

    id: str
    scope: str
    expires_at: datetime


async def read_expired(database: Database, tenant: str, at: datetime, after: tuple[datetime, str], limit: int) -> list[Expired]:
    """Memories that expire at `at` or before, the first first, from the one behind `after`. It asks nobody's permission."""
    parameters: Row = {"tenant": tenant, "at": at, "after": after[0], "afterId": after[1], "limit": limit}
    rows = await database.read(_CYPHER["expired_memories"], parameters)
    return [Expired(row["id"], row["scope"], utc(row["expiresAt"])) for row in rows]


async def remove_expired(writer: Writer, tenant: str, expired: Sequence[Expired], at: datetime) -> int:
    """Destroy memories whose time is over at `at`, mend their sessions' chains, in one transaction with an entry for each.

    Content, mentions and links are gone. A memory that feedback or a fact names stays as a node without content, so that what names it
    can still be verified. How many were still there.
    """
    rows: tuple[Row, ...] = tuple({"id": one.id, "tenant": tenant, "at": at} for one in expired)

    def settle(results: Results) -> Settled:
        hashes: dict[int, str] = {row["i"]: row["before"] for row in results[0]}
        gone = [(expired[i], hashes[i]) for i in answered(results[0])]
        return Settled(len(gone), tuple(Entry("memory.expire", f"memory:{one.scope}/{one.id}", before, None) for one, before in gone))

    touched = [{f"{tenant}/memory/{one.id}", f"{tenant}/memories/{one.scope}"} for one in expired]
    return await writer.apply_alone(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(Step(_CYPHER["expired_remove"], rows),),
            settle=settle,
            tags=frozenset({f"{tenant}/memories"}).union(*touched),
        ),
        "consolidate",
    )


async def count_requests(database: Database, tenant: str, before: datetime) -> int:
    """How many idempotency keys were used before `before`."""
    return (await database.read(_CYPHER["expired_requests"], {"tenant": tenant, "before": before}))[0]["requests"]


async def remove_requests(writer: Writer, tenant: str, before: datetime) -> int:
    """Forget up to 2,000 idempotency keys used before `before`; how many. The ledger does not tell of keys, so neither of this."""
    steps = (Step(_CYPHER["requests_remove"], ({"tenant": tenant, "before": before},)),)

    def settle(results: Results) -> Settled:
        return Settled(results[0][0]["removed"], ())

    return await writer.apply_alone(Change(tenant=tenant, actor="cairn", steps=steps, settle=settle), "consolidate")

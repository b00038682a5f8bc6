"""Strengths: what is worked out from a memory's importance and its use, kept beside it as `strength` and `lastUsed`.

The importance itself is the agent's own word, and in the memory's hash: it is never written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .changes import Change, Entry, Results, Settled, Step, answered, content_hash
from .database import Database, Row
from .instants import maybe_utc, stamp, utc
from .statements import load
from .writer import Writer

_CYPHER = load("strengths")


@dataclass(frozen=True, slots=True)
class Used:
    """A memory's importance and when it was last used (recorded, found useful, cited), and what is kept of that (None: nothing yet)."""

    id: str
    scope: str
    importance: float
    last_used: datetime
    kept_strength: float | None
    kept_last_used: datetime | None


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong a memory is now."""

    id: str
    scope: str
    strength: float
    last_used: datetime


async def read_uses(database: Database, tenant: str, after: str, limit: int) -> list[Used]:
    """Memories in the order of their ids, from the one behind `after`. It asks nobody's permission."""
    rows = await database.read(_CYPHER["strengths_read"], {"tenant": tenant, "after": after, "limit": limit})
    return [
        Used(
            row["id"], row["scope"], row["importance"], max(map(utc, [row["recordedAt"], *row["uses"]])),
            row["strength"], maybe_utc(row["lastUsed"]),
        )
        for row in rows
    ]  # fmt: skip


async def keep_strengths(writer: Writer, tenant: str, strengths: Sequence[Strength]) -> int:
    """Write them in one transaction, with one entry in the ledger for all. How many memories were still there."""
    rows: tuple[Row, ...] = tuple(
        {"id": one.id, "tenant": tenant, "strength": one.strength, "lastUsed": one.last_used} for one in strengths
    )

    def settle(results: Results) -> Settled:
        written = [strengths[i] for i in answered(results[0])]
        if not written:
            return Settled(0, ())
        after = content_hash([[one.id, repr(one.strength), stamp(one.last_used)] for one in written])
        return Settled(len(written), (Entry("memory.weigh", f"strength:{written[0].id}-{written[-1].id}", None, after),))

    touched = [{f"{tenant}/memory/{one.id}", f"{tenant}/memories/{one.scope}"} for one in strengths]
    return await writer.apply_alone(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(Step(_CYPHER["strengths_write"], rows),),
            settle=settle,
            tags=frozenset({f"{tenant}/memories"}).union(*touched),
        ),
        "consolidate",
    )

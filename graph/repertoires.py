"""Repertoires: what one agent keeps in one scope, as consolidation looks at it. Nothing is ever linked across them."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from .database import Database, Row
from .memories import Memory, from_row
from .statements import load
from .supersessions import reason_of

_CYPHER = load("repertoires")
EVER = datetime(1, 1, 1, tzinfo=UTC)
_OPENED = 500
LARGEST = 20_000
"""Of a repertoire that is larger the newest memories are compared with each other."""


@dataclass(frozen=True, slots=True)
class Repertoire:
    """An agent in a scope, and how many memories it has there (where asked for: that were recorded since an instant)."""

    scope: str
    agent: str
    memories: int


@dataclass(frozen=True, slots=True)
class Held:
    """A memory as it stands among the others. `digest` and the links are what is stored, right or not.

    `duplicate_of`: the first one and the similarity; `superseded_by`: the newer one and the reason. Where one is `loose`, the id that
    is kept is not that of the memory it is linked to. `derived`: what was derived from it by itself, and whether that is remembered.
    """

    memory: Memory
    digest: str | None
    duplicate_of: tuple[str, float] | None
    superseded_by: tuple[str, str] | None
    duplicate_loose: bool
    superseded_loose: bool
    derived: tuple[tuple[str, bool], ...]


async def list_repertoires(database: Database, tenant: str, since: datetime = EVER) -> list[Repertoire]:
    """Every repertoire with a memory recorded since `since`. For the consolidation only: it asks nobody's permission."""
    rows = await database.read(_CYPHER["repertoires_list"], {"tenant": tenant, "since": since})
    return [Repertoire(row["scope"], row["agent"], row["memories"]) for row in rows]


async def read_repertoire(database: Database, tenant: str, one: Repertoire, at: datetime, largest: int = LARGEST) -> list[Held]:
    """The newest `largest` memories that have a text and have not expired, in no order. It asks nobody's permission."""
    parameters: Row = {"tenant": tenant, "scope": one.scope, "agent": one.agent, "since": EVER, "now": at, "limit": largest}
    found: list[Held] = []
    waiting: list[Row] = []
    async with aclosing(database.stream(_CYPHER["repertoires_read"], parameters)) as rows:
        async for row in rows:
            waiting.append(row)
            if len(waiting) == _OPENED:
                found += [_held(one) for one in await database.keyed(waiting)]
                waiting = []
    return found + [_held(one) for one in await database.keyed(waiting)]


def _held(row: Row) -> Held:
    duplicate = tuple(row["duplicates"][0]) if row["duplicates"] else None
    superseding = (row["superseding"][0][0], reason_of(row["memory"]["id"], row["superseding"][0][1])) if row["superseding"] else None
    derived = tuple((id, bool(remembered)) for id, remembered in sorted(row["derived"]))
    return Held(
        from_row(row["memory"]), row["digest"], duplicate, superseding, row["duplicateOf"] != (duplicate and duplicate[0]),
        row["supersededBy"] != (superseding and superseding[0]), derived,
    )  # fmt: skip

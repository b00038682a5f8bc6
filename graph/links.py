"""Links between memories, as they are read: what one duplicates, what took its place, what it was derived from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from . import tags
from .access import Access
from .database import Database, Row
from .instants import now, utc
from .memories import Memory, from_row
from .pages import LARGEST
from .statements import load
from .supersessions import reason_of

_CYPHER = load("links")
_TOLD = frozenset({"Memory.text", "Memory.speaker", "Memory.session"})


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a memory, since when, and why: the similarity (0 to 1) of duplicates, or a reason in words that quotes the texts."""

    memory: Memory
    at: datetime
    similarity: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Links:
    """How a memory is linked to others."""

    duplicate_of: Link | None
    superseded_by: Link | None
    derived_from: tuple[Memory, ...]


async def links_of(database: Database, access: Access, ids: Sequence[str]) -> dict[str, Links]:
    """For each readable memory its links, as far as their other ends are readable, in one round trip.

    None for those from whom texts, speakers or sessions are hidden: what these are decides what is linked, so a link tells of them.
    """
    tags.collect_each(access.tenant, "memories", access.scopes)
    if not access.hidden_fields.isdisjoint(_TOLD):
        return {}
    parameters: Row = {"tenant": access.tenant, "scopes": list(access.scopes), "ids": list(ids), "now": now(), "limit": LARGEST}
    found: dict[str, dict[str, list[Link]]] = {}
    for row in await database.read(_CYPHER["links_of"], parameters):
        memory = from_row(row["memory"])
        tags.collect_until(memory.expires_at)
        reason = None if row["reason"] is None else reason_of(row["id"], row["reason"])
        link = Link(memory, utc(row["at"]), row["similarity"], reason)
        found.setdefault(row["id"], {}).setdefault(row["kind"], []).append(link)
    return {id: _links(kinds) for id, kinds in found.items()}


def _links(kinds: dict[str, list[Link]]) -> Links:
    duplicate, superseding = (next(iter(kinds.get(kind, ())), None) for kind in ("duplicateOf", "supersededBy"))
    return Links(duplicate, superseding, tuple(link.memory for link in kinds.get("derivedFrom", ())))

"""Mentions: which entities a memory's text names, where, and how surely; written with the memory, read from both ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import tags
from .access import Access
from .changes import Entry, Event, Step, content_hash
from .database import Database, Row
from .graphs import collect_graphs
from .instants import now
from .locals import LocalEntity, is_local, local_entries, local_events, local_step
from .memories import Memory, cursor, from_row, start_of
from .pages import Page, check_first, page
from .sealing import opened
from .searchable import Index
from .statements import load

_CYPHER = load("mentions")


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity that a text names at `text[start:end]` (code points), with the confidence, 0 to 1, that it is meant.

    `local`: the local entity to make, when no graph carries the name. `spoken`: the entity is the text's speaker; then `text` is the
    speaker's name and stands nowhere in the text.
    """

    start: int
    end: int
    text: str
    key: str
    iri: str
    confidence: float
    local: LocalEntity | None = None
    spoken: bool = False


@dataclass(frozen=True, slots=True)
class Linked:
    """What links memories to entities in the transaction that writes them: steps, conflicts and cache tags for the change.

    After the steps ran, `entries` and `events` make of the first step's results what the change adds to the ledger and tells.
    """

    tenant: str
    steps: tuple[Step, ...] = ()
    tags: frozenset[str] = frozenset()
    conflicts: frozenset[str] = frozenset()

    def entries(self, results: Sequence[Row]) -> tuple[Entry, ...]:
        """The ledger's lines for local entities that were made."""
        return local_entries(results)

    def events(self, results: Sequence[Row]) -> tuple[Event, ...]:
        """The event that tells of a new scope graph."""
        return local_events(self.tenant, results)


def link_steps(tenant: str, found: Mapping[str, Sequence[Mention]], index: Index) -> Linked:
    """What writes the mentions found in memories, by memory id. Writing the same again changes nothing; a confidence only grows."""
    mentions = [(memory, mention) for memory, many in found.items() for mention in many]
    if not mentions:
        return Linked(tenant)
    rows = tuple(_row(tenant, memory, mention) for memory, mention in mentions)
    locals_made = [mention.local for _, mention in mentions if mention.local is not None]
    stale = frozenset({f"{tenant}/graphs", f"{tenant}/locals"}) if locals_made else frozenset[str]()
    conflicts = frozenset(f"entity:{entity.key}" for entity in locals_made)
    return Linked(tenant, (local_step(tenant, locals_made, index), Step(_CYPHER["mentions_ensure"], rows)), stale, conflicts)


def mentions_hash(mentions: Sequence[Mention]) -> str:
    """The hash of a memory's mentions as the ledger holds it."""
    return content_hash(sorted([mention.start, mention.end, mention.iri] for mention in mentions))


def _row(tenant: str, memory: str, mention: Mention) -> Row:
    return {
        "tenant": tenant,
        "memory": memory,
        "key": mention.key,
        "start": mention.start,
        "end": mention.end,
        "confidence": round(mention.confidence, 4),
        "speaker": True if mention.spoken else None,
    }


async def mentions_of(database: Database, access: Access, ids: Sequence[str]) -> dict[str, list[Mention]]:
    """For each readable memory the entities it mentions that the reader may see, in the order of the text, in one round trip.

    Where spans overlap, the longest stands; of several entities at one span, one from a graph stands before a local one.
    """
    tags.collect(*(f"{access.tenant}/memory/{id}" for id in ids))
    collect_graphs(access.tenant, access.graphs)
    parameters: Row = {
        "tenant": access.tenant,
        "ids": list(ids),
        "scopes": list(access.scopes),
        "graphs": list(access.graphs),
        "now": now(),
    }
    found: dict[str, list[Mention]] = {id: [] for id in ids}
    rows = await database.read(_CYPHER["mentions_of"], parameters)
    texts = {row["id"]: opened(row["text"], "Memory", row["id"], "text", access.tenant) or "" for row in rows}
    for row in rows:
        start, end = row["start"], row["end"]
        found[row["id"]].append(Mention(start, end, texts[row["id"]][start:end], row["key"], row["iri"], row["confidence"]))
    return {id: _apart(mentions) for id, mentions in found.items()}


async def memories_mentioning(
    database: Database, access: Access, keys: Sequence[str], first: int, after: str | None = None
) -> dict[str, Page[Memory]]:
    """For each resource, by key, a page of readable memories that mention it, newest first; empty when the reader may not see it."""
    check_first(first)
    start = start_of(after)
    tags.collect_each(access.tenant, "memories", access.scopes)
    collect_graphs(access.tenant, access.graphs)
    parameters: Row = {
        **_readable(access),
        "keys": list(keys),
        "before": start.recorded_at,
        "beforeId": start.id,
        "limit": first + 1,
    }
    found: dict[str, list[Memory]] = {key: [] for key in keys}
    for row in await database.read(_CYPHER["mentions_by"], parameters):
        memory = from_row(row["memory"])
        tags.collect_until(memory.expires_at)
        found[row["key"]].append(memory)
    return {key: page(memories, first, cursor) for key, memories in found.items()}


def _readable(access: Access) -> Row:
    return {"tenant": access.tenant, "scopes": list(access.scopes), "graphs": list(access.graphs), "now": now()}


def _apart(mentions: Sequence[Mention]) -> list[Mention]:
    """Of overlapping mentions the longest, of equal ones the one from a graph, then the surest."""
    chosen: list[Mention] = []
    for mention in sorted(mentions, key=lambda one: (one.start - one.end, one.start, is_local(one.iri), -one.confidence, one.iri)):
        if all(mention.end <= other.start or mention.start >= other.end for other in chosen):
            chosen.append(mention)
    return sorted(chosen, key=lambda mention: mention.start)

"""Communities: groups of memories and entities that belong together, as they are kept in the graph.

Each set of communities is made within one unit of permission, either one memory scope with its local entities or one named graph, from
nothing but what whoever may read the unit may read. So a community never joins, parts or counts anything for a reader by what
that reader may not see; one set over all scopes, filtered afterwards, would. What a community of a graph is about in memories is
looked up at the time of reading, with the reader's `Access`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import tags
from .access import Access
from .changes import Change, Entry, Results, Settled, Step, content_hash
from .database import Database, Row
from .instants import now, utc
from .names import key
from .pages import Page, check_first, decode, encode, page
from .statements import load
from .vectors import read_slots
from .vocabulary import RDF_TYPE
from .writer import Writer

_CYPHER = load("communities")
MAX_TEXTS = 10_000
"""Of a scope this many of the newest memories are grouped."""
MAX_LINKS = 300_000
"""A graph with more links than this is not grouped."""
CENTRAL = 20
"""So many of a community's memories and entities, the most central ones, are told."""
_ROW = 1_000
_BATCH = 4
_LARGEST = 2**31


@dataclass(frozen=True, slots=True)
class Unit:
    """What a set of communities is made of: a memory scope, with the number of its graph of local entities, or a named graph."""

    tenant: str
    scope: str | None = None
    graph: int | None = None

    @property
    def is_scope(self) -> bool:
        """Whether it is a memory scope."""
        return self.scope is not None

    @property
    def name(self) -> str:
        """Its name in the ledger and in keys."""
        return f"scope/{self.scope}" if self.is_scope else f"graph/{self.graph}"

    @property
    def key(self) -> str:
        """The key of its set."""
        return key(self.tenant, self.name)


@dataclass(frozen=True, slots=True)
class Group:
    """A community to be written: its members by id (memories) and key (resources), the most central first."""

    memories: tuple[str, ...]
    resources: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many members it has."""
        return len(self.memories) + len(self.resources)


@dataclass(frozen=True, slots=True)
class Known:
    """A set that is in the graph. `digest`: of its communities."""

    unit: Unit
    digest: str
    generation: str


@dataclass(frozen=True, slots=True)
class Community:
    """A community: how many members it had when it was made, and ids or keys of the most central ones. `graph` is an IRI."""

    id: str
    size: int
    memories: tuple[str, ...]
    resources: tuple[str, ...]
    at: datetime
    scope: str | None
    graph: str | None


async def texts_of(database: Database, unit: Unit) -> list[tuple[str, list[float]]]:
    """The newest memories of a scope by id, with their embeddings."""
    serving = (await read_slots(database)).slot
    parameters: Row = {"tenant": unit.tenant, "scope": unit.scope, "now": now(), "limit": MAX_TEXTS, "property": serving.key}
    async with aclosing(database.stream(_CYPHER["communities_texts"], parameters)) as rows:
        return [(row["id"], row["embedding"]) async for row in rows]


async def names_in(database: Database, unit: Unit) -> list[tuple[str, str, float]]:
    """Which local entities the texts of a scope's memories name: memory, resource, confidence."""
    parameters: Row = {"tenant": unit.tenant, "scope": unit.scope, "graph": unit.graph, "now": now(), "limit": MAX_LINKS}
    async with aclosing(database.stream(_CYPHER["communities_names"], parameters)) as rows:
        return [(row["memory"], row["resource"], row["weight"]) async for row in rows]


async def links_of(database: Database, unit: Unit) -> list[tuple[str, str]] | None:
    """The links between a named graph's resources; None when they are too many."""
    parameters: Row = {"graph": unit.graph, "class": RDF_TYPE, "limit": MAX_LINKS + 1}
    async with aclosing(database.stream(_CYPHER["communities_links"], parameters)) as rows:
        found = [(row["one"], row["other"]) async for row in rows]
    return found if len(found) <= MAX_LINKS else None


async def known_sets(database: Database, tenant: str) -> dict[str, Known]:
    """The sets of a tenant by key."""
    rows = await database.read(_CYPHER["communities_sets"], {"tenant": tenant})
    return {row["key"]: Known(Unit(tenant, row["scope"], row["graph"]), row["digest"], row["generation"]) for row in rows}


def digest(groups: Sequence[Group]) -> str:
    """What tells two sets of communities apart."""
    return content_hash([[list(group.memories), list(group.resources)] for group in groups])


async def write_set(writer: Writer, unit: Unit, groups: Sequence[Group], generation: str, actor: str) -> None:
    """Write communities in the place of those that the unit has. Readers see the old ones, then all new ones, never both.

    `generation` is the holder of the tenant's refresh; the new ones are not shown when it lost its hold.
    """
    at = now()
    rows = tuple(row for group in groups for row in _rows(unit, group, generation, at))
    for start in range(0, len(rows), _BATCH):
        await _apply(writer, unit.tenant, "communities_write", *rows[start : start + _BATCH])
    await _show(writer, unit, groups, generation, actor, at)
    while any(row["swept"] for row in await _apply(writer, unit.tenant, "communities_sweep", {"key": unit.key})):
        continue


async def list_communities(database: Database, access: Access, first: int, after: str | None = None) -> Page[Community]:
    """A page of the communities of scopes and graphs that the caller may read, the largest first.

    Those of scopes are made of what texts say: they are not there for whom texts are hidden.
    """
    check_first(first)
    size, id = decode(after, int, str) or (_LARGEST, "")
    tags.collect(f"{access.tenant}/communities")
    scopes = [] if "Memory.text" in access.hidden_fields else list(access.scopes)
    parameters: Row = {"tenant": access.tenant, "scopes": scopes, "graphs": list(access.graphs), "size": size, "id": id, "limit": first + 1}
    found = [_community(row) for row in await database.read(_CYPHER["communities_page"], parameters)]
    return page(found, first, lambda one: encode(one.size, one.id))


def _rows(unit: Unit, group: Group, generation: str, at: datetime) -> list[Row]:
    """Rows of a community, its members spread over several where they are many."""
    central = group.memories[0] if group.memories else group.resources[0]
    id = content_hash([unit.key, central])[:32]
    properties: Row = {
        "tenant": unit.tenant,
        "id": id,
        "set": unit.key,
        "generation": generation,
        "size": group.size,
        "memories": list(group.memories[:CENTRAL]),
        "resources": list(group.resources[:CENTRAL]),
        "at": at,
    }
    rows: list[Row] = []
    for start in range(0, max(len(group.memories), len(group.resources)), _ROW):
        row: Row = {"key": key(unit.key, generation, id), "properties": properties}
        for name, members in (("memories", group.memories), ("resources", group.resources)):
            part = members[start : start + _ROW]
            row[name] = [{"id": member, "rank": rank} for rank, member in enumerate(part, start)]
        rows.append(row)
    return rows


async def _show(writer: Writer, unit: Unit, groups: Sequence[Group], generation: str, actor: str, at: datetime) -> None:
    new = digest(groups)
    shown = {"tenant": unit.tenant, "scope": unit.scope, "graph": None if unit.is_scope else unit.graph}
    properties: Row = {**shown, "digest": new, "generation": generation, "at": at}
    row: Row = {"tenant": unit.tenant, "holder": generation, "key": unit.key, "properties": properties}

    def settle(results: Results) -> Settled:
        if not results[0]:
            return Settled(None, ())
        return Settled(None, (Entry("communities.refresh", f"communities:{unit.name}", results[0][0]["before"], new),))

    step = Step(_CYPHER["communities_show"], (row,))
    await writer.apply(
        Change(tenant=unit.tenant, actor=actor, steps=(step,), settle=settle, tags=frozenset({f"{unit.tenant}/communities"}))
    )


async def _apply(writer: Writer, tenant: str, statement: str, *rows: Row) -> Any:
    """Run one statement alone; what it answers for its rows, as JSON."""

    def settle(results: Results) -> Settled:
        return Settled([{name: value for name, value in row.items() if name != "i"} for row in results[0]], ())

    change = Change(tenant=tenant, actor="cairn", steps=(Step(_CYPHER[statement], rows),), settle=settle)
    return await writer.apply_alone(change, "communities")


def _community(row: Row) -> Community:
    one = row["community"]
    return Community(one["id"], one["size"], tuple(one["memories"]), tuple(one["resources"]), utc(one["at"]), row["scope"], row["graph"])

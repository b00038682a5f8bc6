"""Named graphs: where imported knowledge lives, and the unit of permission for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from . import tags
from .access import Access
from .database import Database, Row
from .instants import maybe_utc
from .pages import Page, check_first, decode, encode, page
from .statements import load

_CYPHER = load("graphs")
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class NamedGraph:
    """A named graph. `hash` covers its content (see `contents`); `source` and what follows tell of the last import that changed it."""

    iri: str
    number: int
    kind: str
    triples: int
    subjects: int
    hash: str | None
    source: str | None
    licence: str | None
    sha256: str | None
    import_id: str | None
    imported_at: datetime | None
    created_at: datetime | None


async def list_graphs(database: Database, access: Access, first: int, after: str | None = None) -> Page[NamedGraph]:
    """A page of the named graphs that the caller may read, in the order of their IRIs."""
    check_first(first)
    position = decode(after, str)
    tags.collect(f"{access.tenant}/graphs")
    parameters: Row = {"tenant": access.tenant, "graphs": list(access.graphs), "after": position[0] if position else "", "limit": first + 1}
    rows = await database.read(_CYPHER["graphs_list"], parameters)
    return page([_graph(row["graph"]) for row in rows], first, lambda graph: encode(graph.iri))


async def graphs_by_iri(database: Database, access: Access, iris: Sequence[str]) -> dict[str, NamedGraph]:
    """Those of the graphs that the caller may read, scope graphs included, by IRI."""
    tags.collect(f"{access.tenant}/graphs")
    rows = await database.read(_CYPHER["graphs_find"], {"tenant": access.tenant, "graphs": list(access.graphs), "iris": list(iris)})
    return {row["graph"]["iri"]: _graph(row["graph"]) for row in rows}


async def readable_graphs(database: Database, access: Access, iri: str | None = None) -> list[NamedGraph]:
    """The one graph, scope graphs included, or every named graph; only what the caller may read, in the order of IRIs."""
    if iri is not None:
        return list((await graphs_by_iri(database, access, [iri])).values())
    tags.collect(f"{access.tenant}/graphs")
    found: list[NamedGraph] = []
    more = True
    while more:
        after = found[-1].iri if found else ""
        parameters: Row = {"tenant": access.tenant, "graphs": list(access.graphs), "after": after, "limit": _PAGE}
        rows = await database.read(_CYPHER["graphs_list"], parameters)
        found += [_graph(row["graph"]) for row in rows]
        more = len(rows) == _PAGE
    return found


def collect_graphs(tenant: str, numbers: Sequence[int]) -> None:
    """Say that the answer in the making depends on what these graphs say (see `tags`)."""
    if len(numbers) > tags.MANY:
        tags.collect(f"{tenant}/graphs")
    else:
        tags.collect(f"{tenant}/locals", *(f"{tenant}/graph/{number}" for number in numbers))


def _graph(row: Row) -> NamedGraph:
    return NamedGraph(
        iri=row["iri"],
        number=row["number"],
        kind=row["kind"],
        triples=row.get("triples") or 0,
        subjects=row.get("subjects") or 0,
        hash=row.get("hash"),
        source=row.get("source"),
        licence=row.get("licence"),
        sha256=row.get("sha256"),
        import_id=row.get("importId"),
        imported_at=maybe_utc(row.get("importedAt")),
        created_at=maybe_utc(row.get("createdAt")),
    )

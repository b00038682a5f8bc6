"""Labels: the names that graphs give to resources, and the notes that explain them, as entity linking reads them.

These verbs read a whole graph at a time, without an `Access`: every label carries the number of its graph, and the linker uses
only those whose graph the writer of a text may read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from .database import Database, Row
from .keyring import index_of
from .rdf import literal
from .searchable import Index
from .statements import load
from .vocabulary import NAMES, PREFERRED_NAMES, PREFIXES

_CYPHER = load("labels")
_PAGE = 1_000
_NOTES_READ = 12


class Kind(IntEnum):
    """How much a graph stands by a name, best first. UNQUALIFIED: a preferred name without the qualifier in brackets at its end."""

    PREFERRED = 0
    ALTERNATIVE = 1
    UNQUALIFIED = 2
    HIDDEN = 3


_NOT_ITS_OWN = frozenset({f"{PREFIXES['skosxl']}literalForm"})
"""Names of label resources, which nobody means when using the name."""

NOTES = (
    f"{PREFIXES['skos']}definition",
    f"{PREFIXES['skos']}scopeNote",
    f"{PREFIXES['rdfs']}comment",
    f"{PREFIXES['dcterms']}description",
    f"{PREFIXES['dc']}description",
    f"{PREFIXES['sdo']}description",
    f"{PREFIXES['schema']}description",
)
"""Predicates whose literals explain what a resource is."""


@dataclass(frozen=True, slots=True)
class Label:
    """One name of a resource in one graph. `lang` is its language tag; `degree` the number of the resource's edges."""

    key: str
    iri: str
    graph: int
    text: str
    kind: Kind
    lang: str | None
    degree: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A graph, whether it is a scope's own, and a digest that changes when its content does."""

    number: int
    own: bool
    digest: str


async def graph_marks(database: Database, tenant: str, scope_graph: str) -> dict[int, Mark]:
    """The tenant's named graphs, and the scope's own graph (`own`) where it exists, by number."""
    rows = await database.read(_CYPHER["graphs_marked"], {"tenant": tenant, "scope": scope_graph})
    return {row["number"]: Mark(row["number"], row["own"], row["digest"]) for row in rows}


async def graph_labels(database: Database, tenant: str, graph: int) -> AsyncIterator[list[Label]]:
    """All labels of a graph, some thousand at a time. Blank nodes have none."""
    after = ""
    index = await index_of(database, tenant)
    while True:
        parameters: Row = {"graph": graph, "after": after, "limit": _PAGE, "predicates": _starts(NAMES - _NOT_ITS_OWN)}
        rows = await database.read(_CYPHER["labels_page"], parameters)
        yield await asyncio.to_thread(_labels, rows, graph, index)
        if len(rows) < _PAGE:
            return
        after = rows[-1]["key"]


async def descriptions(database: Database, tenant: str, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """For (resource key, graph number) pairs the graph's names and notes about the resource as one text."""
    if not wanted:
        return {}
    pairs = [{"key": key, "graph": graph} for key, graph in wanted]
    parameters: Row = {"wanted": pairs, "predicates": _starts((*PREFERRED_NAMES, *NOTES)), "most": _NOTES_READ}
    found = await database.read(_CYPHER["labels_described"], parameters)
    index = await index_of(database, tenant)
    shown = [(row, [literal(index.shown(row["key"], stored)) for stored in row["literals"]]) for row in found]
    return {(row["key"], row["graph"]): ". ".join(one.value for one in literals if one is not None) for row, literals in shown}


def _labels(rows: Sequence[Row], graph: int, index: Index) -> list[Label]:
    return [
        Label(row["key"], row["iri"], graph, found.value, _kind(found.predicate), found.lang, row["degree"])
        for row in rows
        if not row["iri"].startswith("_:")
        for found in (literal(index.shown(row["key"], stored)) for stored in row["literals"])
        if found is not None
    ]


def _kind(predicate: str) -> Kind:
    """How much a graph stands by the names it gives with this predicate."""
    if predicate in PREFERRED_NAMES:
        return Kind.PREFERRED
    return Kind.HIDDEN if predicate == f"{PREFIXES['skos']}hiddenLabel" else Kind.ALTERNATIVE


def _starts(predicates: Iterable[str]) -> list[str]:
    return [f"{predicate} " for predicate in predicates]

"""Resources: what imported graphs speak of, as far as the caller may read those graphs.

A resource exists for a caller when a readable graph describes it or links it with another. Every verb takes lists, so that one round
trip answers for many; permission is a filter inside each statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .access import Access
from .database import Database, Row
from .graphs import collect_graphs
from .keyring import index_of
from .pages import Page, check_first, decode, encode, page
from .rdf import Literal, literal, local_name, resource_key
from .statements import load
from .vocabulary import PREFERRED_NAMES

_CYPHER = load("resources")
_RANK = {predicate: rank for rank, predicate in enumerate(PREFERRED_NAMES)}


class Direction(StrEnum):
    """Which links of a resource: those it is the subject of, those it is the object of, or both."""

    OUT = "OUT"
    IN = "IN"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource. `graphs`: readable graphs that describe it. `types`: its classes there. A blank node's `iri` begins with `_:`."""

    key: str
    iri: str
    graphs: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a resource with another. `direction` OUT: the resource is its subject. `graphs`: the readable graphs that state it."""

    predicate: str
    direction: Direction
    other: Resource
    graphs: tuple[str, ...] = ()


async def resources_by_key(database: Database, access: Access, keys: Sequence[str]) -> dict[str, Resource]:
    """Those of the resources that the caller may see, by key."""
    collect_graphs(access.tenant, access.graphs)
    rows = await database.read(_CYPHER["resources_get"], {"keys": list(keys), "graphs": list(access.graphs)})
    return {row["key"]: Resource(row["key"], row["iri"], tuple(row["graphs"]), tuple(row["types"])) for row in rows}


async def entities_by_iri(database: Database, access: Access, iris: Sequence[str]) -> dict[str, Resource]:
    """Those of the resources that the caller may see, by IRI."""
    keys = [resource_key(access.tenant, iri) for iri in iris]
    return {one.iri: one for one in (await resources_by_key(database, access, keys)).values()}


async def describe(database: Database, access: Access, keys: Sequence[str], predicate: str | None = None) -> dict[str, tuple[Literal, ...]]:
    """The literals of resources by key, of one predicate or all: each once, in the order of predicate and text."""
    predicates = [f"{predicate} "] if predicate is not None else None
    return {key: tuple(sorted(set(found), key=_place)) for key, found in (await _literals(database, access, keys, predicates)).items()}


async def labels(database: Database, access: Access, keys: Sequence[str], lang: str | None = None) -> dict[str, str | None]:
    """What to call each resource in a language (BCP 47): see `choose_label`. A resource without a label is not in the answer."""
    found = await _literals(database, access, keys, [f"{predicate} " for predicate in PREFERRED_NAMES])
    return {key: choose_label(literals, lang) for key, literals in found.items()}


def choose_label(literals: Sequence[Literal], lang: str | None = None) -> str | None:
    """The label to show; None when there is none.

    First by language: the one asked for, its primary language, another variety of it, none, English, any. Then by predicate, in the
    order of `PREFERRED_NAMES`; then by tag and text, so that the choice never depends on chance.
    """
    wanted = lang.lower() if lang else None
    best = min(
        (literal for literal in literals if literal.predicate in _RANK),
        key=lambda one: (_distance(one.lang, wanted), _RANK[one.predicate], one.lang or "", one.value),
        default=None,
    )
    return best.value if best else None


def fallback_label(iri: str) -> str:
    """What to call a resource that has no label: the last part of its IRI."""
    return iri if iri.startswith("_:") else local_name(iri)


async def neighbours(
    database: Database,
    access: Access,
    keys: Sequence[str],
    predicate: str | None,
    direction: Direction,
    first: int,
    after: str | None = None,
) -> dict[str, Page[Link]]:
    """A page of links for each resource, in the order of predicate, direction and the other's key, in one round trip."""
    check_first(first)
    position = decode(after, str, str, str) or ("", "", "")
    collect_graphs(access.tenant, access.graphs)
    parameters: Row = {"keys": list(keys), "graphs": list(access.graphs), "predicate": predicate, "limit": first + 1}
    parameters |= {"out": direction is not Direction.IN, "in": direction is not Direction.OUT}
    parameters |= dict(zip(("predicateAfter", "directionAfter", "keyAfter"), position, strict=True))
    found: dict[str, list[Link]] = {key: [] for key in keys}
    for row in await database.read(_CYPHER["resources_neighbours"], parameters):
        other = Resource(row["otherKey"], row["otherIri"])
        found[row["key"]].append(Link(row["predicate"], Direction(row["direction"]), other, tuple(row["graphs"])))
    return {key: page(links, first, _cursor) for key, links in found.items()}


async def _literals(database: Database, access: Access, keys: Sequence[str], predicates: Sequence[str] | None) -> dict[str, list[Literal]]:
    collect_graphs(access.tenant, access.graphs)
    parameters: Row = {"keys": list(keys), "graphs": list(access.graphs), "predicates": predicates}
    found: dict[str, list[Literal]] = {}
    index = await index_of(database, access.tenant)
    for row in await database.read(_CYPHER["resources_literals"], parameters):
        shown = (literal(index.shown(row["key"], stored)) for stored in row["literals"])
        found.setdefault(row["key"], []).extend(one for one in shown if one is not None)
    return found


def _cursor(link: Link) -> str:
    return encode(link.predicate, link.direction.value, link.other.key)


def _place(one: Literal) -> tuple[str, str, str, str, str]:
    return one.predicate, one.value, one.lang or "", one.datatype, one.direction or ""


def _distance(lang: str | None, wanted: str | None) -> int:
    if wanted is not None and lang is not None:
        primary = wanted.partition("-")[0]
        if lang == wanted:
            return 0
        if lang.partition("-")[0] == primary:
            return 1 if lang == primary else 2
    if lang is None:
        return 3
    return 4 if lang.partition("-")[0] == "en" else 5

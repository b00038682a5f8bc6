"""Exploring imported graphs: entities by name, class or graph, and the paths between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyoxigraph import Literal

from ..errors import BadInput
from .access import Access
from .analysis import label_tokens, lucene_any
from .database import Database, Row
from .graphs import collect_graphs, graphs_by_iri
from .pages import Page, check_first, decode, encode, page
from .rdf import graph_key, resource_key
from .resources import Resource, resources_by_key
from .statements import load
from .vocabulary import PREFERRED_NAMES, RDF_TYPE

_CYPHER = load("resources")
_MOST = 1_000
"""A search looks at this many of the best matches; pages go no deeper."""
_FIRST = 10_000.0
"""What is called exactly as the search says scores so much more than by words alone, which never give as much."""
_GRAPHS_AT_ONCE = 250
_MAX_WORDS = 16
MAX_HOPS = 6
MAX_PATHS = 25
HUB = 1_000
"""A path does not lead through a resource with more links than this: it would say nothing, and cost much."""


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a path. `forward`: it is followed from subject to object."""

    predicate: str
    forward: bool


@dataclass(frozen=True, slots=True)
class Path:
    """Resources from one end to the other, and the links between them: one fewer."""

    nodes: tuple[Resource, ...]
    steps: tuple[Step, ...]


async def search_entities(
    database: Database,
    access: Access,
    text: str | None = None,
    type: str | None = None,
    graph: str | None = None,
    first: int = 20,
    after: str | None = None,
) -> Page[Resource]:
    """A page of entities, no blank nodes: those whose names hold all words of `text`, or else all in the order of keys.

    What has a label that is `text`, but for case, comes first, then the best matches.

    The last word may be the beginning of one. `type`: the IRI of a class; `graph`: only what this graph says. Of a search by text
    the best thousand matches can be reached.
    """
    check_first(first)
    graphs = await _graphs(database, access, graph)
    collect_graphs(access.tenant, graphs)
    parameters: Row = {"graphs": graphs, "type": resource_key(access.tenant, type) if type is not None else None, "limit": first + 1}
    if text is not None and text.strip():
        return await _by_text(database, access, text, graphs, parameters, first, after)
    position = decode(after, str)
    statement = _CYPHER["resources_page" if type is None else "resources_of_type"]
    rows = await database.read(statement, parameters | {"keyAfter": position[0] if position else ""})
    found = await resources_by_key(database, access, [row["key"] for row in rows])
    return page([found[row["key"]] for row in rows if row["key"] in found], first, lambda one: encode(one.key))


async def paths(database: Database, access: Access, start: str, end: str, max_hops: int = 3, first: int = 5) -> list[Path]:
    """The shortest paths between two entities over readable links in either direction, shortest first, at most `first`.

    Links to classes (`rdf:type`) are not followed, nor is a path led through a resource with more than `HUB` links.
    Raises BadInput for more than 6 hops or 25 paths.
    """
    if not 1 <= max_hops <= MAX_HOPS:
        raise BadInput(f"maxHops must be 1 to {MAX_HOPS}, not {max_hops}")
    check_first(first, MAX_PATHS)
    collect_graphs(access.tenant, access.graphs)
    if start == end:
        return []
    statement = replace(_CYPHER["resources_paths"], text=_CYPHER["resources_paths"].text.replace("{1,6}", f"{{1,{max_hops:d}}}"))
    parameters: Row = {"from": resource_key(access.tenant, start), "to": resource_key(access.tenant, end), "graphs": list(access.graphs)}
    rows = await database.read(statement, parameters | {"class": RDF_TYPE, "hub": HUB, "first": 2 * first})
    return list(dict.fromkeys(map(_path, rows)))[:first]


async def _by_text(
    database: Database, access: Access, text: str, graphs: Sequence[int], parameters: Row, first: int, after: str | None
) -> Page[Resource]:
    words = label_tokens(text)[:_MAX_WORDS]
    position = decode(after, float, str)
    if not words or not graphs:
        return Page((), (), more=False)
    queries = [_query(words, graphs[start : start + _GRAPHS_AT_ONCE]) for start in range(0, len(graphs), _GRAPHS_AT_ONCE)]
    score, key = position or (None, "")
    label = Literal(text.strip().encode("utf-8", "replace").decode("utf-8"))  # half a surrogate pair is in no label
    spelled = [f"{predicate} {label}" for predicate in PREFERRED_NAMES]
    parameters |= {"spelled": spelled, "first": _FIRST, "queries": queries, "most": _MOST, "scoreAfter": score, "keyAfter": key}
    rows = await database.read(_CYPHER["resources_search"], parameters)
    scores = {row["key"]: row["score"] for row in rows}
    found = await resources_by_key(database, access, list(scores))
    return page([found[key] for key in scores if key in found], first, lambda one: encode(scores[one.key], one.key))


def _query(words: Sequence[str], graphs: Sequence[int]) -> str:
    """In Lucene's syntax: in one of the graphs, with every word; the last may go on."""
    whole = " ".join(f"+terms:{word}" for word in words[:-1])
    return f"+graphKey:{lucene_any(map(graph_key, graphs))}^0 {whole} +(terms:{words[-1]}^2 terms:{words[-1]}*)"


async def _graphs(database: Database, access: Access, graph: str | None) -> list[int]:
    if graph is None:
        return list(access.graphs)
    return [one.number for one in (await graphs_by_iri(database, access, [graph])).values()]


def _path(row: Row) -> Path:
    nodes = tuple(Resource(key, iri) for key, iri in row["nodes"])
    steps = tuple(Step(predicate, start == node.key) for (start, predicate, _), node in zip(row["links"], nodes, strict=False))
    return Path(nodes, steps)

"""Finding communities: what belongs together in a memory scope or in a named graph, by the Leiden algorithm.

Leiden (Traag, Waltman and van Eck, Scientific Reports 9, 5233, 2019), as `graspologic-native` has it, with a fixed seed over sorted
edges: the same graph gives the same communities. Memories of a scope are linked where their texts are near in meaning or name the same
local entity; resources of a graph where the graph links them. `graph/communities.py` says why each unit stands alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..graph.access import Access
from ..graph.communities import Community, Group
from ..graph.database import Database
from ..graph.memories import Memory, memories_by_id
from ..graph.mentions import memories_mentioning
from ..graph.resources import Resource, fallback_label, labels, resources_by_key
from .embedding import Embedder
from .sheet import one_line
from .summary import Sentence, summary

Edge = tuple[str, str, float]
SMALLEST = 3
"""Fewer than this are no community."""
_SEED = 20_190_326
_NEAREST = 5
_NEAR = 0.45
"""Memories with a lower cosine than this are not near."""
_BLOCK = 1_024
_TELLING = 5
"""A description is made of this many of the most central members of each sort."""
_MENTIONING = 4
_LONGEST = 300


def near_texts(texts: Sequence[tuple[str, Sequence[float]]]) -> list[Edge]:
    """Edges from each memory to those that are nearest in meaning. Takes ids with embeddings of length 1."""
    if len(texts) < 2:
        return []
    ordered = sorted(texts, key=lambda one: one[0])
    ids = [id for id, _ in ordered]
    vectors = np.asarray([vector for _, vector in ordered], dtype=np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    edges: list[Edge] = []
    for start in range(0, len(ids), _BLOCK):
        edges += _nearest(ids, vectors @ vectors[start : start + _BLOCK].T, start)
    return edges


def _nearest(ids: Sequence[str], cosines: NDArray[np.float32], start: int) -> list[Edge]:
    """Edges from the memories whose cosines are the columns of a block that begins at `start`."""
    width = cosines.shape[1]
    cosines[np.arange(start, start + width), np.arange(width)] = -1.0
    count = min(_NEAREST, len(ids) - 1)
    best = np.argpartition(-cosines, count - 1, axis=0)[:count]
    return [
        (ids[start + column], ids[row], round(float(cosines[row, column]), 4))
        for column in range(width)
        for row in (int(place) for place in best[:, column])
        if cosines[row, column] >= _NEAR
    ]


def groups(edges: Iterable[Edge], memories: frozenset[str]) -> list[Group]:
    """The communities of an undirected graph, the largest first, members by their weight within it. `memories`: which nodes are memories.

    Runs for about 0.7 s at 300,000 edges; call it in a thread.
    """
    weights: defaultdict[tuple[str, str], float] = defaultdict(float)
    for one, other, weight in edges:
        if one != other:
            weights[min(one, other), max(one, other)] += weight
    if not weights:
        return []
    joined = sorted((one, other, weight) for (one, other), weight in weights.items())
    place = _leiden(joined)
    central: defaultdict[str, float] = defaultdict(float)
    for one, other, weight in joined:
        if place[one] == place[other]:
            central[one] += weight
            central[other] += weight
    members: defaultdict[int, list[str]] = defaultdict(list)
    for node in sorted(place, key=lambda node: (-round(central[node], 6), node)):
        members[place[node]].append(node)
    found = sorted((nodes for nodes in members.values() if len(nodes) >= SMALLEST), key=lambda nodes: (-len(nodes), nodes))
    return [Group(tuple(n for n in nodes if n in memories), tuple(n for n in nodes if n not in memories)) for nodes in found]


class _Leiden(Protocol):
    def __call__(self, *, edges: list[Edge], seed: int, iterations: int) -> tuple[float, dict[str, int]]: ...


def _leiden(edges: list[Edge]) -> dict[str, int]:
    import graspologic_native

    leiden = cast("_Leiden", vars(graspologic_native)["leiden"])
    return leiden(edges=edges, seed=_SEED, iterations=2)[1]


@dataclass(frozen=True, slots=True)
class Described:
    """A community as its reader may see it. `entities` and `memories` are its most central ones, or mention these."""

    community: Community
    description: str
    entities: tuple[Resource, ...]
    memories: tuple[Memory, ...]


async def describe(database: Database, embedder: Embedder, access: Access, communities: Sequence[Community]) -> list[Described]:
    """The communities with what the caller may read of them; a description is made of nothing else."""
    keys = list(dict.fromkeys(key for one in communities for key in one.resources))
    resources = await resources_by_key(database, access, keys)
    names = {} if "Entity.label" in access.hidden_fields else await labels(database, access, list(resources))
    memories = await _memories(database, access, communities)
    described: list[Described] = []
    for one, told in zip(communities, memories, strict=True):
        entities = tuple(resources[key] for key in one.resources if key in resources)
        called = [names.get(entity.key) or fallback_label(entity.iri) for entity in entities[:_TELLING]]
        sentence = await _sentence(embedder, told[:_TELLING])
        described.append(Described(one, one_line(": ".join(filter(None, [", ".join(called), sentence]))), entities, tuple(told)))
    return described


async def _memories(database: Database, access: Access, communities: Sequence[Community]) -> list[list[Memory]]:
    """For each community the readable memories that are in it, or, where it is of a graph, that mention its central entities."""
    if "Memory.text" in access.hidden_fields:
        return [[] for _ in communities]
    own = await memories_by_id(database, access, [id for one in communities for id in one.memories])
    keys = list(dict.fromkeys(key for one in communities if one.graph is not None for key in one.resources[:_TELLING]))
    mentioning = await memories_mentioning(database, access, keys, _MENTIONING) if keys else {}
    found: list[list[Memory]] = []
    for one in communities:
        central = [own[id] for id in one.memories if id in own]
        about = [memory for key in one.resources[:_TELLING] if key in mentioning for memory in mentioning[key].items]
        found.append(list({memory.id: memory for memory in (*central, *about)}.values()))
    return found


async def _sentence(embedder: Embedder, memories: Sequence[Memory]) -> str:
    """The sentence that says most of what these memories say."""
    texts = [memory.text for memory in memories if memory.text]
    taken: list[str] = []

    def fits(sentence: Sentence) -> bool:
        if taken or len(sentence.text) > _LONGEST:
            return False
        taken.append(sentence.text)
        return True

    await summary(embedder, texts, fits)
    return taken[0] if taken else ""

"""Recall: candidates from the graph, each measured from several sides, one score, and why.

Scores are a weighted sum of features. BM25 and cosine are standardised within the question's candidates (z-scores), since their
scales differ from question to question; the others are 0 to 1. The weights are a prior, measured on conversations with known
answers (`benchmarks/recall.py`).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np

from ..errors import BadInput
from ..graph.access import Access
from ..graph.analysis import fold, terms
from ..graph.database import Database
from ..graph.instants import now
from ..graph.memories import Kind, Memory
from ..graph.search import Candidate, Question, candidates
from ..graph.vectors import SLOT_A
from .embedders import Embedders

MAX_LIMIT = 100
MAX_QUERY = 10_000
WEIGHTS = MappingProxyType(
    {"terms": 1.0, "meaning": 0.3, "entities": 0.3, "speaker": 2.0, "session": 0.2, "goals": 0.2, "importance": 0.2, "recency": 0.1}
)
_HALF_LIFE_DAYS = 30.0
_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRequest:
    """A question: for whom, what, how many, and within which bounds. `resources` are keys of the entities it is about."""

    agent: str
    query: str
    limit: int = 10
    session: str | None = None
    goals: tuple[str, ...] = ()
    scope: str | None = None
    kinds: tuple[Kind, ...] | None = None
    after: datetime | None = None
    before: datetime | None = None
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's part in a score: its value, its weight, and its share of the sum of all parts' sizes (0 to 1)."""

    value: float
    weight: float
    share: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory that was recalled, its score (comparable within one recall only), and why."""

    memory: Memory
    score: float
    why: dict[str, Reason]


@dataclass(frozen=True, slots=True)
class Recall:
    """Hits, best first. `id` is what feedback refers to; it names the hits by itself and needs no storage."""

    id: str
    hits: tuple[Hit, ...]


def check_query(query: str, limit: int) -> None:
    """Raise BadInput unless the question's length and the number of hits asked for are within bounds."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(f"limit must be 1 to {MAX_LIMIT}, not {limit}")
    if not query.strip():
        raise BadInput("query must say what to recall; it is empty")
    if len(query) > MAX_QUERY:
        raise BadInput(f"query has {len(query)} characters; at most {MAX_QUERY} are understood")


async def recall(database: Database, embedders: Embedders, access: Access, request: RecallRequest) -> Recall:
    """The readable memories that answer the request best.

    Ties are broken by age and id, so that equal questions get equal answers. Raises BadInput as `check_query` does.
    """
    check_query(request.query, request.limit)
    if "Memory.text" in access.hidden_fields:
        return Recall(recall_id(request, ()), ())
    asked = await embedders.question([request.query, *request.goals])
    embedding, goal_embeddings = (asked.vectors[0], asked.vectors[1:]) if asked else (None, [])
    question = Question(
        terms=tuple(terms(request.query)),
        embedding=None if embedding is None else tuple(embedding),
        resources=request.resources,
        scope=request.scope,
        kinds=request.kinds,
        after=request.after,
        before=request.before,
        slot=asked.slot if asked else SLOT_A,
    )
    found = await candidates(database, access, question)
    goals = await _goal_closeness(embedders, found, goal_embeddings)
    hits = rank(found, request, goals)[: request.limit]
    return Recall(recall_id(request, [hit.memory.id for hit in hits]), tuple(hits))


async def _goal_closeness(embedders: Embedders, found: Sequence[Candidate], goals: Sequence[Sequence[float]]) -> list[float]:
    """For each candidate its cosine to the nearest goal, at least 0."""
    if not goals or not found:
        return [0.0] * len(found)
    asked = await embedders.question([candidate.memory.text or "" for candidate in found])
    if asked is None or len(asked.vectors[0]) != len(goals[0]):
        return [0.0] * len(found)
    vectors = np.asarray(asked.vectors)
    nearest = (vectors @ np.asarray(goals).T).max(axis=1)
    return [float(value) for value in np.maximum(nearest, 0.0)]


def rank(found: Sequence[Candidate], request: RecallRequest, goals: Sequence[float]) -> list[Hit]:
    """Every candidate as a hit, best first."""
    bm25 = _standardised([candidate.bm25 for candidate in found])
    cosine = _standardised([candidate.cosine for candidate in found])
    asked = f" {' '.join(fold(request.query).split())} "
    present = now()
    hits: list[Hit] = []
    for index, candidate in enumerate(found):
        memory = candidate.memory
        age = max(0.0, (present - memory.occurred_at).total_seconds() / _DAY)
        values = {
            "terms": bm25[index],
            "meaning": cosine[index],
            "entities": candidate.shared / (1.0 + candidate.shared),
            "speaker": 1.0 if memory.speaker and f" {fold(memory.speaker)}" in asked else 0.0,
            "session": 1.0 if request.session is not None and memory.session == request.session else 0.0,
            "goals": goals[index],
            "importance": memory.importance,
            "recency": math.exp(-age * math.log(2) / _HALF_LIFE_DAYS),
        }
        hits.append(_hit(memory, values))
    hits.sort(key=lambda hit: (-hit.score, -hit.memory.occurred_at.timestamp(), hit.memory.id))
    return hits


def _hit(memory: Memory, values: dict[str, float]) -> Hit:
    parts = {name: WEIGHTS[name] * value for name, value in values.items()}
    size = sum(abs(part) for part in parts.values()) or 1.0
    why = {name: Reason(round(values[name], 6), WEIGHTS[name], round(abs(part) / size, 6)) for name, part in parts.items()}
    return Hit(memory, round(sum(parts.values()), 6), why)


def _standardised(values: Sequence[float]) -> list[float]:
    """z-scores; all zero where the values do not differ."""
    if not values:
        return []
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return [0.0] * len(values) if deviation < 1e-9 else [(value - mean) / deviation for value in values]


def recall_id(request: RecallRequest, memories: Sequence[str]) -> str:
    """The id of a recall: its agent, question and hits, packed."""
    raw = json.dumps([request.agent, request.query[:500], list(memories)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(zlib.compress(raw.encode("utf-8"), 9)).decode("ascii").rstrip("=")


def read_recall_id(id: str) -> tuple[str, str, tuple[str, ...]]:
    """Agent, question and hits of a recall's id. Raises BadInput for any other text."""
    unknown = BadInput("recall is not the id of a recall; pass the id that recall returned, unchanged")
    if len(id) > 20_000:
        raise unknown
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(id + "=" * (-len(id) % 4), altchars=b"-_", validate=True), 100_000)
        content = json.loads(raw)
    except (ValueError, binascii.Error, zlib.error, RecursionError) as error:
        raise unknown from error
    match content:
        case [str(agent), str(query), list(memories)] if all(isinstance(memory, str) for memory in memories):  # pyright: ignore[reportUnknownVariableType]
            return agent, query, tuple(str(memory) for memory in memories)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            raise unknown

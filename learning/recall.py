"""Recall: candidates from the graph, measured from many sides (`features`), ranked by a model (`ranking`), and why.

Where memories have headings, a second round follows the best of the first to what they name (`bridging`).
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import BadInput
from ..graph.access import Access
from ..graph.database import Database
from ..graph.instants import now
from ..graph.keyring import index_of
from ..graph.languages import question_terms
from ..graph.memories import Kind, Memory, memories_by_id
from ..graph.search import Candidate, Question, candidates, search
from ..graph.searchable import Index
from ..graph.vectors import SLOT_A
from .bridging import FIRST, bridge, steps
from .embedders import Embedders
from .features import Asked, Measured, measure
from .forms import form
from .ranking import Model, Reason, distinct, order, ranker, reasons
from .senses import Meant, Sense
from .surroundings import surround
from .words import Vector

MAX_LIMIT = 100
MAX_QUERY = 10_000
_TERMS = 256
_LIKE, _LIKE_WEIGHT = 120, 0.8
"""Terms of a question, words like them among them, that candidates are looked for by; and what one like them counts."""
_GOALS = 8


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
class Hit:
    """A memory that was recalled, its score (comparable within one recall only), and how many nearly equal ones it stands for.

    `values` are its features, as `model` weighed them.
    """

    memory: Memory
    score: float
    values: tuple[float, ...]
    model: Model
    duplicates: int = 0

    @property
    def why(self) -> dict[str, Reason]:
        """Each feature's part in the score."""
        return reasons(self.model, self.values)


@dataclass(frozen=True, slots=True)
class Recall:
    """Hits, best first. `id` is what feedback refers to; it names the hits by itself and needs no storage."""

    id: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates, their features, the model and its scores, and their places from the best to the worst."""

    found: list[Candidate]
    measured: Measured
    model: Model
    scores: Vector
    places: list[int]


def check_query(query: str, limit: int) -> None:
    """Raise BadInput unless the question's length and the number of hits asked for are within bounds."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(f"limit must be 1 to {MAX_LIMIT}, not {limit}")
    if not query.strip():
        raise BadInput("query must say what to recall; it is empty")
    if len(query) > MAX_QUERY:
        raise BadInput(f"query has {len(query)} characters; at most {MAX_QUERY} are understood")


async def recall(database: Database, embedders: Embedders, access: Access, request: RecallRequest, *, breadth: int | None = None) -> Recall:
    """The readable memories that answer the request best, by the tenant's model. `breadth`: another one than the database has now.

    Own scopes of other agents are left out unless the request names one. Raises BadInput as `check_query` does.
    """
    check_query(request.query, request.limit)
    if "Memory.text" in access.hidden_fields:
        return Recall(recall_id(request, ()), ())
    ranked = await rank(database, embedders, access, request, breadth=breadth)
    chosen = distinct(ranked.found, [at for at in ranked.places if ranked.found[at].eligible], request.limit)
    memories = await memories_by_id(database, access, [ranked.found[at].id for at, _ in chosen])
    hits = [
        Hit(memories[id], round(float(ranked.scores[at]), 6), tuple(ranked.measured.values[at].tolist()), ranked.model, count)
        for at, count in chosen
        if (id := ranked.found[at].id) in memories
    ]
    return Recall(recall_id(request, [hit.memory.id for hit in hits]), tuple(hits))


async def rank(
    database: Database,
    embedders: Embedders,
    access: Access,
    request: RecallRequest,
    model: Model | None = None,
    told: frozenset[str] = frozenset(),
    *,
    breadth: int | None = None,
) -> Ranked:
    """Every candidate, ranked by `model`, or by the one that ranks for the tenant.

    `told` are ids of memories that one feedback on this very question calls useful: they are measured as they were before it.
    """
    index = await index_of(database, access.tenant)
    senses = await embedders.senses()
    question, meant = await _question(embedders, request, index, senses.of(request.query))
    breadth = max(database.breadth if breadth is None else breadth, 2 * request.limit)
    there = await search(database, access, question, breadth)
    found, model = _untold(there.candidates, told, request.query), model or ranker(there.model)
    goals = await _goals(embedders, request, there.goals)
    words = Asked(request.query, form(request.query, now()), request.session, now(), index, goals, meant)
    measured = measure(words, found)
    if any(one.heading for one in found):
        scores = model.scores(measured.values)
        places = order(found, scores)
        more = await candidates(database, access, replace(question, headings=steps(found, places, measured.terms)), breadth)
        first, theirs = [found[at] for at in places[:FIRST]], [float(scores[at]) for at in places[:FIRST]]
        more = _untold(more, told, request.query)
        found = sorted({one.id: one for one in (*more, *found)}.values(), key=lambda one: one.id)
        measured = measure(words, found, bridge(found, first, theirs, measured.terms))
    measured = surround(found, measured)
    scores = model.scores(measured.values)
    places = order(found, scores)
    return Ranked(found, measured, model, scores, places)


def _untold(found: list[Candidate], told: frozenset[str], query: str) -> list[Candidate]:
    """The candidates as they were before one feedback on the question `query` called those of `told` useful."""
    return [_before(one, query) if one.id in told else one for one in found] if told else found


def _before(one: Candidate, query: str) -> Candidate:
    at = one.asked.index(query) if query in one.asked else len(one.asked)
    return one._replace(used=max(0, one.used - 1), asked=one.asked[:at] + one.asked[at + 1 :])


async def _question(embedders: Embedders, request: RecallRequest, index: Index, words: dict[str, Sense]) -> tuple[Question, Meant]:
    """What a request looks for, and what it means."""
    seen = await embedders.question([request.query])
    embedding = None if seen is None else tuple(seen.vectors[0])
    meant = Meant(words, seen is not None and seen.embedder == embedders.local.name, embedding or ())
    terms = tuple(index.tokens(question_terms(request.query)))[:_TERMS]
    like = meant.like(_LIKE - len(terms))
    question = Question(
        agent=request.agent,
        terms=terms,
        like=tuple((index.token(term), _LIKE_WEIGHT * nearness) for term, nearness in like),
        embedding=embedding,
        slot=seen.slot if seen else SLOT_A,
        embedder=seen.embedder if seen else "",
        resources=request.resources,
        scope=request.scope,
        kinds=request.kinds,
        after=request.after,
        before=request.before,
    )
    return question, meant


async def _goals(embedders: Embedders, request: RecallRequest, own: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Where the goals of the request and of the agent itself point."""
    texts = list(dict.fromkeys((*request.goals, *own)))[:_GOALS]
    seen = await embedders.question(texts) if texts else None
    return tuple(map(tuple, seen.vectors)) if seen else ()


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

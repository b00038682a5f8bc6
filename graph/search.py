"""Candidates for recall: readable memories near a question by its terms (BM25), its meaning (vectors) and its entities.

Tenant and scopes are filtered inside the indexes, so that what is not readable neither shows nor crowds out what is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from . import tags
from .access import Access
from .analysis import scope_key
from .database import Database, Row
from .graphs import collect_graphs
from .instants import now
from .memories import Kind
from .names import agent_scope, key
from .statements import load
from .vectors import SLOT_A, SLOT_B, Slot, cosines

_CYPHER = load("search")
_CANDIDATES = {
    slot: _CYPHER["search_candidates"].naming(memory_embedding=slot.index, memory_vector=slot.key, memory_sketch=slot.sketch)
    for slot in (SLOT_A, SLOT_B)
}
BREADTH = 100
"""Memories that the full-text index is asked for; the vector index half of it. More hardly find more, and cost."""
_CLAUSES = 900
"""Lucene refuses a query of more than 1,024 clauses; more scopes than this are searched in several queries."""
_OWN = agent_scope("")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for: terms of the analyser, an embedding, keys of the entities it names, embeddings of goals, and filters.

    `agent` is who asks. `slot` is the set of vectors that the embedding's embedder wrote.
    `headings` are terms that a memory's heading may have; with them nothing else is searched.
    """

    agent: str
    terms: tuple[str, ...] = ()
    embedding: tuple[float, ...] | None = None
    resources: tuple[str, ...] = ()
    goals: tuple[tuple[float, ...], ...] = ()
    scope: str | None = None
    kinds: tuple[Kind, ...] | None = None
    after: datetime | None = None
    before: datetime | None = None
    headings: tuple[str, ...] = ()
    slot: Slot = SLOT_A


class Candidate(NamedTuple):
    """A memory with what recall measures: its terms and its heading's, joined by spaces; its traits; when it `occurred`, in
    milliseconds since 1970; the cosine to the question and to the nearest goal (-1 to 1); how near the entities it mentions are to
    those of the question; the id of the next in its session.

    `asked` are questions of the same agent that it was useful for (none for who may not read that agent's scope), `used` is how often
    anybody found it so. `eligible` is False for a neighbour that the question's filters leave out. What is hidden from the caller is
    None.

    A named tuple, since hundreds are made for each question.
    """

    id: str
    terms: str
    heading: str
    traits: tuple[str, ...]
    speaker: str | None
    session: str | None
    next: str | None
    importance: float
    occurred: int
    superseded: bool
    cosine: float
    goals: float
    shared: float
    asked: tuple[str, ...]
    used: int
    eligible: bool


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the agent's own goals, none where its scope is not readable, and the `model` that ranks as `models.serving` gives it."""

    goals: tuple[str, ...]
    model: tuple[int, dict[str, float]] | None


async def asker(database: Database, access: Access, agent: str) -> Asker:
    """What is to be known of an agent, and of the tenant, before a question can be put; in one round trip."""
    tags.collect(f"{access.tenant}/agent/{agent}", f"{access.tenant}/ranker", f"{access.tenant}/feedback")
    parameters = {"tenant": access.tenant, "agent": key(access.tenant, agent), "scopes": list(access.scopes)}
    (row,) = await database.read(_CYPHER["search_asker"], parameters)
    model = None if row["version"] is None else (row["version"], dict(zip(row["names"], row["weights"], strict=True)))
    return Asker(tuple(row["goals"]), model)


async def candidates(database: Database, access: Access, question: Question, breadth: int = BREADTH) -> list[Candidate]:
    """Readable memories by every angle, about `breadth` from each, with their neighbours in the session; in the order of their ids.

    Own scopes of other agents are searched only when `scope` asks for them.
    """
    tags.collect_each(access.tenant, "memories", access.scopes)
    if question.resources:
        collect_graphs(access.tenant, access.graphs)
    found: dict[str, Candidate] = {}
    for scopes in _chunks(searched(access.scopes, question)):
        (row,) = await database.read(_CANDIDATES[question.slot], _parameters(access, question, scopes, breadth))
        tags.collect_until(None if row["expires"] is None else _instant(row["expires"]))
        found.update(zip(row["ids"], _found(row, access, question), strict=True))
    return [found[id] for id in sorted(found)]


def searched(scopes: Sequence[str], question: Question) -> list[str]:
    """The scopes among `scopes` that a question is put to."""
    if question.scope is not None:
        return [scope for scope in scopes if scope == question.scope or scope.startswith(f"{question.scope}/")]
    own = agent_scope(question.agent)
    return [scope for scope in scopes if not scope.startswith(_OWN) or scope == own or scope.startswith(f"{own}/")]


def _parameters(access: Access, question: Question, scopes: Sequence[str], breadth: int) -> Row:
    embedding = None if question.embedding is None else list(question.embedding)
    headed = bool(question.headings)
    return {
        "tenant": access.tenant,
        "scopes": list(scopes),
        "graphs": list(access.graphs),
        "agent": question.agent if agent_scope(question.agent) in access.scopes else None,
        "sessions": "Memory.session" not in access.hidden_fields,
        "terms": "" if headed else lucene_query(access.tenant, scopes, "terms", question.terms),
        "headings": lucene_query(access.tenant, scopes, "heading", question.headings),
        "nearest": None if headed else embedding,
        "compared": embedding is not None or bool(question.goals),
        "resources": [] if headed else list(question.resources),
        "breadth": breadth,
        "nearby": max(1, breadth // 2),
        "now": now(),
        "kinds": None if question.kinds is None else [kind.value for kind in question.kinds],
        "after": question.after,
        "before": question.before,
    }


def _found(row: Row, access: Access, question: Question) -> Iterator[Candidate]:
    """The candidates in the columns of an answer."""
    hidden = access.hidden_fields
    shown = hidden.isdisjoint({"Memory.speaker", "Memory.session"})
    nothing = [None] * len(row["ids"])
    near, goals = _nearness(row["vectors"], question)
    return map(
        Candidate,
        row["ids"],
        row["terms"],
        row["headings"],
        map(tuple, row["traits"]),
        nothing if "Memory.speaker" in hidden else [speaker or None for speaker in row["speakers"]],
        nothing if "Memory.session" in hidden else [session or None for session in row["sessions"]],
        [following or None for following in row["following"]],
        row["importance"],
        row["occurred"],
        row["superseded"] if shown else [False] * len(nothing),
        near,
        goals,
        row["shared"],
        map(tuple, row["asked"]),
        row["used"],
        row["eligible"],
    )


def _nearness(vectors: Sequence[bytes | Sequence[float]], question: Question) -> tuple[list[float], list[float]]:
    """How near stored vectors are to the question and to the nearest goal; 0 where it has none."""
    asked = [] if question.embedding is None else [question.embedding]
    none = [0.0] * len(vectors)
    if not vectors or not (asked or question.goals):
        return none, none
    columns = cosines(vectors, [*asked, *question.goals])
    goals = np.maximum(0.0, columns[:, len(asked) :].max(axis=1)).tolist() if question.goals else none
    return columns[:, 0].tolist() if asked else none, goals


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def lucene_query(tenant: str, scopes: Sequence[str], field: str, terms: Sequence[str]) -> str:
    """The full-text query: any of `terms` in `field`, in this tenant and these scopes; the two filters do not count for the score."""
    if not terms or not scopes:
        return ""
    keys = " ".join(scope_key(scope) for scope in scopes)
    return f'+tenant:"{tenant}"^0 +scopeKey:({keys})^0 +{field}:({" ".join(dict.fromkeys(terms))})'


def _chunks(scopes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(scopes), _CLAUSES):
        yield scopes[start : start + _CLAUSES]

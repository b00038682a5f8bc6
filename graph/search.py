"""Candidates for recall: readable memories near a question by its terms (BM25), its meaning (vectors) and its entities.

Tenant and scopes are filtered inside the indexes, so that what is not readable neither shows nor crowds out what is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, NamedTuple, TypeVar

from . import tags
from .access import Access
from .agents import goals_of
from .analysis import scope_key
from .database import BREADTH, Database, Row
from .graphs import collect_graphs
from .instants import now
from .keyring import index_of
from .memories import Kind
from .names import agent_scope, key
from .profiles import Direction, Hashes, Profile, Space, cosines, profiles
from .sealing import opened
from .statements import load
from .vectors import SLOT_A, SLOT_B, Slot

_CYPHER = load("search")
_CANDIDATES = {slot: _CYPHER["search_candidates"].naming(memory_embedding=slot.index) for slot in (SLOT_A, SLOT_B)}
_CLAUSES = 900
"""Lucene refuses a query of more than 1,024 clauses; more scopes than this are searched in several queries."""
_OWN = agent_scope("")
T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for: terms of the analyser, an embedding, keys of the entities it names, and filters. `like` are terms that stand for
    one of `terms`, and how much less they count (0 to 1).

    Terms and headings are as they are stored: keyed by the tenant's index.
    `agent` is who asks. `slot` is the set of vectors that the embedding's `embedder` wrote.
    `headings` are terms that a memory's heading may have; with them nothing else is searched.
    """

    agent: str
    terms: tuple[str, ...] = ()
    like: tuple[tuple[str, float], ...] = ()
    embedding: tuple[float, ...] | None = None
    resources: tuple[str, ...] = ()
    scope: str | None = None
    kinds: tuple[Kind, ...] | None = None
    after: datetime | None = None
    before: datetime | None = None
    headings: tuple[str, ...] = ()
    slot: Slot = SLOT_A
    embedder: str = ""


class Candidate(NamedTuple):
    """A memory with what recall measures: its terms and its heading's, joined by spaces, and the terms' hashes; its traits; when it
    `occurred`, in milliseconds since 1970; the cosine to the question (-1 to 1) and where its vector points;
    how near the entities it mentions are to those of the question; the id of the next in its session.

    `asked` are questions of the same agent that it was useful for (none for who may not read that agent's scope), `used` is how often
    anybody found it so. `eligible` is False for a neighbour that the question's filters leave out. What is hidden from the caller is
    None.

    A named tuple, since hundreds are made for each question.
    """

    id: str
    terms: str
    words: Hashes
    heading: str
    traits: tuple[str, ...]
    speaker: str | None
    session: str | None
    next: str | None
    importance: float
    occurred: int
    superseded: bool
    cosine: float
    vector: Direction
    shared: float
    asked: tuple[str, ...]
    used: int
    eligible: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates in the order of their ids, and what is to be known of who asks: the agent's own `goals`, none where its scope is not
    readable, and the `model` that ranks for the tenant, as `models.serving` gives it.
    """

    candidates: list[Candidate]
    goals: tuple[str, ...] = ()
    model: tuple[int, dict[str, float]] | None = None


async def search(database: Database, access: Access, question: Question, breadth: int = BREADTH) -> Found:
    """Readable memories by every angle, about `breadth` from each, with their neighbours in the session.

    Own scopes of other agents are searched only when `scope` asks for them.
    """
    tags.collect_each(access.tenant, "memories", access.scopes)
    tags.collect(f"{access.tenant}/agent/{question.agent}", f"{access.tenant}/ranker", f"{access.tenant}/feedback")
    if question.resources:
        collect_graphs(access.tenant, access.graphs)
    index = await index_of(database, access.tenant)
    nearest = None if question.embedding is None or question.headings else index.rotate([question.embedding])[0]
    space = Space(question.slot, None if question.embedding is None else question.embedder)
    found: dict[str, Candidate] = {}
    row: Row = {"goals": None, "model": None}
    for scopes in _chunks(searched(access.scopes, question)):
        parameters = _parameters(access, question, scopes, breadth) | {"nearest": nearest}
        (row,) = await database.read_stored(_CANDIDATES[question.slot], parameters)
        known = await profiles(database, access, space, index, row["ids"])
        asked = await _asked(database, access.tenant, row["asked"])
        found.update((one.id, one) for one in _found(row, known, asked, access, question))
    (told,) = await database.keyed([{"goals": row["goals"] or []}])
    version, names, weights = row["model"] or (0, (), ())
    return Found(
        [found[id] for id in sorted(found)],
        goals_of(access.tenant, question.agent, told["goals"]),
        (version, dict(zip(names, weights, strict=True))) if version else None,
    )


async def candidates(database: Database, access: Access, question: Question, breadth: int = BREADTH) -> list[Candidate]:
    """The candidates that `search` finds."""
    return (await search(database, access, question, breadth)).candidates


def searched(scopes: Sequence[str], question: Question) -> list[str]:
    """The scopes among `scopes` that a question is put to."""
    if question.scope is not None:
        return [scope for scope in scopes if scope == question.scope or scope.startswith(f"{question.scope}/")]
    own = agent_scope(question.agent)
    return [scope for scope in scopes if not scope.startswith(_OWN) or scope == own or scope.startswith(f"{own}/")]


def _parameters(access: Access, question: Question, scopes: Sequence[str], breadth: int) -> Row:
    headed = bool(question.headings)
    return {
        "tenant": access.tenant,
        "scopes": list(scopes),
        "graphs": list(access.graphs),
        "agentKey": key(access.tenant, question.agent),
        "agent": question.agent if agent_scope(question.agent) in access.scopes else None,
        "sessions": "Memory.session" not in access.hidden_fields,
        "terms": "" if headed else lucene_query(access.tenant, scopes, "terms", question.terms, question.like),
        "headings": lucene_query(access.tenant, scopes, "heading", question.headings),
        "resources": [] if headed else list(question.resources),
        "breadth": breadth,
        "nearby": max(1, breadth // 2),
        "now": now(),
        "kinds": None if question.kinds is None else [kind.value for kind in question.kinds],
        "after": question.after,
        "before": question.before,
    }


async def _asked(database: Database, tenant: str, stored: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """The questions that each memory was useful for, by its id; each opened once."""
    if not stored:
        return {}
    questions: dict[str, Any] = {name: query for _, some in stored for name, query in some}
    keys = await database.keys_of([query for query in questions.values() if isinstance(query, bytes)])
    known = {
        name: opened(keys.get(query, query) if isinstance(query, bytes) else query, "Feedback", name, "query", tenant) or ""
        for name, query in questions.items()
    }
    return {id: tuple(known[name] for name, _ in some) for id, some in stored}


def _found(
    row: Row, known: Sequence[Profile | None], asked: Mapping[str, tuple[str, ...]], access: Access, question: Question
) -> Iterator[Candidate]:
    """The candidates in the columns of an answer. Tells `tags` of the first that expires."""
    there = [profile is not None for profile in known]
    profiles = [profile for profile in known if profile is not None]
    ids: list[str] = list(compress(row["ids"], there))
    following: list[str] = list(compress(row["following"], there))
    expires = [profile.expires for profile in profiles if profile.expires is not None]
    tags.collect_until(_instant(min(expires)) if expires else None)
    hidden, nothing = access.hidden_fields, [None] * len(ids)
    speakers, sessions = "Memory.speaker" not in hidden, "Memory.session" not in hidden
    superseded = frozenset[str](row["superseded"] if speakers and sessions else ())
    left_out, shared, used = frozenset[str](row["leftOut"]), dict[str, float](row["shared"]), dict[str, int](row["used"])
    return map(
        Candidate,
        ids,
        [one.terms for one in profiles],
        [one.words for one in profiles],
        [one.heading for one in profiles],
        [one.traits for one in profiles],
        [one.speaker for one in profiles] if speakers else nothing,
        [one.session for one in profiles] if sessions else nothing,
        [one or None for one in following],
        compress(row["importance"], there),
        [one.occurred for one in profiles],
        [id in superseded for id in ids],
        _nearness(profiles, question),
        [one.vector for one in profiles],
        _sparse(ids, shared, 0.0),
        _sparse(ids, asked, ()),
        _sparse(ids, used, 0),
        [id not in left_out for id in ids],
    )


def _sparse(ids: Sequence[str], known: Mapping[str, T], other: T) -> list[T]:
    """A column of which few values are told."""
    return [known.get(id, other) for id in ids] if known else [other] * len(ids)


def _nearness(known: Sequence[Profile], question: Question) -> list[float]:
    """The cosines of memories to the question; 0 where there is nothing to compare."""
    if question.embedding is None:
        return [0.0] * len(known)
    return cosines([one.vector for one in known], [question.embedding])[:, 0].tolist()


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def lucene_query(tenant: str, scopes: Sequence[str], field: str, terms: Sequence[str], like: Sequence[tuple[str, float]] = ()) -> str:
    """The full-text query: any of `terms` in `field`, or of `like` with its weight, in this tenant and these scopes; those two filters do
    not count for the score.
    """
    if not terms or not scopes:
        return ""
    keys = " ".join(scope_key(scope) for scope in scopes)
    wanted = [*dict.fromkeys(terms), *(f"{term}^{weight:.2f}" for term, weight in like)]
    return f'+tenant:"{tenant}"^0 +scopeKey:({keys})^0 +{field}:({" ".join(wanted)})'


def _chunks(scopes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(scopes), _CLAUSES):
        yield scopes[start : start + _CLAUSES]

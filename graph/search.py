"""Candidates for recall: readable memories near a question by its terms (BM25), its meaning (vectors) and its entities.

Tenant and scopes are filtered inside the indexes, so that what is not readable neither shows nor crowds out what is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from . import tags
from .access import Access
from .analysis import scope_key
from .database import Database, Row
from .graphs import collect_graphs
from .instants import now
from .keyring import index_of
from .memories import Kind
from .names import agent_scope
from .sealing import Sealed, opened
from .statements import load
from .traits import TRAITS
from .vectors import SLOT_A, SLOT_B, Slot

_CYPHER = load("search")
_CANDIDATES = {slot: _CYPHER["search_candidates"].naming(memory_embedding=slot.index) for slot in (SLOT_A, SLOT_B)}
BREADTH = 100
"""Memories that the full-text index is asked for; the vector index half of it. More hardly find more, and cost."""
_CLAUSES = 900
"""Lucene refuses a query of more than 1,024 clauses; more scopes than this are searched in several queries."""
_OWN = agent_scope("")
_SPEAKER, _ASKED = 4, 13
"""Where a row of a search has them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for: terms of the analyser, an embedding, keys of the entities it names, embeddings of goals, and filters.

    Terms, headings and vectors are as they are stored: keyed by the tenant's index.
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory with what recall measures: its terms and its heading's, joined by spaces; its traits; the cosine to the question and
    to the nearest goal (-1 to 1); how near the entities it mentions are to those of the question; the id of the next in its session.

    `asked` are questions of the same agent that it was useful for (none for who may not read that agent's scope),
    `used` is how often anybody found it so. `eligible` is False for
    a neighbour that the question's filters leave out. What is hidden from the caller is None.
    """

    id: str
    terms: str
    heading: str
    traits: tuple[str, ...]
    speaker: str | None
    session: str | None
    next: str | None
    importance: float
    occurred_at: datetime
    superseded: bool
    cosine: float
    goals: float
    shared: float
    asked: tuple[str, ...]
    used: int
    eligible: bool


async def candidates(database: Database, access: Access, question: Question, breadth: int = BREADTH) -> list[Candidate]:
    """Readable memories by every angle, about `breadth` from each, with their neighbours in the session; in the order of their ids.

    Own scopes of other agents are searched only when `scope` asks for them.
    """
    tags.collect_each(access.tenant, "memories", access.scopes)
    if question.resources:
        collect_graphs(access.tenant, access.graphs)
    index = await index_of(database, access.tenant)
    opening = _Opening(access, {index.token(trait): trait for trait in TRAITS})
    found: dict[str, Candidate] = {}
    for scopes in _chunks(searched(access.scopes, question)):
        (row,) = await database.read_stored(_CANDIDATES[question.slot], _parameters(access, question, scopes, breadth))
        await opening.prepare(database, row["found"])
        for *values, kind, expires_at, speaker_key in row["found"]:
            tags.collect_until(None if expires_at is None else _instant(expires_at))
            one = _candidate(values, kind, speaker_key, access, question, opening)
            found[one.id] = one
    return sorted(found.values(), key=lambda one: one.id)


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
        "embedding": embedding,
        "property": question.slot.key,
        "resources": [] if headed else list(question.resources),
        "goals": [list(goal) for goal in question.goals],
        "breadth": breadth,
        "nearby": max(1, breadth // 2),
        "now": now(),
        "kinds": None if question.kinds is None else [kind.value for kind in question.kinds],
        "after": question.after,
        "before": question.before,
    }


class _Opening:
    """Opens what candidates are stored with: each question and each speaker once, by what they are found by."""

    def __init__(self, access: Access, traits: dict[str, str]) -> None:
        self._tenant = access.tenant
        self._shows_speakers = "Memory.speaker" not in access.hidden_fields
        self._traits = traits
        self._speakers: dict[str, str | None] = {}
        self._asked: dict[str, str] = {}

    async def prepare(self, database: Database, found: Sequence[Sequence[Any]]) -> None:
        """Open what is not open yet of the rows of a search."""
        sealed: dict[str, tuple[str, bytes]] = {}
        if self._shows_speakers:
            for one in found:
                speaker, key = one[_SPEAKER], one[-1] or one[0]
                if isinstance(speaker, bytes) and key not in self._speakers:
                    sealed.setdefault(key, (one[0], speaker))
        asked = {key: query for one in found for key, query in one[_ASKED] if key not in self._asked}
        values = [raw for _, raw in sealed.values()] + [query for query in asked.values() if isinstance(query, bytes)]
        if values:
            keys = await database.keys_of(values)
            self._speakers |= {key: opened(keys.get(raw, raw), "Memory", id, "speaker", self._tenant) for key, (id, raw) in sealed.items()}
        else:
            keys = dict[bytes, Sealed]()
        for key, query in asked.items():
            stored = keys.get(query, query) if isinstance(query, bytes) else query
            self._asked[key] = opened(stored, "Feedback", key, "query", self._tenant) or ""

    def traits(self, stored: Sequence[str]) -> tuple[str, ...]:
        """Traits by their names."""
        return tuple(self._traits[one] for one in stored if one in self._traits)

    def speaker(self, id: str, stored: str | bytes | None, key: str | None) -> str | None:
        """Who said a memory."""
        return self._speakers.get(key or id) if isinstance(stored, bytes) else stored

    def asked(self, feedback: Sequence[tuple[str, Any]]) -> tuple[str, ...]:
        """Questions that feedback was given to, by their keys."""
        return tuple(self._asked[key] for key, _ in feedback)


def _candidate(
    values: Sequence[Any], kind: str, speaker_key: str | None, access: Access, question: Question, opening: _Opening
) -> Candidate:
    id, terms, heading, traits, speaker, session, following, importance = values[:8]
    occurred_at, superseded, cosine, goals, shared, asked, used = values[8:]
    occurred, hidden = _instant(occurred_at), access.hidden_fields
    shown = hidden.isdisjoint({"Memory.speaker", "Memory.session"})
    eligible = (
        (question.kinds is None or Kind(kind) in question.kinds)
        and (question.after is None or occurred >= question.after)
        and (question.before is None or occurred < question.before)
    )
    return Candidate(
        id, terms or "", heading or "", opening.traits(traits or ()),
        None if "Memory.speaker" in hidden else opening.speaker(id, speaker, speaker_key),
        None if "Memory.session" in hidden else session,
        following, importance, occurred, superseded and shown, cosine, goals, shared, opening.asked(asked), used, eligible,
    )  # fmt: skip


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

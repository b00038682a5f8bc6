"""Candidates for recall: readable memories near a question by its terms (BM25), its meaning (vectors) and its entities.

Tenant and scopes are filtered inside the indexes, so that what is not readable neither shows nor crowds out what is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from . import tags
from .access import Access
from .analysis import scope_key
from .database import Database, Row
from .graphs import collect_graphs
from .instants import now
from .memories import Kind, Memory, as_seen, from_row
from .statements import load
from .vectors import SLOT_A, SLOT_B, Slot

_CYPHER = load("search")
_CANDIDATES = {slot: _CYPHER["search_candidates"].naming(memory_embedding=slot.index) for slot in (SLOT_A, SLOT_B)}
BREADTH = 100
_CLAUSES = 900
"""Lucene refuses a query of more than 1,024 clauses; more scopes than this are searched in several queries."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: terms of the analyser, an embedding, keys of the entities it names, and filters (None: any).

    `slot`: the set of vectors that the embedding's embedder wrote.
    """

    terms: tuple[str, ...]
    embedding: tuple[float, ...] | None
    resources: tuple[str, ...] = ()
    scope: str | None = None
    kinds: tuple[Kind, ...] | None = None
    after: datetime | None = None
    before: datetime | None = None
    slot: Slot = SLOT_A


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory with its measures: the BM25 score, the cosine to the question (-1 to 1), the number of shared entities."""

    memory: Memory
    bm25: float
    cosine: float
    shared: int


async def candidates(database: Database, access: Access, question: Question, breadth: int = BREADTH) -> list[Candidate]:
    """Up to three times `breadth` readable candidates, in no order of merit, without the speakers and sessions that are hidden."""
    tags.collect_each(access.tenant, "memories", access.scopes)
    if question.resources:
        collect_graphs(access.tenant, access.graphs)
    found: dict[str, Candidate] = {}
    for scopes in _chunks(access.scopes):
        for row in await database.read(_CANDIDATES[question.slot], _parameters(access, question, scopes, breadth)):
            memory = as_seen(from_row(row["memory"]), access)
            tags.collect_until(memory.expires_at)
            found[memory.id] = Candidate(memory, row["bm25"], row["cosine"], row["shared"])
    return list(found.values())


def _parameters(access: Access, question: Question, scopes: Sequence[str], breadth: int) -> Row:
    return {
        "tenant": access.tenant,
        "scopes": list(scopes),
        "graphs": list(access.graphs),
        "speakers": "Memory.speaker" not in access.hidden_fields,
        "terms": lucene_query(access.tenant, scopes, question.terms),
        "embedding": None if question.embedding is None else list(question.embedding),
        "property": question.slot.key,
        "resources": list(question.resources),
        "breadth": breadth,
        "now": now(),
        "scope": question.scope,
        "kinds": None if question.kinds is None else [kind.value for kind in question.kinds],
        "after": question.after,
        "before": question.before,
    }


def lucene_query(tenant: str, scopes: Sequence[str], terms: Sequence[str]) -> str:
    """The full-text query: any of `terms`, in this tenant and these scopes; the two filters do not count for the score."""
    if not terms or not scopes:
        return ""
    keys = " ".join(scope_key(scope) for scope in scopes)
    return f'+tenant:"{tenant}"^0 +scopeKey:({keys})^0 +terms:({" ".join(dict.fromkeys(terms))})'


def _chunks(scopes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(scopes), _CLAUSES):
        yield scopes[start : start + _CLAUSES]

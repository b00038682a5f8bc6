"""What belongs in a context, before it is known what fits: everything read with the caller's `Access`, each list with the best first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..graph.access import Access
from ..graph.agents import Agent, require_agent
from ..graph.database import Database
from ..graph.facts import Fact, facts_held
from ..graph.graphs import collect_graphs
from ..graph.memories import Memory, as_seen
from ..graph.mentions import mentions_of
from ..graph.rdf import Literal, resource_key
from ..graph.resources import Resource, choose_label, describe, labels, resources_by_key
from ..graph.sessions import Turn, session_tail
from ..graph.states import PINNED, State, list_states
from .embedders import Embedders
from .recall import RecallRequest, check_query, recall
from .sheet import one_line

_MOST_STATES = 50
_MOST_FACTS = 50
_MOST_ENTITIES = 12
_TELLING = 10
"""The entities concerned are those of the query and of this many of the best memories and of the last turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRequest:
    """For whom, about what, in which session, within how many tokens. `resources` are keys of the entities that the query is about."""

    agent: str
    query: str
    session: str | None = None
    budget: int = 2_000
    resources: tuple[str, ...] = ()
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What was found, before it is known what fits. `turns`: the session, the last first. `names`: of IRIs."""

    agent: Agent
    states: Sequence[State]
    turns: Sequence[Turn]
    memories: Sequence[Memory]
    entities: Sequence[Resource]
    literals: dict[str, tuple[Literal, ...]]
    facts: Sequence[Fact]
    names: dict[str, str]


async def gather(database: Database, embedders: Embedders, access: Access, request: ContextRequest) -> Known:
    """Everything that may belong in the context. Raises BadInput for a bad query, NotFound for an agent that the caller can't read."""
    limit = min(100, max(10, request.budget // 40))
    check_query(request.query, limit)
    collect_graphs(access.tenant, access.graphs)
    agent = await require_agent(database, access, request.agent)
    asked = RecallRequest(
        agent=agent.id, query=request.query, limit=limit, session=request.session, goals=agent.goals, resources=request.resources
    )
    states, turns, found = await asyncio.gather(
        list_states(database, access, [agent.id], _MOST_STATES, prefix=PINNED),
        _turns(database, access, request),
        recall(database, embedders, access, asked),
    )
    memories = _different([as_seen(hit.memory, access) for hit in found.hits if hit.memory.text])
    telling = [memory.id for memory in (*memories[:_TELLING], *turns[:_TELLING])]
    entities = await _entities(database, access, request.resources, telling)
    iris = [entity.iri for entity in entities]
    held, literals = await asyncio.gather(
        facts_held(database, access, iris, telling, _MOST_FACTS), describe(database, access, [entity.key for entity in entities])
    )
    facts = _ordered(held, iris)
    names = await _names(database, access, entities, facts, literals, request.lang)
    return Known(agent, states[agent.id].items, turns, memories, entities, literals, facts, names)


async def _turns(database: Database, access: Access, request: ContextRequest) -> list[Turn]:
    if request.session is None:
        return []
    return (await session_tail(database, access, request.agent, request.session))[::-1]


async def _entities(database: Database, access: Access, named: Sequence[str], memories: Sequence[str]) -> list[Resource]:
    """The entities that the query names, then those that the memories mention, the most mentioned first."""
    counts: Counter[str] = Counter()
    for mentions in (await mentions_of(database, access, memories)).values():
        counts.update({mention.key for mention in mentions})
    mentioned = sorted(counts, key=lambda key: (-counts[key], key))
    keys = list(dict.fromkeys([*named, *mentioned]))
    found = await resources_by_key(database, access, keys)
    return [found[key] for key in keys if key in found][:_MOST_ENTITIES]


async def _names(
    database: Database,
    access: Access,
    entities: Sequence[Resource],
    facts: Sequence[Fact],
    literals: dict[str, tuple[Literal, ...]],
    lang: str | None,
) -> dict[str, str]:
    """What to call the IRIs that appear, as far as readable graphs name them; nothing where labels are hidden."""
    if "Entity.label" in access.hidden_fields:
        return {}
    iris = {fact.subject for fact in facts} | {fact.predicate for fact in facts} | {fact.object for fact in facts if ":" in fact.object}
    iris |= {iri for entity in entities for iri in entity.types}
    iris |= {literal.predicate for found in literals.values() for literal in found}
    by_key = {resource_key(access.tenant, iri): iri for iri in sorted(iris)}
    names = {by_key[key]: name for key, name in (await labels(database, access, list(by_key), lang)).items() if name}
    own = {entity.iri: choose_label(literals.get(entity.key, ()), lang) for entity in entities}
    return names | {iri: name for iri, name in own.items() if name}


def _ordered(facts: Sequence[Fact], iris: Sequence[str]) -> list[Fact]:
    """Facts about the first entities first."""
    rank = {iri: place for place, iri in enumerate(iris)}
    last = len(iris)

    def key(fact: Fact) -> tuple[int, str, str, str, str]:
        return min(rank.get(fact.subject, last), rank.get(fact.object, last)), fact.subject, fact.predicate, fact.object, fact.id

    return sorted(facts, key=key)


def _different(memories: Sequence[Memory]) -> list[Memory]:
    """Of memories with the same words from the same speaker the first."""
    kept: dict[tuple[str | None, str], Memory] = {}
    for memory in memories:
        kept.setdefault((memory.speaker, one_line(memory.text or "").casefold()), memory)
    return list(kept.values())

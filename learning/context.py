"""Context: what an agent should know now, as a text ready for a prompt, within a budget of tokens.

It is made of the agent's goals and pinned states, the end of the running session and a summary of what came before it, the memories
that answer the query best, the entities these speak of, and the facts that hold about them. Everything is read with the caller's
`Access`: what may not be read is not there. The same graph gives the same context, to the byte.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import BadInput
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
from .embedding import Embedder
from .recall import RecallRequest, check_query, recall
from .sheet import Draft, Item, ItemKind, Sheet, fill, one_line
from .summary import Sentence, summary
from .tokens import Tokenizer
from .wording import entity_line, fact_line, memory_line, said, state_line

MAX_BUDGET = 100_000
_MOST_STATES = 50
_MOST_FACTS = 50
_MOST_ENTITIES = 12
_TELLING = 10
"""The entities concerned are those of the query and of this many of the best memories and of the last turns."""
_LONG = 8
"""A memory may take the budget's eighth; of a longer one its sentences that are nearest to the query stand for it."""
_SUMMARY = 0.12
_MOST_OF_A_TURN = 100_000
"""More sentences than any text has; it makes one number of a turn's place and a sentence's."""
_STEPS = (
    (ItemKind.STATE, 0.4),
    (ItemKind.GOAL, 0.15),
    (ItemKind.TURN, 0.3),
    (ItemKind.MEMORY, 0.3),
    (ItemKind.FACT, 0.1),
    (ItemKind.ENTITY, 0.1),
    (ItemKind.STATE, 1.0),
    (ItemKind.GOAL, 1.0),
    (ItemKind.TURN, 0.5),
    (ItemKind.MEMORY, 1.0),
    (ItemKind.FACT, 1.0),
    (ItemKind.ENTITY, 1.0),
    (ItemKind.TURN, 1.0),
)
"""In which order kinds are served, and which share of the budget each may have by then."""


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
class _Known:
    """What was found, before it is known what fits. `turns`: the session, the last first. `names`: of IRIs."""

    agent: Agent
    states: Sequence[State]
    turns: Sequence[Turn]
    memories: Sequence[Memory]
    entities: Sequence[Resource]
    literals: dict[str, tuple[Literal, ...]]
    facts: Sequence[Fact]
    names: dict[str, str]


def check_budget(budget: int) -> int:
    """`budget` when a context can have it. Raises BadInput otherwise."""
    if not 1 <= budget <= MAX_BUDGET:
        raise BadInput(f"tokenBudget must be 1 to {MAX_BUDGET}, not {budget}")
    return budget


async def context(database: Database, embedder: Embedder, tokenizer: Tokenizer, access: Access, request: ContextRequest) -> Sheet:
    """What the agent should know now. Raises BadInput for a bad budget or query, NotFound for an agent that the caller can't read."""
    check_budget(request.budget)
    known = await _gather(database, embedder, access, request)
    draft = Draft(tokenizer, request.budget)
    texts = _Texts(embedder, tokenizer, request)
    candidates = {
        ItemKind.GOAL: [draft.item(ItemKind.GOAL, known.agent.id, goal, place) for place, goal in enumerate(known.agent.goals)],
        ItemKind.STATE: [draft.item(ItemKind.STATE, one.key, state_line(one), place) for place, one in enumerate(known.states)],
        ItemKind.TURN: [
            draft.item(ItemKind.TURN, one.id, said(one.speaker, await texts.short(one)), -place) for place, one in enumerate(known.turns)
        ],
        ItemKind.MEMORY: [
            draft.item(ItemKind.MEMORY, one.id, memory_line(one, await texts.short(one)), place)
            for place, one in enumerate(_different(known.memories))
        ],
        ItemKind.FACT: [draft.item(ItemKind.FACT, one.id, fact_line(one, known.names, access), n) for n, one in enumerate(known.facts)],
        ItemKind.ENTITY: [
            draft.item(ItemKind.ENTITY, one.iri, line, place)
            for place, one in enumerate(known.entities)
            if (line := entity_line(one, known.literals.get(one.key, ()), known.names, request.lang)) is not None
        ],
    }
    turns = candidates[ItemKind.TURN]
    is_long = sum(item.tokens for item in turns) > request.budget // 2
    fill(draft, candidates, _STEPS, spare=int(_SUMMARY * request.budget) if is_long else 0)
    if is_long:
        await _sum_up(draft, embedder, known, turns, request.query)
    return draft.finish(item for items in candidates.values() for item in items)


async def _sum_up(draft: Draft, embedder: Embedder, known: _Known, turns: Sequence[Item], query: str) -> None:
    """Let sentences stand for the turns that did not fit, in what room there is."""
    shown = draft.sources(ItemKind.TURN, ItemKind.MEMORY)
    left = [turn for turn in reversed(known.turns) if turn.id not in shown]
    if sum(turn.tokens for turn in turns if turn.source not in shown) < draft.room:
        fill(draft, {ItemKind.TURN: turns}, [(ItemKind.TURN, 1.0)])
        return

    def fits(sentence: Sentence) -> bool:
        turn = left[sentence.source]
        place = sentence.source * _MOST_OF_A_TURN + sentence.number
        item = draft.item(ItemKind.SUMMARY, turn.id, said(turn.speaker, sentence.text), place)
        return draft.take(item, draft.budget)

    await summary(embedder, [turn.text or "" for turn in left], fits, query)


async def _gather(database: Database, embedder: Embedder, access: Access, request: ContextRequest) -> _Known:
    """Everything that may belong in the context, each list with the best first."""
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
        recall(database, embedder, access, asked),
    )
    memories = [as_seen(hit.memory, access) for hit in found.hits if hit.memory.text]
    telling = [memory.id for memory in (*memories[:_TELLING], *turns[:_TELLING])]
    entities = await _entities(database, access, request.resources, telling)
    iris = [entity.iri for entity in entities]
    held, literals = await asyncio.gather(
        facts_held(database, access, iris, telling, _MOST_FACTS), describe(database, access, [entity.key for entity in entities])
    )
    facts = _ordered(held, iris)
    names = await _names(database, access, entities, facts, literals, request.lang)
    return _Known(agent, states[agent.id].items, turns, memories, entities, literals, facts, names)


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


class _Texts:
    """Gives memories' texts, long ones shortened to what is nearest to the query."""

    def __init__(self, embedder: Embedder, tokenizer: Tokenizer, request: ContextRequest) -> None:
        self._embedder = embedder
        self._tokenizer = tokenizer
        self._query = request.query
        self._most = max(20, request.budget // _LONG)
        self._known: dict[str, str] = {}
        self._patience = 2 * _LONG

    async def short(self, memory: Memory | Turn) -> str:
        """The memory's text, or what stands for it."""
        if memory.id not in self._known:
            self._known[memory.id] = await self._shortened(one_line(memory.text or ""))
        return self._known[memory.id]

    async def _shortened(self, text: str) -> str:
        if self._tokenizer.count(text) <= self._most:
            return text
        self._patience -= 1  # more long ones than this do not fit anyway
        chosen = await self._extract(text) if self._patience >= 0 else ""
        return chosen or self._cut(text)

    async def _extract(self, text: str) -> str:
        left = self._most

        def fits(sentence: Sentence) -> bool:
            nonlocal left
            cost = self._tokenizer.count(f"{sentence.text} … ")
            if cost > left:
                return False
            left -= cost
            return True

        return " … ".join(sentence.text for sentence in await summary(self._embedder, [text], fits, self._query))

    def _cut(self, text: str) -> str:
        length = min(len(text), 8 * self._most)
        while length and self._tokenizer.count(f"{text[:length]} …") > self._most:
            length = length * 4 // 5
        return f"{text[:length].rpartition(' ')[0] or text[:length]} …"

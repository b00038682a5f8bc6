"""Context: what an agent should know now, as a text ready for a prompt, within a budget of tokens.

It is made of the agent's goals and pinned states, the end of the running session and a summary of what came before it, the memories
that answer the query best, the entities these speak of, and the facts that hold about them. Everything is read with the caller's
`Access`: what may not be read is not there. The same graph gives the same context, to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadInput
from ..graph.access import Access
from ..graph.database import Database
from .embedders import Embedders
from .embedding import Embedder
from .gathering import ContextRequest, Known, gather
from .sheet import Draft, Item, ItemKind, Sheet, fill
from .shortening import Shortener
from .summary import Sentence, summary
from .tokens import Tokenizer
from .wording import entity_line, fact_line, memory_line, said, state_line

MAX_BUDGET = 100_000
_SHORT = 20
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


def check_budget(budget: int) -> int:
    """`budget` when a context can have it. Raises BadInput otherwise."""
    if not 1 <= budget <= MAX_BUDGET:
        raise BadInput(f"tokenBudget must be 1 to {MAX_BUDGET}, not {budget}")
    return budget


async def context(database: Database, embedders: Embedders, tokenizer: Tokenizer, access: Access, request: ContextRequest) -> Sheet:
    """What the agent should know now. Raises BadInput for a bad budget or query, NotFound for an agent that the caller can't read."""
    check_budget(request.budget)
    known = await gather(database, embedders, access, request)
    draft = Draft(tokenizer, request.budget)
    texts = Shortener(embedders.local, tokenizer, request.query, max(_SHORT, request.budget // _LONG))
    candidates = {
        ItemKind.GOAL: [draft.item(ItemKind.GOAL, known.agent.id, goal, place) for place, goal in enumerate(known.agent.goals)],
        ItemKind.STATE: [draft.item(ItemKind.STATE, one.key, state_line(one), place) for place, one in enumerate(known.states)],
        ItemKind.TURN: [
            draft.item(ItemKind.TURN, one.id, said(one.speaker, await texts.short(one)), -place) for place, one in enumerate(known.turns)
        ],
        ItemKind.MEMORY: [
            draft.item(ItemKind.MEMORY, one.id, memory_line(one, await texts.short(one)), place) for place, one in enumerate(known.memories)
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
        await _sum_up(draft, embedders.local, known, turns, request.query)
    return draft.finish(item for items in candidates.values() for item in items)


async def _sum_up(draft: Draft, embedder: Embedder, known: Known, turns: Sequence[Item], query: str) -> None:
    """Let sentences stand for the turns that did not fit, in what room there is."""
    shown = draft.sources(ItemKind.TURN, ItemKind.MEMORY)
    left = [turn for turn in reversed(known.turns) if turn.id not in shown]
    if sum(turn.tokens for turn in turns if turn.source not in shown) < draft.room:
        fill(draft, {ItemKind.TURN: turns}, [(ItemKind.TURN, 1.0)])
        shown = draft.sources(ItemKind.TURN, ItemKind.MEMORY)
        left = [turn for turn in left if turn.id not in shown]

    def fits(sentence: Sentence) -> bool:
        turn = left[sentence.source]
        place = sentence.source * _MOST_OF_A_TURN + sentence.number
        item = draft.item(ItemKind.SUMMARY, turn.id, said(turn.speaker, sentence.text), place)
        return draft.take(item, draft.budget)

    await summary(embedder, [turn.text for turn in left], fits, query)

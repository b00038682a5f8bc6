"""Recall: `recall`, `feedback`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import cast

import strawberry

from ..graph import feedback as feedback_verbs
from ..graph.memories import Kind as MemoryKind
from ..graph.rdf import resource_key
from ..learning import recall as verbs
from .context import Info
from .memories import Memory, memory
from .scalars import IRI, JSON


@strawberry.type(description="A memory that answers the question.")
class RecallHit:
    memory: Memory = strawberry.field(description="The memory.")
    score: float = strawberry.field(description="How well it answers; comparable within one recall only.")
    duplicates: int = strawberry.field(description="Readable memories that say nearly the same and were left out for this one.")
    hit: strawberry.Private[verbs.Hit]

    @strawberry.field(description="Each feature's value, its weight, and its share of the score.")
    def why(self) -> JSON:
        return cast("JSON", {name: asdict(why) for name, why in self.hit.why.items()})


@strawberry.type(description="What was recalled.")
class Recall:
    id: strawberry.ID = strawberry.field(description="What feedback refers to.")
    hits: list[RecallHit] = strawberry.field(description="The memories, best first.")


@strawberry.input(description="A question to an agent's memory.")
class RecallInput:
    agent: strawberry.ID = strawberry.field(description="Who asks.")
    query: str = strawberry.field(description="The question, in words.")
    limit: int | None = strawberry.field(default=10, description="How many memories, at most 100.")
    session: strawberry.ID | None = strawberry.field(default=None, description="The running session; its memories are preferred.")
    goals: list[str] | None = strawberry.field(default=None, description="What the agent is after now.")
    scope: str | None = strawberry.field(default=None, description="Only memories in this scope or below it.")
    kinds: list[MemoryKind] | None = strawberry.field(default=None, description="Only memories of these kinds.")
    after: datetime | None = strawberry.field(default=None, description="Only memories that occurred at this instant or later.")
    before: datetime | None = strawberry.field(default=None, description="Only memories that occurred before this instant.")
    near: list[IRI] | None = strawberry.field(default=None, description="Entities the answer should be about.")


@strawberry.type
class RecallQuery:
    @strawberry.field(description="The readable memories that answer a question best.")
    async def recall(self, info: Info, input: RecallInput) -> Recall:
        services, access = info.context.services, info.context.access
        limit = 10 if input.limit is None else input.limit
        verbs.check_query(input.query, limit)
        named = await services.linker.resources(input.query, access)
        request = verbs.RecallRequest(
            agent=input.agent,
            query=input.query,
            limit=limit,
            session=input.session,
            goals=tuple(input.goals or ()),
            scope=input.scope,
            kinds=None if input.kinds is None else tuple(input.kinds),
            after=input.after,
            before=input.before,
            resources=(*named, *(resource_key(access.tenant, iri) for iri in input.near or ())),
        )
        found = await verbs.recall(services.database, services.embedders, access, request)
        services.sample.offer(access, request, [hit.memory.id for hit in found.hits])
        hits = [RecallHit(memory=memory(hit.memory), score=hit.score, duplicates=hit.duplicates, hit=hit) for hit in found.hits]
        return Recall(id=strawberry.ID(found.id), hits=hits)


@strawberry.type
class RecallMutation:
    @strawberry.mutation(description="Say which hits of a recall were useful and which were not; the ranking learns from it.")
    async def feedback(
        self,
        info: Info,
        recall: strawberry.ID,
        useful: list[strawberry.ID],
        useless: list[strawberry.ID] | None = None,
        idempotency_key: str | None = None,
    ) -> bool:
        context = info.context
        agent, query, hits = verbs.read_recall_id(recall)
        return await feedback_verbs.give_feedback(
            context.writer, context.access, recall, agent, query, hits, useful, useless or [], idempotency_key
        )

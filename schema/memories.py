"""Memories: `memory`, `memories`, `remember`, `rememberMany`, `forget`, `memoryAdded`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from ..errors import NotFound
from ..graph import links as link_verbs
from ..graph import memories as verbs
from ..graph import mentions as mention_verbs
from ..graph import remembering
from ..graph.access import Access
from ..graph.memories import Kind as MemoryKind
from ..graph.memories import Modality
from ..graph.pages import check_first
from ..importers import text as texts
from .agents import Agent, load_agent
from .connections import Connection, connect
from .context import Info
from .inputs import flat
from .scalars import JSON

if TYPE_CHECKING:
    from .entities import Entity

strawberry.enum(MemoryKind, name="MemoryKind", description="What sort of memory.")
strawberry.enum(Modality, description="How it was perceived.")


@strawberry.type(description="A place in a memory's text that names an entity.")
class Mention:
    entity: Annotated[Entity, strawberry.lazy("cairn.schema.entities")] = strawberry.field(description="What is named.")
    text: str = strawberry.field(description="The words that name it.")
    start: int = strawberry.field(description="Where they begin in the text, in code points.")
    end: int = strawberry.field(description="Where they end, exclusive.")
    confidence: float = strawberry.field(description="How sure the linker is, 0 to 1.")


@strawberry.type(description="A memory that another is linked to.")
class MemoryLink:
    memory: Memory = strawberry.field(description="The other memory.")
    at: datetime = strawberry.field(description="Since when they are linked.")
    similarity: float | None = strawberry.field(description="How much of their wording duplicates share, 0 to 1.")
    reason: str | None = strawberry.field(description="Why one took the place of the other.")


@strawberry.type(description="Something an agent remembers.")
class Memory:
    id: strawberry.ID = strawberry.field(description="Its id.")
    external_id: str | None = strawberry.field(description="What the agent calls it.")
    agent_id: strawberry.Private[str]
    kind: MemoryKind = strawberry.field(description="What sort of memory.")
    modality: Modality = strawberry.field(description="How it was perceived.")
    text: str | None = strawberry.field(description="What is remembered, in words.")
    speaker: str | None = strawberry.field(description="Who said it.")
    session: strawberry.ID | None = strawberry.field(description="The conversation or task it belongs to.")
    scope: str = strawberry.field(description="The unit of permission, such as agent/ada, team/research, public.")
    importance: float = strawberry.field(description="0 to 1.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    recorded_at: datetime = strawberry.field(description="When Cairn took it in.")
    expires_at: datetime | None = strawberry.field(description="When it will be gone by itself.")
    metadata: JSON | None = strawberry.field(description="What the agent put beside it.")

    @strawberry.field(description="Who remembers it.")
    async def agent(self, info: Info) -> Agent:
        return await load_agent(info, self.agent_id)

    @strawberry.field(description="The entities that its text names, in the order of the text, as far as you may read them.")
    async def mentions(self, info: Info, first: int | None = 20) -> list[Mention]:
        first = 20 if first is None else first
        from .entities import entity

        context = info.context
        if "Memory.text" in context.access.hidden_fields:
            return []

        async def batch(access: Access, ids: list[str]) -> dict[str, list[mention_verbs.Mention]]:
            return await mention_verbs.mentions_of(context.database, access, ids)

        found = (await context.load("mentions", str(self.id), batch) or [])[: check_first(first)]
        return [Mention(entity=entity(m.iri, m.key), text=m.text, start=m.start, end=m.end, confidence=m.confidence) for m in found]

    @strawberry.field(description="The first memory that says the same; null when this one is the first.")
    async def duplicate_of(self, info: Info) -> MemoryLink | None:
        links = await _links(info, self.id)
        return _link(links.duplicate_of) if links and links.duplicate_of else None

    @strawberry.field(description="The newer memory that took its place, because it says another value of the same.")
    async def superseded_by(self, info: Info) -> MemoryLink | None:
        links = await _links(info, self.id)
        return _link(links.superseded_by) if links and links.superseded_by else None

    @strawberry.field(description="The memories that it was made out of.")
    async def derived_from(self, info: Info, first: int | None = 10) -> list[Memory]:
        links = await _links(info, self.id)
        return [memory(one) for one in (links.derived_from if links else ())[: check_first(10 if first is None else first)]]

    @strawberry.field(description="Readable memories next to it in its session or about the same entities, nearest first.")
    async def related(self, info: Info, first: int | None = 10) -> list[Memory]:
        first = 10 if first is None else first
        context = info.context

        async def batch(access: Access, ids: list[str]) -> dict[str, list[verbs.Memory]]:
            return await verbs.related(context.database, access, ids, first)

        return [memory(found) for found in await context.load(("related", first), str(self.id), batch) or []]


async def _links(info: Info, id: strawberry.ID) -> link_verbs.Links | None:
    async def batch(access: Access, ids: list[str]) -> dict[str, link_verbs.Links]:
        return await link_verbs.links_of(info.context.database, access, ids)

    return await info.context.load("links", str(id), batch)


def _link(value: link_verbs.Link) -> MemoryLink:
    return MemoryLink(memory=memory(value.memory), at=value.at, similarity=value.similarity, reason=value.reason)


def memory(value: verbs.Memory) -> Memory:
    """The GraphQL type of a memory."""
    return Memory(
        id=strawberry.ID(value.id),
        external_id=value.external_id,
        agent_id=value.agent,
        kind=value.kind,
        modality=value.modality,
        text=value.text,
        speaker=value.speaker,
        session=None if value.session is None else strawberry.ID(value.session),
        scope=value.scope,
        importance=value.importance,
        occurred_at=value.occurred_at,
        recorded_at=value.recorded_at,
        expires_at=value.expires_at,
        metadata=cast("JSON | None", value.metadata),
    )


@strawberry.input(description="Which memories to list; what is left out asks for any.")
class MemoryFilter:
    agent: strawberry.ID | None = strawberry.field(default=None, description="Remembered by this agent.")
    session: strawberry.ID | None = strawberry.field(default=None, description="Of this session.")
    speaker: str | None = strawberry.field(default=None, description="Said by this speaker.")
    scope: str | None = strawberry.field(default=None, description="In this scope or below it.")
    external_id: str | None = strawberry.field(default=None, description="Called this by its agent.")
    kinds: list[MemoryKind] | None = strawberry.field(default=None, description="Of one of these kinds.")
    modalities: list[Modality] | None = strawberry.field(default=None, description="Of one of these modalities.")
    after: datetime | None = strawberry.field(default=None, description="That occurred at this instant or later.")
    before: datetime | None = strawberry.field(default=None, description="That occurred before this instant.")

    def to_filter(self) -> verbs.MemoryFilter:
        """The filter that the graph understands."""
        return verbs.MemoryFilter(
            self.agent, self.session, self.speaker, self.scope, self.external_id,
            None if self.kinds is None else tuple(self.kinds),
            None if self.modalities is None else tuple(self.modalities),
            self.after, self.before,
        )  # fmt: skip


@flat
@strawberry.input(description="Something to remember.")
class RememberInput:
    agent: strawberry.ID = strawberry.field(description="Who remembers.")
    text: str | None = strawberry.field(default=None, description="What, in words; needed for modality TEXT.")
    kind: MemoryKind | None = strawberry.field(default=MemoryKind.EPISODIC, description="What sort of memory.")
    modality: Modality | None = strawberry.field(default=Modality.TEXT, description="How it was perceived.")
    session: strawberry.ID | None = strawberry.field(
        default=None, description="The conversation or task; memories of a session form a chain."
    )
    speaker: str | None = strawberry.field(default=None, description="Who said it.")
    scope: str | None = strawberry.field(default=None, description="The unit of permission; the agent's own scope when left out.")
    importance: float | None = strawberry.field(default=None, description="0 to 1; 0.5 when left out.")
    occurred_at: datetime | None = strawberry.field(default=None, description="When it happened; now when left out.")
    expires_at: datetime | None = strawberry.field(default=None, description="When it shall be gone by itself.")
    external_id: str | None = strawberry.field(default=None, description="What the agent calls it.")
    metadata: JSON | None = strawberry.field(default=None, description="Anything to keep beside it.")
    idempotency_key: str | None = strawberry.field(default=None, description="Repeating the call with the same key has no further effect.")

    def to_new(self) -> remembering.NewMemory:
        """The memory that the graph is to write."""
        return remembering.NewMemory(
            agent=self.agent,
            text=self.text,
            kind=self.kind or MemoryKind.EPISODIC,
            modality=self.modality or Modality.TEXT,
            session=self.session,
            speaker=self.speaker,
            scope=self.scope,
            importance=self.importance,
            occurred_at=self.occurred_at,
            expires_at=self.expires_at,
            external_id=self.external_id,
            metadata=self.metadata,
        )


@strawberry.type
class MemoryQuery:
    @strawberry.field(description="One memory; null when there is none that you may read.")
    async def memory(self, info: Info, id: strawberry.ID) -> Memory | None:
        context = info.context

        async def batch(access: Access, ids: list[str]) -> dict[str, verbs.Memory]:
            return await verbs.memories_by_id(context.database, access, ids)

        found = await context.load("memory", str(id), batch, "memory")
        return memory(found) if found else None

    @strawberry.field(description="The memories that you may read, newest first.")
    async def memories(
        self, info: Info, filter: MemoryFilter | None = None, first: int | None = 20, after: str | None = None
    ) -> Connection[Memory]:
        first = 20 if first is None else first
        only = (filter or MemoryFilter()).to_filter()
        page = await verbs.list_memories(info.context.database, info.context.access, first, after, only)
        return connect(page, memory, after)


async def _remember(info: Info, inputs: list[RememberInput], idempotency_key: str | None) -> list[Memory]:
    services, access = info.context.services, info.context.access
    found = await texts.remember(
        services.database, services.writer, services.embedders, services.linker, access, [i.to_new() for i in inputs], idempotency_key
    )
    await info.context.renew()
    return [memory(value) for value in found]


@strawberry.type
class MemoryMutation:
    @strawberry.mutation(description="Remember something. Names in its text are linked to entities.")
    async def remember(self, info: Info, input: RememberInput) -> Memory:
        found = await _remember(info, [input], input.idempotency_key)
        if not found:
            raise NotFound("what this idempotencyKey wrote was forgotten, has expired, or may not be read by you")
        return found[0]

    @strawberry.mutation(description="Remember up to 1,000 things, in this order: all of them or, after an error, none.")
    async def remember_many(self, info: Info, input: list[RememberInput], idempotency_key: str | None = None) -> list[Memory]:
        keys = [one.idempotency_key for one in input]
        return await _remember(info, input, idempotency_key or texts.joint_key(keys))

    @strawberry.mutation(description="Forget a memory: it is no longer read or found. With `erase` its content is destroyed.")
    async def forget(self, info: Info, id: strawberry.ID, erase: bool | None = False, idempotency_key: str | None = None) -> bool:
        context = info.context
        return await remembering.forget(
            context.writer, context.database, context.access, id, erase=bool(erase), idempotency_key=idempotency_key
        )


@strawberry.type
class MemorySubscription:
    @strawberry.subscription(description="Each new memory that you may read; of one agent or session when given.")
    async def memory_added(
        self, info: Info, agent: strawberry.ID | None = None, session: strawberry.ID | None = None
    ) -> AsyncGenerator[Memory]:
        context = info.context
        async for event in context.services.events.subscribe(context.access.tenant, frozenset({"memory"})):
            if agent not in (None, event.agent) or session not in (None, event.session):
                continue
            access = await context.services.accesses.access_of(context.access.identity)
            if session is not None and "Memory.session" in access.hidden_fields:
                continue
            found = await verbs.memories_by_id(context.database, access, [event.id])
            if event.id in found:
                context.start_over(access)
                yield memory(found[event.id])

"""Facts with two times: `facts`, `assertFact`, `retractFact`."""

from __future__ import annotations

from datetime import datetime

import strawberry

from ..graph import asserting
from ..graph import facts as verbs
from ..graph.access import Access
from ..graph.rdf import resource_key
from .connections import Connection, connect
from .context import Info
from .entities import Entity, entity
from .memories import Memory, memory
from .scalars import IRI


@strawberry.type(description="A statement about the world, with when it was true there and when it was known here.")
class Fact:
    id: strawberry.ID = strawberry.field(description="Its id.")
    subject_iri: strawberry.Private[str]
    scope: str = strawberry.field(description="The unit of permission.")
    predicate: IRI = strawberry.field(description="What is said of the subject.")
    object: str = strawberry.field(description="The value: text, or an IRI.")
    valid_from: datetime | None = strawberry.field(description="From when it was true; null for always.")
    valid_to: datetime | None = strawberry.field(description="Until when, exclusive; null while it is.")
    recorded_at: datetime = strawberry.field(description="When Cairn learned it.")
    retracted_at: datetime | None = strawberry.field(description="When it was taken back, or replaced by what is known better.")
    confidence: float = strawberry.field(description="0 to 1.")

    @strawberry.field(description="What it is about.")
    def subject(self, info: Info) -> Entity:
        return entity(self.subject_iri, resource_key(info.context.access.tenant, self.subject_iri))

    @strawberry.field(description="The memories it rests on, as far as you may read them.")
    async def evidence(self, info: Info) -> list[Memory]:
        context = info.context

        async def batch(access: Access, ids: list[str]) -> dict[str, list[verbs.Memory]]:
            return await verbs.evidence(context.database, access, ids)

        return [memory(found) for found in await context.load("evidence", str(self.id), batch) or []]


def _fact(value: verbs.Fact) -> Fact:
    return Fact(
        id=strawberry.ID(value.id), subject_iri=value.subject, scope=value.scope, predicate=IRI(value.predicate), object=value.object,
        valid_from=value.valid_from, valid_to=value.valid_to, recorded_at=value.recorded_at, retracted_at=value.retracted_at,
        confidence=value.confidence,
    )  # fmt: skip


@strawberry.input(description="A fact to record.")
class AssertFactInput:
    subject: IRI = strawberry.field(description="What it is about.")
    predicate: IRI = strawberry.field(description="What is said of it.")
    object: str = strawberry.field(description="The value: text, or an IRI.")
    scope: str | None = strawberry.field(default=None, description="The unit of permission; your own scope when left out.")
    valid_from: datetime | None = strawberry.field(default=None, description="From when it is true.")
    valid_to: datetime | None = strawberry.field(default=None, description="Until when, exclusive.")
    confidence: float = strawberry.field(default=1.0, description="0 to 1.")
    evidence: list[strawberry.ID] | None = strawberry.field(default=None, description="Memories it rests on.")
    functional: bool | None = strawberry.field(
        default=None,
        description="The subject has one such value at a time: another value ends where this one begins. "
        "Left out: as a graph says that you may read (owl:FunctionalProperty).",
    )
    idempotency_key: str | None = strawberry.field(default=None, description="Repeating the call with the same key has no further effect.")


@strawberry.type
class FactQuery:
    @strawberry.field(description="Facts that you may read, newest first: true at an instant (validAt), as known at an instant (knownAt).")
    async def facts(
        self,
        info: Info,
        subject: IRI | None = None,
        predicate: IRI | None = None,
        object: str | None = None,
        valid_at: datetime | None = None,
        known_at: datetime | None = None,
        first: int | None = 20,
        after: str | None = None,
    ) -> Connection[Fact]:
        first = 20 if first is None else first
        context = info.context
        page = await verbs.list_facts(context.database, context.access, subject, predicate, object, valid_at, known_at, first, after)
        return connect(page, _fact, after)


@strawberry.type
class FactMutation:
    @strawberry.mutation(description="Record a fact.")
    async def assert_fact(self, info: Info, input: AssertFactInput) -> Fact:
        new = asserting.NewFact(
            subject=input.subject,
            predicate=input.predicate,
            object=input.object,
            scope=input.scope,
            valid_from=input.valid_from,
            valid_to=input.valid_to,
            confidence=input.confidence,
            evidence=tuple(input.evidence or ()),
            functional=input.functional,
        )
        return _fact(await asserting.assert_fact(info.context.writer, info.context.access, new, input.idempotency_key))

    @strawberry.mutation(description="Take a fact back: it is no longer held, and still there for knownAt.")
    async def retract_fact(self, info: Info, id: strawberry.ID, at: datetime | None = None, idempotency_key: str | None = None) -> Fact:
        context = info.context
        return _fact(await asserting.retract_fact(context.writer, context.database, context.access, id, at, idempotency_key))

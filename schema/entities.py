"""Entities of imported knowledge graphs: `entity`, `entities`, `paths`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from ..graph import exploring
from ..graph import mentions as mention_verbs
from ..graph import resources as verbs
from ..graph.access import Access
from ..graph.locals import identify
from ..graph.pages import Page, check_first
from ..graph.rdf import Literal as StoredLiteral
from ..graph.rdf import resource_key
from ..graph.resources import Direction
from .connections import Connection, connect, nothing
from .context import Info
from .scalars import IRI

if TYPE_CHECKING:
    from .memories import Memory


strawberry.enum(Direction, name="Direction", description="Which way a link runs, seen from the entity.")
MAX_LITERALS = 1_000


@strawberry.type(description="A literal value of an entity.")
class Literal:
    predicate: IRI = strawberry.field(description="What the value is of.")
    value: str = strawberry.field(description="Its lexical form, as it was imported.")
    datatype: IRI = strawberry.field(description="Its datatype.")
    lang: str | None = strawberry.field(description="Its language tag.")


@strawberry.type(description="A link of an entity to another.")
class Neighbour:
    predicate: IRI = strawberry.field(description="What links them.")
    direction: Direction = strawberry.field(description="OUT when the link runs to the neighbour, IN when from it.")
    graphs: list[IRI] = strawberry.field(description="The readable named graphs that state it.")
    entity: Entity = strawberry.field(description="The neighbour.")


@strawberry.type(description="A thing of an imported knowledge graph, or one that a memory named and no graph knows yet.")
class Entity:
    key: strawberry.Private[str]
    iri: IRI = strawberry.field(description="Its IRI; `_:` and an id for a blank node.")

    @strawberry.field(description="Its name in a language (a BCP 47 tag), else in the nearest one there is.")
    async def label(self, info: Info, lang: str | None = None) -> str | None:
        return verbs.choose_label(await _literals(info, self.key), lang) or verbs.fallback_label(self.iri)

    @strawberry.field(description="Its classes.")
    async def types(self, info: Info) -> list[IRI]:
        return [IRI(iri) for iri in (await _resource(info, self.key, self.iri)).types]

    @strawberry.field(description="The named graphs that describe it, as far as you may read them.")
    async def graphs(self, info: Info) -> list[IRI]:
        return [IRI(iri) for iri in (await _resource(info, self.key, self.iri)).graphs]

    @strawberry.field(description="Its literal values, of one predicate when given.")
    async def literals(self, info: Info, predicate: IRI | None = None, first: int | None = 50) -> list[Literal]:
        first = 50 if first is None else first
        check_first(first, MAX_LITERALS)
        found = await _literals(info, self.key)
        chosen = [literal for literal in found if predicate in (None, literal.predicate)][:first]
        return [Literal(predicate=IRI(x.predicate), value=x.value, datatype=IRI(x.datatype), lang=x.lang) for x in chosen]

    @strawberry.field(description="What it is linked to, by one predicate when given.")
    async def neighbours(
        self,
        info: Info,
        predicate: IRI | None = None,
        direction: Direction | None = Direction.OUT,
        first: int | None = 20,
        after: str | None = None,
    ) -> Connection[Neighbour]:
        first = 20 if first is None else first
        context = info.context
        towards = direction or Direction.OUT

        async def batch(access: Access, keys: list[str]) -> dict[str, Page[verbs.Link]]:
            return await verbs.neighbours(context.database, access, keys, predicate, towards, first, after)

        page = await context.load(("neighbours", predicate, towards, first, after), self.key, batch)
        return nothing(after) if page is None else connect(page, _neighbour, after)

    @strawberry.field(description="The memories that mention it and that you may read, newest first.")
    async def memories(
        self, info: Info, first: int | None = 20, after: str | None = None
    ) -> Connection[Annotated[Memory, strawberry.lazy("cairn.schema.memories")]]:
        first = 20 if first is None else first
        from .memories import memory

        context = info.context
        if "Memory.text" in context.access.hidden_fields:
            return nothing(after)

        async def batch(access: Access, keys: list[str]) -> dict[str, Page[mention_verbs.Memory]]:
            return await mention_verbs.memories_mentioning(context.database, access, keys, first, after)

        page = await context.load(("mentioning", first, after), self.key, batch)
        return nothing(after) if page is None else connect(page, memory, after)


async def _literals(info: Info, key: str) -> tuple[StoredLiteral, ...]:
    context = info.context

    async def batch(access: Access, keys: list[str]) -> dict[str, tuple[StoredLiteral, ...]]:
        return await verbs.describe(context.database, access, keys)

    return await context.load("literals", key, batch) or ()


async def _resource(info: Info, key: str, iri: str) -> verbs.Resource:
    context = info.context

    async def batch(access: Access, keys: list[str]) -> dict[str, verbs.Resource]:
        return await verbs.resources_by_key(context.database, access, keys)

    return await context.load("resource", key, batch) or verbs.Resource(key, iri)


def entity(iri: str, key: str) -> Entity:
    """The GraphQL type of an entity."""
    return Entity(key=key, iri=IRI(iri))


def _neighbour(link: verbs.Link) -> Neighbour:
    return Neighbour(
        predicate=IRI(link.predicate),
        direction=link.direction,
        graphs=[IRI(iri) for iri in link.graphs],
        entity=entity(link.other.iri, link.other.key),
    )


@strawberry.type(description="One link of a path.")
class PathStep:
    subject: Entity = strawberry.field(description="Where the link begins.")
    predicate: IRI = strawberry.field(description="What links them.")
    object: Entity = strawberry.field(description="Where the link ends.")


@strawberry.type(description="A way through the graph from one entity to another.")
class Path:
    length: int = strawberry.field(description="How many links it has.")
    entities: list[Entity] = strawberry.field(description="The entities along it, both ends included.")
    steps: list[PathStep] = strawberry.field(description="The links along it, each in the direction in which it is stated.")


def _path(path: exploring.Path) -> Path:
    along = [entity(node.iri, node.key) for node in path.nodes]
    steps = [
        PathStep(subject=one if step.forward else other, predicate=IRI(step.predicate), object=other if step.forward else one)
        for one, other, step in zip(along, along[1:], path.steps, strict=False)
    ]
    return Path(length=len(steps), entities=along, steps=steps)


@strawberry.type
class EntityMutation:
    @strawberry.mutation(
        description="Say which imported entity a local one is: they are linked by owl:sameAs, never merged. Needs `write` on its scope."
    )
    async def identify(self, info: Info, local: IRI, same_as: IRI, idempotency_key: str | None = None) -> Entity:
        context = info.context
        await identify(context.writer, context.database, context.access, local, same_as, idempotency_key)
        return entity(local, resource_key(context.access.tenant, local))


@strawberry.type
class EntityQuery:
    @strawberry.field(description="One entity; null when no graph that you may read knows it.")
    async def entity(self, info: Info, iri: IRI) -> Entity | None:
        context = info.context
        key = resource_key(context.access.tenant, iri)

        async def batch(access: Access, keys: list[str]) -> dict[str, verbs.Resource]:
            return await verbs.resources_by_key(context.database, access, keys)

        found = await context.load("resource", key, batch)
        return entity(found.iri, found.key) if found else None

    @strawberry.field(description="Entities by words of their names, best first; by IRI when no words are given.")
    async def entities(
        self,
        info: Info,
        search: str | None = None,
        type: IRI | None = None,
        graph: IRI | None = None,
        first: int | None = 20,
        after: str | None = None,
    ) -> Connection[Entity]:
        first = 20 if first is None else first
        page = await exploring.search_entities(info.context.database, info.context.access, search, type, graph, first, after)
        return connect(page, lambda found: entity(found.iri, found.key), after)

    @strawberry.field(description="The shortest ways from one entity to another over readable links, in either direction.")
    async def paths(
        self, info: Info, from_: Annotated[IRI, strawberry.argument(name="from")], to: IRI, max_hops: int | None = 3, first: int | None = 5
    ) -> list[Path]:
        first = 5 if first is None else first
        max_hops = 3 if max_hops is None else max_hops
        found = await exploring.paths(info.context.database, info.context.access, from_, to, max_hops, first)
        return [_path(path) for path in found]

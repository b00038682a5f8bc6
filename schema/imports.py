"""Imports and named graphs: `graphs`, `import`, `startImport`, `importProgress`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

import strawberry

from ..graph import graphs as graph_verbs
from ..graph import imports as verbs
from ..graph import tags
from ..graph.imports import Status as ImportStatus
from ..graph.instants import now
from ..importers.jobs import Wish
from .connections import Connection, connect
from .context import Info
from .scalars import IRI

strawberry.enum(ImportStatus, name="ImportStatus", description="How an import stands.")


@strawberry.type(description="A named graph of imported knowledge; the unit of permission for it.")
class Graph:
    iri: IRI = strawberry.field(description="Its name.")
    source: str | None = strawberry.field(description="Where it was imported from last.")
    triples: int = strawberry.field(description="How many triples it holds.")
    imported_at: datetime | None = strawberry.field(description="When it was imported last.")


def _graph(value: graph_verbs.NamedGraph) -> Graph:
    return Graph(iri=IRI(value.iri), source=value.source, triples=value.triples, imported_at=value.imported_at)


@strawberry.type(description="One import of a source into a named graph.")
class Import:
    id: strawberry.ID = strawberry.field(description="Its id.")
    status: ImportStatus = strawberry.field(description="How it stands.")
    source: str = strawberry.field(description="Path or URL.")
    graph: IRI | None = strawberry.field(description="The named graph it goes into.")
    bytes_read: int = strawberry.field(description="Bytes of the source read so far.")
    bytes_total: int | None = strawberry.field(description="Bytes of the source, where that is known.")
    triples_read: int = strawberry.field(description="Triples read so far.")
    triples_added: int = strawberry.field(description="Triples that were new in the graph.")
    triples_removed: int = strawberry.field(description="Triples that the source no longer has.")
    started_at: datetime = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    error: str | None = strawberry.field(description="Why it failed: what, where and what to do. The graph is then as it was.")


def _import(value: verbs.Import) -> Import:
    return Import(
        id=strawberry.ID(value.id),
        status=value.status,
        source=value.source,
        graph=IRI(value.graph),
        bytes_read=value.bytes_read,
        bytes_total=value.bytes_total,
        triples_read=value.triples_read,
        triples_added=value.triples_added,
        triples_removed=value.triples_removed,
        started_at=value.started_at,
        finished_at=value.finished_at,
        error=value.error,
    )


@strawberry.input(description="Something to import.")
class StartImportInput:
    source: str = strawberry.field(description="A path that the server can read, or a URL.")
    format: str | None = strawberry.field(default=None, description="nt, nq, ttl, trig, rdfxml or jsonld; found out when left out.")
    graph: IRI | None = strawberry.field(default=None, description="The named graph; made from the source's name when left out.")
    idempotency_key: str | None = strawberry.field(default=None, description="Repeating the call with the same key starts it once.")


@strawberry.type
class ImportQuery:
    @strawberry.field(description="The named graphs that you may read.")
    async def graphs(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[Graph]:
        first = 20 if first is None else first
        return connect(await graph_verbs.list_graphs(info.context.database, info.context.access, first, after), _graph, after)

    @strawberry.field(name="import", description="One import; null when there is none that you may see.")
    async def import_(self, info: Info, id: strawberry.ID) -> Import | None:
        found = await verbs.find_import(info.context.database, info.context.access, id)
        if found is not None and found.status is ImportStatus.RUNNING:
            tags.collect_until(now())
        return _import(found) if found else None


@strawberry.type
class ImportMutation:
    @strawberry.mutation(
        description="Start an import in the background. The same source again changes nothing; an updated one applies the difference."
    )
    async def start_import(self, info: Info, input: StartImportInput) -> Import:
        context = info.context
        started = await context.services.imports.start(context.access, Wish(input.source, input.format, input.graph), input.idempotency_key)
        return _import(started)


@strawberry.type
class ImportSubscription:
    @strawberry.subscription(description="How an import goes on, until it has ended.")
    async def import_progress(self, info: Info, id: strawberry.ID) -> AsyncGenerator[Import]:
        async for step in info.context.services.imports.watch(info.context.access, id):
            yield _import(step)

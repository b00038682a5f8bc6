"""Opens everything that one process of Cairn needs, in order, and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ..errors import Unauthenticated
from ..graph.access import Access, Decision
from ..graph.changes import Event
from ..graph.data_dir import write_private
from ..graph.database import Database, connect
from ..graph.imports import Import
from ..graph.keys import make_key, store_key
from ..graph.migrations.runner import graph_name, migrate
from ..graph.progress import Progress, Report, silent
from ..graph.servers import servers
from ..graph.signing import open_signer
from ..graph.writer import Writer, open_writer
from ..importers.jobs import ImportJobs
from ..importers.linking import Linker
from ..importers.relinking import Relinker
from ..learning.consolidator import Consolidator
from ..learning.embedding import WordLlamaEmbedder
from ..policies.accesses import Accesses
from ..policies.administration import Administration
from ..policies.authentication import Authenticator
from ..policies.bootstrap import bootstrap
from ..schema.context import Services
from ..schema.fields import hideable_fields
from ..settings import Settings
from .epochs import Epochs, open_epochs
from .events import Events, open_events
from .presence import OPERATOR_KEY, operator_key
from .tasks import end

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Cairn:
    """One process of Cairn, ready to answer. `first_key` is the first administrator's, told once."""

    services: Services
    authenticator: Authenticator
    epochs: Epochs
    first_key: str | None


@asynccontextmanager
async def open_services(settings: Settings, report: Report = silent) -> AsyncGenerator[Cairn]:
    """Start or reach the servers, bring the schema up to date, and open every part; close them in turn at the end.

    Raises Unavailable when a server can't be had.
    """
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(servers(settings, report))
        database = await stack.enter_async_context(
            connect(running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database)
        )
        report(Progress("Bringing the schema up to date"))
        await migrate(database)
        name = await graph_name(database)
        epochs = await stack.enter_async_context(open_epochs(running.redis_url, name, staleness=settings.policy_staleness))
        events = await stack.enter_async_context(open_events(running.redis_url, name))
        writer = await stack.enter_async_context(open_writer(database, epochs))
        first_key = await bootstrap(writer, settings.tenant)
        report(Progress("Opening"))
        yield await _open(stack, settings, database, writer, epochs, events, first_key)


async def _open(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    writer: Writer,
    epochs: Epochs,
    events: Events,
    first_key: str | None,
) -> Cairn:
    accesses = Accesses(database, settings.policy_staleness, hideable_fields())
    writer.listeners += [_refreshing(accesses), events.publish]
    authenticator = Authenticator(database, writer, settings.policy_staleness)
    stack.push_async_callback(authenticator.close)
    administration = Administration(writer, accesses)
    await _ensure_operator(settings, writer, administration, authenticator)
    embedder = WordLlamaEmbedder()
    loading = asyncio.create_task(asyncio.to_thread(embedder.load), name="cairn-embedder")
    stack.callback(loading.cancel)
    linker = await Linker.make(database, embedder)
    stack.push_async_callback(linker.close)
    await _relink(stack, database, writer, linker, accesses)
    imports = ImportJobs(database, writer, settings)
    stack.push_async_callback(imports.close)
    imports.listeners.append(_imported(linker))
    await imports.recover()
    consolidator = _consolidate(stack, settings, database, writer)
    services = Services(
        settings=settings,
        database=database,
        writer=writer,
        accesses=accesses,
        administration=administration,
        events=events,
        embedder=embedder,
        linker=linker,
        imports=imports,
        consolidator=consolidator,
        signer=open_signer(settings.data_dir / "ledger.key"),
    )
    return Cairn(services, authenticator, epochs, first_key)


def _refreshing(accesses: Accesses) -> Callable[[Sequence[Event]], Awaitable[None]]:
    """What makes new scopes and graphs readable on this replica before their writer is answered."""

    async def refresh(events: Sequence[Event]) -> None:
        for tenant in {event.tenant for event in events if event.kind == "catalog"}:
            await accesses.refresh(tenant)

    return refresh


def _imported(linker: Linker) -> Callable[[Import], None]:
    def invalidate(done: Import) -> None:
        linker.invalidate(done.tenant)

    return invalidate


async def _relink(stack: AsyncExitStack, database: Database, writer: Writer, linker: Linker, accesses: Accesses) -> None:
    """Link old memories again in the background, whenever a tenant's names changed."""
    relinker = Relinker(database, writer, linker, accesses.get)
    linker.gazetteers.listeners.append(relinker.request)
    task = asyncio.create_task(relinker.work(), name="cairn-relinker")

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)


def _consolidate(stack: AsyncExitStack, settings: Settings, database: Database, writer: Writer) -> Consolidator:
    """Keep memories in order in the background, once in a while."""
    consolidator = Consolidator(database, writer, settings)
    task = asyncio.create_task(consolidator.work(), name="cairn-consolidator")
    stack.push_async_callback(consolidator.close)
    stack.push_async_callback(end, task)
    return consolidator


async def _ensure_operator(settings: Settings, writer: Writer, administration: Administration, authenticator: Authenticator) -> None:
    """Make sure that whoever owns the data directory can act as administrator through the command line."""
    known = operator_key(settings.data_dir)
    if known is not None:
        try:
            await authenticator.authenticate(known)
        except Unauthenticated:
            pass
        else:
            return
    anything = Access(settings.tenant, "cairn", decide=lambda _object, _action: Decision(allowed=True))
    await administration.assign_role(anything, OPERATOR, "admin")
    new = await store_key(writer, anything, make_key(settings.tenant, OPERATOR, "cairn"))
    assert new.token is not None
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(settings.data_dir / OPERATOR_KEY, new.token)

"""Opens everything that one process of Cairn needs, in order, and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ..errors import BadInput, Unauthenticated
from ..graph.access import Access, Decision
from ..graph.anchors import Anchor, Anchoring, choose_anchors
from ..graph.answers import SignedAnswers
from ..graph.backups import refuse_incomplete
from ..graph.changes import Event
from ..graph.checkpointing import Checkpointer
from ..graph.data_dir import write_private
from ..graph.database import Database, connect
from ..graph.imports import Import
from ..graph.keyring import Keyring
from ..graph.keys import make_key, store_key
from ..graph.migrations.runner import graph_name, graph_secret, migrate
from ..graph.notary import Notary
from ..graph.pledges import PLEDGES, Pledges
from ..graph.progress import Progress, Report, silent
from ..graph.servers import servers
from ..graph.signing import open_signer
from ..graph.tasks import end
from ..graph.witnesses import Witness
from ..graph.writer import Writer, open_writer
from ..importers.jobs import ImportJobs
from ..importers.linking import Linker
from ..importers.relinking import Relinker
from ..learning.anticipation import Anticipations
from ..learning.catalogue import Catalogue
from ..learning.consolidator import Consolidator
from ..learning.embedders import Embedders
from ..learning.extraction import Extraction, Extractor
from ..learning.learner import Learner
from ..learning.reembedding import Reembedder
from ..learning.refreshing import Communities
from ..learning.server_knobs import RecallSample, server_knobs
from ..learning.tokens import EstimatingTokenizer
from ..learning.tuner import Tuner
from ..policies.accesses import Accesses
from ..policies.administration import Administration
from ..policies.authentication import Authenticator
from ..policies.bootstrap import bootstrap
from ..policies.credentials import Credentials
from ..policies.vouching import Vouching
from ..schema.context import Services
from ..schema.fields import hideable_fields
from ..settings import Settings
from .epochs import Epochs, open_epochs
from .events import Events, open_events
from .masters import master_key
from .presence import OPERATOR_KEY, operator_key
from .production import require_production
from .rates import Rates, open_rates

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Cairn:
    """One process of Cairn, ready to answer. `first_key` is the first administrator's, told once."""

    services: Services
    credentials: Credentials
    epochs: Epochs
    rates: Rates
    first_key: str | None


@asynccontextmanager
async def open_services(settings: Settings, report: Report = silent) -> AsyncGenerator[Cairn]:
    """Start or reach the servers, bring the schema up to date, and open every part; close them in turn at the end.

    Raises Unavailable when a server can't be had, or when the database holds part of a backup only, and BadInput for settings that are
    not fit for production when they should be.
    """
    require_production(settings)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(servers(settings, report))
        database = await stack.enter_async_context(
            connect(running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database, ca=running.neo4j_ca)
        )
        if settings.neo4j_uri is not None:
            await database.ping(f"CAIRN_NEO4J_URI is {settings.neo4j_uri}")
        await refuse_incomplete(database)
        database.keyring = Keyring(database, master_key(settings), sealing=settings.encryption, patience=settings.request_timeout / 3)
        report(Progress("Bringing the schema up to date"))
        await migrate(database)
        name = await graph_name(database)
        database.keyring.plain = SignedAnswers(await graph_secret(database))
        epochs = await stack.enter_async_context(_epochs(running.redis_url, name, settings))
        events = await stack.enter_async_context(open_events(running.redis_url, name))
        rates = await stack.enter_async_context(open_rates(running.redis_url, name, settings))
        writer = await stack.enter_async_context(open_writer(database, epochs, attempt=settings.request_timeout / 2))
        first_key = await bootstrap(writer, settings.tenant)
        report(Progress("Opening"))
        yield await _open(stack, settings, database, writer, epochs, rates, events, first_key)


def _epochs(url: str, name: str, settings: Settings) -> AbstractAsyncContextManager[Epochs]:
    return open_epochs(url, name, staleness=settings.policy_staleness, memory=settings.cache_memory)


async def _open(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    writer: Writer,
    epochs: Epochs,
    rates: Rates,
    events: Events,
    first_key: str | None,
) -> Cairn:
    patience = settings.request_timeout / 3  # of the looks at keys and rules before an operation
    lendable = frozenset(role for provider in settings.oidc for role in provider.roles.values())
    accesses = Accesses(database, settings.policy_staleness, hideable_fields(), patience=patience, lendable=lendable)
    writer.listeners += [_refreshing(accesses), events.publish]
    authenticator = Authenticator(database, writer, settings.policy_staleness, patience)
    stack.push_async_callback(authenticator.close)
    administration = Administration(writer, accesses)
    if settings.operator:
        await _ensure_operator(settings, writer, administration, authenticator)
    catalogue = Catalogue()
    embedders = await _embed(stack, settings, catalogue, database, writer)
    _extract(stack, catalogue.extractor(settings), database, writer, accesses)
    linker = await Linker.make(database, embedders.local)
    stack.push_async_callback(linker.close)
    _relink(stack, database, writer, linker, accesses)
    imports = ImportJobs(database, writer, settings)
    stack.push_async_callback(imports.close)
    imports.listeners.append(_imported(linker))
    await imports.recover()
    _in_background(stack, imports.keep_recovering(), "cairn-imports")
    consolidator = _consolidate(stack, settings, database, writer)
    signer = open_signer(settings.ledger_key_file or settings.data_dir / "ledger.key")
    notary = Notary(database, signer, Pledges(settings.data_dir / PLEDGES))
    anchors = choose_anchors(settings)
    _sign(stack, settings, database, writer, notary, anchors)
    tuner = Tuner(database, writer, settings, server_knobs(settings, database, writer, consolidator))
    sample = RecallSample(database, embedders, tuner.figures, settings.tuning_recall_found)
    tuner.probes.append(sample.probe)
    _in_background(stack, tuner.work(), "cairn-tuner")
    services = Services(
        settings=settings,
        database=database,
        writer=writer,
        accesses=accesses,
        administration=administration,
        events=events,
        embedders=embedders,
        tokenizer=EstimatingTokenizer(),
        linker=linker,
        imports=imports,
        learner=_learner(stack, settings, database, writer, embedders, accesses),
        consolidator=consolidator,
        notary=notary,
        anchors=anchors,
        communities=_communities(stack, database, writer, settings),
        tuner=tuner,
        sample=sample,
        anticipations=_anticipate(stack, settings),
    )
    return Cairn(services, Credentials(authenticator, _vouching(stack, settings, database, writer)), epochs, rates, first_key)


def _vouching(stack: AsyncExitStack, settings: Settings, database: Database, writer: Writer) -> Vouching | None:
    """What knows the tokens of the settings' identity providers; None without any."""
    if not settings.oidc:
        return None
    vouching = Vouching(settings.oidc, settings.tenant, database, writer, settings.policy_staleness)
    stack.push_async_callback(vouching.close)
    return vouching


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


def _in_background(stack: AsyncExitStack, work: Coroutine[None, None, None], name: str) -> None:
    """Do work until the stack closes."""
    stack.push_async_callback(end, asyncio.create_task(work, name=name))


async def _embed(stack: AsyncExitStack, settings: Settings, catalogue: Catalogue, database: Database, writer: Writer) -> Embedders:
    """The embedders, and in the background what brings the stored vectors in line with the one that the settings choose."""
    embedders = Embedders(database, catalogue.embedder(settings), lambda model: catalogue.remade(settings, model))
    stack.push_async_callback(embedders.close)
    await embedders.check()
    _in_background(stack, embedders.warm(), "cairn-embedder")
    _in_background(stack, Reembedder(database, writer, embedders).work(), "cairn-reembedder")
    return embedders


def _extract(stack: AsyncExitStack, extractor: Extractor | None, database: Database, writer: Writer, accesses: Accesses) -> None:
    """Read facts out of new memories in the background, when the settings choose something that does."""
    if extractor is None:
        return
    extraction = Extraction(database, writer, extractor, accesses.get)
    stack.push_async_callback(extraction.close)
    _in_background(stack, extraction.work(), "cairn-extraction")
    writer.listeners.append(extraction.hear)


def _relink(stack: AsyncExitStack, database: Database, writer: Writer, linker: Linker, accesses: Accesses) -> None:
    """Link old memories again in the background, whenever a tenant's names changed."""
    relinker = Relinker(database, writer, linker, accesses.get, accesses.shared_graphs)
    linker.gazetteers.listeners.append(relinker.request)
    _in_background(stack, relinker.work(), "cairn-relinker")


def _learner(
    stack: AsyncExitStack, settings: Settings, database: Database, writer: Writer, embedders: Embedders, accesses: Accesses
) -> Learner:
    """Learn from feedback in the background; first from what was given while nobody learned."""
    learner = Learner(database, writer, embedders, accesses.get)
    writer.listeners.append(learner.hear)
    learner.request(settings.tenant)
    _in_background(stack, learner.work(), "cairn-learner")
    return learner


def _communities(stack: AsyncExitStack, database: Database, writer: Writer, settings: Settings) -> Communities:
    """Keep communities up to date in the background."""
    communities = Communities(database, writer, settings.community_interval)
    stack.push_async_callback(communities.close)
    _in_background(stack, communities.work(), "cairn-communities")
    return communities


def _anticipate(stack: AsyncExitStack, settings: Settings) -> Anticipations | None:
    """The models of what agents ask for next; None when nothing is to be computed ahead."""
    if not settings.prefetch:
        return None
    anticipations = Anticipations(settings.prefetch_precision)
    stack.push_async_callback(anticipations.close)
    return anticipations


def _consolidate(stack: AsyncExitStack, settings: Settings, database: Database, writer: Writer) -> Consolidator:
    """Keep memories in order in the background, once in a while."""
    consolidator = Consolidator(database, writer, settings)
    stack.push_async_callback(consolidator.close)
    _in_background(stack, consolidator.work(), "cairn-consolidator")
    return consolidator


def _sign(
    stack: AsyncExitStack, settings: Settings, database: Database, writer: Writer, notary: Notary, anchors: Mapping[str, Anchor]
) -> None:
    """Sign checkpoints in the background, and show them to witnesses and anchors."""
    if settings.witnesses and settings.witness_quorum > len(settings.witnesses):
        raise BadInput(f"CAIRN_WITNESS_QUORUM is {settings.witness_quorum}, but CAIRN_WITNESSES names {len(settings.witnesses)}")
    witnesses = [Witness(database, writer, str(witness.url), witness.key) for witness in settings.witnesses]
    anchorings = [Anchoring(name, anchor, settings.anchor_interval) for name, anchor in anchors.items()]
    told = [*(witness.hear for witness in witnesses), *(anchoring.hear for anchoring in anchorings)]
    checkpointer = Checkpointer(database, writer, notary, [settings.tenant], told)
    for part in (*witnesses, *anchorings):
        _in_background(stack, part.work(), "cairn-witness")
    stack.push_async_callback(checkpointer.close)
    _in_background(stack, checkpointer.work(), "cairn-checkpointer")


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

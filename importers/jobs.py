"""Imports as jobs: started by a principal, run in the background, watched, and never lost sight of.

Two imports never work on one graph at once: the second is refused with Conflict. An import that was cut off (FAILED) is resumed by
starting it again: what is in the graph already is passed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace

from ..errors import CairnError, Conflict, Internal, MalformedRDF, Unavailable
from ..graph.access import Access
from ..graph.changes import Idempotency, idempotency
from ..graph.contents import check_graph
from ..graph.data_dir import private_folder
from ..graph.database import Database, Row
from ..graph.imports import (
    Import,
    Status,
    claim_graphs,
    create_import,
    find_import,
    finish_import,
    orphaned_imports,
    record_progress,
)
from ..graph.instants import now
from ..graph.iris import check_iri
from ..graph.names import new_id
from ..graph.writer import Writer
from ..settings import Settings
from .documents import Read, Request
from .formats import detect, named
from .rdf import RdfImport, Tally
from .sandbox import Parsers
from .sources import Source, default_graph, display_name, is_url, opened

log = logging.getLogger("cairn.importers")
_AT_ONCE = 2
"""Imports of one process that work at the same time; others wait."""
_TICK_SECONDS = 0.5
_HEARTBEAT_TICKS = 12
_POLL_SECONDS = 0.5
_RECOVER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What to import: a path, a URL or an open `Source`; the format where its name does not tell; where the default graph goes.

    `base`: what relative IRIs are relative to. `licence`: recorded with the graphs.
    """

    source: str | Source
    format: str | None = None
    graph: str | None = None
    base: str | None = None
    licence: str | None = None

    @property
    def place(self) -> str:
        """The source's name."""
        return self.source if isinstance(self.source, str) else self.source.name


class _Job:
    """One import at work in this process. `changed` is set, and replaced, whenever `now` moves."""

    def __init__(self, started: Import, access: Access, wish: Wish) -> None:
        self.started = started
        self.now = started
        self.access = access
        self.wish = wish
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def move(self, state: Import) -> None:
        self.now = state
        self.changed.set()
        self.changed = asyncio.Event()

    def tally(self, tally: Tally) -> None:
        counts = {"bytes_read": tally.bytes, "triples_read": tally.triples, "triples_added": tally.added, "triples_removed": tally.removed}
        self.move(replace(self.now, sha256=tally.sha256, **counts))


class ImportJobs:
    """The imports of one process. Call `recover` at start and `close` at the end. `listeners` hear of every import that ended well."""

    def __init__(self, database: Database, writer: Writer, settings: Settings) -> None:
        self.listeners: list[Callable[[Import], None]] = []
        self._database = database
        self._writer = writer
        self._settings = settings
        self._jobs: dict[str, _Job] = {}
        self._starting: set[asyncio.Task[Import]] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._folder = settings.data_dir / "spool"
        self._parsers = Parsers(self._folder)

    async def start(self, access: Access, wish: Wish, idempotency_key: str | None = None) -> Import:
        """Start an import in the background and return it, RUNNING.

        Raises Forbidden without `write` on `import` and on the graph, BadInput for a source or format that can't be read, Conflict
        while another import works on the graph. What comes to light later is in the import's `error`.
        """
        access.require("import", "write")
        graph = check_iri("the graph", wish.graph) if wish.graph is not None else default_graph(wish.place)
        check_graph(graph)
        access.require(f"graph:{graph}", "write")
        if wish.base is not None:
            check_iri("the base", wish.base)
        once = idempotency(
            access.tenant, access.principal, "startImport", idempotency_key, [wish.place, wish.format, graph, wish.base, wish.licence]
        )
        # a caller that gives up must not take the import with it: it may be recorded already, and then somebody has to do it
        starting = asyncio.create_task(self._start(access, wish, graph, once))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        return await asyncio.shield(starting)

    async def _start(self, access: Access, wish: Wish, graph: str, once: Idempotency | None) -> Import:
        async with AsyncExitStack() as stack:
            source, format = await self._open(stack, access, wish)
            total = source.total if source else None
            place = display_name(wish.place)
            new = Import(
                new_id(), access.tenant, access.principal, Status.RUNNING, place, graph, format, started_at=now(), bytes_total=total
            )
            id = await create_import(self._writer, access, new, once)
            if id == new.id:
                job = self._jobs[id] = _Job(new, access, wish)
                job.task = asyncio.create_task(self._run(job, source, stack.pop_all()), name=f"import-{id}")
                return new
        return await self._found(access, id)

    async def wait(self, access: Access, id: str) -> Import | None:
        """The import once it has ended; None when there is none that the caller may see."""
        last = None
        async with aclosing(self.watch(access, id)) as states:
            async for state in states:
                last = state
        return last

    async def watch(self, access: Access, id: str) -> AsyncGenerator[Import]:
        """The import now, at every step forward, and at its end. Nothing when there is none that the caller may see."""
        state = await find_import(self._database, access, id)
        job = self._jobs.get(id)
        while state is not None:
            state, changed = (job.now, job.changed) if job else (state, None)
            yield state
            if state.status is not Status.RUNNING:
                return
            if changed is not None:
                await changed.wait()
            else:
                await asyncio.sleep(_POLL_SECONDS)
                state = await find_import(self._database, access, id)

    async def recover(self) -> int:
        """Mark imports whose process is gone as FAILED, and return how many there were."""
        found = await orphaned_imports(self._database)
        for one in found:
            access = Access(one.tenant, "cairn")
            ended = _failed(one, Unavailable("the import was interrupted; start it again and it goes on where it stopped"))
            try:
                await finish_import(self._writer, access, one, ended)
            except Conflict:
                continue
        return len(found)

    async def keep_recovering(self) -> None:
        """Look for such imports now and then, until cancelled: also the end of one may not have reached Neo4j."""
        while True:
            await asyncio.sleep(_RECOVER_SECONDS)
            try:
                await self.recover()
            except CairnError as error:
                log.warning("imports that were cut off could not be looked for: %s", error.message)

    async def close(self) -> None:
        """Stop the imports that are at work. They are FAILED then, and go on when they are started again."""
        await asyncio.gather(*self._starting, return_exceptions=True)
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._parsers.close()

    async def _found(self, access: Access, id: str) -> Import:
        known = await find_import(self._database, access, id)
        if known is None:
            raise Internal("the import that this idempotencyKey started is gone")
        return known

    async def _open(self, stack: AsyncExitStack, access: Access, wish: Wish) -> tuple[Source | None, str | None]:
        """A file is opened at once, so that its caller hears what is wrong with it; a URL answers in its own time."""
        if isinstance(wish.source, str) and is_url(wish.source):
            return None, named(wish.format).name if wish.format is not None else None
        source = wish.source
        if isinstance(source, str):
            source = await stack.enter_async_context(opened(source, access, self._settings))
        return source, detect(source.name, source.media_type, wish.format).name

    async def _run(self, job: _Job, source: Source | None, stack: AsyncExitStack) -> None:
        """Do the import to its end and record that, whatever it is."""
        graphs: list[str] = []
        telling = asyncio.create_task(self._tell(job))
        try:
            async with stack, self._room:
                if source is None:
                    source = await stack.enter_async_context(opened(job.wish.place, job.access, self._settings))
                graphs = await self._import(job, source)
            ended = replace(job.now, status=Status.DONE, finished_at=now())
        except CairnError as error:
            ended = _failed(job.now, error)
        except asyncio.CancelledError:
            ended = _failed(job.now, Unavailable("Cairn was shut down; start the import again and it goes on where it stopped"))
        except Exception:
            log.exception("import %s failed", job.now.id)
            ended = _failed(job.now, Internal("a defect in Cairn stopped the import; the details are in the log"))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        await self._finish(job, ended, graphs)

    async def _import(self, job: _Job, source: Source) -> list[str]:
        format = detect(source.name, source.media_type, job.wish.format).name
        job.move(replace(job.now, format=format, bytes_total=source.total))
        request = Request(job.now.tenant, job.now.graph, format, job.wish.base or source.base, self._settings.import_max_literal_bytes)
        self._settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_folder(self._folder)
        work = RdfImport(self._database, self._writer, job.access, self._settings.import_batch, job.tally)
        async with self._parsers.parsing(request, source) as parse:
            read = await work.read(parse, job.now.graph)
            graphs = self._allowed(job, read)
            if len(graphs) > 1:
                await claim_graphs(self._writer, job.access, job.now, sorted(graphs))
            await work.write(parse, read, {"source": job.now.source, "importId": job.now.id})
        return graphs

    def _allowed(self, job: _Job, read: Read) -> list[str]:
        """The graphs that the document speaks of. Raises Forbidden when its importer may not write one of them."""
        for graph in read.graphs[1:]:
            if not graph.startswith("_:"):
                check_iri("the graph", graph)
            check_graph(graph)
            job.access.require(f"graph:{graph}", "write")
        return read.graphs

    async def _tell(self, job: _Job) -> None:
        """Record how far the import has come, a few times a second while it moves, else often enough to keep it from seeming dead."""
        told, ticks = job.started, 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            ticks += 1
            if job.now != told or ticks >= _HEARTBEAT_TICKS:
                told, ticks = job.now, 0
                try:
                    await record_progress(self._writer, job.access, told)
                except Unavailable:
                    continue
                except Conflict as error:
                    log.warning("import %s stops: %s", told.id, error.message)
                    if job.task is not None:
                        job.task.cancel()
                    return

    async def _finish(self, job: _Job, ended: Import, graphs: list[str]) -> None:
        about: Row = {}
        if ended.status is Status.DONE and (ended.triples_added or ended.triples_removed):
            about = {"sha256": ended.sha256, "importedAt": ended.finished_at}
            about |= {"licence": job.wish.licence} if job.wish.licence is not None else {}
        try:
            await finish_import(self._writer, job.access, job.started, ended, graphs if about else (), about)
        except CairnError as error:
            log.warning("the end of import %s could not be recorded: %s", ended.id, error.message)
        del self._jobs[ended.id]
        job.move(ended)
        if ended.status is Status.DONE:
            for listener in self.listeners:
                listener(ended)
            await self._parsers.warm()


def _failed(state: Import, error: CairnError) -> Import:
    return replace(state, status=Status.FAILED, finished_at=now(), error=f"{_where(error)}{error.message}")


def _where(error: CairnError) -> str:
    if not isinstance(error, MalformedRDF) or error.line is None:
        return ""
    return f"line {error.line}, column {error.column}: " if error.column is not None else f"line {error.line}: "

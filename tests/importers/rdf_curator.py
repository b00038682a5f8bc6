"""Who imports and reads in the tests of RDF: one tenant's curator, with the parts that do the work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cairn.graph.access import Access, Decision
from cairn.graph.contents import content_hash, find_contents
from cairn.graph.database import Database
from cairn.graph.imports import Import, Status
from cairn.graph.tenants import create_tenant, read_catalog
from cairn.graph.writer import Writer
from cairn.importers.export import export
from cairn.importers.jobs import ImportJobs, Wish
from cairn.settings import Settings

GRAPH = "urn:test:main"


@dataclass(frozen=True, slots=True)
class Curator:
    """Imports documents into a tenant and reads what is there."""

    database: Database
    writer: Writer
    jobs: ImportJobs
    tenant: str
    folder: Path

    async def access(self, may: Callable[[str, str], bool] = lambda _o, _a: True) -> Access:
        """An `Access` that reads every graph there is now and does what `may` allows."""
        catalog = await read_catalog(self.database, self.tenant)
        numbers = tuple(number for _, number in (*catalog.graphs, *catalog.scope_graphs))
        return Access(self.tenant, "curator", graphs=numbers, decide=lambda obj, action: Decision(may(obj, action)))

    async def bring(self, data: bytes | str, format: str = "ttl", graph: str = GRAPH) -> Import:
        """Import a document to its end, whatever it is."""
        path = self.folder / f"document.{format}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        access = await self.access()
        started = await self.jobs.start(access, Wish(str(path), format, graph))
        ended = await self.jobs.wait(access, started.id)
        assert ended is not None and ended.id == started.id
        return ended

    async def done(self, data: bytes | str, format: str = "ttl", graph: str = GRAPH) -> tuple[int, int]:
        """Import a document that is well; the triples added and removed."""
        ended = await self.bring(data, format, graph)
        assert ended.status is Status.DONE, ended.error
        return ended.triples_added, ended.triples_removed

    async def exported(self, format: str = "nq", graph: str | None = None) -> bytes:
        """What comes out."""
        return b"".join([chunk async for chunk in export(self.database, await self.access(), self.folder, format, graph)])

    async def whole(self, graph: str = GRAPH) -> bool:
        """Whether the graph's recorded hash and counts are those of what is stored."""
        content = (await find_contents(self.database, self.tenant, [graph]))[graph]
        lines = (await self.exported("nt", graph)).splitlines()  # bytes: text has more line ends than N-Triples
        assert (content.triples, content.subjects) == (len(lines), len({line.split(b" ", 1)[0] for line in lines}))
        return content.hash == await content_hash(self.database, content.number)


@asynccontextmanager
async def curating(database: Database, writer: Writer, tenant: str, folder: Path, batch: int = 5_000) -> AsyncIterator[Curator]:
    """A curator of a new tenant, whose jobs are stopped at the end."""
    await create_tenant(writer, tenant, ())
    jobs = ImportJobs(database, writer, Settings(data_dir=folder / "data", import_batch=batch))
    try:
        yield Curator(database, writer, jobs, tenant, folder)
    finally:
        await jobs.close()

"""Import of a thesaurus into an empty graph, in triples a second from the start of the import to its recorded end, beside rdflib-neo4j.

    python -m benchmarks.import_rdf [FILE] [--rounds 3] [--batch N]

Same file, same server, same run; both are warmed up, then take turns, each with an empty graph. Cairn's import is whole: parsed in its
own process, deduplicated, written with ledger entries, full-text index and projected labels; its export is compared with the file.
rdflib-neo4j runs with its batched store, which keeps no language tag and one value of a property: how many statements are in the graph
afterwards stands beside its figure. Needs `pip install cairn[bench]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pyoxigraph as ox
from neo4j import GraphDatabase
from rdflib import Graph

from cairn.graph.access import Access, Decision
from cairn.graph.database import Database, connect
from cairn.graph.graphs import graphs_by_iri
from cairn.graph.migrations.runner import migrate
from cairn.graph.names import new_id
from cairn.graph.servers import Servers, servers
from cairn.graph.statements import parse
from cairn.graph.tenants import create_tenant, read_catalog
from cairn.graph.writer import Writer, open_writer
from cairn.importers.export import export
from cairn.importers.formats import detect
from cairn.importers.jobs import ImportJobs, Wish
from cairn.settings import Settings

THESAURUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "rdf" / "unesco-thesaurus.ttl"
BOUND = 30_000
RATIO = 2.5
WARM_UPS = 3
GRAPH = "urn:bench:thesaurus"
_CYPHER = parse((Path(__file__).parent / "import_rdf.cypher").read_text(encoding="utf-8"))


async def ours(database: Database, writer: Writer, jobs: ImportJobs, folder: Path, file: Path, expected: set[str] | None) -> float:
    """Seconds of one import into a tenant of its own; with `expected`, the export is compared with it."""
    tenant = f"bench-{new_id()}"
    await create_tenant(writer, tenant, ())
    access = Access(tenant, "bench", decide=lambda _o, _a: Decision(True))
    started = time.perf_counter()
    job = await jobs.start(access, Wish(str(file), graph=GRAPH))
    ended = await jobs.wait(access, job.id)
    seconds = time.perf_counter() - started
    if ended is None or ended.error is not None:
        raise SystemExit(f"the import failed: {ended and ended.error}")
    if expected is not None:
        access = Access(tenant, "bench", graphs=tuple(number for _, number in (await read_catalog(database, tenant)).graphs))
        found = b"".join([chunk async for chunk in export(database, access, folder, "nt", GRAPH)])
        if canonical(found, ox.RdfFormat.N_TRIPLES) != expected:
            raise SystemExit("what came out is not what went in")
        assert (await graphs_by_iri(database, access, [GRAPH]))[GRAPH].triples == len(expected)
    return seconds


def theirs(running: Servers, file: Path) -> float:
    """Seconds of one import by rdflib-neo4j's batched store. It prints what it does; that is left out here."""
    from rdflib_neo4j import HANDLE_VOCAB_URI_STRATEGY, Neo4jStore, Neo4jStoreConfig

    auth = (running.neo4j_user, running.neo4j_password) if running.neo4j_password else None
    with contextlib.redirect_stdout(io.StringIO()), GraphDatabase.driver(running.neo4j_uri, auth=auth) as driver:
        config = Neo4jStoreConfig(auth_data=None, handle_vocab_uri_strategy=HANDLE_VOCAB_URI_STRATEGY.IGNORE, batching=True)
        started = time.perf_counter()
        graph = Graph(store=Neo4jStore(config=config, neo4j_driver=driver))
        graph.parse(file)
        graph.close(commit_pending_transaction=True)
        return time.perf_counter() - started


def canonical(data: bytes, format: ox.RdfFormat) -> set[str]:
    """The triples of a document, blank nodes named canonically."""
    dataset = ox.Dataset(ox.parse(data, format))
    dataset.canonicalize(ox.CanonicalizationAlgorithm.UNSTABLE)
    return {str(quad) for quad in dataset}


def empty(running: Servers) -> None:
    """Delete what both left behind, some thousand nodes at a time."""
    auth = (running.neo4j_user, running.neo4j_password) if running.neo4j_password else None
    with GraphDatabase.driver(running.neo4j_uri, auth=auth) as driver, driver.session() as session:
        while session.run(_CYPHER["clear"].text).single(strict=True)["gone"]:
            pass


def kept(running: Servers) -> int:
    """The statements that rdflib-neo4j left in the graph."""
    auth = (running.neo4j_user, running.neo4j_password) if running.neo4j_password else None
    with GraphDatabase.driver(running.neo4j_uri, auth=auth) as driver, driver.session() as session:
        return session.run(_CYPHER["kept"].text).single(strict=True)["kept"]


async def compare(file: Path, rounds: int, batch: int | None) -> tuple[int, int, list[float], list[float]]:
    """The number of triples, of those that rdflib-neo4j keeps, and the seconds of each round of ours and theirs."""
    expected = await asyncio.to_thread(lambda: canonical(file.read_bytes(), detect(file.name).rdf))
    mine, other, left = list[float](), list[float](), 0
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), neo4j_uri=None)
        settings = settings.model_copy(update={"import_batch": batch}) if batch else settings
        async with servers(settings) as running:
            where = (running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database)
            async with connect(*where) as database, open_writer(database) as writer:
                await migrate(database)
                jobs = ImportJobs(database, writer, settings)
                for number in range(WARM_UPS + rounds):
                    await asyncio.to_thread(empty, running)
                    seconds = await ours(database, writer, jobs, Path(folder), file, expected if number == 0 else None)
                    await asyncio.to_thread(empty, running)
                    reference = await asyncio.to_thread(theirs, running, file)
                    if number >= WARM_UPS:
                        mine.append(seconds)
                        other.append(reference)
                        left = await asyncio.to_thread(kept, running)
                await jobs.close()
    return len(expected), left, mine, other


def show(name: str, triples: int, seconds: list[float]) -> float:
    """Print one contestant's figure and return it."""
    rates = sorted(triples / one for one in seconds)
    print(f"{name:>13}: {median(rates):9,.0f} triples/s (from {rates[0]:,.0f} to {rates[-1]:,.0f} in {len(rates)} rounds)")
    return median(rates)


def main() -> None:
    """Print the figure beside its reference."""
    parser = argparse.ArgumentParser(description="Import of a thesaurus, beside rdflib-neo4j.")
    parser.add_argument("file", nargs="?", type=Path, default=THESAURUS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=None, help="triples in a transaction; left out: the setting's default")
    arguments = parser.parse_args()
    if not arguments.file.is_file():
        sys.exit(f"there is no {arguments.file}; name an RDF file")
    triples, left, mine, other = asyncio.run(compare(arguments.file, arguments.rounds, arguments.batch))
    print(f"{arguments.file.name}: {triples:,} distinct triples")
    figure, reference = show("cairn", triples, mine), show("rdflib-neo4j", triples, other)
    print(f"rdflib-neo4j keeps {left:,} of {triples:,} triples; by triples kept the ratio is {figure / reference * triples / left:.2f}")
    print(f"ratio {figure / reference:.2f} (at least {RATIO}); cairn at least {BOUND:,} triples/s: {'yes' if figure >= BOUND else 'NO'}")


if __name__ == "__main__":
    main()

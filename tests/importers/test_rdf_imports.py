"""Imports: the difference is applied, the same file changes nothing, a malformed one leaves the graph as it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neo4j import AsyncManagedTransaction

from cairn.errors import BadInput, Conflict, Forbidden
from cairn.graph.access import Decision
from cairn.graph.contents import EMPTY, find_contents
from cairn.graph.database import Database, Row, run
from cairn.graph.graphs import list_graphs
from cairn.graph.imports import Import, Status, create_import, find_import
from cairn.graph.instants import now
from cairn.graph.ledger import read_head
from cairn.graph.names import new_id
from cairn.graph.resources import entities_by_iri
from cairn.graph.statements import parse
from cairn.graph.vocabulary import short_name
from cairn.graph.writer import Writer
from cairn.importers.jobs import ImportJobs, Wish
from cairn.importers.rdf import RdfImport
from cairn.settings import Settings

from .rdf_curator import GRAPH, Curator, curating
from .rdf_datasets import canonical, datasets, parsed, triples

pytestmark = pytest.mark.anyio

ON_REAL_SERVERS = settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
_LOOKING = parse((Path(__file__).parent / "rdf_looking.cypher").read_text(encoding="utf-8"))


async def look(database: Database, name: str, **parameters: object) -> list[Row]:
    """Run a statement of the test's own, past every filter."""

    async def work(transaction: AsyncManagedTransaction) -> list[Row]:
        return await run(transaction, _LOOKING[name], parameters)

    return await database.write(work)


@ON_REAL_SERVERS
@given(st.lists(datasets, min_size=1, max_size=3))
async def test_the_last_document_is_what_is_there(curator: Curator, documents: list[list[ox.Quad]]) -> None:
    """Whatever was imported before: every graph that the last document speaks of holds what it says, and nothing else."""
    for content in documents:
        data = ox.serialize(content, format=ox.RdfFormat.N_QUADS)
        await curator.done(data, "nq")
        expected = parsed(data, ox.RdfFormat.N_QUADS, GRAPH)
        spoken = {str(quad.graph_name) for quad in expected if not isinstance(quad.graph_name, ox.BlankNode)} | {f"<{GRAPH}>"}
        stored = list(ox.parse(await curator.exported(), ox.RdfFormat.N_QUADS))
        named = [quad for quad in stored if str(quad.graph_name) in spoken]
        if not any(isinstance(quad.graph_name, ox.BlankNode) for quad in expected):
            assert canonical(named) == expected
        assert await curator.done(data, "nq") == (0, 0)


@ON_REAL_SERVERS
@given(triples, triples)
async def test_a_difference_is_counted_and_leaves_no_trace_of_what_is_gone(
    database: Database, writer: Writer, tmp_path: Path, before: list[ox.Triple], after: list[ox.Triple]
) -> None:
    async with curating(database, writer, f"test-{new_id()}", tmp_path, batch=3) as curator:
        old, new = (sorted({str(one) for one in content if "_:" not in str(one)}) for content in (before, after))
        assert await curator.done("".join(f"{line} .\n" for line in old), "nt") == (len(old), 0)
        assert await curator.done("".join(f"{line} .\n" for line in new), "nt") == (len(set(new) - set(old)), len(set(old) - set(new)))
        if old or new:
            assert await curator.whole()
            assert sorted(line.decode() for line in (await curator.exported("nt", GRAPH)).splitlines()) == [f"{line} ." for line in new]
        assert await look(database, "loose", tenant=curator.tenant) == []
        projected = {(row["iri"], row["label"]) for row in await look(database, "labels", tenant=curator.tenant)}
        typed = {(row["iri"], short_name(str(row["class"]))) for row in await look(database, "typed", tenant=curator.tenant)}
        assert projected == typed


async def test_the_same_document_again_changes_nothing(curator: Curator) -> None:
    data = '@prefix : <urn:> . :a :b [ :c ( 1 2 [ :d "x"@en ] ) ], [ :c ( 1 2 ) ] ; a :T .'
    added, _ = await curator.done(data)
    assert added == 16
    access, size = await curator.access(), (await read_head(curator.database, curator.tenant)).size
    before = await curator.exported()
    (graph,) = (await list_graphs(curator.database, access, 10)).items
    assert await curator.done(data) == (0, 0)
    relabelled = ox.serialize(ox.parse(data, ox.RdfFormat.TURTLE), format=ox.RdfFormat.N_QUADS)
    assert await curator.done(relabelled, "nq") == (0, 0)
    assert await curator.exported() == before
    assert (await list_graphs(curator.database, access, 10)).items == (graph,)
    assert (await read_head(curator.database, curator.tenant)).size == size + 4  # start and end of two imports, nothing of the graph


async def test_a_subject_of_many_batches_is_written_piece_by_piece(database: Database, writer: Writer, tenant: str, tmp_path: Path) -> None:
    async with curating(database, writer, tenant, tmp_path, batch=10) as curator:
        lines = [f"<urn:hub> <urn:p> <urn:o{n}> .\n" for n in range(60)] + [f'<urn:hub> <urn:q> "{n}" .\n' for n in range(15)]
        assert await curator.done("".join(lines), "nt") == (75, 0)
        assert await curator.whole()
        assert await curator.done("".join(lines[30:]), "nt") == (0, 30)
        assert await curator.whole()
        assert await curator.done("", "nt") == (0, 45)
        assert await look(database, "loose", tenant=tenant) == []


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("nt", "<urn:a> <urn:b> <urn:new> .\n<urn:a> <urn:b> .\n"),
        ("ttl", "<urn:a> <urn:b> <urn:new> .\n<urn:a> e:b 1 .\n"),
        ("nq", "<urn:a> <urn:b> <urn:new> <urn:g2> .\n<urn:a> <urn:b> 5 .\n"),
        ("trig", "<urn:g2> { <urn:a> <urn:b> <urn:new> }\n<urn:g3> { <urn:a> }\n"),
        ("rdfxml", '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about="urn:a"/>\n</r:RDF'),
        ("jsonld", '{"@id": "urn:a", "urn:b": {"@id": "urn:new"},\n "urn:c": [1, }'),
    ],
)
async def test_a_malformed_document_leaves_everything_as_it_was(curator: Curator, format: str, data: str) -> None:
    await curator.done("<urn:a> <urn:b> <urn:c> .")
    before, access = await curator.exported(), await curator.access()
    ended = await curator.bring(data, format)
    assert ended.status is Status.FAILED and ended.error is not None and ended.error.startswith("line 2, column "), ended.error
    assert (ended.triples_added, ended.triples_removed) == (0, 0) and ended.finished_at is not None
    assert await curator.exported() == before
    assert await curator.access() == replace(access, decide=(await curator.access()).decide)
    assert await entities_by_iri(curator.database, await curator.access(), ["urn:new"]) == {}


async def test_every_batch_has_a_line_in_the_ledger_with_the_hash_before_and_after(
    database: Database, writer: Writer, tenant: str, tmp_path: Path
) -> None:
    async with curating(database, writer, tenant, tmp_path, batch=10) as curator:
        await curator.done("".join(f"<urn:s{n}> <urn:p> {n} .\n" for n in range(35)))
        lines = [row for row in await look(database, "ledger", tenant=tenant) if row["target"] == f"graph:{GRAPH}"]
        assert [row["operation"] for row in lines] == ["graph.create"] + 5 * ["graph.update"]
        hashes = [str(row["body"]) for row in lines]
        content = (await find_contents(database, tenant, [GRAPH]))[GRAPH]
        assert f'"after":"{EMPTY}"' in hashes[0] and f'"before":"{EMPTY}"' in hashes[1] and f'"after":"{content.hash}"' in hashes[-1]
        await curator.done("")
        assert (await find_contents(database, tenant, [GRAPH]))[GRAPH].hash == EMPTY


async def test_an_import_that_was_cut_off_goes_on_where_it_stopped(
    database: Database, writer: Writer, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = "".join(f"<urn:s{n}> <urn:p> <urn:o{n % 7}>, {n} .\n" for n in range(50))
    async with curating(database, writer, tenant, tmp_path, batch=10) as curator:
        commit = RdfImport._commit  # pyright: ignore[reportPrivateUsage]
        left = 4

        async def breaking(self: RdfImport, *arguments: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise RuntimeError("the process dies here")
            await commit(self, *arguments)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(RdfImport, "_commit", breaking)
        failed = await curator.bring(data)
        assert failed.status is Status.FAILED and 0 < failed.triples_added < 100
        assert await curator.whole()
        monkeypatch.undo()
        added, removed = await curator.done(data)
        assert (added + failed.triples_added, removed) == (100, 0)
        assert await curator.whole()


async def test_an_import_whose_process_is_gone_is_marked_failed_and_can_be_started_again(curator: Curator) -> None:
    access = await curator.access()
    old = now() - timedelta(minutes=5)
    dead = Import(new_id(), curator.tenant, "curator", Status.RUNNING, "a.ttl", GRAPH, "ttl", started_at=old)
    await create_import(curator.writer, access, dead, None)
    assert await curator.done("<urn:a> <urn:b> <urn:c> .") == (1, 0)  # its lease has run out
    assert await curator.jobs.recover() >= 1
    found = await find_import(curator.database, access, dead.id)
    assert found is not None and found.status is Status.FAILED and "start it again" in (found.error or "")


async def test_two_imports_never_work_on_one_graph_at_once(curator: Curator) -> None:
    access = await curator.access()
    first = Import(new_id(), curator.tenant, "someone", Status.RUNNING, "a.ttl", GRAPH, "ttl", started_at=now())
    await create_import(curator.writer, access, first, None)
    with pytest.raises(Conflict, match="at work"):
        await curator.bring("<urn:a> <urn:b> <urn:c> .")
    ended = await curator.bring(f"<urn:a> <urn:b> <urn:c> <{GRAPH}> .", "nq", "urn:another")
    assert ended.status is Status.FAILED and "at work" in (ended.error or "")
    assert await curator.done("<urn:a> <urn:b> <urn:c> .", graph="urn:another") == (1, 0)


async def test_an_idempotency_key_starts_one_import(curator: Curator) -> None:
    path = curator.folder / "a.ttl"
    path.write_text("<urn:a> <urn:b> <urn:c> .")
    access = await curator.access()
    starts = [await curator.jobs.start(access, Wish(str(path), graph=GRAPH), idempotency_key="once") for _ in range(3)]
    assert len({one.id for one in starts}) == 1
    with pytest.raises(Conflict, match="idempotencyKey"):
        await curator.jobs.start(access, Wish(str(path), graph="urn:other"), idempotency_key="once")
    assert await curator.jobs.wait(access, starts[0].id) is not None


async def test_an_import_needs_permission_for_every_graph_it_writes(curator: Curator) -> None:
    path = curator.folder / "a.nq"
    path.write_text("<urn:a> <urn:b> <urn:c> <urn:mine> .\n<urn:a> <urn:b> <urn:c> <urn:secret> .\n")
    for may in (lambda o, _: o != "import", lambda o, _: not o.startswith("graph:")):
        with pytest.raises(Forbidden):
            await curator.jobs.start(await curator.access(may), Wish(str(path)))
    with pytest.raises(Forbidden, match="local entities"):
        await curator.jobs.start(await curator.access(), Wish(str(path), graph="urn:cairn:scope:public"))
    wrong = (Wish(str(path), graph="no iri"), Wish(str(path), graph=""), Wish(str(path), base="x"), Wish(str(path), format="csv"), Wish(""))
    for wish in wrong:
        with pytest.raises(BadInput):
            await curator.jobs.start(await curator.access(), wish)
    access = await curator.access(lambda o, _: o != "graph:urn:secret")
    ended = await curator.jobs.wait(access, (await curator.jobs.start(access, Wish(str(path)))).id)
    assert ended is not None and ended.status is Status.FAILED and "urn:secret" in (ended.error or "")
    assert await curator.exported() == b""
    reserved = await curator.bring("<urn:a> <urn:b> <urn:c> <urn:cairn:scope:public> .", "nq")
    assert reserved.status is Status.FAILED and "local entities" in (reserved.error or "")


async def test_what_memories_and_other_graphs_hold_on_to_stays(curator: Curator) -> None:
    data = "<urn:a> a <urn:T> . <urn:b> <urn:p> <urn:a> . <urn:c> <urn:p> <urn:d> ."
    await curator.done(data)
    await curator.done("<urn:a> a <urn:T> ; <urn:q> 1 .", graph="urn:other")
    await look(curator.database, "mention", tenant=curator.tenant)
    assert await curator.done("") == (0, 3)
    left = {row["iri"] for row in await look(curator.database, "resources", tenant=curator.tenant)}
    assert left == {"urn:a", "urn:T", "urn:d"}
    assert {(row["iri"], row["label"]) for row in await look(curator.database, "labels", tenant=curator.tenant)} == {("urn:a", "x__T")}
    found = await entities_by_iri(curator.database, await curator.access(), ["urn:a", "urn:b", "urn:d"])
    assert {iri: one.graphs for iri, one in found.items()} == {"urn:a": ("urn:other",)}


async def test_progress_is_told_step_by_step_to_its_end(curator: Curator) -> None:
    path = curator.folder / "big.nt"
    path.write_text("".join(f"<urn:s{n}> <urn:p> <urn:o{n % 97}> .\n" for n in range(12_000)))
    access = await curator.access()
    started = await curator.jobs.start(access, Wish(str(path), graph=GRAPH))
    states = [state async for state in curator.jobs.watch(access, started.id)]
    assert states[0].status is Status.RUNNING and states[0].bytes_total == path.stat().st_size
    assert all(earlier.triples_read <= later.triples_read for earlier, later in pairwise(states))
    assert (states[-1].status, states[-1].triples_read, states[-1].triples_added) == (Status.DONE, 12_000, 12_000)
    assert states[-1].bytes_read == path.stat().st_size and states[-1].sha256 is not None
    assert await find_import(curator.database, access, started.id) == states[-1]
    stranger = replace(access, principal="stranger", decide=lambda _o, _a: Decision(False))
    assert await find_import(curator.database, stranger, started.id) is None
    assert [state async for state in curator.jobs.watch(stranger, started.id)] == []


async def test_stopping_the_process_ends_its_imports(database: Database, writer: Writer, curator: Curator, tmp_path: Path) -> None:
    jobs = ImportJobs(database, writer, Settings(data_dir=tmp_path / "other"))
    path = curator.folder / "slow.nt"
    path.write_text("".join(f'<urn:s{n}> <urn:p> "{n}" .\n' for n in range(200_000)))
    access = await curator.access()
    started = await jobs.start(access, Wish(str(path), graph=GRAPH))
    await asyncio.sleep(0)
    await jobs.close()
    ended = await find_import(database, access, started.id)
    assert ended is not None and ended.status is Status.FAILED and "shut down" in (ended.error or "")

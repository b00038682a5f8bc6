"""Exports: what comes out is isomorphic to what went in, in any format that can hold it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import HealthCheck, given, settings
from rdflib import Graph
from rdflib.compare import isomorphic

from cairn.errors import BadInput, NotFound
from cairn.graph.database import Database
from cairn.graph.names import new_id
from cairn.graph.writer import Writer
from cairn.importers.export import export
from cairn.importers.formats import detect, named

from .rdf_curator import GRAPH, Curator, curating
from .rdf_datasets import RDF, canonical, datasets, parsed, triples

pytestmark = pytest.mark.anyio

ON_REAL_SERVERS = settings(deadline=None, max_examples=6, suppress_health_check=list(HealthCheck))
ONE_GRAPH = ("nt", "ttl", "rdfxml")
SEVERAL = ("nq", "trig", "jsonld")


@ON_REAL_SERVERS
@given(datasets)
async def test_a_dataset_comes_out_as_it_went_in(database: Database, writer: Writer, tmp_path: Path, content: list[ox.Quad]) -> None:
    async with curating(database, writer, f"test-{new_id()}", tmp_path) as curator:
        data = ox.serialize(content, format=ox.RdfFormat.N_QUADS)
        await curator.done(data, "nq")
        for name in SEVERAL:
            try:
                exported = await curator.exported(name)
            except BadInput:
                assert name == "jsonld" and "<<(" in data.decode()
                continue
            assert parsed(exported, named(name).rdf) == parsed(data, ox.RdfFormat.N_QUADS, GRAPH)


@ON_REAL_SERVERS
@given(triples)
async def test_one_graph_comes_out_in_any_format_and_goes_in_again(
    database: Database, writer: Writer, tmp_path: Path, content: list[ox.Triple]
) -> None:
    async with curating(database, writer, f"test-{new_id()}", tmp_path) as curator:
        data = ox.serialize(content, format=ox.RdfFormat.N_TRIPLES)
        await curator.done(data, "nt")
        for name in ONE_GRAPH if content else ():
            try:
                exported = await curator.exported(name, GRAPH)
            except BadInput:
                assert name == "rdfxml"
                continue
            assert parsed(exported, named(name).rdf) == parsed(data, ox.RdfFormat.N_TRIPLES)
            again = await curator.bring(exported, name, "urn:again")
            assert again.error is None
            assert parsed(await curator.exported("nt", "urn:again"), ox.RdfFormat.N_TRIPLES) == parsed(data, ox.RdfFormat.N_TRIPLES)


@pytest.mark.parametrize("name", ["unesco-thesaurus.ttl", "schemaorg-30.0-all-https.nt", "brick-soda-building.ttl", "pizza.owl"])
async def test_real_files_come_out_as_they_went_in(curator: Curator, shared_data: Path, name: str) -> None:
    path = shared_data / "rdf" / name
    format = detect(name)
    expected = parsed(path.read_bytes(), format.rdf)
    assert await curator.done(path.read_bytes(), format.name) == (len(expected), 0)
    assert parsed(await curator.exported("nt", GRAPH), ox.RdfFormat.N_TRIPLES) == expected
    assert await curator.done(path.read_bytes(), format.name) == (0, 0)
    if name == "pizza.owl":
        assert await curator.whole()


async def test_rdflib_reads_the_same(curator: Curator) -> None:
    """A judge that shares no code with the parser."""
    data = '@prefix : <http://e/> . :a :b "x"@en, 01, "é\\n" ; :c ( 1 [ :d :e ] ) . [] :f [ :g "h" ] .'
    await curator.done(data)
    for name, format in (("ttl", "turtle"), ("rdfxml", "xml"), ("nt", "nt")):
        found = Graph().parse(data=await curator.exported(name, GRAPH), format=format)
        assert isomorphic(found, Graph().parse(data=data, format="turtle"))


async def test_turtle_uses_well_known_prefixes_that_occur(curator: Curator) -> None:
    await curator.done('<urn:a> a <http://www.w3.org/2004/02/skos/core#Concept> ; <http://purl.org/dc/terms/title> "A" .')
    exported = (await curator.exported("ttl", GRAPH)).decode()
    assert "skos:Concept" in exported and "dcterms:title" in exported and "foaf" not in exported


async def test_rdf_xml_keeps_carriage_returns_and_refuses_what_xml_can_not_hold(curator: Curator) -> None:
    await curator.done('<urn:a> <urn:p:b> "x\\r\\ny" .')
    assert b"x&#xD;\ny" in await curator.exported("rdfxml", GRAPH)
    for number, data in enumerate(['<urn:a> <urn:p:b> "\\u0001" .', "<urn:a> <http://e/1> 1 .", f"<urn:a> <{RDF}li> 1 ."]):
        await curator.done(data, graph=f"urn:wrong:{number}")
        with pytest.raises(BadInput, match="RDF/XML can't hold"):
            await curator.exported("rdfxml", f"urn:wrong:{number}")
    await curator.done('<urn:a> <urn:p:b> "\\\\u0001" .', graph="urn:backslash")
    assert b"\\u0001" in await curator.exported("rdfxml", "urn:backslash")


async def test_only_readable_graphs_come_out(curator: Curator) -> None:
    await curator.done("<urn:a> <urn:b> <urn:open> .", graph="urn:open")
    access = await curator.access()
    await curator.done("<urn:a> <urn:b> <urn:secret> .", graph="urn:secret")

    async def exported(format: str, graph: str | None) -> bytes:
        return b"".join([chunk async for chunk in export(curator.database, access, curator.folder, format, graph)])

    for format in ("nt", *SEVERAL, *ONE_GRAPH):
        assert b"secret" not in await exported(format, None)
    with pytest.raises(NotFound):
        await exported("nq", "urn:secret")
    assert await exported("nq", "urn:open") == b"<urn:a> <urn:b> <urn:open> <urn:open> .\n"
    nobody = replace(access, graphs=())
    assert b"".join([chunk async for chunk in export(curator.database, nobody, curator.folder)]) == b""


async def test_a_format_for_one_graph_takes_no_two(curator: Curator) -> None:
    await curator.done("<urn:a> <urn:b> <urn:c> <urn:g1> . <urn:a> <urn:b> <urn:d> <urn:g2> .".replace(" . ", " .\n"), "nq")
    for format in ONE_GRAPH:
        with pytest.raises(BadInput, match="name one"):
            await curator.exported(format)
    with pytest.raises(BadInput, match="csv"):
        await curator.exported("csv")
    assert canonical(ox.parse(await curator.exported("trig"), ox.RdfFormat.TRIG)) == canonical(
        ox.parse(await curator.exported("nq"), ox.RdfFormat.N_QUADS)
    )

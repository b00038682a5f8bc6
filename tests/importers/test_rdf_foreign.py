"""Formats that rdflib reads for Cairn: they give what the same statements give in N-Quads, and malformed ones are refused."""

from __future__ import annotations

import io
from contextlib import closing

import pytest

from cairn.errors import MalformedRDF
from cairn.importers.documents import Document, Request

GRAPH = "https://example.org/g"
NQUADS = b"""<http://e.org/a> <http://e.org/p> "01"^^<http://www.w3.org/2001/XMLSchema#integer> <http://e.org/named> .
<http://e.org/a> <http://e.org/q> "gr\xc3\xbc\xc3\x9f"@de-ch .
<http://e.org/a> <http://e.org/r> <http://e.org/b> .
"""
TRIX = """<?xml version="1.0" encoding="utf-8"?>
<TriX xmlns="http://www.w3.org/2004/03/trix/trix-1/">
 <graph><uri>http://e.org/named</uri><triple><uri>http://e.org/a</uri><uri>http://e.org/p</uri>
  <typedLiteral datatype="http://www.w3.org/2001/XMLSchema#integer">01</typedLiteral></triple></graph>
 <graph><triple><uri>http://e.org/a</uri><uri>http://e.org/q</uri><plainLiteral xml:lang="de-CH">grüß</plainLiteral></triple>
  <triple><uri>http://e.org/a</uri><uri>http://e.org/r</uri><uri>http://e.org/b</uri></triple></graph>
</TriX>""".encode()
HEXTUPLES = """["http://e.org/a","http://e.org/p","01","http://www.w3.org/2001/XMLSchema#integer","","http://e.org/named"]
["http://e.org/a","http://e.org/q","grüß","http://www.w3.org/1999/02/22-rdf-syntax-ns#langString","de-CH",""]
["http://e.org/a","http://e.org/r","http://e.org/b","globalId","",""]
""".encode()


def read(source: bytes, format: str) -> tuple[list[str], list[tuple[int, str, tuple[str, ...]]]]:
    """The graphs of a document and the hash of every subject in them."""
    request = Request("tenant", GRAPH, format, None, 1_000_000)
    with closing(Document(io.BytesIO(source), request)) as document:
        graphs = document.read(lambda _bytes, _triples: None).graphs
        return graphs, sorted((number, one.hash, tuple(one.literals)) for number, one in document.subjects())


@pytest.mark.parametrize(("source", "format"), [(TRIX, "trix"), (HEXTUPLES, "hext")])
def test_it_says_what_nquads_says(source: bytes, format: str) -> None:
    assert read(source, format) == read(NQUADS, "nq")


@pytest.mark.parametrize(
    ("source", "format"),
    [
        (TRIX[:200], "trix"),
        (b"<html/>", "trix"),
        (b'<!DOCTYPE t [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><TriX>&b;</TriX>', "trix"),
        (b"[1, 2", "hext"),
        (b'["not an iri","http://e.org/p","v","globalId","",""]', "hext"),
    ],
)
def test_what_is_malformed_is_refused(source: bytes, format: str) -> None:
    with pytest.raises(MalformedRDF):
        read(source, format)

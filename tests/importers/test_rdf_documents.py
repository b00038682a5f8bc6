"""Documents: what is read is what was written, in any format; whatever is malformed is named with its place."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Iterable
from contextlib import closing

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.errors import MalformedRDF, TooCostly
from cairn.graph.rdf import term
from cairn.importers.documents import MAX_IRI, Document, Read, Request
from cairn.importers.formats import FORMATS, named

from .rdf_datasets import RDF, canonical, datasets, literals, parsed, triples

GRAPH = "urn:test:main"
MAX_LITERAL = 20_000


def request(format: str, **values: object) -> Request:
    return Request(**({"tenant": "t", "graph": GRAPH, "format": format, "base": None, "max_literal": MAX_LITERAL} | values))  # pyright: ignore[reportArgumentType]


def read(data: bytes, format: str, **values: object) -> tuple[Read, list[tuple[str, str, list[str]]]]:
    """What was read, and for every subject its graph, name and statements, in the order in which they come."""
    with closing(Document(io.BytesIO(data), request(format, **values))) as document:
        found = document.read(lambda _count, _triples: None)
        subjects = [(found.graphs[graph], one.iri, one.statements()) for graph, one in document.subjects()]
    return found, subjects


def dataset(subjects: Iterable[tuple[str, str, list[str]]]) -> ox.Dataset:
    lines = [f"{term(name)} {statement} {term(graph)} ." for graph, name, statements in subjects for statement in statements]
    return canonical(ox.parse("\n".join(lines), ox.RdfFormat.N_QUADS))


def malformed(data: bytes, format: str, **values: object) -> MalformedRDF:
    with pytest.raises(MalformedRDF) as caught:
        read(data, format, **values)
    return caught.value


@settings(deadline=None, max_examples=80)
@given(triples, st.sampled_from(["nt", "ttl", "rdfxml", "jsonld"]), st.booleans())
def test_a_graph_comes_through_any_format(content: list[ox.Triple], name: str, zipped: bool) -> None:
    format = named(name)
    try:
        data = ox.serialize(content, format=format.rdf)
        expected = parsed(data, format.rdf, GRAPH)
    except (OSError, SyntaxError):
        return  # not every format can hold every term
    if name == "rdfxml" and any((ord(sign) < 32 and sign not in "\t\r\n") or sign in "\ufffe\uffff" for sign in data.decode()):
        return  # pyoxigraph writes what is not XML
    if name == "jsonld" and not content:
        data = b"[]"
    found, subjects = read(gzip.compress(data) if zipped else data, name)
    assert dataset(subjects) == expected
    assert found.graphs == [GRAPH] and found.default == (len(expected) > 0)


@settings(deadline=None, max_examples=80)
@given(datasets, st.sampled_from(["nq", "trig", "jsonld"]))
def test_a_dataset_comes_through_with_its_named_graphs(content: list[ox.Quad], name: str) -> None:
    format = named(name)
    try:
        data = ox.serialize(content, format=format.rdf)
    except OSError:
        return
    _, subjects = read(data, name)
    assert dataset(subjects) == parsed(data, format.rdf, GRAPH)


@settings(deadline=None, max_examples=50)
@given(datasets, st.integers(0, 2**32))
def test_ids_of_blank_nodes_depend_neither_on_labels_nor_on_order(content: list[ox.Quad], seed: int) -> None:
    lines = ox.serialize(content, format=ox.RdfFormat.N_QUADS).splitlines(keepends=True)  # bytes: text has more line ends
    assert read(b"".join(lines), "nq") == read(b"".join(lines), "nq")
    if symmetric(content):
        return
    relabelled = sorted({f"{quad} .\n" for quad in canonical(content)})
    random.Random(seed).shuffle(relabelled)
    assert sorted(read("".join(relabelled).encode(), "nq")[1]) == sorted(read(b"".join(lines), "nq")[1])


def symmetric(content: list[ox.Quad]) -> bool:
    """Whether two blank nodes that are alike stand in one statement: then their ids may follow the order of the file."""
    return any(len({*blanks(quad)}) > 1 for quad in content)


def blanks(quad: ox.Quad) -> list[str]:
    found = [quad.subject, quad.object, quad.graph_name]
    if isinstance(quad.object, ox.Triple):
        found += [quad.object.subject, quad.object.object]
    return [str(one) for one in found if isinstance(one, ox.BlankNode)]


def test_alike_structures_keep_their_ids_when_the_file_is_reordered() -> None:
    """Two copies of a list with two equal items, hung on one subject, and a chain that tells its links apart only from its end."""
    links = ["<urn:s> <urn:p> _:#a", "_:#a <urn:first> 1", "_:#a <urn:rest> _:#b", "_:#b <urn:first> 1", "_:#b <urn:rest> <urn:nil>"]
    pattern = "".join(f"{link.replace(' 1', ' <urn:1>')} .\n" for link in links)
    copies = "".join(pattern.replace("#", name) for name in "mn")
    chain = "".join(f"_:c{n} <urn:next> _:c{n + 1} .\n" for n in range(40))
    lines = (copies + chain).splitlines(keepends=True)
    first = read("".join(lines).encode(), "nt")[1]
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        assert read("".join(lines).encode(), "nt")[1] == first


def test_a_changed_statement_changes_only_the_ids_of_blank_nodes_near_it() -> None:
    def names(extra: str) -> set[str]:
        data = "".join(f'<urn:s{n}> <urn:p> _:b{n} .\n_:b{n} <urn:q> "{n}" .\n' for n in range(50)) + extra
        return {name for _, name, _ in read(data.encode(), "nt")[1] if name.startswith("_:")}

    assert len(names("") - names('_:b7 <urn:q> "new" .\n')) == 1


@settings(deadline=None, max_examples=30)
@given(datasets)
def test_runs_on_disk_give_what_memory_gives(content: list[ox.Quad]) -> None:
    data = ox.serialize(content, format=ox.RdfFormat.N_QUADS)
    assert read(data, "nq", memory=1) == read(data, "nq")


def test_many_runs_are_merged_with_few_files() -> None:
    lines = [f'<urn:s{n % 150}> <urn:p> "{n}" .\n' for n in range(400)]
    found, subjects = read("".join(lines).encode(), "nt", memory=1)
    assert found.triples == 400
    assert subjects == read("".join(lines).encode(), "nt")[1]
    assert sum(len(statements) for _, _, statements in subjects) == 400


def test_too_many_blank_nodes_get_ids_by_order_of_occurrence(monkeypatch: pytest.MonkeyPatch) -> None:
    data = "".join(f'_:n{n} <urn:p> _:n{n + 1} .\n_:n{n} <urn:q> "_:n0" .\n' for n in range(30)).encode()
    expected = parsed(data, ox.RdfFormat.N_TRIPLES, GRAPH)
    monkeypatch.setattr("cairn.importers.documents.BlankNodes.__init__.__defaults__", (8,))
    first = read(data, "nt")[1]
    assert dataset(first) == expected
    assert read(data, "nt")[1] == first
    assert read(data.replace(b"_:n", b"_:m"), "nt")[1] == read(data.replace(b'"_:n0"', b'"_:m0"'), "nt")[1]


def test_repeated_statements_count_once() -> None:
    found, subjects = read(b"<urn:a> <urn:b> <urn:c>, <urn:c>. <urn:a> <urn:b> <urn:c> .", "ttl")
    assert (found.triples, len(subjects), len(subjects[0][2])) == (3, 1, 1)


def test_language_tags_come_in_lower_case_and_lexical_forms_as_they_are() -> None:
    _, ((_, _, statements),) = read(b'<urn:a> <urn:b> "x"@EN-us, 01, 1.0, "abc"^^<http://www.w3.org/2001/XMLSchema#integer> .', "ttl")
    objects = {statement.partition(" ")[2].replace("http://www.w3.org/2001/XMLSchema#", "xsd:") for statement in statements}
    assert objects == {'"x"@en-us', '"01"^^<xsd:integer>', '"1.0"^^<xsd:decimal>', '"abc"^^<xsd:integer>'}


XML = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">\n'


@pytest.mark.parametrize(
    ("format", "data", "line", "column"),
    [
        ("nt", b'<urn:a> <urn:b> "1" .\n<urn:a> <urn:b> .\n', 2, 17),
        ("nq", b'<urn:a> <urn:b> "1" <urn:g> .\n<urn:a> <urn:b> 5 .\n', 2, 17),
        ("ttl", b"@prefix e: <urn:e:> .\n\n<urn:a> e:b f:c .\n", 3, 13),
        ("ttl", b'<urn:a> <urn:b> "never closed', 1, 17),
        ("ttl", b"<urn:a> <urn:b> <urn:c>", 1, 24),
        ("trig", b"<urn:g> {\n <urn:a> <urn:b> }\n", 2, 18),
        ("rdfxml", XML + b'<rdf:Description rdf:about="urn:a"><e:p>1</e:q>', 2, 44),
        ("rdfxml", XML + b'<rdf:Description rdf:about="urn:a">\n<e:p>1</e:p>', 3, 13),
        ("rdfxml", XML + b'<rdf:Description rdf:about="x"><e:p>1</e:p></rdf:Description></rdf:RDF>', 2, 32),
        ("rdfxml", b"", 1, 1),
        ("jsonld", b"", 1, 1),
        ("jsonld", b'{"@id": "urn:a",\n "http://e/p": }', 2, 16),
        ("jsonld", b'{"@id": "urn:a", "http://e/p":\n {"@value": {}}\n}', 3, 2),
        ("jsonld", b'{"name": "Ada"}', 1, 1),
        ("jsonld", b'{"@context": "http://127.0.0.1:9/context", "name": "Ada"}', 1, 58),
        ("jsonld", b'{"@id": "people/ada", "http://e/p": "1"}', 1, 41),
        ("ttl", b"<people/ada> <urn:b> 1 .", 1, 1),
        ("nt", b"<urn:a> <urn:b> <c> .", 1, 17),
        ("ttl", '<urn:a> <urn:b> "café" .'.encode("latin-1"), 1, 21),
        ("ttl", '<urn:a> <urn:b> "café" .'.encode("utf-16"), 1, 1),
        ("rdfxml", b'<?xml version="1.0" encoding="ISO-8859-1"?>\n' + XML + b"</rdf:RDF>", 1, 44),
        ("ttl", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", 1, 1),
        ("ttl", b"<!DOCTYPE html>\n<html><body>Not found</body></html>", 1, 1),
        ("rdfxml", b"<!DOCTYPE html>\n<html><body>Not found</body></html>", 2, 7),
        ("nt", b'<urn:a> <urn:b> "\\uD800" .', 1, 18),
        ("ttl", b"<urn:a b> <urn:b> 1 .", 1, 1),
    ],
)
def test_what_is_malformed_is_named_with_line_and_column(format: str, data: bytes, line: int, column: int) -> None:
    error = malformed(data, format)
    assert (error.line, error.column) == (line, column), error.message
    assert error.message and "Parser error" not in error.message


def test_a_relative_iri_says_that_it_needs_a_base_and_takes_one() -> None:
    relative = {"ttl": b"<ada> <urn:p> 1 .", "jsonld": b'{"@id": "ada", "urn:p": 1}', "rdfxml": XML + b'<e:T rdf:about="ada"/></rdf:RDF>'}
    for format, data in relative.items():
        assert "base" in malformed(data, format).message
        assert read(data, format, base="http://example.org/people/")[1][0][1] == "http://example.org/people/ada"


@pytest.mark.parametrize("format", ["nt", "nq", "ttl", "trig"])
def test_an_empty_text_is_an_empty_graph(format: str) -> None:
    found, subjects = read(b"", format)
    assert (found.triples, found.default, subjects) == (0, False, [])


@pytest.mark.parametrize(("format", "data"), [("jsonld", b" [] \n"), ("jsonld", b"{}"), ("rdfxml", XML + b"</rdf:RDF>")])
def test_documents_that_say_nothing_are_empty_graphs(format: str, data: bytes) -> None:
    assert read(data, format)[0].triples == 0


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read(b"\xef\xbb\xbf<urn:a> <urn:b> <urn:c> .", "nt")[0].triples == 1


@pytest.mark.parametrize("cut", [15, -4, -1])
def test_gzip_that_is_cut_short_is_malformed(cut: int) -> None:
    data = gzip.compress(random.Random(1).randbytes(1000).hex().join(["<urn:a> <urn:b> '", "' ."]).encode())
    assert "gzip" in malformed(data[:cut], "ttl").message


def bomb(levels: int) -> bytes:
    entities = b"".join(b'<!ENTITY a%d "%s">' % (n, (b"&a%d;" % (n - 1)) * 10) for n in range(1, levels))
    return b'<!DOCTYPE r [<!ENTITY a0 "aaaaaaaaaa">' + entities + b"]>\n" + XML + b'<e:T e:p="&a%d;"/></rdf:RDF>' % (levels - 1)


def test_xml_entities_that_multiply_are_refused_before_they_do() -> None:
    assert "entity" in malformed(bomb(10), "rdfxml").message
    found, subjects = read(bomb(2), "rdfxml")
    assert found.triples == 2 and '"' + 100 * "a" + '"' in subjects[0][2][-1] + subjects[0][2][0]


def test_entities_that_multiply_by_repetition_are_refused() -> None:
    data = b'<!DOCTYPE r [<!ENTITY a "%s">]>\n' % (b"a" * 1000) + XML + b"<e:T><e:p>" + b"&a;" * 20_000 + b"</e:p></e:T></rdf:RDF>"
    assert "too long" in malformed(data, "rdfxml").message


@pytest.mark.parametrize(
    "declared", [b'<!ENTITY x SYSTEM "file:///etc/hostname">', b'<!ENTITY % x "y">', b'<!ENTITY x PUBLIC "p" "http://127.0.0.1:9/">']
)
def test_external_and_parameter_entities_are_refused(declared: bytes) -> None:
    assert "entity" in malformed(b"<!DOCTYPE r [" + declared + b"]>\n" + XML + b"</rdf:RDF>", "rdfxml").message


def test_owl_files_may_use_entities_for_namespaces() -> None:
    data = b'<!DOCTYPE r [<!ENTITY e "http://e/"> <!ENTITY f "&e;f/">]>\n' + XML + b'<e:T rdf:about="&f;x"/></rdf:RDF>'
    assert read(data, "rdfxml")[1][0][1] == "http://e/f/x"


@settings(deadline=None, max_examples=30)
@given(literals)
def test_a_literal_is_measured_as_it_will_be_not_as_it_is_written(literal: ox.Literal) -> None:
    escaped = "".join(f"\\U{ord(sign):08X}" for sign in literal.value)
    data = f'<urn:a> <urn:b> "{escaped}" .'.encode()
    size = len(literal.value.encode())
    if size:
        assert read(data, "nt", max_literal=size)[0].triples == 1
    padded = data.replace(b'" .', b"x" * MAX_IRI + b'" .')
    assert read(padded, "nt", max_literal=size + MAX_IRI)[0].triples == 1
    assert "literal" in malformed(padded, "nt", max_literal=size + MAX_IRI - 1).message


def test_an_endless_iri_is_refused() -> None:
    assert "IRI" in malformed(b"<urn:%s> <urn:b> 1 ." % (b"a" * MAX_IRI), "ttl", max_literal=MAX_IRI).message


def test_cyclic_and_branching_lists_are_just_statements() -> None:
    text = "_:a :first <urn:x> ; :rest _:b . _:b :first <urn:x> ; :rest _:a, _:b ."
    data = f"@prefix : <{RDF}> . {text}".encode()
    assert dataset(read(data, "ttl")[1]) == parsed(data, ox.RdfFormat.TURTLE, GRAPH)


def test_a_long_list_of_equal_items_takes_time_in_proportion() -> None:
    data = b"@prefix : <urn:> . :a :b (" + b" 1" * 20_000 + b") ."
    found, subjects = read(data, "ttl")
    assert found.triples == 40_001 and len({name for _, name, _ in subjects}) == 20_001


def test_a_subject_with_too_much_to_say_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairn.importers.spool.MAX_SUBJECT", 3_000_000)
    data = "".join(f'<urn:a> <urn:b> "{n}{"x" * 15_000}" .\n' for n in range(300)).encode()
    for memory in (1_500_000, 100_000_000):
        with pytest.raises(TooCostly, match="urn:a"):
            read(data, "nt", memory=memory)


def test_too_many_graphs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairn.importers.documents.MAX_GRAPHS", 5)
    with pytest.raises(TooCostly, match="graphs"):
        read("".join(f"<urn:a> <urn:b> <urn:c> <urn:g{n}> .\n" for n in range(9)).encode(), "nq")


def test_every_format_is_found_by_all_its_names() -> None:
    for format in FORMATS:
        assert {named(name) for name in (format.name, format.title, *format.extensions, *format.media_types)} == {format}

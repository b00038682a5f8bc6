"""The sample that Cairn ships: valid, of the promised size, in three languages, with every sort of term an import must keep."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad, RdfFormat, parse
from rdflib import Graph
from rdflib.compare import isomorphic

SAMPLE = files("cairn.importers") / "samples" / "ocean-lab.ttl"
SKOS = "http://www.w3.org/2004/02/skos/core#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWN = "https://example.org/ocean-lab/"
LANGUAGES = {"en", "de", "fr"}


@pytest.fixture(scope="module")
def quads() -> list[Quad]:
    return list(parse(SAMPLE.read_bytes(), format=RdfFormat.TURTLE))


def of_type(quads: list[Quad], type_: str) -> set[NamedNode | BlankNode]:
    return {quad.subject for quad in quads if quad.predicate.value == f"{RDF}type" and quad.object == NamedNode(type_)}


def languages(quads: list[Quad], subject: object, predicate: str) -> set[str | None]:
    return {quad.object.language for quad in quads if quad.subject == subject and quad.predicate.value == predicate}


def test_size_without_repetitions(quads: list[Quad]) -> None:
    assert 300 <= len(quads) <= 600
    assert len(set(quads)) == len(quads)


def test_rdflib_reads_the_same_graph(quads: list[Quad]) -> None:
    lines = "".join(f"{quad.triple} .\n" for quad in quads)
    assert isomorphic(Graph().parse(data=SAMPLE.read_text("utf-8"), format="turtle"), Graph().parse(data=lines, format="nt"))


def test_every_concept_has_a_name_in_three_languages_a_definition_and_a_notation(quads: list[Quad]) -> None:
    concepts = of_type(quads, f"{SKOS}Concept")
    assert len(concepts) >= 20
    tops = {quad.subject for quad in quads if quad.predicate.value == f"{SKOS}topConceptOf"}
    for concept in concepts:
        assert languages(quads, concept, f"{SKOS}prefLabel") == LANGUAGES, concept
        assert languages(quads, concept, f"{SKOS}notation"), concept
        assert concept in tops or languages(quads, concept, f"{SKOS}definition") == {"en"}, concept
    assert {quad.object.language for quad in quads if quad.predicate.value == f"{SKOS}altLabel"} >= LANGUAGES


def test_the_thesaurus_is_one_tree(quads: list[Quad]) -> None:
    parents = {quad.subject: quad.object for quad in quads if quad.predicate.value == f"{SKOS}broader"}
    tops = {quad.subject for quad in quads if quad.predicate.value == f"{SKOS}topConceptOf"}
    for concept in of_type(quads, f"{SKOS}Concept"):
        climbed = concept
        for _ in range(10):
            if climbed in tops:
                break
            climbed = parents[climbed]
        assert climbed in tops, concept
    narrower = {(quad.object, quad.subject) for quad in quads if quad.predicate.value == f"{SKOS}narrower"}
    assert narrower <= set(parents.items())


def test_the_vocabulary_is_labelled_in_three_languages(quads: list[Quad]) -> None:
    terms = of_type(quads, f"{RDFS}Class") | of_type(quads, f"{RDF}Property")
    assert len(terms) >= 20
    for term in terms:
        assert languages(quads, term, f"{RDFS}label") == LANGUAGES, term


def test_nothing_of_its_own_is_left_undefined(quads: list[Quad]) -> None:
    subjects = {quad.subject for quad in quads}
    named = {term for quad in quads for term in (quad.predicate, quad.object) if isinstance(term, NamedNode)}
    assert {term.value for term in named - subjects if term.value.startswith(OWN)} == set()
    assert {quad.subject.value for quad in quads if isinstance(quad.subject, NamedNode) and not quad.subject.value.startswith(OWN)} == set()


def test_it_holds_every_sort_of_term(quads: list[Quad]) -> None:
    datatypes = Counter(quad.object.datatype.value for quad in quads if isinstance(quad.object, Literal))
    assert len(datatypes) >= 8
    assert any(isinstance(quad.subject, BlankNode) for quad in quads)
    assert sum(quad.predicate.value == f"{RDF}first" for quad in quads) == 3
    assert any(isinstance(quad.object, Literal) and "\n" in quad.object.value for quad in quads)

"""RDF datasets for tests: generated ones, and comparison up to the names of blank nodes."""

from __future__ import annotations

from collections.abc import Iterable

import pyoxigraph as ox
from hypothesis import strategies as st

XSD = "http://www.w3.org/2001/XMLSchema#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "a\\b", 'say "hi"', "line\nbreak\r\tend", "_:b1 <http://x> .", "𝕮𝖆𝖎𝖗𝖓 😀", "é", "\x00\x1f\x7f\x85\u2028\ufeff\uffff", "<<( x )>>"]
)
_names = ("a", "b", "c#d", "caf\u00e9", "q?x=1&y=%20", "_:x")
_iris = st.sampled_from([*(f"http://example.org/{name}" for name in _names), "urn:isbn:1", f"{RDF}nil", f"{RDF}type"]).map(ox.NamedNode)
_blanks = st.sampled_from(["x", "y", "z", "b0"]).map(ox.BlankNode)
_languages = st.sampled_from(["en", "EN-us", "zh-Hant", "de-1996", "x-private"])
literals = (
    st.builds(ox.Literal, _texts)
    | st.builds(lambda text, lang: ox.Literal(text, language=lang), _texts, _languages)
    | st.builds(lambda text, lang: ox.Literal(text, language=lang, direction=ox.BaseDirection.RTL), _texts, _languages)
    | st.builds(
        lambda text, name: ox.Literal(text, datatype=ox.NamedNode(name)),
        _texts | st.sampled_from(["01", "1.0", "+1", "1e400", "true", "TRUE", "2024-02-30", "NaN"]),
        st.sampled_from([f"{XSD}integer", f"{XSD}decimal", f"{XSD}double", f"{XSD}boolean", f"{XSD}date", f"{XSD}string", "urn:my:type"]),
    )
)
predicates = st.sampled_from([*(f"http://example.org/p{n}" for n in range(3)), f"{RDF}type", f"{RDF}first", f"{RDF}rest"]).map(ox.NamedNode)
_subjects = _iris | _blanks
_simple = _iris | _blanks | literals
_objects = _simple | st.builds(ox.Triple, _subjects, predicates, _simple)
triples = st.lists(st.builds(ox.Triple, _subjects, predicates, _objects), max_size=14)
_graphs = st.sampled_from([ox.DefaultGraph(), ox.NamedNode("http://example.org/g1"), ox.NamedNode("urn:g:2"), ox.BlankNode("g")])
datasets = st.lists(st.builds(ox.Quad, _subjects, predicates, _objects, _graphs), max_size=14)


def canonical(quads: Iterable[ox.Quad]) -> ox.Dataset:
    """The quads as a dataset whose blank nodes are named canonically: isomorphic datasets are equal."""
    dataset = ox.Dataset(quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.UNSTABLE)
    return dataset


def parsed(data: bytes, format: ox.RdfFormat, graph: str | None = None) -> ox.Dataset:
    """What a judge reads in a document; its default graph under the name `graph` when one is given."""
    name = ox.NamedNode(graph) if graph is not None else ox.DefaultGraph()
    found = ox.parse(data, format)
    return canonical(
        ox.Quad(quad.subject, quad.predicate, quad.object, name if isinstance(quad.graph_name, ox.DefaultGraph) else quad.graph_name)
        for quad in found
    )

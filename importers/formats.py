"""The RDF formats that Cairn reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from pyoxigraph import RdfFormat

from ..errors import BadInput


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its short name, the parser's name for it, and how files and servers name it. `graphs`: it can hold named graphs.

    `rdf` is pyoxigraph's name for it; None where rdflib reads it and nothing writes it.
    """

    name: str
    title: str
    rdf: RdfFormat | None
    extensions: tuple[str, ...]
    media_types: tuple[str, ...]
    graphs: bool = False


FORMATS = (
    Format("nt", "N-Triples", RdfFormat.N_TRIPLES, ("nt", "ntriples"), ("application/n-triples",)),
    Format("nq", "N-Quads", RdfFormat.N_QUADS, ("nq", "nquads"), ("application/n-quads",), graphs=True),
    Format("ttl", "Turtle", RdfFormat.TURTLE, ("ttl", "turtle"), ("text/turtle", "application/x-turtle")),
    Format("trig", "TriG", RdfFormat.TRIG, ("trig",), ("application/trig",), graphs=True),
    Format("rdfxml", "RDF/XML", RdfFormat.RDF_XML, ("rdf", "owl", "xml"), ("application/rdf+xml", "application/xml", "text/xml")),
    Format("jsonld", "JSON-LD", RdfFormat.JSON_LD, ("jsonld", "json"), ("application/ld+json", "application/json"), graphs=True),
    Format("trix", "TriX", None, ("trix",), ("application/trix",), graphs=True),
    Format("hext", "HexTuples", None, ("hext",), ("application/hex+x-ndjson",), graphs=True),
)
ACCEPT = "text/turtle, application/n-triples, application/n-quads, application/trig, application/rdf+xml, application/ld+json;q=0.9"
"""What an import from a URL asks the server for."""

_BY_NAME = {name: format for format in FORMATS for name in (format.name, format.title.lower(), *format.extensions, *format.media_types)}
_BY_EXTENSION = {extension: format for format in FORMATS for extension in format.extensions}
_BY_MEDIA_TYPE = {media_type: format for format in FORMATS for media_type in format.media_types}
_CHOICES = ", ".join(f"{format.name} ({format.title})" for format in FORMATS)


def named(name: str) -> Format:
    """The format by its short name, title, extension or media type, in any case. Raises BadInput for any other."""
    format = _BY_NAME.get(name.strip().lower())
    if format is None:
        raise BadInput(f"{name!r} is no RDF format that Cairn knows; choose one of {_CHOICES}")
    return format


def detect(name: str, media_type: str | None = None, wanted: str | None = None) -> Format:
    """The format of a source: the one that was asked for, else by the server's content type, else by the name's extension.

    A last extension `.gz` is passed over. Raises BadInput when none of them tells.
    """
    if wanted is not None:
        return named(wanted)
    bare = (media_type or "").partition(";")[0].strip().lower()
    if bare in _BY_MEDIA_TYPE:
        return _BY_MEDIA_TYPE[bare]
    parts = name.rpartition("/")[2].lower().removesuffix(".gz").rsplit(".", 1)
    if len(parts) == 2 and parts[1] in _BY_EXTENSION:
        return _BY_EXTENSION[parts[1]]
    came = f" (the server sent {bare})" if bare else ""
    raise BadInput(f"the name {name!r} does not tell which RDF format it is{came}; say so with format: {_CHOICES}")

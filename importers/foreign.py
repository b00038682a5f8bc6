"""RDF formats that pyoxigraph does not read and rdflib does: TriX and HexTuples.

rdflib reads a document as a whole, in memory, and lets some malformed terms pass; so what it read goes through pyoxigraph's strict
N-Quads parser like everything else. The parsing process's memory bounds how large such a document may be.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from typing import Protocol
from xml.sax import SAXParseException

import pyoxigraph as ox
import rdflib
from rdflib.graph import DATASET_DEFAULT_GRAPH_ID

from ..errors import MalformedRDF


class SupportsRead(Protocol):
    """What has bytes to read."""

    def read(self, size: int, /) -> bytes: ...


rdflib.NORMALIZE_LITERALS = False
logging.getLogger("rdflib").setLevel(logging.ERROR)

_CHUNK = 64 * 1024


def quads(source: SupportsRead, plugin: str) -> Iterator[ox.Quad]:
    """The quads of a document in rdflib's format `plugin`. Raises MalformedRDF, with line and column where rdflib tells them."""
    try:
        text = _nquads(b"".join(iter(lambda: source.read(_CHUNK), b"")), plugin)
    except SAXParseException as error:
        raise MalformedRDF(error.getMessage(), error.getLineNumber(), (error.getColumnNumber() or 0) + 1) from None
    except (MemoryError, MalformedRDF):
        raise
    except Exception as error:  # noqa: BLE001 rdflib's plugins raise whatever they meet
        raise MalformedRDF(f"rdflib can't read this: {str(error)[:200]}", 1, 1) from None
    default = f" <{DATASET_DEFAULT_GRAPH_ID}> .\n".encode()
    for quad in ox.parse(io.BytesIO(text.replace(default, b" .\n")), ox.RdfFormat.N_QUADS):
        unnamed = isinstance(quad.graph_name, ox.BlankNode)  # rdflib's name for a graph of TriX that has none
        yield ox.Quad(quad.subject, quad.predicate, quad.object) if unnamed else quad


def _nquads(document: bytes, plugin: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # rdflib's parsers use what rdflib itself calls deprecated
        dataset = rdflib.Dataset()
        dataset.parse(io.BytesIO(document), format=plugin)  # pyright: ignore[reportUnknownMemberType]
        return dataset.serialize(format="nquads", encoding="utf-8")

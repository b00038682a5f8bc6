"""Exports named graphs as RDF: what comes out is isomorphic to what went in, graph by graph.

Blank nodes come out as `_:b…`, with the ids that Cairn gave them. Literals keep their lexical form; language tags are in lower case.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pyoxigraph as ox

from ..errors import BadInput, NotFound
from ..graph.access import Access
from ..graph.contents import stored_subjects
from ..graph.database import Database
from ..graph.graphs import NamedGraph, readable_graphs
from ..graph.rdf import term
from ..graph.vocabulary import PREFIXES, RDF_TYPE
from .formats import Format, named

_LINES = 64 * 1024
_CHUNK = 256 * 1024
_NO_XML = re.compile(r"(?<!\\)(?:\\\\)*\\(?:[bf]|u00(?:0[0-8BCEFbcef]|1[0-9A-Fa-f])|u(?:fff[ef]|FFF[EF]))|[\ufffe\uffff]")
"""What XML 1.0 can't hold, as N-Triples writes it."""
_XML_NAME = re.compile(r"[^\W\d][\w.-]*$")


async def export(database: Database, access: Access, folder: Path, format: str = "nq", graph: str | None = None) -> AsyncGenerator[bytes]:
    """The named graph, or all named graphs that the caller may read, in chunks.

    N-Triples and N-Quads stream from the graph; the others are made in a temporary file in `folder` first. An import that runs
    meanwhile may be seen in part. Raises NotFound for a graph that is not readable, BadInput when several graphs are to go into a
    format that holds one, or when the format can't hold what they say.
    """
    wanted = named(format)
    if wanted.rdf is None:
        raise BadInput(f"{wanted.title} can be read, not written; choose nq, nt, ttl, trig, jsonld or rdfxml")
    graphs = await readable_graphs(database, access, graph)
    if graph is not None and not graphs:
        raise NotFound(f"there is no graph {graph!r} that you may read")
    if len(graphs) > 1 and not wanted.graphs:
        raise BadInput(f"{wanted.title} holds one graph, and there are {len(graphs)}; name one, or choose nq, trig or jsonld")
    if wanted.name in ("nt", "nq"):
        async for chunk in _lines(database, graphs, wanted):
            yield chunk
        return
    async with _converted(database, graphs, wanted, folder) as file:
        while chunk := file.read(_CHUNK):
            yield chunk.replace(b"\r", b"&#xD;") if wanted.name == "rdfxml" else chunk


async def _lines(
    database: Database, graphs: Sequence[NamedGraph], format: Format, check: Callable[[str], None] | None = None
) -> AsyncGenerator[bytes]:
    """The graphs in N-Quads, or in N-Triples when the format holds one graph only. `check` sees every predicate and object."""
    for graph in graphs:
        end = f" {term(graph.iri)} .\n" if format.graphs else " .\n"
        lines: list[str] = []
        size = 0
        async for one in stored_subjects(database, graph.number):
            head = term(one.iri)
            for statement in one.statements():
                if check is not None:
                    check(statement)
                lines.append(f"{head} {statement}{end}")
                size += len(statement)
            if size > _LINES:
                yield "".join(lines).encode()
                lines, size = [], 0
        yield "".join(lines).encode()


@asynccontextmanager
async def _converted(database: Database, graphs: Sequence[NamedGraph], format: Format, folder: Path) -> AsyncGenerator[IO[bytes]]:
    """The graphs in the format, as an open file that vanishes afterwards."""
    used = _Used(format)
    with TemporaryFile(dir=folder) as lines, TemporaryFile(dir=folder) as converted:
        async for chunk in _lines(database, graphs, format, used.check):
            lines.write(chunk)
        lines.seek(0)
        try:
            await asyncio.to_thread(_convert, lines, converted, format, used.prefixes())
        except OSError as error:
            raise BadInput(f"{format.title} can't hold what the graph says ({error}); choose nq, trig or ttl") from None
        converted.seek(0)
        yield converted


def _convert(lines: IO[bytes], out: IO[bytes], format: Format, prefixes: dict[str, str]) -> None:
    quads: Iterator[ox.Quad] = iter(ox.parse(lines, ox.RdfFormat.N_QUADS))
    ox.serialize(quads if format.graphs else (quad.triple for quad in quads), out, format.rdf, prefixes=prefixes)


class _Used:
    """The namespaces that statements use, and whether RDF/XML can hold them."""

    def __init__(self, format: Format) -> None:
        self._xml = format.name == "rdfxml"
        self._predicates = set[str]()
        self._classes = set[str]()

    def check(self, statement: str) -> None:
        """Take in one statement. Raises BadInput when RDF/XML is wanted and can't hold it."""
        head, _, obj = statement.partition(" ")
        predicate = head[1:-1]
        if predicate == RDF_TYPE:
            self._classes.add(obj[1:-1])
        if predicate not in self._predicates:
            self._predicates.add(predicate)
            if self._xml and not _XML_NAME.search(predicate):
                raise BadInput(f"RDF/XML can't hold the predicate {predicate}, which ends in no XML name; choose another format")
        if self._xml and _NO_XML.search(obj):
            raise BadInput(f"RDF/XML can't hold a control character that a literal of {predicate} has; choose another format")

    def prefixes(self) -> dict[str, str]:
        """The well-known prefixes that are worth declaring."""
        names = self._predicates | self._classes
        return {prefix: namespace for prefix, namespace in PREFIXES.items() if any(name.startswith(namespace) for name in names)}

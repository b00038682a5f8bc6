"""One RDF document: read as a whole into a spool, given back subject by subject.

Guarantee: nothing is given back before the whole document was read without an error. Memory stays constant however large it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import IO, BinaryIO, cast

import orjson
import pyoxigraph as ox

from ..errors import MalformedRDF, TooCostly
from ..graph.rdf import Subject, literal, subject
from .blanks import BlankNodes, has_blank, renamed
from .formats import named
from .guard import Counted, Guard, XmlGuard, decompressed
from .spool import MEMORY, Spool, unnamed_file

MAX_IRI = 64 * 1024
MAX_GRAPHS = 10_000
"""Named graphs in one document: each is something to be permitted of its own."""
_NO_BASE = "cairn-no-base:"
_LOCATION = re.compile(r"Parser error [^:]*: |error while parsing IRI ")
_LINE = re.compile(r" \(line \d+\)$")
_HINTS = (
    ("No scheme found", "a relative IRI needs a base: say which one with base"),
    ("LoadDocumentCallback", "a remote @context is not fetched: put the context into the document"),
)
_EMPTY_JSON: tuple[object, ...] = ([], {}, {"@graph": []})
_PROGRESS_STATEMENTS = 4096


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: the tenant, the graph that statements without a graph go to, format, base IRI, and the longest literal in bytes."""

    tenant: str
    graph: str
    format: str
    base: str | None
    max_literal: int
    memory: int = MEMORY


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: the source's bytes and their SHA-256, and how many statements (repetitions count).

    `graphs` are the graphs' IRIs by their numbers; the first is the default one, which may be without statements (`default` False).
    """

    bytes: int
    sha256: str
    triples: int
    graphs: list[str]
    default: bool


Report = Callable[[int, int], None]
"""Is told the bytes and statements read so far."""


class Document:
    """One RDF document. `read` it, then take its `subjects`; `close` it at the end."""

    def __init__(self, raw: BinaryIO, request: Request) -> None:
        self._request = request
        self._format = named(request.format)
        self._source = Counted(raw)
        self._spool = Spool(request.tenant, request.memory)
        self._graphs = {request.graph: 0}
        self._blanks = BlankNodes(request.graph)
        self._waiting = unnamed_file()

    def read(self, report: Report) -> Read:
        """Read all of it. Raises MalformedRDF with line and column, TooCostly for a subject or a number of graphs beyond the limits."""
        guard = self._guard()
        triples = 0
        add, main = self._spool.add, 0
        try:
            for graph, statement in self._statements(guard):
                guard.gap = 0
                triples += 1
                head, _, tail = statement.partition(" ")
                if graph or len(statement) > MAX_IRI or "_:" in statement or _NO_BASE in statement:
                    self._take(graph, head, tail, guard)
                else:
                    add(main, head, tail)
                if not triples % _PROGRESS_STATEMENTS:
                    report(self._source.count, triples)
        except SyntaxError as error:
            raise guard.error or _malformed(error, guard) from error
        except MemoryError:
            raise MalformedRDF("a literal is too long, or something is nested without end", *guard.position) from None
        if not triples and self._format.name == "jsonld" and _loaded(guard.head) not in _EMPTY_JSON:
            raise MalformedRDF("this JSON holds no JSON-LD statement; is its @context missing?", 1, 1)
        self._name_blanks()
        self._groups = self._spool.groups()
        return Read(self._source.count, self._source.sum.hexdigest(), triples, list(self._graphs), self._spool.has(0))

    def subjects(self) -> Iterator[tuple[int, Subject]]:
        """Every subject with the number of its graph, in the order of graph and key."""
        for group in self._groups:
            name = group.subject if group.subject[0] == "_" else group.subject[1:-1]
            yield group.graph, subject(self._request.tenant, name, group.statements)

    def close(self) -> None:
        """Free the files."""
        self._spool.close()
        self._waiting.close()

    def _guard(self) -> Guard:
        source = decompressed(self._source)
        if self._format.name in ("rdfxml", "trix"):
            return XmlGuard(source, self._request.max_literal)
        return Guard(source, self._request.max_literal, b"}" if self._format.name == "jsonld" else None)

    def _statements(self, guard: Guard) -> Iterator[tuple[str, str]]:
        """Graph (empty: the default graph) and statement, as N-Triples."""
        base = self._request.base or (f"{_NO_BASE}/" if self._format.name == "jsonld" else None)
        if self._format.rdf is None:
            from . import foreign  # rdflib takes a while to load

            return _with_graphs(foreign.quads(guard, self._format.name))
        quads: Iterable[ox.Quad] = ox.parse(cast("IO[bytes]", guard), self._format.rdf, base_iri=base)
        return _with_graphs(quads) if self._format.graphs else zip(repeat(""), map(str, quads), strict=False)

    def _take(self, graph: str, head: str, tail: str, guard: Guard) -> None:
        """Take in a statement that needs a closer look."""
        if len(tail) > MAX_IRI or len(head) > MAX_IRI:
            _check_lengths(head, tail, self._request.max_literal, guard)
        if self._request.base is None and (f"<{_NO_BASE}" in head or f"<{_NO_BASE}" in tail):
            raise MalformedRDF(f"a relative IRI in the statement about {head}; {_HINTS[0][1]}", *guard.position)
        if head[0] == "_" or graph[:1] == "_" or ("_:" in tail and has_blank(tail)):
            text = f"{graph}\t{head} {tail}"
            self._blanks.note(text if graph else f"<{self._request.graph}>{text}")
            self._waiting.write(f"{text}\n")
        else:
            self._spool.add(self._number(graph), head, tail)

    def _number(self, graph: str) -> int:
        if not graph:
            return 0
        name = graph if graph[0] == "_" else graph[1:-1]
        number = self._graphs.setdefault(name, len(self._graphs))
        if number >= MAX_GRAPHS:
            raise TooCostly(f"the document has more than {MAX_GRAPHS} named graphs; import it in parts")
        return number

    def _name_blanks(self) -> None:
        names = self._blanks.names()
        self._waiting.seek(0)
        for line in self._waiting:
            graph, _, statement = renamed(line[:-1], names).partition("\t")
            head, _, tail = statement.partition(" ")
            self._spool.add(self._number(graph), head, tail)


def _with_graphs(quads: Iterable[ox.Quad]) -> Iterator[tuple[str, str]]:
    for quad in quads:
        graph = quad.graph_name
        yield "" if isinstance(graph, ox.DefaultGraph) else str(graph), str(quad.triple)


def _check_lengths(head: str, tail: str, max_literal: int, guard: Guard) -> None:
    predicate, _, obj = tail.partition(" ")
    if obj[0] == '"' and len(obj.encode()) > max_literal:
        value = literal(f"p {obj}")
        size = len(value.value.encode()) if value else 0
        if size > max_literal:
            raise MalformedRDF(f"a literal of {size} bytes ({head} {predicate}); at most {max_literal} are accepted", *guard.position)
    longest = max(len(head), len(predicate), 0 if obj[0] == '"' else len(obj))
    if longest > MAX_IRI:
        raise MalformedRDF(f"an IRI or a triple term of {longest} characters; at most {MAX_IRI} are accepted", *guard.position)


def _malformed(error: SyntaxError, guard: Guard) -> MalformedRDF:
    text = _LINE.sub("", str(error))
    hint = next((hint for sign, hint in _HINTS if sign in text), None)
    line, column = (error.lineno, error.offset) if error.lineno else guard.position
    return MalformedRDF(f"{_LOCATION.sub('', text)}{f'; {hint}' if hint else ''}", line, column)


def _loaded(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None

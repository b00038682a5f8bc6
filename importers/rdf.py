"""Imports an RDF document: parse all of it, compare it with what its graphs hold, write the difference in batches.

A subject whose hash is stored already is passed over, so the same document again changes nothing, and an import that was cut off
goes on where it stopped when it is started again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from ..graph.access import Access
from ..graph.batches import Edit, pieces
from ..graph.contents import (
    Content,
    Prepared,
    commit,
    ensure_contents,
    find_contents,
    prepare,
    read_names,
    read_subjects,
    stored_hashes,
)
from ..graph.database import Database, Row
from ..graph.rdf import Subject
from ..graph.vocabulary import Names
from ..graph.writer import Writer
from .documents import Read
from .sandbox import Parsing

_CHARACTERS = 8 * 1024 * 1024
"""Literals in one batch, whatever the number of triples."""
_FIRST = 4
"""The first batch of a graph is this part of a whole one."""
_UNREAD = 20
"""What a stored subject counts for in a batch before it was read, in triples."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How far an import has come. `bytes` and `triples` were read, `added` and `removed` written. `sha256`: of the bytes as they came."""

    bytes: int = 0
    triples: int = 0
    added: int = 0
    removed: int = 0
    sha256: str | None = None


@dataclass(slots=True)
class _Waiting:
    """Subjects for the next batch: key, what the document says, and whether the graph describes it already."""

    subjects: list[tuple[str, Subject | None, bool]] = field(default_factory=list[tuple[str, Subject | None, bool]])
    triples: int = 0
    characters: int = 0

    def put(self, key: str, new: Subject | None, stored: bool) -> None:
        self.subjects.append((key, new, stored))
        self.triples += (new.size if new else 0) + (_UNREAD if stored else 0)
        self.characters += sum(map(len, new.literals)) if new else 0


class RdfImport:
    """One import of one document. `report` hears of every step forward."""

    def __init__(self, database: Database, writer: Writer, access: Access, batch: int, report: Callable[[Tally], None]) -> None:
        self._database = database
        self._writer = writer
        self._access = access
        self._batch = batch
        self._report = report
        self._names = Names(set(), set())
        self._contents: dict[str, Content] = {}
        self._writing: asyncio.Future[None] = asyncio.ensure_future(asyncio.sleep(0))
        self.tally = Tally()

    async def read(self, parse: Parsing, graph: str) -> Read:
        """Read the document, whose default graph is `graph`. Raises MalformedRDF with line and column. Nothing is changed yet."""
        read, self._names, self._contents = await asyncio.gather(
            parse.read(lambda count, triples: self._tell(bytes=count, triples=triples)),
            read_names(self._database),
            find_contents(self._database, self._access.tenant, [graph]),
        )
        self._tell(bytes=read.bytes, triples=read.triples, sha256=read.sha256)
        return read

    async def write(self, parse: Parsing, read: Read, about: Row) -> None:
        """Make each graph of the document hold what it says, and nothing else. `about` are properties for graphs that change.

        Raises Conflict when somebody else changes one of the graphs meanwhile. Batches that were committed before an error stay.
        """
        spoken = read.graphs if read.default else read.graphs[1:]
        if any(iri not in self._contents for iri in spoken):
            self._contents |= await ensure_contents(self._writer, self._access, spoken)
        subjects = _Subjects(parse.subjects())
        for number, iri in enumerate(read.graphs):
            if iri in self._contents:
                await self._update(self._contents[iri], subjects.of(number), about)

    async def _update(self, content: Content, subjects: AsyncIterator[Subject], about: Row) -> None:
        """The next batch is prepared while one is being written. The first is small, so that writing begins early."""
        waiting = _Waiting()
        most = self._batch // _FIRST
        try:
            async for key, new, stored in _differences(stored_hashes(self._database, content.number), subjects):
                waiting.put(key, new, stored)
                if waiting.triples >= most or waiting.characters >= _CHARACTERS:
                    await self._apply(content, waiting, about)
                    waiting, most = _Waiting(), self._batch
            await self._apply(content, waiting, about)
            await self._writing
        finally:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _apply(self, content: Content, waiting: _Waiting, about: Row) -> None:
        keys = [key for key, _, stored in waiting.subjects if stored]
        known = await read_subjects(self._database, content.number, keys) if keys else {}
        edits = [Edit(known.get(key), new) for key, new, _ in waiting.subjects]
        small = [edit for edit in edits if edit.size <= 2 * self._batch]
        if small:
            await self._write(prepare(self._access, self._names, content, small, about))
        for edit in edits:
            if edit.size > 2 * self._batch:
                for piece in pieces(self._access.tenant, edit, self._batch):
                    await self._write(prepare(self._access, self._names, content, [piece], about))

    async def _write(self, prepared: Prepared) -> None:
        """Wait until the batch before is written, and begin with this one."""
        await self._writing
        self._writing = asyncio.ensure_future(self._commit(prepared))

    async def _commit(self, prepared: Prepared) -> None:
        await commit(self._writer, prepared)
        self._tell(added=self.tally.added + prepared.added, removed=self.tally.removed + prepared.removed)

    def _tell(self, **values: int | str) -> None:
        self.tally = replace(self.tally, **values)
        self._report(self.tally)


class _Subjects:
    """A document's subjects, graph by graph."""

    def __init__(self, parts: AsyncIterator[list[tuple[int, Subject]]]) -> None:
        self._parts = parts
        self._ready = deque[tuple[int, Subject]]()

    async def of(self, graph: int) -> AsyncIterator[Subject]:
        """The subjects of the next graph."""
        while True:
            while self._ready and self._ready[0][0] == graph:
                yield self._ready.popleft()[1]
            if self._ready:
                return
            part = await anext(self._parts, None)
            if part is None:
                return
            self._ready.extend(part)


async def _differences(
    stored: AsyncIterator[tuple[str, str]], new: AsyncIterator[Subject]
) -> AsyncIterator[tuple[str, Subject | None, bool]]:
    """Key, new description (None: gone) and whether there is an old one, for every subject that is not the same in both.

    Both come in the order of keys.
    """
    old = await anext(stored, None)
    async for subject in new:
        while old is not None and old[0] < subject.key:
            yield old[0], None, True
            old = await anext(stored, None)
        if old is None or old[0] != subject.key:
            yield subject.key, subject, False
            continue
        if old[1] != subject.hash:
            yield subject.key, subject, True
        old = await anext(stored, None)
    while old is not None:
        yield old[0], None, True
        old = await anext(stored, None)

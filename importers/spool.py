"""A place for statements until all of them are read: grouped by graph and subject, sorted by key, in constant memory.

Small documents stay in memory; of a large one sorted runs go to files that have no name, and are merged when it is read back.
"""

from __future__ import annotations

import heapq
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TextIO, cast

from ..errors import TooCostly
from ..graph.rdf import resource_key

MEMORY = 96 * 1024 * 1024
"""Bytes of statements that a spool keeps in memory."""
MAX_SUBJECT = 32 * 1024 * 1024
"""What one graph may say about one subject, in characters of N-Triples: it travels and is stored as one piece."""
_LARGE = 1024 * 1024
_SUBJECT_BYTES = 320
_STATEMENT_BYTES = 70
"""What a string or a list takes in memory beside its characters."""
_FAN_IN = 64
_KEY = slice(0, 38)


@dataclass(frozen=True, slots=True)
class Group:
    """The distinct statements of one subject in one graph (by its number in the spool)."""

    graph: int
    key: str
    subject: str
    statements: list[str]


class Spool:
    """Takes statements in any order, gives them back as groups in the order of graph and key. `tenant` is part of the keys."""

    def __init__(self, tenant: str, memory: int = MEMORY) -> None:
        self._tenant = tenant
        self._memory = memory
        self._graphs: dict[int, dict[str, list[str]]] = {}
        self._size = 0
        self._runs: list[TextIO] = []
        self._large = Counter[tuple[int, str]]()
        self._known = set[int]()

    def add(self, graph: int, subject: str, statement: str) -> None:
        """Take in one statement: the subject's term, and predicate and object as N-Triples. Raises TooCostly as `groups` does."""
        try:
            self._graphs[graph][subject].append(statement)
        except KeyError:
            self._graphs.setdefault(graph, {})[subject] = [statement]
            self._known.add(graph)
            self._size += len(subject) + _SUBJECT_BYTES
        self._size += len(statement) + _STATEMENT_BYTES
        if self._size > self._memory:
            self._flush()

    def has(self, graph: int) -> bool:
        """Whether the graph has any statement."""
        return graph in self._known

    def groups(self) -> Iterator[Group]:
        """All groups in order. Raises TooCostly at once when a subject has more statements than `MAX_SUBJECT` allows."""
        if not self._runs:
            return iter(self._sorted())
        self._flush()
        return self._merged()

    def close(self) -> None:
        """Free the files."""
        for run in self._runs:
            run.close()
        self._runs = []

    def _sorted(self) -> list[Group]:
        found: list[Group] = []
        for graph, subjects in self._graphs.items():
            for subject, statements in subjects.items():
                distinct = list(set(statements))
                self._check(graph, subject, sum(map(len, distinct)))
                found.append(Group(graph, resource_key(self._tenant, _name(subject)), subject, distinct))
        found.sort(key=lambda group: (group.graph, group.key))
        return found

    def _check(self, graph: int, subject: str, size: int) -> None:
        if size > _LARGE:
            self._large[graph, subject] += size
            if self._large[graph, subject] > MAX_SUBJECT:
                raise TooCostly(f"one graph says more than {MAX_SUBJECT} characters about {subject}; split what it says")

    def _flush(self) -> None:
        """Write what is in memory as one sorted run: a line a group, its fields separated by tabs, which N-Triples escapes."""
        groups = self._sorted()
        run = unnamed_file()
        self._runs.append(run)
        for group in groups:
            run.write("\t".join((f"{group.graph:06x}{group.key}", group.subject, *group.statements)))
            run.write("\n")
        self._graphs, self._size = {}, 0
        if len(self._runs) >= _FAN_IN:
            merged = unnamed_file()
            merged.writelines(heapq.merge(*map(_lines, self._runs)))
            self.close()
            self._runs = [merged]

    def _merged(self) -> Iterator[Group]:
        for key, lines in groupby(heapq.merge(*map(_lines, self._runs)), lambda line: line[_KEY]):
            yield _group(key, lines)


def _group(key: str, lines: Iterable[str]) -> Group:
    subject = ""
    statements = set[str]()
    for line in lines:
        _, subject, *found = line[:-1].split("\t")
        statements.update(found)
    return Group(int(key[:6], 16), key[6:], subject, list(statements))


def _lines(run: TextIO) -> TextIO:
    run.seek(0)
    return run


def unnamed_file() -> TextIO:
    """A temporary text file that vanishes with the process. A line ends at a line feed and nowhere else."""
    return cast("TextIO", tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n"))


def _name(subject: str) -> str:
    return subject if subject.startswith("_") else subject[1:-1]

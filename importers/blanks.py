"""Stable ids for blank nodes: an id depends on what is said about the node, not on its label or its place in the file.

Colour refinement: a node's first colour is a hash of the statements that hold no other blank node; then nodes that share a colour
mix in the colours of their neighbours, until none share one or nothing more can be told apart. Nodes that remain alike (copies,
mostly) are numbered in the order of their first occurrence. The graph's IRI is part of every statement, so equal nodes of two
graphs differ. (Source: the hashing of RDF graphs by Hogan, "Canonical Forms for Isomorphic and Equivalent RDF Graphs", 2017.)

Guarantee: different nodes get different ids; the same file gives the same ids; so does any serialisation of the same graph, as
long as it has no alike nodes of which several belong to one structure. Beyond `MAX_NODES` the order of occurrence decides alone.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from hashlib import blake2b

MAX_NODES = 200_000
"""Files with more blank nodes get ids by order of occurrence: structures are kept in memory, some hundred bytes a node."""
_ROUNDS = 64
_EFFORT = 12

_PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+"|<[^<>\s]*+>|(_:[^\s<>"()]++)')
_WIDTH = 16


def has_blank(text: str) -> bool:
    """Whether statement text mentions a blank node."""
    return "_:" in text and any(match[1] for match in _PIECE.finditer(text))


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Statement text with its blank nodes renamed; literals and IRIs that look like one stay."""
    return _PIECE.sub(lambda match: names[match[1]] if match[1] else match[0], text)


class BlankNodes:
    """The blank nodes of one document. `note` every statement that mentions one, then ask for `names`."""

    def __init__(self, salt: str, most: int = MAX_NODES) -> None:
        self._salt = salt
        self._most = most
        self._numbers: dict[str, int] = {}
        self._own: list[bytearray] = []
        self._shared: set[tuple[bytes, tuple[int, ...]]] = set()
        self._many: sqlite3.Connection | None = None

    def note(self, text: str) -> None:
        """Take in one statement: graph, subject, predicate and object in N-Triples form."""
        if self._many is not None:
            self._count(text)
            return
        members: list[int] = []

        def place(match: re.Match[str]) -> str:
            if not match[1]:
                return match[0]
            number = self._number(match[1])
            members.append(number)
            return f"_:{'*' if number == members[0] else ''}"

        digest = _hash(_PIECE.sub(place, text).encode())
        if len(set(members)) == 1:
            self._own[members[0]] += digest
        else:
            self._shared.add((digest, tuple(members)))
        if len(self._own) > self._most:
            self._overflow()

    def names(self) -> Mapping[str, str]:
        """A name `_:b…` for every label that was noted."""
        if self._many is not None:
            return _Ordered(self._many, self._salt)
        colours = self._refined()
        seen = Counter[bytes]()
        names: dict[str, str] = {}
        for label, number in self._numbers.items():
            colour = colours[number]
            names[label] = _name(colour, seen[colour])
            seen[colour] += 1
        return names

    def _number(self, label: str) -> int:
        number = self._numbers.setdefault(label, len(self._own))
        if number == len(self._own):
            self._own.append(bytearray())
        return number

    def _refined(self) -> list[bytes]:
        colours = [_hash(*sorted({bytes(own[at : at + _WIDTH]) for at in range(0, len(own), _WIDTH)})) for own in self._own]
        near: defaultdict[int, list[tuple[bytes, tuple[int, ...]]]] = defaultdict(list)
        for statement in self._shared:
            for member in set(statement[1]):
                near[member].append(statement)
        effort = _EFFORT * (len(colours) + len(self._shared)) + 10_000
        alike = _alike(colours, range(len(colours)))
        while alike and effort > 0:
            effort = _refine(colours, near, alike, effort)
            alike = _entangled(_alike(colours, alike), near)
            classes = _classes(colours, alike)
            for place, member in enumerate(classes[min(classes)] if classes else ()):
                colours[member] = _hash(colours[member], b"copy", place.to_bytes(4, "big"))
            alike = _alike(colours, alike)
        return colours

    def _overflow(self) -> None:
        """Go on with an order of occurrence that is kept on disk (in a database that has no name and vanishes with the process)."""
        self._many = sqlite3.connect("", isolation_level=None)
        self._many.execute("PRAGMA cache_size = -32000")
        self._many.execute("BEGIN")
        self._many.execute("CREATE TABLE node (label TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID")
        self._many.executemany("INSERT INTO node VALUES (?, ?)", self._numbers.items())
        self._next = len(self._numbers)
        self._numbers, self._own, self._shared = {}, [], set()

    def _count(self, text: str) -> None:
        assert self._many is not None
        for match in _PIECE.finditer(text):
            if match[1]:
                added = self._many.execute("INSERT OR IGNORE INTO node VALUES (?, ?)", (match[1], self._next))
                self._next += added.rowcount


class _Ordered(dict[str, str]):
    """Names by order of occurrence, looked up on disk."""

    def __init__(self, places: sqlite3.Connection, salt: str) -> None:
        super().__init__()
        self._places = places
        self._salt = _hash(salt.encode())

    def __missing__(self, label: str) -> str:
        (place,) = self._places.execute("SELECT place FROM node WHERE label = ?", (label,)).fetchone()
        return _name(self._salt, place)


def _refine(colours: list[bytes], near: Mapping[int, list[tuple[bytes, tuple[int, ...]]]], alike: list[int], effort: int) -> int:
    """Mix neighbours' colours into nodes that are alike until no more can be told apart. Returns what is left of the effort."""
    for _ in range(_ROUNDS):
        before = len({colours[member] for member in alike})
        mixed = {
            member: _hash(colours[member], *sorted(_seen_from(member, statement, colours) for statement in near.get(member, ())))
            for member in alike
        }
        effort -= sum(1 + len(near.get(member, ())) for member in alike)
        after = len(set(mixed.values()))
        if after == before:
            break
        for member, colour in mixed.items():
            colours[member] = colour
        alike = _alike(colours, alike)
        if not alike or effort <= 0:
            break
    return effort


def _seen_from(member: int, statement: tuple[bytes, tuple[int, ...]], colours: list[bytes]) -> bytes:
    digest, members = statement
    return _hash(digest, *(b"self" if other == member else colours[other] for other in members))


def _classes(colours: list[bytes], alike: list[int]) -> dict[bytes, list[int]]:
    classes: defaultdict[bytes, list[int]] = defaultdict(list)
    for member in alike:
        classes[colours[member]].append(member)
    return classes


def _alike(colours: list[bytes], among: range | list[int]) -> list[int]:
    """Those of `among` that share their colour with another of them."""
    counts = Counter(colours[member] for member in among)
    return [member for member in among if counts[colours[member]] > 1]


def _entangled(alike: list[int], near: Mapping[int, list[tuple[bytes, tuple[int, ...]]]]) -> list[int]:
    """Those of `alike` that stand in one statement with another of them: how one is numbered matters to the other."""
    known = set(alike)
    return [member for member in alike if any(len(known.intersection(members)) > 1 for _, members in near.get(member, ()))]


def _hash(*parts: bytes) -> bytes:
    return blake2b(b"".join(parts), digest_size=_WIDTH).digest()


def _name(colour: bytes, copy: int) -> str:
    return f"_:b{_hash(colour, copy.to_bytes(8, 'big')).hex()}"

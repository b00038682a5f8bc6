"""Replaying a ledger: taking its entries in order, each checked against those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from .merkle import Frontier, Tile

CHAINED = ("policy", "agent:", "state:", "memory:", "fact:", "feedback:", "key:", "revocation:", "entity:", "graph:")
"""How targets begin whose every entry says, as `before`, what the entry before it left."""


_HASH_OR_NOTHING = (str, type(None))


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that does not hold: where (`entry 17`, `head`, or an object as the ledger names it) and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was verified: entries, the root over them in hex, objects compared, and the problem that ended it, if any.

    `checkpoints` counts the signed checkpoints that were held against the entries; enough witnesses vouch for the first `witnessed`
    entries.
    """

    size: int
    root: str
    objects: int
    problem: Problem | None
    checkpoints: int = 0
    witnessed: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything held."""
        return self.problem is None


class Broken(Exception):
    """Ends a replay at the first problem."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.problem = Problem(where, what)


class Record(NamedTuple):
    """What the ledger last said of an object: in which entry, its hash then (None: gone), and the chain over its hashes."""

    seq: int
    after: str | None
    history: bytes


NEVER = Record(-1, None, b"")
"""What there is of an object that no entry told of."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a ledger's root must be over its first `size` entries, and who says so, such as `checkpoint`."""

    size: int
    root: bytes
    source: str


class Replay:
    """A ledger's entries, taken in order. Memory grows with the number of objects and tiles, not of entries.

    Without `histories` the records are not chained, for when there is no graph to compare them with.
    """

    def __init__(self, tenant: str, *, histories: bool = True) -> None:
        self.frontier = Frontier()
        self.records: dict[str, Record] = {}
        self.tenant = tenant
        self.tiles: list[Tile] = []
        """The roots of the tiles that the entries fill."""
        self._histories = histories
        self._marks: dict[int, list[Mark]] = {}

    @property
    def size(self) -> int:
        """How many entries were taken."""
        return self.frontier.size

    def expect(self, mark: Mark) -> None:
        """Hold the entries against `mark` once they are taken, at once when they are. Raises Broken when they don't agree."""
        if mark.size == self.size:
            self._hold([mark])
        elif mark.size < self.size:
            raise Broken(mark.source, f"it tells of {mark.size} entries only after {self.size} were taken")
        else:
            self._marks.setdefault(mark.size, []).append(mark)

    def take(self, body: bytes, stored: str | None = None) -> dict[str, Any]:
        """The next entry, from its exact bytes; `stored` is the leaf hash kept with it. Raises Broken when it can't come next."""
        frontier, records = self.frontier, self.records
        seq = frontier.size
        leaf = sha256(b"\x00" + body).digest()
        if stored is not None and stored != leaf.hex():
            raise Broken(f"entry {seq}", "its bytes do not have the hash that is stored with them")
        entry, target, before, after = _read(seq, body)
        if entry.get("seq") != seq or entry.get("tenant") != self.tenant:
            raise Broken(f"entry {seq}", "it was written for another place in the ledger or for another tenant")
        last = records.get(target, NEVER)
        if before != last[1] and target.startswith(CHAINED):
            raise Broken(f"entry {seq}", f"what it says {target} was before differs from what entry {last[0]} left")
        records[target] = Record(seq, after, extend(last[2] if before is not None else b"", after) if self._histories else b"")
        frontier.append(leaf, self.tiles)
        if seq + 1 in self._marks:
            self._hold(self._marks.pop(seq + 1))
        return entry

    def finish(self) -> None:
        """Raises Broken when more entries were signed than there are."""
        if self._marks:
            mark = self._marks[max(self._marks)][0]
            raise Broken(mark.source, f"{mark.size} entries were signed, {self.size} are there: the ledger was rolled back")

    def verdict(self, objects: int, problem: Problem | None, checkpoints: int = 0, witnessed: int = 0) -> Verdict:
        """What the replay came to."""
        return Verdict(self.size, self.frontier.root().hex(), objects, problem, checkpoints, witnessed)

    def _hold(self, marks: Sequence[Mark]) -> None:
        root = self.frontier.root()
        for mark in marks:
            if mark.root != root:
                raise Broken(mark.source, f"the root over the first {mark.size} entries is not the one that was signed")


def extend(history: bytes, digest: str | None) -> bytes:
    """The chain over an object's hashes, with one more."""
    return sha256(history + (digest or "").encode("ascii")).digest()


def _read(seq: int, body: bytes) -> tuple[dict[str, Any], str, str | None, str | None]:
    try:
        entry: dict[str, Any] = orjson.loads(body)
        target, before, after = entry["target"], entry["before"], entry["after"]
    except (ValueError, TypeError, KeyError):
        raise Broken(f"entry {seq}", "it is no ledger entry") from None
    if target.__class__ is str and before.__class__ in _HASH_OR_NOTHING and after.__class__ in _HASH_OR_NOTHING:
        return entry, target, before, after
    raise Broken(f"entry {seq}", "it is no ledger entry")

"""Replaying a ledger: taking its entries in order, each checked against those before it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from .merkle import Frontier, leaf_hash
from .signing import Checkpoint

CHAINED = ("policy", "agent:", "state:", "memory:", "fact:", "feedback:", "key:", "revocation:", "entity:", "graph:")
"""How targets begin whose every entry says, as `before`, what the entry before it left."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that does not hold: where (`entry 17`, `head`, or an object as the ledger names it) and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was verified: entries, the root over them in hex, objects compared, and the problem that ended it, if any."""

    size: int
    root: str
    objects: int
    problem: Problem | None

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


class Replay:
    """A ledger's entries, taken in order. Memory grows with the number of objects, not of entries."""

    def __init__(self, tenant: str, checkpoint: Checkpoint | None = None) -> None:
        self.frontier = Frontier()
        self.records: dict[str, Record] = {}
        self.tenant = tenant
        self._checkpoint = checkpoint

    @property
    def size(self) -> int:
        """How many entries were taken."""
        return self.frontier.size

    def take(self, body: bytes, stored: str | None = None) -> dict[str, Any]:
        """The next entry, from its exact bytes; `stored` is the leaf hash kept with it. Raises Broken when it can't come next."""
        seq = self.frontier.size
        leaf = leaf_hash(body)
        if stored is not None and stored != leaf.hex():
            raise Broken(f"entry {seq}", "its bytes do not have the hash that is stored with them")
        entry, target, before, after = _read(seq, body)
        if entry.get("seq") != seq or entry.get("tenant") != self.tenant:
            raise Broken(f"entry {seq}", "it was written for another place in the ledger or for another tenant")
        last = self.records.get(target, NEVER)
        if before != last.after and target.startswith(CHAINED):
            raise Broken(f"entry {seq}", f"what it says {target} was before differs from what entry {last.seq} left")
        self.records[target] = Record(seq, after, extend(last.history, after))
        self.frontier.append(leaf)
        if self._checkpoint is not None and self.size == self._checkpoint.size and self.frontier.root() != self._checkpoint.root:
            raise Broken("checkpoint", f"the root over the first {self.size} entries is not the one that was signed")
        return entry

    def verdict(self, objects: int, problem: Problem | None) -> Verdict:
        """What the replay came to."""
        return Verdict(self.size, self.frontier.root().hex(), objects, problem)


def extend(history: bytes, digest: str | None) -> bytes:
    """The chain over an object's hashes, with one more."""
    return sha256(history + (digest or "").encode("ascii")).digest()


def _read(seq: int, body: bytes) -> tuple[dict[str, Any], str, str | None, str | None]:
    try:
        entry: dict[str, Any] = orjson.loads(body)
        match entry["target"], entry["before"], entry["after"]:
            case str(target), (str() | None) as before, (str() | None) as after:
                return entry, target, before, after
            case _:
                raise ValueError
    except (ValueError, TypeError, KeyError):
        raise Broken(f"entry {seq}", "it is no ledger entry") from None

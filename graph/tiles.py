"""Tiles: the roots over each 256 hashes of a ledger, kept by the writer, so that a proof takes work that grows with the logarithm.

Source: C2SP tlog-tiles (https://c2sp.org/tlog-tiles). A tile's root costs the writer nothing, because appending computes it, and one
node for 256 entries. Nothing rests on a stored root: proofs are verified by whoever gets them, and the verifier compares every tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..errors import Internal
from .database import Database, Row
from .merkle import TILE_HEIGHT, Frontier, consistency_ranges, tile_leaves
from .statements import load

_CYPHER = load("tiles")
CHUNK = 1_000
"""Leaves that come from Neo4j in one record: far fewer records, far less work."""


class Span(NamedTuple):
    """Neighbouring subtrees of 256^`level` leaves each, by their places among those of their level; level 0 is the leaves."""

    level: int
    start: int
    stop: int


def spans(leaves: range) -> Iterator[Span]:
    """The largest tiles that make up `leaves`, from left to right, and the leaves that fill none."""
    at = leaves.start
    while at < leaves.stop:
        level = 0
        while at % (wider := 1 << TILE_HEIGHT * (level + 1)) == 0 and at + wider <= leaves.stop:
            level += 1
        size = 1 << TILE_HEIGHT * level
        stop = at - at % (size << TILE_HEIGHT) + (size << TILE_HEIGHT)  # up to where a larger tile may begin
        count = (min(stop, leaves.stop) - at) // size
        yield Span(level, at // size, at // size + count)
        at += count * size


async def subtree_roots(database: Database, tenant: str, ranges: Sequence[range]) -> list[bytes]:
    """The root over each range of leaves, as proofs need them: each begins where a subtree as large as itself may.

    Raises Internal when entries are missing.
    """
    wanted = [list(spans(leaves)) for leaves in ranges]
    found = await _read(database, tenant, {span for parts in wanted for span in parts})
    roots: list[bytes] = []
    for leaves, parts in zip(ranges, wanted, strict=True):
        frontier = Frontier()
        for span in parts:
            for hash in found[span]:
                frontier.append_subtree(hash, TILE_HEIGHT * span.level)
        if frontier.size != len(leaves):
            raise _missing()
        roots.append(frontier.root())
    return roots


async def prove_consistency(database: Database, tenant: str, older: int, newer: int) -> list[bytes]:
    """The proof that the first `newer` entries begin with the first `older`; 0 < `older` <= `newer`. Asks nobody's permission."""
    return await subtree_roots(database, tenant, consistency_ranges(older, newer))


async def _read(database: Database, tenant: str, wanted: Iterable[Span]) -> dict[Span, list[bytes]]:
    """The hashes of each span, in order."""
    found: dict[Span, list[bytes]] = {}
    all_of_them = list(wanted)
    for statement, leaves in (("tiles_leaves", True), ("tiles_roots", False)):
        some = [span for span in all_of_them if (span.level == 0) is leaves]
        if not some:
            continue
        rows: list[Row] = [{"i": i, "level": s.level - 1, "start": s.start, "stop": s.stop} for i, s in enumerate(some)]
        for row in await database.read(_CYPHER[statement], {"tenant": tenant, "spans": rows}):
            number: int = row["i"]
            span = some[number]
            stored: dict[int, str] = dict(row["hashes"])
            found[span] = [
                bytes.fromhex(stored[place]) if place in stored else await _derive(database, tenant, span.level, place)
                for place in range(span.start, span.stop)
            ]
    return found


async def _derive(database: Database, tenant: str, level: int, place: int) -> bytes:
    """The root of a tile that is not stored, as in ledgers from before there were tiles. In constant memory."""
    if level == 0:
        raise _missing()
    frontier, leaves = Frontier(), tile_leaves(level - 1, place)
    parameters: Row = {"tenant": tenant, "start": leaves.start, "stop": leaves.stop, "chunk": CHUNK}
    async for row in database.stream(_CYPHER["tiles_stream"], parameters):
        for leaf in row["leaves"]:
            frontier.append(bytes.fromhex(leaf))
    if frontier.size != len(leaves):
        raise _missing()
    return frontier.root()


def _missing() -> Internal:
    return Internal("entries are missing from the ledger; `cairn verify` says which")

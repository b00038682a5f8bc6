"""Verification: replays a ledger from its first entry, and compares the graph as it stands with what the ledger says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Any

from .checkpoints import full_note, stored_checkpoints
from .database import Database, Row
from .evidence import Evidence, Trust
from .inspections import INSPECTIONS, Inspection, Seen
from .ledger import origin, read_head
from .merkle import Frontier, tile_leaves
from .replay import NEVER, Broken, Mark, Problem, Replay, Verdict
from .statements import load
from .tiles import CHUNK

_CYPHER = load("ledger")
_TILES = load("tiles")
_NONE = Evidence()
_LEVELS = 8


async def verify(database: Database, tenant: str, inspections: Sequence[Inspection] = INSPECTIONS, evidence: Evidence = _NONE) -> Verdict:
    """Replay the tenant's whole ledger, hold it against all its checkpoints, tiles and the `evidence` there is from outside, then
    compare every object that `inspections` cover with the last hash logged for it.

    Finds entries, heads and objects that were changed, added, removed or moved otherwise than through Cairn. A ledger that was rolled
    back or rewritten as a whole, signatures included, is found by `evidence` from outside only. Objects that change meanwhile are left
    out: verify again for those. Asks nobody's permission. Raises BadInput for a key in `evidence` that is none.
    """
    replay, trust = Replay(tenant), Trust(evidence)
    compared = 0
    try:
        trust.expect(replay, origin(tenant))
        await _expect_checkpoints(database, replay, trust)
        await _catch_up(database, replay)
        replay.finish()
        await _compare_tiles(database, replay)
        mark = replay.size
        seen: set[str] = set()
        for inspection in inspections:
            async with aclosing(inspection.walk(database, tenant)) as items:
                async for item in items:
                    compared += 1
                    await _settle(database, replay, mark, _compare(item, replay, repeated=item.target in seen))
                    seen.add(item.target)
            for problem in _missing(replay, seen, inspection.prefix):
                await _settle(database, replay, mark, problem)
            seen.clear()
    except Broken as broken:
        return replay.verdict(compared, broken.problem, trust.checkpoints, trust.witnessed)
    return replay.verdict(compared, None, trust.checkpoints, trust.witnessed)


async def _expect_checkpoints(database: Database, replay: Replay, trust: Trust) -> None:
    """Hold the replay against every checkpoint in the graph; each must be as it was signed."""
    async with aclosing(stored_checkpoints(database, replay.tenant)) as rows:
        async for row in rows:
            source = f"checkpoint of {row['size']} entries"
            try:
                note = full_note(row)
                row_says = (row["size"], bytes.fromhex(row["root"]))
            except (TypeError, ValueError):
                raise Broken(source, "it is not as it was signed") from None
            checkpoint = trust.open(note, source)
            if (checkpoint.size, checkpoint.root) != row_says or checkpoint.origin != origin(replay.tenant):
                raise Broken(source, "it is not as it was signed")
            replay.expect(Mark(checkpoint.size, checkpoint.root, source))


async def _compare_tiles(database: Database, replay: Replay) -> None:
    """Every stored tile must be the root over the entries under it; those of entries that came meanwhile are left out."""
    roots = {(tile.level, tile.place): tile.root.hex() for tile in replay.tiles}
    async with aclosing(database.stream(_TILES["tiles_all"], {"tenant": replay.tenant})) as rows:
        async for row in rows:
            level, place = row["level"], row["place"]
            where = f"tile {level}/{place}"
            if not isinstance(level, int) or not isinstance(place, int) or not 0 <= level < _LEVELS or place < 0:
                raise Broken(where, "no ledger has such a tile")
            if tile_leaves(level, place).stop <= replay.size and roots.get((level, place)) != row["root"]:
                raise Broken(where, "it is not the root over the entries under it")


async def _catch_up(database: Database, replay: Replay) -> None:
    """Take entries until the replay stands where the ledger's head stands."""
    while True:
        rows = await database.read(_CYPHER["ledger_stands"], {"tenant": replay.tenant})
        size: int = rows[0]["size"] if rows else 0
        if size < replay.size:
            raise Broken("head", f"it stands at {size} entries after it stood at {replay.size}")
        await _take(database, replay, size)
        if rows:
            _check_head(rows[0], replay.frontier)
        beyond = (await database.read(_CYPHER["ledger_beyond"], {"tenant": replay.tenant, "size": size}))[0]["seq"]
        if beyond is None:
            return
        if (await read_head(database, replay.tenant)).size == size:
            raise Broken(f"entry {beyond}", f"it lies beyond the ledger's head, which stands at {size} entries")


async def _take(database: Database, replay: Replay, size: int) -> None:
    parameters: Row = {"tenant": replay.tenant, "start": replay.size, "stop": size, "chunk": CHUNK}
    async with aclosing(database.stream(_CYPHER["ledger_entries"], parameters)) as rows:
        async for row in rows:
            for stored in row["entries"]:
                _take_one(replay, stored)
    if replay.size < size:
        raise Broken(f"entry {replay.size}", "it is missing")


def _take_one(replay: Replay, stored: Sequence[Any]) -> None:
    seq, body, leaf, *shown = stored
    where = f"entry {replay.size}"
    if seq != replay.size:
        raise Broken(where, "it is missing")
    if not isinstance(body, str) or not isinstance(leaf, str):
        raise Broken(where, "its bytes or their hash are missing")
    entry = replay.take(body.encode("utf-8"), leaf)
    if shown != [entry.get(name) for name in ("operation", "target", "actor")]:
        raise Broken(where, "what is shown of it is not what was hashed")


def _check_head(row: Row, frontier: Frontier) -> None:
    if row["root"] != frontier.root().hex():
        raise Broken("head", "its root is not the root over the entries")
    if row["frontier"] != [part.hex() for part in frontier.hashes]:
        raise Broken("head", "its subtrees are not those of the entries")


def _compare(item: Seen, replay: Replay, *, repeated: bool) -> Problem | None:
    record = replay.records.get(item.target)
    if repeated:
        return Problem(item.target, "it is in the graph twice")
    if record is None:
        return Problem(item.target, "it is in the graph, but no entry tells of it")
    if item.flaw is not None:
        return Problem(item.target, item.flaw)
    if record.after is None and item.hash is not None:
        return Problem(item.target, f"entry {record.seq} says that it is gone, but it is in the graph")
    if item.hash != record.after:
        return Problem(item.target, f"it is not as entry {record.seq} left it")
    if item.history is not None and item.history != record.history:
        return Problem(item.target, "one of its earlier versions is not as it was logged")
    return None


def _missing(replay: Replay, seen: set[str], prefix: str) -> Iterable[Problem]:
    for target, record in list(replay.records.items()):
        if record.after is not None and target not in seen and target.startswith(prefix):
            yield Problem(target, f"entry {record.seq} tells of it, but it is not in the graph")


async def _settle(database: Database, replay: Replay, mark: int, problem: Problem | None) -> None:
    """Raise the problem, unless its object changed after entry `mark`, while the graph was being read."""
    if problem is None:
        return
    await _catch_up(database, replay)
    if replay.records.get(problem.where, NEVER).seq < mark:
        raise Broken(problem.where, problem.what)

"""What the graph keeps of tuning: where knobs stand and what may be done with them, the latest moves, and which replica moves shared knobs.

All of it is about the servers, not about a tenant; it is for administrators of the tenant that the servers themselves belong to (`home`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from neo4j import AsyncManagedTransaction

from ..errors import Forbidden
from . import tags
from .access import Access
from .changes import Change, Entry, Idempotency, Results, Settled, Step, content_hash
from .database import Database, Row, run
from .instants import now, stamp, utc
from .pages import Page, check_first, decode, encode, page
from .statements import load
from .writer import Writer

_CYPHER = load("tuning")
MOST = 1_000
"""Moves that are kept."""
LEASE = 30
"""Seconds without a sign of life after which another replica may take the shared knobs."""
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredKnob:
    """What is kept of a knob. None: nothing was said. `revision` counts how often an administrator set its value."""

    name: str
    mode: str | None
    value: float | None
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMove:
    """A move as it is kept: see `learning.knobs.Move`. `replica` made it."""

    id: str
    at: datetime
    replica: str
    objective: str
    knob: str
    reason: str
    before: float
    after: float
    outcome: str
    result: str
    gain: float | None


def require(access: Access, home: str) -> None:
    """Raise Forbidden unless the caller administers tuning, in the tenant that the servers belong to."""
    access.require("tuning", "admin")
    if access.tenant != home:
        raise Forbidden(f"only administrators of the tenant {home!r} may look at how these servers are tuned")


async def read_knobs(database: Database) -> dict[str, StoredKnob]:
    """What is kept of each knob, by its name."""
    rows = await database.read(_CYPHER["tuning_knobs"])
    return {row["name"]: StoredKnob(row["name"], row["mode"], row["value"], row["revision"]) for row in rows}


async def read_moves(database: Database, access: Access, home: str, first: int, after: str | None = None) -> Page[StoredMove]:
    """A page of the latest moves of all replicas, newest first. Raises Forbidden as `require` does."""
    require(access, home)
    check_first(first)
    tags.collect(_tag(home))
    at, id = decode(after, datetime, str) or (_LATEST, "")
    rows = await database.read(_CYPHER["tuning_moves"], {"at": at, "id": id, "limit": first + 1})
    return page([_move(row["move"]) for row in rows], first, lambda move: encode(stamp(move.at), move.id))


async def switch_knob(
    writer: Writer, access: Access, home: str, name: str, mode: str, value: float | None, once: Idempotency | None = None
) -> None:
    """Say what may be done with a knob on every replica and, with a `value`, where it stands. Raises Forbidden as `require` does."""
    require(access, home)
    row: Row = {"name": name, "mode": mode, "value": value, "at": now()}

    def settle(results: Results) -> Settled:
        found = results[0][0]
        was = content_hash([name, found["mode"], _told(found["value"])])
        left = content_hash([name, mode, _told(found["value"] if value is None else value)])
        return Settled(None, (Entry("tuning.switch", f"tuning:{name}", was, left),))

    await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["tuning_switch"], (row,)),),
            settle=settle,
            conflicts=frozenset({f"tuning:{name}"}),
            tags=frozenset({_tag(access.tenant)}),
            idempotency=once,
        )
    )


async def note(writer: Writer, home: str, moves: Iterable[StoredMove], values: Mapping[str, tuple[float, int]]) -> None:
    """Keep moves, and where the tuner has left knobs: their values, each with the revision it is about.

    The ledger tells nothing of it: it is about the servers, and changes no tenant's data.
    """
    rows = [_row(move) for move in moves]
    steps = [
        Step(_CYPHER["tuning_note"], ({"moves": rows, "most": MOST},) if rows else ()),
        Step(
            _CYPHER["tuning_values"],
            tuple({"name": name, "value": value, "revision": revision, "at": now()} for name, (value, revision) in values.items()),
        ),
    ]
    change = Change(
        tenant=home,
        actor="cairn",
        steps=tuple(step for step in steps if step.rows),
        settle=lambda _results: Settled(None, ()),
        conflicts=frozenset({*(f"tuning:{name}" for name in values), "tuning moves"}),
        tags=frozenset({_tag(home)}),
    )
    if change.steps:
        await writer.apply(change)


async def hold_lease(database: Database, holder: str) -> bool:
    """Take the lease on the shared knobs, or keep it; whether `holder` has it for the next `LEASE` seconds."""
    return (await _lease(database, "tuning_lease", {"holder": holder, "seconds": LEASE}))[0]["holder"] == holder


async def end_lease(database: Database, holder: str) -> None:
    """Give the lease back."""
    await _lease(database, "tuning_lease_end", {"holder": holder})


async def _lease(database: Database, name: str, parameters: Row) -> list[Row]:
    async def work(transaction: AsyncManagedTransaction) -> list[Row]:
        return await run(transaction, _CYPHER[name], parameters)

    return await database.write(work, LEASE / 3)


def _row(move: StoredMove) -> Row:
    return {name: getattr(move, name) for name in StoredMove.__slots__}


def _move(row: Row) -> StoredMove:
    return StoredMove(
        id=row["id"],
        at=utc(row["at"]),
        replica=row["replica"],
        objective=row["objective"],
        knob=row["knob"],
        reason=row["reason"],
        before=row["before"],
        after=row["after"],
        outcome=row["outcome"],
        result=row["result"],
        gain=row["gain"],
    )


def _told(value: float | None) -> str | None:
    return None if value is None else repr(float(value))


def _tag(home: str) -> str:
    return f"{home}/tuning"

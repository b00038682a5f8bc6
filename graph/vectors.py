"""The two sets of vectors that memories may have: one serves recall, the other is filled when the embedder is changed.

One node a database says which embedder wrote which set. A memory is written into every set that has an embedder, by the names that
hold in the very transaction; one that could not be carries the label `Unembedded` until its vectors are there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from neo4j import AsyncManagedTransaction

from ..errors import Conflict, Internal
from .changes import Change, Results, Settled, Step
from .database import Database, Row, run
from .keyring import index_for
from .sealing import opened
from .searchable import Index
from .statements import load
from .writer import Writer

log = logging.getLogger("cairn.graph")
_CYPHER = load("vectors")
LEASE_SECONDS = 30
_INDEX_SECONDS = 300

Phase = Literal["steady", "filling", "emptying"]
Vectors = Mapping[str, Sequence[float]]
"""Vectors of one text by the names of the embedders that made them."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one vector a memory: the key of its property, the index over that, and the key of the vector's sketch."""

    id: str
    index: str
    key: str
    sketch: str

    @property
    def other(self) -> Slot:
        """The other one."""
        return SLOT_B if self.id == "a" else SLOT_A


SLOT_A = Slot("a", "memory_embedding", "embedding", "sketch")
SLOT_B = Slot("b", "memory_embedding_b", "embeddingB", "sketchB")


@dataclass(frozen=True, slots=True)
class Model:
    """The embedder that writes a set of vectors."""

    name: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Slots:
    """Where the sets of vectors stand. `filling`: the embedder that recall will use next, None when none is on its way.

    `tenant` and `after` say up to which memory the pass that `phase` names has come; `done` of `total` memories lie before.
    """

    slot: Slot
    serving: Model
    filling: Model | None
    phase: Phase
    tenant: str = ""
    after: str = ""
    done: int = 0
    total: int = 0

    @property
    def models(self) -> tuple[Model, ...]:
        """The embedders whose vectors a new memory needs."""
        return (self.serving,) if self.filling is None else (self.serving, self.filling)


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory as the passes see it. `lacking`: it has no vector in the set that was asked about."""

    tenant: str
    id: str
    text: str | None
    lacking: bool = False


async def read_slots(database: Database) -> Slots:
    """Where the sets of vectors stand. Raises Internal when the graph does not say."""
    return _slots(await database.read(_CYPHER["vectors_state"]))


async def take_lease(database: Database, holder: str) -> Slots | None:
    """Be the one process that changes vectors, for 30 seconds from now; None when another one is."""
    rows = await _write(database, "vectors_lease", {"holder": holder, "seconds": LEASE_SECONDS})
    return _slots(rows) if rows else None


async def release(database: Database, holder: str) -> None:
    """Let the next process change vectors."""
    await _write(database, "vectors_release", {"holder": holder})


async def index_dimensions(database: Database, slot: Slot) -> int | None:
    """How long the vectors are that a set's index takes; None when there is no such index."""
    rows = await database.read(_CYPHER["vectors_index_dimensions"], {"name": slot.index})
    return int(rows[0]["dimensions"]) if rows else None


async def begin(database: Database, holder: str, slots: Slots, model: Model) -> Slots:
    """Make the free set ready for `model`; from then on new memories are written into both. Raises Conflict without the lease."""
    slot = slots.slot.other
    await _fit_index(database, slot, model)
    await database.read(_CYPHER["vectors_index_online"], {"name": slot.index, "seconds": _INDEX_SECONDS})
    return await _turn(database, "vectors_begin", holder, slot, {"name": model.name, "dimensions": model.dimensions})


async def fit_indexes(database: Database) -> None:
    """Make the sets' indexes as long as their vectors are, where they are not: after vectors came from another database."""
    slots = await read_slots(database)
    await _fit_index(database, slots.slot, slots.serving)
    if slots.filling is not None:
        await _fit_index(database, slots.slot.other, slots.filling)


async def _fit_index(database: Database, slot: Slot, model: Model) -> None:
    if await index_dimensions(database, slot) != model.dimensions:
        await _write(database, "vectors_index_drop", {"name": slot.index})
        await _write(database, f"vectors_index_{slot.id}", {"dimensions": model.dimensions})


async def switch(database: Database, holder: str, slots: Slots) -> Slots:
    """Have recall use the set that was filled, at once and everywhere. Raises Conflict without the lease."""
    return await _turn(database, "vectors_switch", holder, slots.slot, {"serving": slots.slot.other.id})


async def abandon(database: Database, holder: str, slots: Slots) -> Slots:
    """Give up the set that is being filled. Raises Conflict without the lease."""
    return await _turn(database, "vectors_abandon", holder, slots.slot.other, {})


async def end(database: Database, holder: str, slots: Slots) -> Slots:
    """Say that the free set is empty. Raises Conflict without the lease."""
    return await _turn(database, "vectors_end", holder, slots.slot.other, {})


async def next_tenant(database: Database, tenant: str) -> str | None:
    """The tenant with memories that comes behind `tenant`; None behind the last."""
    rows = await database.read(_CYPHER["vectors_tenant"], {"tenant": tenant})
    return rows[0]["tenant"] if rows else None


async def pending(database: Database, slots: Slots, limit: int) -> list[Stored]:
    """The memories of the pass's tenant that come next."""
    wanted = {"tenant": slots.tenant, "after": slots.after, "limit": limit, "property": slots.slot.key}
    rows = await database.read(_CYPHER["vectors_pending"], wanted)
    return [Stored(slots.tenant, row["id"], _text(slots.tenant, row), row["lacking"]) for row in rows]


async def unembedded(database: Database, limit: int) -> list[Stored]:
    """Memories of all tenants that were written without all their vectors."""
    rows = await database.read(_CYPHER["vectors_unembedded"], {"limit": limit})
    return [Stored(row["tenant"], row["id"], _text(row["tenant"], row), lacking=True) for row in rows]


def _text(tenant: str, row: Row) -> str | None:
    """A memory's text; None where it was altered, so that one that was does not keep all others from their vectors."""
    try:
        return opened(row["text"], "Memory", row["id"], "text", tenant)
    except Internal as error:
        log.error("memory %s goes without a vector: %s", row["id"], error.message)
        return None


async def fill(writer: Writer, holder: str, slots: Slots, vectors: Mapping[str, Vectors]) -> None:
    """Store vectors by memory id and remember where the pass stands, in one transaction. Raises Conflict without the lease."""
    kept = stored(list(vectors.values()), await index_for(writer, slots.tenant))
    rows = tuple({"id": id, "tenant": slots.tenant, **one, "mended": False} for id, one in zip(vectors, kept, strict=True))
    await _pass(writer, holder, slots, Step(_CYPHER["vectors_set"], rows))


async def empty(writer: Writer, holder: str, slots: Slots, memories: Sequence[Stored]) -> None:
    """Take memories out of the set that does not serve, and mark those that the other lacks. Raises Conflict without the lease."""
    rows = tuple(
        {
            "id": one.id,
            "tenant": slots.tenant,
            "property": slots.slot.other.key,
            "sketch": slots.slot.other.sketch,
            "lacking": one.lacking and bool(one.text),
        }
        for one in memories
    )
    await _pass(writer, holder, slots, Step(_CYPHER["vectors_empty"], rows))


async def mend(writer: Writer, tenant: str, vectors: Mapping[str, Vectors]) -> None:
    """Store the vectors that memories of a tenant lacked; one for which none can be had goes on without."""
    kept = stored(list(vectors.values()), await index_for(writer, tenant))
    rows = tuple({"id": id, "tenant": tenant, **one, "mended": True} for id, one in zip(vectors, kept, strict=True))
    steps = (Step(_CYPHER["vectors_set"], rows),)
    change = Change(tenant=tenant, actor="cairn", steps=steps, settle=lambda _: Settled(None, ()), tags=frozenset({f"{tenant}/memories"}))
    await writer.apply_alone(change, "vectors")


async def _pass(writer: Writer, holder: str, slots: Slots, step: Step) -> None:
    at: Row = {"holder": holder, "phase": slots.phase, "tenant": slots.tenant, "after": slots.after, "done": slots.done}

    def settle(results: Results) -> Settled:
        if not results[0]:
            raise Conflict("another process changes vectors by now")
        return Settled(None, ())

    steps = (Step(_CYPHER["vectors_move"], (at,)), step)
    await writer.apply_alone(Change(tenant=slots.tenant, actor="cairn", steps=steps, settle=settle), "vectors")


async def _turn(database: Database, name: str, holder: str, slot: Slot, parameters: Row) -> Slots:
    """Run the statement that ends one phase and begins the next; `slot` is the set that gets or loses its embedder."""
    letter = slot.id.upper()
    properties = {"holder": holder, "nameProperty": f"name{letter}", "dimensionsProperty": f"dimensions{letter}"}
    rows = await _write(database, name, {**properties, **parameters})
    if not rows:
        raise Conflict("another process changes vectors by now")
    return _slots(rows)


async def _write(database: Database, name: str, parameters: Row) -> list[Row]:
    async def work(transaction: AsyncManagedTransaction) -> list[Row]:
        return await run(transaction, _CYPHER[name], parameters)

    return await database.write(work)


def _slots(rows: Sequence[Row]) -> Slots:
    if not rows:
        raise Internal("the graph does not say which embedder its vectors are from; has its schema been brought up to date?")
    row: Row = rows[0]["state"]
    slot = SLOT_A if row["serving"] == "a" else SLOT_B
    serving, filling = _model(row, slot), _model(row, slot.other)
    if serving is None:
        raise Internal("the graph does not say which embedder its vectors are from")
    done, total = row.get("done") or 0, row.get("total") or 0
    return Slots(slot, serving, filling, row["phase"], row.get("tenant") or "", row.get("after") or "", done, total)


def _model(row: Row, slot: Slot) -> Model | None:
    name = row.get(f"name{slot.id.upper()}")
    return None if name is None else Model(name, row[f"dimensions{slot.id.upper()}"])


def stored(vectors: Sequence[Vectors], index: Index) -> list[Row]:
    """Texts' vectors as the statements take them that write: whole for the index, and as sketches, by their embedders' names.

    Where the tenant's words are keyed, whole vectors are turned and sketches, which turning would change, are sealed.
    """
    found: list[Row] = [{"vectors": {}, "sketches": {}} for _ in vectors]
    for name in dict.fromkeys(name for one in vectors for name in one):
        places = [place for place, one in enumerate(vectors) if name in one]
        for place, vector in zip(places, index.rotate([vectors[place][name] for place in places]), strict=True):
            found[place]["vectors"][name] = vector
            found[place]["sketches"][name] = index.seal_sketch(sketch(vectors[place][name]))
    return found


def sketch(vector: Sequence[float]) -> bytes:
    """A vector's direction in a byte a number. Cosines to it are off by some thousandths.

    Neo4j reads it many times as fast as the numbers, so that a question can be compared with hundreds of memories.
    """
    values = np.asarray(vector, dtype=np.float64)
    longest = float(np.abs(values).max(initial=0.0)) or 1.0
    return np.rint(values * (127.0 / longest)).astype(np.int8).tobytes()

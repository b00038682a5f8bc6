"""Derivation: a memory made out of several, `(derived)-[:DERIVED_FROM]->(episode)`, which stay as they are.

A derived memory says what its most central episode says, and mentions what that one mentions. It never outlives an episode that is
forgotten: what was derived from it is forgotten, and erased, in the same transaction (see `remembering.forget`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .changes import Change, Entry, Event, Results, Settled, Step, answered, content_hash
from .database import Row
from .duplicates import digest
from .keyring import Sealer, held_by, index_for, sealer_for
from .memories import Memory, stored_hash
from .remembering import seal
from .searchable import Index
from .statements import load
from .writer import Writer

_CYPHER = load("derivations")


@dataclass(frozen=True, slots=True)
class Derivation:
    """A memory to be made, as it will be, out of `episodes`, one of which is `central`."""

    memory: Memory
    central: str
    episodes: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Extension:
    """Further episodes of a memory that was derived before."""

    derived: str
    scope: str
    episodes: tuple[str, ...]


async def derive(writer: Writer, tenant: str, derivations: Sequence[Derivation]) -> int:
    """Make the memories, in one transaction with its entries in the ledger; how many were made.

    One is left out when an episode of its was forgotten meanwhile, or had something derived from it.
    """
    index = await index_for(writer, tenant)
    sealers = {subject: await sealer_for(writer, tenant, subject) for subject in sorted({one.subject for one in derivations})}
    protected = [_protected(tenant, one, index, sealers[one.subject]) for one in derivations]
    rows = tuple(row for _, row in protected)

    def settle(results: Results) -> Settled:
        made = [protected[i][0] for i in answered(results[0])]
        entries = tuple(Entry("memory.derive", f"memory:{one.scope}/{one.id}", None, one.hash) for one in made)
        return Settled(len(made), entries, tuple(Event("memory", tenant, one.id, agent=one.agent) for one in made))

    named = {id for one in derivations for id in (one.memory.id, *one.episodes)}
    steps = (Step(_CYPHER["derivations_create"], rows),)
    return await _write(writer, tenant, steps, settle, {one.memory.scope for one in derivations}, named, held_by(sealers.values()))


async def extend(writer: Writer, tenant: str, extensions: Sequence[Extension], at: datetime) -> int:
    """Add episodes to derived memories, in one transaction with its entries in the ledger; to how many."""
    rows: tuple[Row, ...] = tuple(
        {"derived": one.derived, "tenant": tenant, "scope": one.scope, "episodes": list(one.episodes), "at": at} for one in extensions
    )

    def settle(results: Results) -> Settled:
        added: dict[int, list[str]] = {row["i"]: row["episodes"] for row in results[0] if row["episodes"]}
        entries = [
            Entry("memory.extend", f"origins:{extensions[i].scope}/{extensions[i].derived}", None, content_hash(sorted(ids)))
            for i, ids in sorted(added.items())
        ]
        return Settled(len(added), tuple(entries))

    named = {id for one in extensions for id in (one.derived, *one.episodes)}
    steps = (Step(_CYPHER["derivations_extend"], rows),)
    return await _write(writer, tenant, steps, settle, {one.scope for one in extensions}, named)


async def _write(
    writer: Writer,
    tenant: str,
    steps: tuple[Step, ...],
    settle: Callable[[Results], Settled],
    scopes: Collection[str],
    named: Collection[str],
    held: frozenset[str] = frozenset(),
) -> int:
    tags = {f"{tenant}/memories", *(f"{tenant}/memories/{scope}" for scope in scopes), *(f"{tenant}/memory/{id}" for id in named)}
    change = Change(tenant=tenant, actor="cairn", steps=steps, settle=settle, tags=frozenset(tags), held=held)
    return await writer.apply_alone(change, "consolidate")


def _protected(tenant: str, one: Derivation, index: Index, sealer: Sealer) -> tuple[Memory, Row]:
    """The memory with the hash of how it is stored, and the row that makes it."""
    sealed = seal(sealer, one.memory, index)
    memory = replace(one.memory, hash=stored_hash(one.memory, sealed))
    return memory, {
        "tenant": tenant,
        "scope": memory.scope,
        "agent": memory.agent,
        "central": one.central,
        "episodes": list(one.episodes),
        "at": memory.recorded_at,
        "properties": {
            "id": memory.id,
            "kind": memory.kind.value,
            **sealed,
            "session": memory.session,
            "importance": memory.importance,
            "occurredAt": memory.occurred_at,
            "recordedAt": memory.recorded_at,
            "expiresAt": None,
            "hash": memory.hash,
            "digest": digest(tenant, memory, index),
            "by": "cairn",
        },
    }

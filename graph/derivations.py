"""Derivation: a memory made out of several, `(derived)-[:DERIVED_FROM]->(episode)`, which stay as they are.

A derived memory says what its most central episode says, and mentions what that one mentions. It never outlives an episode that is
forgotten: what was derived from it is forgotten, and erased, in the same transaction (see `remembering.forget`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from .changes import Change, Entry, Event, Results, Settled, Step, answered, content_hash
from .database import Row
from .duplicates import digest
from .memories import Memory
from .statements import load
from .writer import Writer

_CYPHER = load("derivations")


@dataclass(frozen=True, slots=True)
class Derivation:
    """A memory to be made, as it will be, out of `episodes`, one of which is `central`."""

    memory: Memory
    central: str
    episodes: tuple[str, ...]


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
    rows = tuple(_row(tenant, one) for one in derivations)

    def settle(results: Results) -> Settled:
        made = [derivations[i].memory for i in answered(results[0])]
        entries = tuple(Entry("memory.derive", f"memory:{one.scope}/{one.id}", None, one.hash) for one in made)
        return Settled(len(made), entries, tuple(Event("memory", tenant, one.id, agent=one.agent) for one in made))

    named = {id for one in derivations for id in (one.memory.id, *one.episodes)}
    return await _write(writer, tenant, Step(_CYPHER["derivations_create"], rows), settle, {one.memory.scope for one in derivations}, named)


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
    return await _write(writer, tenant, Step(_CYPHER["derivations_extend"], rows), settle, {one.scope for one in extensions}, named)


async def _write(
    writer: Writer, tenant: str, step: Step, settle: Callable[[Results], Settled], scopes: Collection[str], named: Collection[str]
) -> int:
    tags = {f"{tenant}/memories", *(f"{tenant}/memories/{scope}" for scope in scopes), *(f"{tenant}/memory/{id}" for id in named)}
    change = Change(tenant=tenant, actor="cairn", steps=(step,), settle=settle, tags=frozenset(tags))
    return await writer.apply_alone(change, "consolidate")


def _row(tenant: str, one: Derivation) -> Row:
    memory = one.memory
    return {
        "tenant": tenant,
        "scope": memory.scope,
        "agent": memory.agent,
        "central": one.central,
        "episodes": list(one.episodes),
        "at": memory.recorded_at,
        "properties": {
            "id": memory.id,
            "kind": memory.kind.value,
            "externalId": memory.external_id,
            "session": memory.session,
            "metadata": None,
            "importance": memory.importance,
            "occurredAt": memory.occurred_at,
            "recordedAt": memory.recorded_at,
            "expiresAt": None,
            "hash": memory.hash,
            "digest": digest(tenant, memory),
            "by": "cairn",
        },
    }

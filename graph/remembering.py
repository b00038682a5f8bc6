"""Writing memories: remember, many at once, and forget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..errors import BadInput, Conflict, NotFound
from .access import Access
from .agents import catalog_events, check_known, known_step, scope_step
from .analysis import scope_key
from .changes import Change, Entry, Event, Idempotency, Results, Settled, Step, canonical, idempotency
from .database import Database, Row
from .duplicates import digest, mark_step
from .instants import check_instant, now, stamp
from .keyring import Sealer, held_by, index_for, sealer_for
from .locals import LOCAL, drop_entries, drop_step
from .memories import Kind, Memory, Modality, stored_hash, subject_of
from .mentions import Linked
from .names import agent_scope, check_characters, check_id, check_name, check_scope, key, new_id
from .searchable import Index
from .statements import load
from .vectors import Vectors, stored
from .writer import Writer

_CYPHER = load("memories")
MAX_TEXT = 100_000
MAX_METADATA_BYTES = 64 * 1024
MAX_MANY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    """A memory to write. `scope` defaults to the agent's own; `importance` is 0 to 1."""

    agent: str
    text: str | None = None
    kind: Kind = Kind.EPISODIC
    modality: Modality = Modality.TEXT
    session: str | None = None
    speaker: str | None = None
    scope: str | None = None
    importance: float | None = None
    occurred_at: datetime | None = None
    expires_at: datetime | None = None
    external_id: str | None = None
    metadata: Any = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A memory ready to be written, with what makes it findable: terms, vectors by their embedders' names, its heading's terms, traits."""

    memory: Memory
    terms: tuple[str, ...]
    vectors: Vectors | None = None
    heading: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Protected:
    """A memory as it is to be stored: sealed, its words and vectors keyed. `memory` has the hash of that."""

    memory: Memory
    row: Row
    held: frozenset[str]


def check(access: Access, new: NewMemory, at: datetime) -> Memory:
    """The memory that `new` asks for. Raises BadInput for a bad value, Forbidden without `write` on `memory:<scope>`."""
    check_id("the agent's id", new.agent)
    scope = check_scope(new.scope) if new.scope is not None else agent_scope(new.agent)
    access.require(f"memory:{scope}", "write")
    if not new.text and new.modality is Modality.TEXT:
        raise BadInput("a memory of modality TEXT must have a text")
    if new.text is not None and len(new.text) > MAX_TEXT:
        raise BadInput(f"the text has {len(new.text)} characters; at most {MAX_TEXT} are kept in one memory: split it")
    if new.text is not None:
        check_characters("the text", new.text)
    for what, value in (("the session", new.session), ("the speaker", new.speaker), ("externalId", new.external_id)):
        if value is not None:
            check_name(what, value, 500)
    if new.importance is not None and not 0 <= new.importance <= 1:
        raise BadInput(f"importance must be 0 to 1, not {new.importance}")
    occurred_at = at if new.occurred_at is None else check_instant("occurredAt", new.occurred_at)
    expires_at = None if new.expires_at is None else check_instant("expiresAt", new.expires_at)
    if expires_at is not None and expires_at <= at:
        raise BadInput("expiresAt lies in the past; the memory would be gone at once")
    if new.metadata is not None and len(canonical(new.metadata)) > MAX_METADATA_BYTES:
        raise BadInput(f"metadata may have at most {MAX_METADATA_BYTES} bytes as JSON")
    return Memory(
        id=new_id(),
        external_id=new.external_id,
        agent=new.agent,
        kind=new.kind,
        modality=new.modality,
        text=new.text,
        speaker=new.speaker,
        session=new.session,
        scope=scope,
        importance=0.5 if new.importance is None else new.importance,
        occurred_at=occurred_at,
        recorded_at=at,
        expires_at=expires_at,
        metadata=new.metadata,
    )


async def protect(writer: Writer, access: Access, prepared: Sequence[Prepared]) -> list[Protected]:
    """Memories as they are to be stored. Raises Unavailable when a key can't be had."""
    index = await index_for(writer, access.tenant)
    subjects = {subject_of(item.memory.agent, item.memory.metadata) for item in prepared}
    sealers = {subject: await sealer_for(writer, access.tenant, subject) for subject in sorted(subjects)}
    vectors = stored([item.vectors or {} for item in prepared], index)
    return [
        _protected(access, item, index, sealers[subject_of(item.memory.agent, item.memory.metadata)], theirs)
        for item, theirs in zip(prepared, vectors, strict=True)
    ]


def _protected(access: Access, prepared: Prepared, index: Index, sealer: Sealer, vectors: Row) -> Protected:
    memory = prepared.memory
    sealed = seal(sealer, memory, index)
    memory = replace(memory, hash=stored_hash(memory, sealed))
    row: Row = {
        "agentKey": key(access.tenant, memory.agent),
        "properties": {**_properties(access, memory, prepared, index), **sealed},
        "occurredAt": stamp(memory.occurred_at),
        "recordedAt": stamp(memory.recorded_at),
        "expiresAt": stamp(memory.expires_at),
        **vectors,
    }
    return Protected(memory, row, held_by([sealer]))


def seal(sealer: Sealer, memory: Memory, index: Index) -> Row:
    """The properties of a memory that are sealed, with what they are found by."""
    metadata = None if memory.metadata is None else json.dumps(memory.metadata)
    plain = {"text": memory.text, "speaker": memory.speaker, "externalId": memory.external_id, "metadata": metadata}
    return {
        **{name: sealer.seal(value, "Memory", memory.id, name) for name, value in plain.items()},
        "speakerKey": index.lookup("speaker", memory.speaker),
        "externalKey": index.lookup("externalId", memory.external_id),
        "subjectKey": sealer.id,
    }


def _properties(access: Access, memory: Memory, prepared: Prepared, index: Index) -> Row:
    return {
        "id": memory.id,
        "tenant": access.tenant,
        "agent": memory.agent,
        "kind": memory.kind.value,
        "modality": memory.modality.value,
        "session": memory.session,
        "scope": memory.scope,
        "scopeKey": scope_key(memory.scope),
        "importance": memory.importance,
        "hash": memory.hash,
        "digest": digest(access.tenant, memory, index),
        "by": access.principal,
        "terms": " ".join(index.tokens(prepared.terms)),
        "heading": " ".join(index.tokens(prepared.heading)) or None,
        "traits": index.tokens(prepared.traits) or None,
    }


def _session_rows(access: Access, memories: Sequence[Memory]) -> tuple[Row, ...]:
    sessions: dict[tuple[str, str], list[str]] = {}
    for memory in memories:
        if memory.session is not None:
            sessions.setdefault((memory.agent, memory.session), []).append(memory.id)
    return tuple(
        {
            "agentKey": key(access.tenant, agent),
            "key": key(access.tenant, agent, session),
            "tenant": access.tenant,
            "agent": agent,
            "id": session,
            "ids": ids,
            "at": memories[0].recorded_at,
        }
        for (agent, session), ids in sessions.items()
    )


async def remember(
    writer: Writer,
    access: Access,
    prepared: Sequence[Prepared] | Sequence[Protected],
    linked: Linked | None = None,
    *,
    idempotency_key: str | None = None,
    input: Any = None,
) -> list[str]:
    """Write all of `prepared` or nothing, in the order given, and return their ids.

    `linked` links them to entities in the same transaction. With an idempotency key that was used before with the same
    `input`, the ids of the first time are returned and nothing is written. Raises NotFound for an agent that is not registered.
    """
    waiting = [item for item in prepared if isinstance(item, Prepared)]
    protected = [*await protect(writer, access, waiting), *(item for item in prepared if isinstance(item, Protected))]
    memories = [item.memory for item in protected]
    mentions = linked or Linked(access.tenant)
    scopes = sorted({memory.scope for memory in memories})
    creates = tuple(item.row for item in protected)
    sessions = _session_rows(access, memories)

    agents = {memory.agent for memory in memories}

    def settle(results: Results) -> Settled:
        entries = tuple(Entry("memory.remember", f"memory:{m.scope}/{m.id}", None, m.hash) for m in memories)
        events = tuple(Event("memory", access.tenant, m.id, agent=m.agent, session=m.session) for m in memories)
        made = results[4] if mentions.steps else ()
        catalog = (*catalog_events(access.tenant, results[2]), *mentions.events(made))
        return Settled([memory.id for memory in memories], (*entries, *mentions.entries(made)), (*catalog, *events))

    change = Change(
        tenant=access.tenant,
        actor=access.principal,
        policy_version=access.policy_version,
        steps=(
            known_step(access.tenant, agents),
            Step(_CYPHER["memories_create"], creates),
            scope_step(access.tenant, *scopes),
            Step(_CYPHER["sessions_append"], sessions),
            *mentions.steps,
            mark_step((row["properties"] for row in creates), now()),
        ),
        check=lambda rows: check_known(agents, rows),
        settle=settle,
        conflicts=frozenset({*(f"session:{row['key']}" for row in sessions), *mentions.conflicts}),
        tags=frozenset({f"{access.tenant}/memories", *(f"{access.tenant}/memories/{scope}" for scope in scopes), *mentions.tags}),
        held=frozenset[str]().union(*(item.held for item in protected)),
        idempotency=idempotency(access.tenant, access.principal, "remember", idempotency_key, input),
    )
    return await writer.apply(change)


async def forget(
    writer: Writer, database: Database, access: Access, id: str, *, erase: bool = False, idempotency_key: str | None = None
) -> bool:
    """Take the memory out of reading and searching; with `erase`, destroy its content too, also of one that was forgotten before.

    What was derived from it goes the same way, and with `erase` the local entities that only it mentioned. False when somebody else
    did so at the same time. Raises NotFound when there is no such memory that the caller may read, Forbidden without `delete` on
    `memory:<scope>`, Conflict when just now another memory was derived from it.
    """
    once = idempotency(access.tenant, access.principal, "forget", idempotency_key, [id, erase])
    wanted: Row = {"tenant": access.tenant, "scopes": list(access.scopes), "id": id, "erase": erase, "local": LOCAL}
    rows = await database.read(_CYPHER["memories_forgettable"], wanted)
    if not rows:
        return await _forgotten_before(writer, access, id, once)
    scope, agent, session, derived, mentioned = (rows[0][name] for name in ("scope", "agent", "session", "derived", "names"))
    access.require(f"memory:{scope}", "delete")
    row: Row = {"id": id, "tenant": access.tenant, "scope": scope, "at": now()}
    erasing = ("memories_erase", "memories_erase_derived") if erase else ()
    steps = [Step(_CYPHER[name], (row,)) for name in ("memories_forget", "memories_lapse", *erasing)]
    if erase:
        steps.append(drop_step(mentioned))

    def settle(results: Results) -> Settled:
        gone, lapsed = results[0], results[1]
        if not (results[2] if erase else gone):
            return Settled(answer=False, entries=())
        if not {one["id"] for one in lapsed} <= set(derived):
            raise Conflict("just now another memory was derived from this one; forget it again, so that both go")
        hashes: dict[str, str | None] = {id: gone[0]["before"] if gone else None, **{one["id"]: one["before"] for one in lapsed}}
        if erase:
            hashes = {**{one["id"]: None for one in results[3]}, **hashes}
        operation = "memory.erase" if erase else "memory.forget"
        entries = [Entry(operation, f"memory:{scope}/{one}", hashes[one], None) for one in sorted(hashes, key=lambda one: (one != id, one))]
        return Settled(answer=True, entries=(*entries, *drop_entries(results[4] if erase else ())))

    names = {f"memory:{id}"} if session is None else {f"session:{key(access.tenant, agent, session)}"}
    gone = frozenset(f"{access.tenant}/memory/{one}" for one in (id, *derived))
    if erase:
        names |= {f"entity:{one}" for one in mentioned}
        gone |= {f"{access.tenant}/graphs", f"{access.tenant}/locals"}
    return await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=tuple(steps),
            settle=settle,
            conflicts=frozenset(names),
            tags=gone | {f"{access.tenant}/memories", f"{access.tenant}/memories/{scope}"},
            idempotency=once,
        )
    )


async def _forgotten_before(writer: Writer, access: Access, id: str, once: Idempotency | None) -> bool:
    """The answer that this idempotency key got before. Raises NotFound when it is new."""

    def settle(_results: Results) -> Settled:
        raise NotFound(f"there is no memory {id!r} that you may read")

    if once is None:
        settle(())
    return await writer.apply(Change(tenant=access.tenant, actor=access.principal, steps=(), settle=settle, idempotency=once))

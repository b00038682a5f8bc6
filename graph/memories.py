"""Memories: what an agent remembers, as nodes in sessions' chains, of a kind and modality, in a scope, for a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from . import tags
from .access import Access
from .changes import Step, content_hash
from .database import Database, Row
from .graphs import collect_graphs
from .instants import check_instant, maybe_utc, now, stamp, utc
from .keyring import agent_subject, index_of, person_subject
from .names import key
from .pages import Page, check_first, decode, encode, page
from .sealing import as_stored, opened
from .statements import load

_CYPHER = load("memories")
_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
_LAST_ID = "~"
SEALED = ("text", "speaker", "externalId", "metadata")
"""The properties of a memory that are sealed."""


class Kind(Enum):
    """What sort of memory: an event, a fact learned, a skill, or a scratch note."""

    EPISODIC = "EPISODIC"
    SEMANTIC = "SEMANTIC"
    PROCEDURAL = "PROCEDURAL"
    WORKING = "WORKING"


class Modality(Enum):
    """How it was perceived."""

    TEXT = "TEXT"
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"
    IMAGE = "IMAGE"
    SENSOR = "SENSOR"


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory. `importance` is 0 to 1; `occurred_at` is world time, `recorded_at` when Cairn took it in."""

    id: str
    external_id: str | None
    agent: str
    kind: Kind
    modality: Modality
    text: str | None
    speaker: str | None
    session: str | None
    scope: str
    importance: float
    occurred_at: datetime
    recorded_at: datetime
    expires_at: datetime | None
    metadata: Any = None
    hash: str = ""


@dataclass(frozen=True, slots=True)
class MemoryFilter:
    """Which memories to list; None asks for any."""

    agent: str | None = None
    session: str | None = None
    speaker: str | None = None
    scope: str | None = None
    external_id: str | None = None
    kinds: tuple[Kind, ...] | None = None
    modalities: tuple[Modality, ...] | None = None
    occurred_after: datetime | None = None
    occurred_before: datetime | None = None

    def by_hidden(self, access: Access) -> bool:
        """Whether it asks for a value of a field that is hidden from the caller, who could find the value out by asking."""
        asked = {"Memory.session": self.session, "Memory.speaker": self.speaker, "Memory.externalId": self.external_id}
        return any(value is not None and name in access.hidden_fields for name, value in asked.items())


_ANY = MemoryFilter()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of memories begins: after the memory recorded then, with this id."""

    recorded_at: datetime = field(default=_FUTURE)
    id: str = _LAST_ID


def memory_hash(memory: Memory) -> str:
    """The hash of a memory's content as the ledger holds it, where it is not sealed."""
    return _hash(memory, memory.text, memory.speaker, memory.external_id, json.dumps(memory.metadata, sort_keys=True))


def stored_hash(memory: Memory, row: Row) -> str:
    """The hash of a memory as the ledger holds it, by what is stored: of what is sealed the ciphertext, so that it tells nothing of it.

    Of `memory` only what is never sealed counts.
    """
    text, speaker, external_id, metadata = (as_stored(row[name]) for name in SEALED)
    if metadata is None or isinstance(metadata, str):
        metadata = json.dumps(json.loads(metadata or "null"), sort_keys=True)
    return _hash(memory, text, speaker, external_id, metadata)


def _hash(memory: Memory, text: Any, speaker: Any, external_id: Any, metadata: Any) -> str:
    return content_hash(
        [
            "memory", memory.id, memory.agent, memory.kind.value, memory.modality.value, text, speaker, memory.session,
            memory.scope, stamp(memory.occurred_at), stamp(memory.recorded_at), stamp(memory.expires_at), external_id,
            metadata, repr(memory.importance),
        ]
    )  # fmt: skip


def subject_of(agent: str, metadata: Any) -> str:
    """Whose data a memory is: the person's whom its metadata names as `subject`, else its agent's."""
    match metadata:
        case {"subject": str(name)} if name.strip():
            return person_subject(name.strip())
        case _:
            return agent_subject(agent)


def from_row(row: Row) -> Memory:
    """The memory in a projected map of its properties, opened. Raises like `sealing.opened`."""
    text, speaker, external_id, metadata = (opened(row[name], "Memory", row["id"], name) for name in SEALED)
    return _memory(row, text, speaker, external_id, None if metadata is None else json.loads(metadata))


def unopened(row: Row) -> Memory:
    """The memory in a projected map of its properties, without what may be sealed."""
    return _memory(row, None, None, None, None)


def _memory(row: Row, text: str | None, speaker: str | None, external_id: str | None, metadata: Any) -> Memory:
    return Memory(
        row["id"], external_id, row["agent"], Kind(row["kind"]), Modality(row["modality"]), text, speaker,
        row["session"], row["scope"], row["importance"], utc(row["occurredAt"]), utc(row["recordedAt"]), maybe_utc(row["expiresAt"]),
        metadata, row["hash"],
    )  # fmt: skip


def as_seen(memory: Memory, access: Access) -> Memory:
    """The memory without speaker and session where these are hidden from the caller, so that nothing is worked out from them."""
    hidden = {name: None for name in ("speaker", "session") if f"Memory.{name}" in access.hidden_fields}
    return replace(memory, **hidden) if hidden else memory


def _read(row: Row) -> Memory:
    memory = from_row(row["memory"])
    tags.collect_until(memory.expires_at)
    return memory


def start_of(after: str | None) -> Position:
    """Where the page after a cursor begins. Raises BadInput for what is no cursor of a list of memories."""
    position = decode(after, datetime, str)
    return Position(*position) if position else Position()


def cursor(memory: Memory) -> str:
    """The memory's place in lists, which run from the newest to the oldest."""
    return encode(stamp(memory.recorded_at), memory.id)


def _base(access: Access) -> Row:
    return {"tenant": access.tenant, "scopes": list(access.scopes), "now": now()}


def readable_step(access: Access, ids: Sequence[str]) -> Step:
    """The step, first in a change that refers to memories, that answers how many of `ids` the caller can read (`readable`)."""
    row: Row = {"tenant": access.tenant, "scopes": list(access.scopes), "memories": list(ids), "at": now()}
    return Step(_CYPHER["memories_readable"], (row,))


async def memories_by_id(database: Database, access: Access, ids: Sequence[str]) -> dict[str, Memory]:
    """Readable memories by id, in one round trip. Unreadable, unknown and expired ones are absent."""
    tags.collect(*(f"{access.tenant}/memory/{id}" for id in ids))
    (row,) = await database.read(_CYPHER["memories_by_id"], {**_base(access), "ids": list(ids)})
    return {memory.id: memory for memory in map(_read, ({"memory": one} for one in row["memories"]))}


async def principal_of(database: Database, tenant: str, id: str) -> str | None:
    """The principal that had a memory remembered; None when there is no such memory. For acting on its behalf; it asks no permission."""
    rows = await database.read(_CYPHER["memories_principal"], {"tenant": tenant, "id": id})
    return rows[0]["principal"] if rows else None


async def list_memories(
    database: Database, access: Access, first: int, after: str | None = None, only: MemoryFilter = _ANY
) -> Page[Memory]:
    """A page of readable memories, newest first; none when they are asked for by a field that is hidden from the caller."""
    check_first(first)
    start = start_of(after)
    tags.collect_each(access.tenant, "memories", access.scopes)
    if only.by_hidden(access):
        return Page((), (), more=False)
    index = await index_of(database, access.tenant)
    parameters: Row = {
        **_base(access),
        "before": start.recorded_at,
        "beforeId": start.id,
        "limit": first + 1,
        "speakerKey": index.lookup("speaker", only.speaker),
        "externalKey": index.lookup("externalId", only.external_id),
        "agent": only.agent,
        "session": only.session,
        "speaker": only.speaker,
        "scope": only.scope,
        "externalId": only.external_id,
        "kinds": None if only.kinds is None else [kind.value for kind in only.kinds],
        "modalities": None if only.modalities is None else [modality.value for modality in only.modalities],
        "occurredAfter": None if only.occurred_after is None else check_instant("occurredAfter", only.occurred_after),
        "occurredBefore": None if only.occurred_before is None else check_instant("occurredBefore", only.occurred_before),
    }
    (row,) = await database.read(_CYPHER["memories_list"], parameters)
    return page([_read({"memory": one}) for one in row["memories"]], first, cursor)


async def memories_of_agents(
    database: Database, access: Access, agents: Sequence[str], first: int, after: str | None = None
) -> dict[str, Page[Memory]]:
    """A page of readable memories, newest first, for each of `agents`, in one round trip."""
    check_first(first)
    start = start_of(after)
    tags.collect_each(access.tenant, "memories", access.scopes)
    wanted = [{"id": agent, "key": key(access.tenant, agent)} for agent in agents]
    parameters: Row = {**_base(access), "agents": wanted, "before": start.recorded_at, "beforeId": start.id, "limit": first + 1}
    found: dict[str, list[Memory]] = {agent: [] for agent in agents}
    for memory in map(_read, await database.read(_CYPHER["memories_of_agents"], parameters)):
        found[memory.agent].append(memory)
    return {agent: page(memories, first, cursor) for agent, memories in found.items()}


async def related(database: Database, access: Access, ids: Sequence[str], first: int) -> dict[str, list[Memory]]:
    """For each memory the readable ones that stand next to it in its session or mention what it mentions, nearest first.

    What the caller may not see relates nothing: neither entities of other graphs, nor texts, speakers and sessions that are hidden.
    """
    check_first(first)
    tags.collect_each(access.tenant, "memories", access.scopes)
    collect_graphs(access.tenant, access.graphs)
    shown = {f"{name}s": f"Memory.{name}" not in access.hidden_fields for name in ("text", "speaker", "session")}
    parameters: Row = {**_base(access), **shown, "graphs": list(access.graphs), "ids": list(ids), "limit": first}
    found: dict[str, list[Memory]] = {id: [] for id in ids}
    for row in await database.read(_CYPHER["memories_related"], parameters):
        found[row["origin"]].append(_read(row))
    return found

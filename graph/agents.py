"""Agents: who remembers. An agent has a name, goals, and a scope of its own (`agent/<id>`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import BadInput, NotFound
from . import tags
from .access import Access
from .changes import Change, Entry, Event, Results, Settled, Step, content_hash, idempotency
from .database import Database, Row
from .instants import now
from .keyring import agent_subject, held_by, sealer_for
from .names import agent_scope, check_id, check_name, key
from .pages import Page, check_first, decode, encode, page
from .sealing import Sealed, as_stored, opened
from .statements import load
from .writer import Writer

_CYPHER = load("agents")
MAX_GOALS = 50


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as the caller may see it: `goals` is empty when its own scope is not readable."""

    id: str
    name: str
    goals: tuple[str, ...]


def agent_hash(id: str, name: str, goals: Sequence[str] | bytes | Sealed) -> str:
    """The hash of an agent as the ledger holds it, by what is stored."""
    return content_hash(["agent", id, name, as_stored(goals) if isinstance(goals, (bytes, Sealed)) else list(goals)])


async def register_agent(
    writer: Writer, access: Access, id: str, name: str, goals: Sequence[str] = (), idempotency_key: str | None = None
) -> Agent:
    """Create the agent, or change the name and goals of the one with this id.

    Raises Forbidden without `write` on `agent:<id>`, BadInput for a name that can't be one.
    """
    check_id("the agent's id", id)
    check_name("the agent's name", name)
    if len(goals) > MAX_GOALS:
        raise BadInput(f"an agent may have at most {MAX_GOALS} goals, not {len(goals)}")
    for goal in goals:
        check_name("a goal", goal, 2_000)
    access.require(f"agent:{id}", "write")
    sealer = await sealer_for(writer, access.tenant, agent_subject(id))
    sealed = sealer.seal(json.dumps(list(goals)), "Agent", key(access.tenant, id), "goals") if goals else None
    stored = sealed if isinstance(sealed, bytes) else list(goals)
    digest = agent_hash(id, name, stored)
    row: Row = {
        "key": key(access.tenant, id),
        "tenant": access.tenant,
        "id": id,
        "scope": agent_scope(id),
        "name": name,
        "goals": stored,
        "hash": digest,
        "at": now(),
    }

    def settle(results: Results) -> Settled:
        before = results[0][0]["before"]
        entry = Entry("agent.register", f"agent:{id}", before, digest)
        return Settled(None, (entry,), catalog_events(access.tenant, results[1]))

    await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["agents_register"], (row,)), scope_step(access.tenant, agent_scope(id))),
            settle=settle,
            conflicts=frozenset({f"agent:{id}", f"scope:{agent_scope(id)}"}),
            tags=frozenset({f"{access.tenant}/agent/{id}", f"{access.tenant}/agents"}),
            held=held_by([sealer]),
            idempotency=idempotency(access.tenant, access.principal, "registerAgent", idempotency_key, [id, name, list(goals)]),
        )
    )
    return Agent(id, name, tuple(goals))


def known_step(tenant: str, agents: Iterable[str]) -> Step:
    """The step, first in a change for agents, that answers which of them exist (`id`). `check_known` reads it."""
    return Step(_CYPHER["agents_known"], tuple({"key": key(tenant, agent)} for agent in sorted(set(agents))))


def check_known(agents: Iterable[str], rows: Sequence[Row]) -> None:
    """Raise NotFound unless all of `agents` are among those that `known_step` found."""
    missing = set(agents) - {row["id"] for row in rows}
    if missing:
        raise NotFound(f"there is no agent {' or '.join(map(repr, sorted(missing)))}; registerAgent creates one")


def scope_step(tenant: str, *scopes: str) -> Step:
    """The step that registers scopes which a change writes to."""
    return Step(_CYPHER["scopes_ensure"], tuple({"tenant": tenant, "path": scope} for scope in scopes))


def catalog_events(tenant: str, rows: Sequence[Row]) -> tuple[Event, ...]:
    """The event that tells this replica to look at the scopes again, when a `scope_step` made a new one."""
    return (Event("catalog", tenant, tenant),) if any(row["isNew"] for row in rows) else ()


def _agent(tenant: str, row: Row) -> Agent:
    return Agent(row["id"], row["name"], goals_of(tenant, row["id"], row["goals"]) if row["readable"] else ())


def goals_of(tenant: str, agent: str, stored: Sealed | Sequence[str]) -> tuple[str, ...]:
    """An agent's goals, opened; none where their key was destroyed."""
    if not isinstance(stored, Sealed):
        return tuple(stored)
    return tuple(json.loads(opened(stored, "Agent", key(tenant, agent), "goals", tenant) or "[]"))


async def agents_by_id(database: Database, access: Access, ids: Sequence[str]) -> dict[str, Agent]:
    """Agents by id, in one round trip. Names are told to whoever holds an id; goals only to readers of the agent's scope."""
    tags.collect(*(f"{access.tenant}/agent/{id}" for id in ids))
    keys = [key(access.tenant, id) for id in ids]
    rows = await database.read(_CYPHER["agents_by_id"], {"keys": keys, "scopes": list(access.scopes)})
    return {row["id"]: _agent(access.tenant, row) for row in rows}


def may_find(access: Access, id: str) -> bool:
    """Whether an agent is there for the caller: its scope is readable."""
    if agent_scope(id) in access.scopes:
        return True
    tags.collect(f"{access.tenant}/agent/{id}")
    return False


async def find_agent(database: Database, access: Access, id: str) -> Agent | None:
    """The agent, or None when there is none or its scope is not readable."""
    if not may_find(access, id):
        return None
    return (await agents_by_id(database, access, [id])).get(id)


async def require_agent(database: Database, access: Access, id: str) -> Agent:
    """The agent. Raises NotFound when there is none or its scope is not readable."""
    agent = await find_agent(database, access, id)
    if agent is None:
        raise NotFound(f"there is no agent {id!r} that you may read; registerAgent creates one")
    return agent


async def list_agents(database: Database, access: Access, first: int, after: str | None = None) -> Page[Agent]:
    """Readable agents in the order of their ids."""
    check_first(first)
    position = decode(after, str)
    tags.collect(f"{access.tenant}/agents")
    parameters = {"tenant": access.tenant, "scopes": list(access.scopes), "after": position[0] if position else "", "limit": first + 1}
    rows = await database.read(_CYPHER["agents_list"], parameters)
    return page([_agent(access.tenant, row) for row in rows], first, lambda agent: encode(agent.id))

"""States: an agent's named values, every version kept, written with compare-and-set, read by version or instant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import BadInput, Conflict, NotFound
from . import tags
from .access import Access
from .changes import Change, Entry, Event, Results, Settled, Step, canonical, content_hash, idempotency
from .database import Database, Row
from .instants import check_instant, micros, now, stamp, utc
from .keyring import agent_subject, held_by, sealer_for
from .names import agent_scope, check_id, check_name, key
from .pages import Page, check_first, decode, encode, page
from .sealing import Stored, as_stored, opened
from .statements import load
from .writer import Writer

_CYPHER = load("states")
MAX_VALUE_BYTES = 1024 * 1024
PINNED = "pinned/"
"""A state whose key begins with this is part of every context that is made for its agent."""
_NEWEST = 2**62


@dataclass(frozen=True, slots=True)
class State:
    """One version of a state. `hash` covers agent, key and value; where the value is sealed, its ciphertext, which no two share."""

    agent: str
    key: str
    value: Any
    version: int
    hash: str
    recorded_at: datetime
    by: str


def state_hash(agent: str, name: str, value: Any) -> str:
    """The hash of a state's value as the ledger holds it, where it is not sealed."""
    return content_hash(["state", agent, name, value])


def stored_hash(agent: str, name: str, value: Stored) -> str:
    """The hash of a state's value as the ledger holds it, by what is stored."""
    stored = as_stored(value)
    return state_hash(agent, name, json.loads(stored) if isinstance(stored, str) else stored)


async def set_state(
    writer: Writer,
    access: Access,
    agent: str,
    name: str,
    value: Any,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> State:
    """Write the next version of the state and return it.

    With `expected_version` (0: it must not exist yet) exactly one of several racing writers wins. Raises Conflict when another
    version is current, NotFound for an agent that is not registered, Forbidden without `write` on `state:agent/<agent>/<key>`.
    """
    check_id("the agent's id", agent)
    check_name("the state's key", name)
    path = f"{agent_scope(agent)}/{name}"
    access.require(f"state:{path}", "write")
    if expected_version is not None and expected_version < 0:
        raise BadInput("expectedVersion must be 0 (the state must not exist yet) or the current version")
    text = canonical(value)
    if len(text) > MAX_VALUE_BYTES:
        raise BadInput(f"the state's value has {len(text)} bytes as JSON; at most {MAX_VALUE_BYTES} are kept in a state")
    sealer = await sealer_for(writer, access.tenant, agent_subject(agent))
    state = key(access.tenant, agent, name)
    sealed = sealer.seal(text.decode("utf-8"), "State", state, "value")
    digest = state_hash(agent, name, value) if isinstance(sealed, str) else stored_hash(agent, name, sealed)
    row: Row = {
        "agentKey": key(access.tenant, agent),
        "key": state,
        "tenant": access.tenant,
        "agent": agent,
        "name": name,
        "path": path,
        "expected": expected_version,
        "value": sealed,
        "hash": digest,
        "at": micros(now()),
        "by": access.principal,
    }

    def check(rows: Sequence[Row]) -> None:
        if not rows:
            raise NotFound(f"there is no agent {agent!r}; registerAgent creates it")
        if not rows[0]["ok"]:
            raise Conflict(f"state {name!r} of {agent!r} is at version {rows[0]['current']}, not {expected_version}; read it and try again")

    def settle(results: Results) -> Settled:
        version = results[0][0]["current"] + 1
        entry = Entry("state.set", f"state:{path}", results[0][0]["before"], digest)
        event = Event("state", access.tenant, path, agent=agent, key=name, version=version)
        return Settled({"version": version, "at": stamp(utc(results[0][0]["at"])), "hash": digest}, (entry,), (event,))

    answer = await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["states_set"], (row,)),),
            check=check,
            settle=settle,
            conflicts=frozenset({f"state:{path}"}),
            tags=frozenset({f"{access.tenant}/state/{agent}/{name}", f"{access.tenant}/states/{agent}"}),
            held=held_by([sealer]),
            idempotency=idempotency(access.tenant, access.principal, "setState", idempotency_key, [agent, name, value, expected_version]),
        )
    )
    return State(agent, name, value, answer["version"], answer.get("hash", digest), datetime.fromisoformat(answer["at"]), access.principal)


def _state(tenant: str, row: Row) -> State | None:
    """The state in a row; None when its key was destroyed."""
    value = opened(row["value"], "State", key(tenant, row["agent"], row["name"]), "value", tenant)
    if value is None:
        return None
    return State(row["agent"], row["name"], json.loads(value), row["version"], row["hash"], utc(row["at"]), row["by"])


def _filters(access: Access) -> Row:
    return {"allow": list(access.state_allow), "deny": list(access.state_deny)}


async def get_state(
    database: Database, access: Access, agent: str, name: str, version: int | None = None, as_of: datetime | None = None
) -> State | None:
    """The state's current version, the version with a number, or the one that was current at an instant; None when unreadable."""
    tags.collect(f"{access.tenant}/state/{agent}/{name}")
    instant = None if as_of is None else check_instant("asOf", as_of)
    parameters = {"key": key(access.tenant, agent, name), "version": version, "asOf": instant, **_filters(access)}
    rows = await database.read(_CYPHER["states_get"], parameters)
    return _state(access.tenant, rows[0]) if rows else None


async def list_states(
    database: Database, access: Access, agents: Sequence[str], first: int, after: str | None = None, prefix: str = ""
) -> dict[str, Page[State]]:
    """A page of current states for each of `agents`, in the order of their keys, in one round trip. `prefix`: how the keys begin."""
    check_first(first)
    position = decode(after, str)
    tags.collect(*(f"{access.tenant}/states/{agent}" for agent in agents))
    parameters = {"tenant": access.tenant, "agents": list(agents), "after": position[0] if position else "", "limit": first + 1}
    rows = await database.read(_CYPHER["states_list"], {**parameters, "prefix": prefix, **_filters(access)})
    found: dict[str, list[State]] = {agent: [] for agent in agents}
    for state in (_state(access.tenant, row) for row in rows):
        if state is not None:
            found[state.agent].append(state)
    return {agent: page(states, first, lambda state: encode(state.key)) for agent, states in found.items()}


async def history(
    database: Database, access: Access, states: Sequence[tuple[str, str]], first: int, after: str | None = None
) -> dict[tuple[str, str], Page[State]]:
    """A page of versions, newest first, for each (agent, key) of `states`, in one round trip."""
    check_first(first)
    position = decode(after, int)
    tags.collect(*(f"{access.tenant}/state/{agent}/{name}" for agent, name in states))
    keys = [key(access.tenant, agent, name) for agent, name in states]
    parameters = {"keys": keys, "before": position[0] if position else _NEWEST, "limit": first + 1, **_filters(access)}
    found: dict[tuple[str, str], list[State]] = {state: [] for state in states}
    for row in await database.read(_CYPHER["states_history"], parameters):
        if (state := _state(access.tenant, row)) is not None:
            found[state.agent, state.key].append(state)
    return {name: page(versions, first, lambda state: encode(state.version)) for name, versions in found.items()}

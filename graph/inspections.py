"""Inspections: every object of a tenant as it stands in the graph, by its name in the ledger and its hash.

An inspection says what it covers by how the ledger's targets begin. A floor above may give `verify` its own besides.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from ..errors import BadInput
from .agents import agent_hash
from .contents import content_hash, stored_subjects
from .database import Database, Row
from .facts import fact_hash, from_properties
from .feedback import feedback_hash
from .keys import stored_key
from .memories import from_row, memory_hash
from .names import agent_scope, key, parts
from .rdf import statements_hash
from .replay import extend
from .revocations import Revocation, stored_revocation
from .rules import StoredRule, load_rules, policy_hash
from .statements import load
from .states import state_hash
from .tenants import read_versions

_CYPHER = load("inspections")
_UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it stands: its name in the ledger, its hash (None: it is gone), and what is wrong with it by itself.

    `history` chains the hashes of all its versions as `extend` does; None where only the present one is kept.
    """

    target: str
    hash: str | None
    history: bytes | None = None
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """Walks over all objects whose targets in the ledger begin with `prefix`."""

    prefix: str
    walk: Callable[[Database, str], AsyncGenerator[Seen]]


def _digest(compute: Callable[[], str], stored: str | None = None) -> str:
    """The hash of an object whose properties may have been tampered with; `stored` is what its node says the hash is."""
    try:
        digest = compute()
    except (ValueError, TypeError, KeyError, AttributeError, BadInput):
        return _UNREADABLE
    return digest if stored is None or stored == digest else _UNREADABLE


def _each(statement: str, see: Callable[[Row], Seen]) -> Callable[[Database, str], AsyncGenerator[Seen]]:
    async def walk(database: Database, tenant: str) -> AsyncGenerator[Seen]:
        async with aclosing(database.stream(_CYPHER[statement], {"tenant": tenant})) as rows:
            async for row in rows:
                yield see(row)

    return walk


def _agent(row: Row) -> Seen:
    return Seen(f"agent:{row['id']}", _digest(lambda: agent_hash(row["id"], row["name"], row["goals"]), row["hash"]))


def _memory(row: Row) -> Seen:
    target = f"memory:{row['scope']}/{row['id']}"
    memory: Row | None = row["memory"]
    if memory is not None:
        return Seen(target, _digest(lambda: memory_hash(from_row(memory)), memory["hash"]))
    return Seen(target, None, flaw="it was erased, and yet some of its content is there" if row["erased"] and row["full"] else None)


def _fact(row: Row) -> Seen:
    fact: Row = row["fact"]
    return Seen(f"fact:{fact['id']}", _digest(lambda: fact_hash(from_properties(fact), fact["evidence"])))


def _feedback(row: Row) -> Seen:
    named = [row[name] for name in ("recall", "agent", "query", "useful", "useless")]
    return Seen(f"feedback:{row['id']}", _digest(lambda: feedback_hash(*named), row["hash"]))


async def _states(database: Database, tenant: str) -> AsyncGenerator[Seen]:
    last: Row | None = None
    current: Row | None = None
    history = b""
    async with aclosing(database.stream(_CYPHER["inspect_states"], {"prefix": key(tenant, "")})) as rows:
        async for row in rows:
            if last is not None and last["key"] != row["key"]:
                yield _state(last, current, history)
                current, history = None, b""
            history = extend(history, _digest(lambda row=row: _version_hash(row), row["hash"]))
            last, current = row, row if row["current"] is not None else current
    if last is not None:
        yield _state(last, current, history)


def _version_hash(row: Row) -> str:
    _, agent, name = parts(row["key"])
    return state_hash(agent, name, json.loads(row["value"]))


def _state(last: Row, current: Row | None, history: bytes) -> Seen:
    _, agent, name = parts(last["key"])
    path = f"{agent_scope(agent)}/{name}"
    flaw = None
    if current is None or current is not last or current["current"] != current["version"]:
        flaw = "another version than the last is current"
    elif (current["agent"], current["name"], current["path"]) != (agent, name, path):
        flaw = "its agent, name or path was changed"
    return Seen(f"state:{path}", last["hash"], history, flaw)


async def _policy(database: Database, tenant: str) -> AsyncGenerator[Seen]:
    if await read_versions(database, tenant) is not None:
        rules = [StoredRule("g" if ptype == "g" else "p", values) for ptype, values in await load_rules(database, tenant)]
        yield Seen("policy", _digest(lambda: policy_hash(rule.text for rule in rules)))


def _key(row: Row) -> Seen:
    return Seen(f"key:{row['key']['id']}", _digest(lambda: stored_key(row["key"]).digest()))


def _revocation(row: Row) -> Seen:
    return Seen(f"revocation:{row['id']}", _digest(lambda: _identified(row["id"], stored_revocation(row["revocation"]))))


def _identified(id: str, revocation: Revocation) -> str:
    return revocation.digest() if revocation.id == id else _UNREADABLE


async def _graphs(database: Database, tenant: str) -> AsyncGenerator[Seen]:
    for row in await database.read(_CYPHER["inspect_graphs"], {"tenant": tenant, "kind": "named"}):
        yield Seen(f"graph:{row['iri']}", await content_hash(database, row["number"]))


async def _entities(database: Database, tenant: str) -> AsyncGenerator[Seen]:
    """Local entities: the subjects of the scopes' graphs."""
    for row in await database.read(_CYPHER["inspect_graphs"], {"tenant": tenant, "kind": "scope"}):
        async for entity in stored_subjects(database, row["number"]):
            yield Seen(f"entity:{entity.iri}", statements_hash(entity.statements()))


INSPECTIONS = (
    Inspection("policy", _policy),
    Inspection("agent:", _each("inspect_agents", _agent)),
    Inspection("state:", _states),
    Inspection("memory:", _each("inspect_memories", _memory)),
    Inspection("fact:", _each("inspect_facts", _fact)),
    Inspection("feedback:", _each("inspect_feedback", _feedback)),
    Inspection("key:", _each("inspect_keys", _key)),
    Inspection("revocation:", _each("inspect_revocations", _revocation)),
    Inspection("entity:", _entities),
    Inspection("graph:", _graphs),
)

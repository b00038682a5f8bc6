"""Erasing a subject: everything that is an agent's, or about a person, is destroyed: its keys first, then what they sealed.

From the first commit on nobody can open what the keys sealed, whatever copy of it is left anywhere: in Neo4j's free space and
transaction logs, or in Redis. Then, in batches, the values go with their words, vectors and links, an entry in the ledger for each.
An erasure that was interrupted is finished by asking for it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import BadInput, NotFound
from .access import Access
from .agents import agent_hash
from .changes import Change, Entry, Results, Settled, Step, answered
from .database import Row
from .encryption import ENCRYPTION, keyring_of
from .facts import fact_hash
from .facts import unopened as unopened_fact
from .instants import now
from .keyring import agent_subject, person_subject
from .locals import LOCAL, drop_entries, drop_step, scope_graph
from .names import agent_scope, check_id, key
from .statements import load
from .writer import Writer

_CYPHER = load("erasing")
_BATCH = 200
Entries = Callable[[Sequence[Row], Results], list[Entry]]


@dataclass(frozen=True, slots=True)
class Erased:
    """How much of a subject was erased."""

    memories: int = 0
    states: int = 0
    facts: int = 0
    feedback: int = 0


async def erase_agent(writer: Writer, access: Access, agent: str) -> Erased:
    """Destroy all that an agent remembers, its states, its goals, the facts and names of its own scope, and the feedback on its recalls.

    The agent itself, its name and its keys for the API stay. Raises Forbidden without `admin` on `encryption`.
    """
    access.require(ENCRYPTION, "admin")
    check_id("the agent's id", agent)
    work = await _begin(writer, access, agent_subject(agent), agent)
    found = await work.memories()
    states = await work.all("erasing_states", {"agent": agent}, "erase_states", _states)
    facts = await work.all("erasing_facts", {"scope": agent_scope(agent)}, "erase_facts", _facts)
    feedback = await work.all("erasing_feedback", {"agent": agent}, "erase_feedback", _feedback)
    await work.all("erasing_names", {"graph": scope_graph(agent_scope(agent))}, "erase_names", _names)
    await work.goals(agent)
    return Erased(found, states, facts, feedback)


async def erase_person(writer: Writer, access: Access, name: str) -> Erased:
    """Destroy every memory whose metadata names this person as its `subject`, of whatever agent.

    Raises Forbidden without `admin` on `encryption`, NotFound when nothing was ever sealed for such a person.
    """
    access.require(ENCRYPTION, "admin")
    if not name.strip():
        raise BadInput("say whose data shall be erased: the name that memories have as metadata.subject")
    work = await _begin(writer, access, person_subject(name.strip()), None)
    if not work.keys:
        raise NotFound("no memory names such a person as metadata.subject")
    return Erased(await work.memories())


async def _begin(writer: Writer, access: Access, subject: str, agent: str | None) -> _Erasure:
    """Destroy the subject's keys."""
    tenant, ring = access.tenant, keyring_of(writer.database)
    name = await ring.name(tenant, subject)
    row: Row = {"tenant": tenant, "subject": name, "at": now()}

    def settle(_results: Results) -> Settled:
        return Settled(None, (Entry("subject.erase", f"subject:{name}", None, None),))

    change = _change(access, Step(_CYPHER["erasing_keys"], (row,)), settle)
    await writer.apply_alone(change, "erasing")
    ring.forget(tenant)
    known = await writer.database.read(_CYPHER["erasing_known"], {"tenant": tenant, "subject": name})
    return _Erasure(writer, access, agent, tuple(row["id"] for row in known))


@dataclass(frozen=True, slots=True)
class _Erasure:
    writer: Writer
    access: Access
    of_agent: str | None
    keys: tuple[str, ...]

    async def memories(self) -> int:
        """Destroy the subject's memories, those that are forgotten too, and the local entities that only they mentioned; how many."""
        wanted: Row = {"agent": self.of_agent, "keys": list(self.keys), "prefix": LOCAL}
        gone = await self.all("erasing_memories", {**wanted, "after": ""}, "erase_memories", _memories)
        return gone + await self.all("erasing_forgotten", wanted, "erase_forgotten", _memories)

    async def all(self, find: str, wanted: Row, erase: str, entries: Entries) -> int:
        """Destroy in batches what a statement finds; how many."""
        tenant, done = self.access.tenant, 0
        while rows := await self.writer.database.read_stored(_CYPHER[find], {**wanted, "tenant": tenant, "limit": _BATCH}):
            at = now()
            step = Step(_CYPHER[erase], tuple({**row, "tenant": tenant, "at": at, "prefix": LOCAL} for row in rows))

            names = drop_step(name for row in rows for name in row.get("names", ()))

            def settle(results: Results, rows: Sequence[Row] = rows) -> Settled:
                found = entries(rows, results)
                return Settled(len(found), (*found, *drop_entries(results[1])))

            changed: int = await self.writer.apply_alone(_change(self.access, step, settle, names), "erasing")
            if not changed:
                break
            done += changed
        return done

    async def goals(self, agent: str) -> None:
        """Take the goals from an agent, and its sessions' names."""
        tenant = self.access.tenant
        rows = await self.writer.database.read(_CYPHER["erasing_agent"], {"key": key(tenant, agent)})
        if not rows:
            return
        digest = agent_hash(agent, rows[0]["name"], ())

        def settle(results: Results) -> Settled:
            before = results[0][0]["before"] if results[0] else digest
            return Settled(None, (Entry("agent.erase", f"agent:{agent}", before, digest),) if before != digest else ())

        goals = Step(_CYPHER["erase_goals"], ({"key": key(tenant, agent), "hash": digest, "at": now()},))
        sessions = Step(_CYPHER["erase_sessions"], ({"tenant": tenant, "agent": agent},))
        await self.writer.apply_alone(_change(self.access, goals, settle, sessions), "erasing")


def _change(access: Access, step: Step, settle: Callable[[Results], Settled], *more: Step) -> Change:
    kinds = ("memories", "facts", "feedback", "agents", "communities", "graphs", "locals")
    return Change(
        tenant=access.tenant,
        actor=access.principal,
        policy_version=access.policy_version,
        steps=(step, *more),
        settle=settle,
        tags=frozenset(f"{access.tenant}/{kind}" for kind in kinds),
    )


def _memories(rows: Sequence[Row], results: Results) -> list[Entry]:
    hashes = {row["i"]: row.get("before") for row in results[0]}
    return [Entry("memory.erase", f"memory:{rows[i]['scope']}/{rows[i]['id']}", hashes[i], None) for i in answered(results[0])]


def _states(_rows: Sequence[Row], results: Results) -> list[Entry]:
    return [Entry("state.erase", f"state:{row['path']}", row["before"], None) for row in results[0]]


def _facts(_rows: Sequence[Row], results: Results) -> list[Entry]:
    found = [row["before"] for row in results[0]]
    return [Entry("fact.erase", f"fact:{one['id']}", fact_hash(unopened_fact(one), one["evidence"], one["object"]), None) for one in found]


def _names(_rows: Sequence[Row], results: Results) -> list[Entry]:
    return [Entry("entity.erase", f"entity:{row['iri']}", row["before"], None) for row in results[0]]


def _feedback(rows: Sequence[Row], results: Results) -> list[Entry]:
    return [Entry("feedback.erase", f"feedback:{rows[row['i']]['id']}", row["before"], None) for row in results[0]]

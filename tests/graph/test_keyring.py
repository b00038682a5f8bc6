"""The keyring on a real graph: nothing is stored in plain, replicas agree, keys rotate while everything goes on, erased is erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cairn.errors import Conflict, Forbidden, Internal, NotFound
from cairn.graph.access import Access, Decision
from cairn.graph.agents import agents_by_id, register_agent
from cairn.graph.asserting import NewFact, assert_fact
from cairn.graph.database import Database, connect, run
from cairn.graph.encryption import retire_master, rotate_master, rotate_tenant, set_encryption, standing
from cairn.graph.erasing import Erased, erase_agent, erase_person
from cairn.graph.facts import list_facts
from cairn.graph.feedback import give_feedback
from cairn.graph.instants import now
from cairn.graph.keyring import Keyring, agent_subject, index_of
from cairn.graph.ledger import list_entries
from cairn.graph.master import open_master_key
from cairn.graph.memories import Memory, MemoryFilter, list_memories, memories_by_id
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.servers import Servers
from cairn.graph.statements import parse
from cairn.graph.states import get_state, history, set_state
from cairn.graph.tenants import create_tenant
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("home")]
LOOKING = parse((Path(__file__).parent / "keys.cypher").read_text("utf-8"))
MARK = "Zanzibar-Quokka"


async def keep(writer: Writer, access: Access, text: str, agent: str = "ada", **more: Any) -> str:
    memory = check(access, NewMemory(agent=agent, text=text, **more), now())
    (id,) = await remember(writer, access, [Prepared(memory, tuple(text.lower().split()))])
    return id


async def read(database: Database, access: Access, id: str) -> Memory | None:
    return (await memories_by_id(database, access, [id])).get(id)


async def stored(database: Database, tenant: str) -> str:
    """Everything that the graph holds of a tenant, as one text."""
    return repr(await database.read_stored(LOOKING["everything"], {"tenant": tenant}))


async def holds(database: Database, tenant: str) -> bool:
    return (await verify(database, tenant)).problem is None


@pytest.fixture
async def replica(migrated: Servers, master_key_file: Path) -> AsyncIterator[Writer]:
    """Another process over the same graph."""
    async with connect(migrated.neo4j_uri, migrated.neo4j_user, migrated.neo4j_password, migrated.neo4j_database) as database:
        database.keyring = Keyring(database, open_master_key(master_key_file))
        async with open_writer(database) as writer:
            yield writer


async def fill(writer: Writer, access: Access) -> str:
    """Content of every sort, each with the mark; the id of a memory."""
    await register_agent(writer, access, "ada", "Ada", [f"find {MARK}"])
    await set_state(writer, access, "ada", "where", {"at": MARK}, idempotency_key="once")
    id = await keep(writer, access, f"seen at {MARK}", speaker=MARK, external_id=MARK, metadata={"note": MARK})
    await assert_fact(writer, access, NewFact(subject="urn:x", predicate="urn:p", object=MARK, scope="agent/ada", evidence=(id,)))
    await give_feedback(writer, access, f"recall of {MARK}", "ada", f"where is {MARK}", [id], [id])
    return id


async def test_nothing_is_stored_in_plain_and_all_is_read(database: Database, writer: Writer, root: Access) -> None:
    id = await fill(writer, root)
    found = await stored(database, root.tenant)
    assert MARK not in found and MARK.lower() not in found
    memory = await read(database, root, id)
    assert memory is not None
    assert (memory.text, memory.speaker, memory.external_id, memory.metadata) == (f"seen at {MARK}", MARK, MARK, {"note": MARK})
    state = await get_state(database, root, "ada", "where")
    assert state is not None and state.value == {"at": MARK}
    assert (await agents_by_id(database, root, ["ada"]))["ada"].goals == (f"find {MARK}",)
    assert [fact.object for fact in (await list_facts(database, root, object=MARK)).items] == [MARK]
    for only in (MemoryFilter(speaker=MARK), MemoryFilter(external_id=MARK)):
        assert [one.id for one in (await list_memories(database, root, 10, only=only)).items] == [id]
    assert await holds(database, root.tenant)


async def test_off_means_plain_and_what_was_sealed_stays_readable(database: Database, writer: Writer, root: Access) -> None:
    sealed = await keep(writer, root, f"sealed {MARK}")
    await set_encryption(writer, root, enabled=False)
    plain = await keep(writer, root, "plain walrus")
    assert "plain walrus" in await stored(database, root.tenant)
    assert {one.text for one in (await memories_by_id(database, root, [sealed, plain])).values()} == {f"sealed {MARK}", "plain walrus"}
    await set_encryption(writer, root, enabled=True)
    assert (await standing(database, root)).key is not None
    lines = [entry.operation for entry in (await list_entries(database, root, 100)).items]
    assert lines.count("encryption.switch") == 2
    assert await holds(database, root.tenant)


async def test_who_is_no_administrator_may_not(writer: Writer, root: Access, acting: Any) -> None:
    other: Access = acting("ada", allowed=lambda object, _action: object != "encryption")
    for work in (
        set_encryption(writer, other, enabled=False), rotate_tenant(writer, other), rotate_master(writer, other),
        erase_agent(writer, other, "ada"), erase_person(writer, other, "Bob"), standing(writer.database, other),
        retire_master(writer, other),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            await work


async def test_a_swapped_ciphertext_does_not_open_and_is_found(database: Database, writer: Writer, root: Access) -> None:
    one, other = await keep(writer, root, "first"), await keep(writer, root, "second")
    await database.write(lambda transaction: run(transaction, LOOKING["swap_texts"], {"one": one, "other": other}))
    with pytest.raises(Internal, match="altered, or moved"):
        await read(database, root, one)
    problem = (await verify(database, root.tenant)).problem
    assert problem is not None and problem.where.startswith("memory:agent/ada/")


async def test_replicas_that_begin_at_once_share_their_keys(database: Database, writer: Writer, replica: Writer, root: Access) -> None:
    writers = [writer, replica] * 8
    ids = await asyncio.gather(*(keep(one, root, f"stone {n}") for n, one in enumerate(writers)))
    for reader in (database, replica.database):
        found = await memories_by_id(reader, root, ids)
        assert [found[id].text for id in ids] == [f"stone {n}" for n in range(16)]
    (key,) = [row for row in await database.read(LOOKING["keys"], {"tenant": root.tenant}) if row["subject"] == "agent/ada"]
    assert not key["destroyed"]
    assert (await index_of(database, root.tenant)).token("x") == (await index_of(replica.database, root.tenant)).token("x") != "x"


async def test_a_key_is_replaced_before_it_is_used_up(database: Database, writer: Writer, replica: Writer, root: Access) -> None:
    first = await keep(writer, root, "first")
    await database.write(lambda transaction: run(transaction, LOOKING["use_up"], {"tenant": root.tenant}))
    second = await keep(replica, root, "second")
    rows = [row for row in await database.read(LOOKING["keys"], {"tenant": root.tenant}) if row["subject"] == "agent/ada"]
    assert [row["unseated"] for row in rows].count(True) == 1 and len(rows) == 2
    assert {one.text for one in (await memories_by_id(database, root, [first, second])).values()} == {"first", "second"}


async def test_the_tenants_key_rotates_while_everything_goes_on(database: Database, writer: Writer, replica: Writer, root: Access) -> None:
    first = await fill(writer, root)
    before, ledger = await standing(database, root), await stored(database, root.tenant)
    await asyncio.gather(rotate_tenant(writer, root), *(keep(replica, root, f"meanwhile {n}") for n in range(20)))
    after = await standing(database, root)
    assert after.key != before.key
    assert {row["parent"] for row in await database.read(LOOKING["keys"], {"tenant": root.tenant})} == {after.key}
    for one in (writer, replica):
        memory = await read(one.database, root, first)
        assert memory is not None and memory.text == f"seen at {MARK}"
    assert memory.hash in ledger, "what is sealed stays as it was"
    assert await holds(database, root.tenant)


async def test_the_master_key_rotates_and_old_ones_retire(migrated: Servers, root: Access, tmp_path: Path) -> None:
    """On a tenant of its own master key; others' keys are not this one's to wrap."""
    file = tmp_path / "master.key"
    master = open_master_key(file)
    wrapped = await master.wrap(b"k" * 32, b"context")
    await master.rotate()
    assert master.id != wrapped[0]
    assert await master.unwrap(*wrapped, b"context") == b"k" * 32
    assert await open_master_key(file).unwrap(*wrapped, b"context") == b"k" * 32
    await master.retire()
    with pytest.raises(Exception, match="is not in"):
        await open_master_key(file).unwrap(*wrapped, b"context")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_an_erased_agent_leaves_nothing(database: Database, writer: Writer, replica: Writer, root: Access) -> None:
    id = await fill(writer, root)
    forgotten = await keep(writer, root, f"forget {MARK}")
    await forget(writer, database, root, forgotten)
    other = await keep(writer, root, "bob's own", agent="bob")
    assert await read(replica.database, root, id) is not None
    erased = await erase_agent(writer, root, "ada")
    assert erased == Erased(2, 1, 1, 1)
    assert await read(database, root, id) is None
    assert await get_state(database, root, "ada", "where") is None
    assert (await history(database, root, [("ada", "where")], 10))["ada", "where"].items == ()
    assert (await agents_by_id(database, root, ["ada"]))["ada"].goals == ()
    kept = await read(database, root, other)
    assert kept is not None and kept.text == "bob's own"
    (key,) = [row for row in await database.read(LOOKING["keys"], {"tenant": root.tenant}) if row["subject"] == "agent/ada"]
    assert key["destroyed"] and key["unseated"]
    (entry,) = [entry for entry in (await list_entries(database, root, 100)).items if entry.operation == "subject.erase"]
    assert (entry.target, entry.actor) == ("subject:agent/ada", "root")
    assert await holds(database, root.tenant)
    await register_agent(writer, root, "ada", "Ada", ["begin anew"])
    await set_state(writer, root, "ada", "where", "elsewhere")
    again = await keep(writer, root, "a new life")
    assert (await read(database, root, again)) is not None
    assert await holds(database, root.tenant)


async def test_an_erased_person_is_gone_from_every_agent(database: Database, writer: Writer, root: Access) -> None:
    about = [await keep(writer, root, f"{MARK} said so", agent=agent, metadata={"subject": "Bob B."}) for agent in ("ada", "bob")]
    other = await keep(writer, root, "not about him", metadata={"subject": "Eve"})
    assert "Bob B." not in await stored(database, root.tenant)
    assert (await erase_person(writer, root, "Bob B.")).memories == 2
    assert list(await memories_by_id(database, root, [*about, other])) == [other]
    with pytest.raises(NotFound):
        await erase_person(writer, root, "Nobody")
    assert await holds(database, root.tenant)


async def test_nothing_is_committed_under_a_destroyed_key(
    database: Database, writer: Writer, replica: Writer, root: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(replica, root, "first")
    monkeypatch.setattr("cairn.graph.tenant_keys._LOOK", 3600.0)  # a replica that does not look
    await erase_agent(writer, root, "ada")
    with pytest.raises(Conflict, match="erased just now"):
        await keep(replica, root, "second")
    assert replica.database.keyring is not None
    replica.database.keyring.saw(root.tenant, -1)
    id = await keep(replica, root, "third")
    found = await read(database, root, id)
    assert found is not None and found.text == "third"


async def test_a_tenant_made_without_encryption_is_plain(migrated: Servers, master_key_file: Path, tenant: str) -> None:
    async with connect(migrated.neo4j_uri, migrated.neo4j_user, migrated.neo4j_password, migrated.neo4j_database) as database:
        database.keyring = Keyring(database, open_master_key(master_key_file), sealing=False)
        async with open_writer(database) as writer:
            access = Access(f"{tenant}-plain", "root", scopes=("agent/ada",), decide=lambda _o, _a: Decision(allowed=True))
            await create_tenant(writer, access.tenant, ())
            await register_agent(writer, access, "ada", "Ada")
            await keep(writer, access, MARK)
            assert MARK in await stored(database, access.tenant)
            assert await holds(database, access.tenant)
            assert agent_subject("ada") == "agent/ada"


async def test_what_is_sealed_beside_plain_values_is_found_like_them(
    migrated: Servers, master_key_file: Path, replica: Writer, tenant: str
) -> None:
    access = Access(f"{tenant}-mixed", "root", scopes=("agent/ada",), decide=lambda _o, _a: Decision(allowed=True))
    async with connect(migrated.neo4j_uri, migrated.neo4j_user, migrated.neo4j_password, migrated.neo4j_database) as database:
        database.keyring = Keyring(database, open_master_key(master_key_file), sealing=False)
        async with open_writer(database) as writer:
            await create_tenant(writer, access.tenant, ())
            await register_agent(writer, access, "ada", "Ada")
            ids = [await keep(writer, access, "plain", speaker="Bo", external_id="1")]
            await set_encryption(writer, access, enabled=True)
            ids += [await keep(writer, access, "sealed", speaker="Bo", external_id="1")]
            await keep(writer, access, "another", speaker="Cyprian", external_id="2")
    assert "Cyprian" not in await stored(replica.database, access.tenant)
    for only in (MemoryFilter(speaker="Bo"), MemoryFilter(external_id="1")):
        assert sorted(one.id for one in (await list_memories(replica.database, access, 10, only=only)).items) == sorted(ids)


async def test_many_who_need_a_key_at_once_look_once(database: Database, writer: Writer, replica: Writer, root: Access) -> None:
    ids = [await keep(writer, root, f"text {n}") for n in range(3)]
    other = replica.database
    before = other.round_trips
    found = await asyncio.gather(*(read(other, root, id) for id in ids * 10))
    assert all(found)
    assert other.round_trips - before <= len(found) + 2, "one look at the tenant and one at the key, for all"
    await asyncio.gather(*(keep(replica, root, f"more {n}", agent="bob") for n in range(10)))
    keys = [row for row in await database.read(LOOKING["keys"], {"tenant": root.tenant}) if row["subject"] == "agent/bob"]
    assert len(keys) == 1

"""Verification finds what was changed behind Cairn's back, says where, and raises no false alarm."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from neo4j import AsyncManagedTransaction

from cairn.graph.access import Access
from cairn.graph.asserting import NewFact, assert_fact, retract_fact
from cairn.graph.batches import Edit
from cairn.graph.contents import apply, ensure_contents, read_names
from cairn.graph.database import Database, Row, run
from cairn.graph.evidence import Evidence
from cairn.graph.feedback import give_feedback
from cairn.graph.instants import now
from cairn.graph.keyring import index_of
from cairn.graph.keys import NewKey, make_key, revoke_key, store_key
from cairn.graph.ledger import read_head
from cairn.graph.ledger_export import export_ledger, verify_export
from cairn.graph.locals import LocalEntity, local_entity
from cairn.graph.mentions import Mention, link_steps
from cairn.graph.merkle import leaf_hash
from cairn.graph.notary import Notary
from cairn.graph.pledges import Pledges
from cairn.graph.rdf import subject
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.signing import Checkpoint, Signer
from cairn.graph.statements import parse
from cairn.graph.states import set_state, state_hash
from cairn.graph.verification import verify
from cairn.graph.writer import Writer

pytestmark = pytest.mark.anyio

TAMPERING = parse((Path(__file__).parent / "tampering.cypher").read_text("utf-8"))
STATE = "agent/ada/mood"
GRAPH = "https://example.org/graph"
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


async def tamper(database: Database, name: str, parameters: Row) -> list[Row]:
    async def work(transaction: AsyncManagedTransaction) -> list[Row]:
        return await run(transaction, TAMPERING[name], parameters)

    return await database.write(work)


async def remembered(writer: Writer, access: Access, text: str, scope: str = "agent/ada") -> str:
    new = NewMemory(agent="ada", text=text, scope=scope, session="walk", metadata={"mood": ["calm", 1.5, None]}, external_id=text)
    return (await remember(writer, access, [Prepared(check(access, new, now()), ("stone",), None)]))[0]


@dataclass(frozen=True)
class Life:
    """One of everything in a tenant, and the numbers that tampering needs."""

    memory: str
    forgotten: str
    fact: str
    key: str
    entity: LocalEntity
    first: int
    last: int

    def parameters(self, tenant: str) -> Row:
        return {
            "tenant": tenant,
            "path": STATE,
            "hash": state_hash("ada", "mood", "forged"),
            "memory": self.memory,
            "forgotten": self.forgotten,
            "fact": self.fact,
            "key": self.key,
            "graph": GRAPH,
            "entity": self.entity.key,
            "iri": self.entity.iri,
            "seq": self.first,
            "last": self.last,
            "leaf": leaf_hash(b"{}").hex(),
        }


@pytest.fixture
async def life(home: str, database: Database, writer: Writer, root: Access) -> Life:
    first = (await read_head(database, home)).size
    for value in ("calm", "curious", "tired"):
        await set_state(writer, root, "ada", "mood", value)
    memory, forgotten, hidden = [await remembered(writer, root, text) for text in ("A stone.", "The secret.", "A word.")]
    await give_feedback(writer, root, "recall", "ada", "stones?", [memory, hidden], [memory, hidden])
    place = {"subject": "https://example.org/ada", "predicate": "https://example.org/in", "functional": True}
    fact = await assert_fact(writer, root, NewFact(object="Rome", evidence=(memory, forgotten), **place))
    await assert_fact(writer, root, NewFact(object="Oslo", **place))
    await retract_fact(writer, database, root, (await assert_fact(writer, root, NewFact(object="Bonn", **place))).id)
    await forget(writer, database, root, forgotten, erase=True)
    await forget(writer, database, root, hidden)
    key = make_key(home, "ada", "root").key
    await store_key(writer, root, NewKey(key, None))
    await revoke_key(writer, root, key.id)
    entity = await named(writer, root)
    about = subject(
        home, "https://example.org/ada", ['<http://www.w3.org/2000/01/rdf-schema#label> "Ada"', "<https://example.org/in> <urn:rome>"]
    )
    content = (await ensure_contents(writer, root, [GRAPH]))[GRAPH]
    await apply(writer, root, await read_names(database), content, [Edit(None, about)])
    last = (await read_head(database, home)).size - 1
    return Life(memory, forgotten, fact.id, key.id, entity, first, last)


async def named(writer: Writer, access: Access) -> LocalEntity:
    """A local entity that a memory names."""
    entity = local_entity(access.tenant, "agent/ada", "Grete", await index_of(writer.database, access.tenant))
    assert entity is not None
    prepared = Prepared(check(access, NewMemory(agent="ada", text="Grete waves."), now()), ("grete", "wave"), None)
    mention = Mention(0, 5, "Grete", entity.key, entity.iri, 0.9, local=entity)
    await remember(
        writer,
        access,
        [prepared],
        link_steps(access.tenant, {prepared.memory.id: [mention]}, await index_of(writer.database, access.tenant)),
    )
    return entity


async def test_an_untouched_graph_holds(home: str, database: Database, life: Life) -> None:
    verdict = await verify(database, home)
    head = await read_head(database, home)
    assert verdict.problem is None and verdict.holds
    assert (verdict.size, verdict.root, life.last + 1) == (head.size, head.root.hex(), head.size)
    objects = {"policy": 1, "agents": 2, "states": 1, "memories": 4, "facts": 3, "feedback": 1, "keys": 1, "entities": 1, "graphs": 1}
    assert verdict.objects == sum(objects.values())


async def test_a_tenant_without_a_ledger_holds(database: Database, tenant: str) -> None:
    verdict = await verify(database, tenant)
    assert (verdict.size, verdict.objects, verdict.problem) == (0, 0, None)


@pytest.mark.parametrize(
    ("tampering", "where"),
    [
        ("state_value", f"state:{STATE}"),
        ("state_value_and_hash", f"state:{STATE}"),
        ("state_history", f"state:{STATE}"),
        ("state_history_removed", f"state:{STATE}"),
        ("state_rewound", f"state:{STATE}"),
        ("state_unset", f"state:{STATE}"),
        ("state_moved", f"state:{STATE}"),
        ("memory_text", "memory:agent/ada/{memory}"),
        ("memory_time", "memory:agent/ada/{memory}"),
        ("memory_scope", "memory:agent/bob/{memory}"),
        ("memory_kind", "memory:agent/ada/{memory}"),
        ("memory_metadata", "memory:agent/ada/{memory}"),
        ("memory_removed", "memory:agent/ada/{memory}"),
        ("memory_hidden", "memory:agent/ada/{memory}"),
        ("memory_added", "memory:agent/ada/{memory}x"),
        ("memory_back", "memory:agent/ada/{forgotten}"),
        ("memory_unerased", "memory:agent/ada/{forgotten}"),
        ("agent_goals", "agent:ada"),
        ("agent_removed", "agent:bob"),
        ("fact_object", "fact:{fact}"),
        ("fact_end", "fact:{fact}"),
        ("fact_unsupported", "fact:{fact}"),
        ("fact_removed", "fact:{fact}"),
        ("feedback_turned", "feedback:"),
        ("rule_added", "policy"),
        ("key_moved", "key:{key}"),
        ("key_unrevoked", "key:{key}"),
        ("graph_literal", "graph:{graph}"),
        ("graph_linked", "graph:{graph}"),
        ("graph_emptied", "graph:{graph}"),
        ("graph_removed", "graph:{graph}"),
        ("entity_renamed", "entity:{iri}"),
        ("entity_identified", "entity:{iri}"),
        ("entry_changed", "entry {seq}"),
        ("entry_shown", "entry {seq}"),
        ("entry_removed", "entry {seq}"),
        ("entry_last_removed", "entry {last}"),
        ("entries_swapped", "entry {seq}"),
        ("entry_added", "entry {beyond}"),
        ("head_root", "head"),
        ("head_frontier", "head"),
        ("head_size", "head"),
    ],
)
async def test_tampering_is_found_and_named(home: str, database: Database, life: Life, tampering: str, where: str) -> None:
    parameters = life.parameters(home)
    await tamper(database, tampering, parameters)
    problem = (await verify(database, home)).problem
    assert problem is not None
    assert problem.where.startswith(where.format(**parameters, beyond=life.last + 1)), problem


async def test_an_entry_changed_together_with_its_hash_is_found_by_the_root(home: str, database: Database, life: Life) -> None:
    parameters = life.parameters(home)
    (row,) = await tamper(database, "entry_read", parameters)
    body = row["body"].replace('"actor":"root"', '"actor":"eve"')
    await tamper(database, "entry_changed_with_leaf", {**parameters, "body": body, "leaf": leaf_hash(body.encode()).hex()})
    problem = (await verify(database, home)).problem
    assert problem is not None and problem.where == "head"


async def test_a_rewritten_history_is_found_by_the_chain(home: str, database: Database, life: Life) -> None:
    parameters = {**life.parameters(home), "seq": life.first + 1}
    (row,) = await tamper(database, "entry_read", parameters)
    body = json.loads(row["body"])
    for change in ({"before": "0" * 64}, {"target": 7}, {"seq": 0}, {"tenant": "another"}, {"after": []}):
        text = json.dumps({**body, **change})
        await tamper(database, "entry_changed_with_leaf", {**parameters, "body": text, "leaf": leaf_hash(text.encode()).hex()})
        problem = (await verify(database, home)).problem
        assert problem is not None and problem.where == f"entry {life.first + 1}"


async def test_a_ledger_that_was_rolled_back_is_found_with_a_checkpoint(
    home: str, database: Database, writer: Writer, root: Access, life: Life
) -> None:
    (before,) = await tamper(database, "head_read", {"tenant": home})
    await remember_and_forget(database, writer, root)
    head = await read_head(database, home)
    signed = Checkpoint(f"cairn/{home}", head.size, head.root)
    assert (await verify(database, home, evidence=Evidence(pledged=signed))).holds
    await tamper(database, "rolled_back", {"tenant": home, **before})
    problem = (await verify(database, home, evidence=Evidence(pledged=signed))).problem
    assert problem is not None and problem.where == "what the signer remembers"
    await remember_and_forget(database, writer, root)
    problem = (await verify(database, home, evidence=Evidence(pledged=signed))).problem
    assert problem is not None and problem.where == "what the signer remembers"


async def remember_and_forget(database: Database, writer: Writer, access: Access) -> None:
    await forget(writer, database, access, await remembered(writer, access, "passing"), erase=True)


async def test_writes_that_go_on_meanwhile_are_no_false_alarm(
    home: str, database: Database, writer: Writer, root: Access, life: Life
) -> None:
    verifying = asyncio.ensure_future(verify_often(database, home))
    number = 0
    while not verifying.done():
        number += 1
        await asyncio.gather(
            *(set_state(writer, root, "ada", f"key {n}", number) for n in range(5)),
            remember_and_forget(database, writer, root),
            remembered(writer, root, f"stone {number}"),
        )
    assert await verifying == [None] * 5


async def verify_often(database: Database, tenant: str) -> list[object]:
    return [(await verify(database, tenant)).problem for _ in range(5)]


async def exported(database: Database, tenant: str, file: Path) -> list[bytes]:
    content = b"".join(
        [part async for part in export_ledger(database, tenant, Notary(database, SIGNER, Pledges(file.with_suffix(".pledges"))))]
    )
    file.write_bytes(content)
    return content.splitlines(keepends=True)


async def test_an_export_verifies_with_the_public_key_alone(home: str, database: Database, life: Life, tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    lines = await exported(database, home, file)
    key = SIGNER.verifier_key(f"cairn/{home}")
    verdict = verify_export(file, Evidence((key,)))
    assert (verdict.size, verdict.problem, len(lines)) == (life.last + 1, None, life.last + 2)
    strange = verify_export(file, Evidence((Signer(Ed25519PrivateKey.generate()).verifier_key(f"cairn/{home}"),)))
    assert strange.problem is not None and strange.problem.where == "checkpoint"

    def problem_of(content: list[bytes]) -> str:
        file.write_bytes(b"".join(content))
        problem = verify_export(file, Evidence((key,))).problem
        assert problem is not None
        return problem.where

    assert problem_of(lines[:-1]) == f"entry {life.last}"
    assert problem_of([*lines, lines[-1]]) == f"entry {life.last + 1}"
    assert problem_of(lines[:2] + lines[3:]) == "entry 1"
    assert problem_of([lines[0], lines[2], lines[1], *lines[3:]]) == "entry 0"
    assert problem_of([*lines[:-1], lines[-1].replace(b'"actor":"root"', b'"actor":"eve"')]) == "checkpoint"
    assert problem_of([*lines[:-1], b"not JSON\n"]) == f"entry {life.last}"
    assert problem_of(lines[1:]) == problem_of([]) == problem_of([b"{}\n"]) == problem_of([b"\xff\n"]) == "checkpoint"


async def test_an_empty_ledger_can_be_exported(database: Database, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    await exported(database, tenant, file)
    assert verify_export(file, Evidence((SIGNER.verifier_key(f"cairn/{tenant}"),))).holds

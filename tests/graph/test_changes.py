"""A change without a ledger entry is impossible: every verb that changes the graph is walked, and what it logs is looked at."""

from __future__ import annotations

import ast
import json
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import cairn.graph
from cairn.errors import BadInput, CairnError
from cairn.graph.access import Access
from cairn.graph.agents import register_agent
from cairn.graph.asserting import NewFact, assert_fact, retract_fact
from cairn.graph.batches import Edit as GraphEdit
from cairn.graph.changes import canonical, content_hash
from cairn.graph.consolidations import Job, switch
from cairn.graph.contents import apply, ensure_contents, find_contents, read_names
from cairn.graph.database import Database
from cairn.graph.derivations import Derivation, Extension, derive, extend
from cairn.graph.duplicates import Likeness, assign
from cairn.graph.encryption import rotate_tenant, set_encryption
from cairn.graph.erasing import erase_agent
from cairn.graph.expiry import Expired, remove_expired
from cairn.graph.facts import list_facts
from cairn.graph.feedback import give_feedback
from cairn.graph.imports import Import, Status, create_import, finish_import
from cairn.graph.instants import now
from cairn.graph.keyring import agent_subject, index_of
from cairn.graph.keys import list_keys, make_key, revoke_key, store_first_key, store_key
from cairn.graph.ledger import LedgerEntry, list_entries
from cairn.graph.locals import identify, local_entity
from cairn.graph.memories import Kind, MemoryFilter, list_memories, memory_hash
from cairn.graph.mentions import Mention, link_steps
from cairn.graph.models import Trained, choose_model, keep_model, roll_back
from cairn.graph.names import new_id
from cairn.graph.rdf import subject
from cairn.graph.relinking import Standing, write_batch
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.revocations import make_revocation, store_revocation
from cairn.graph.rules import Edit, StoredRule, apply_edit, policy_hash
from cairn.graph.statements import parse
from cairn.graph.states import set_state
from cairn.graph.strengths import Strength, keep_strengths
from cairn.graph.supersessions import Supersession, supersede
from cairn.graph.tenants import create_tenant, read_versions
from cairn.graph.verification import verify
from cairn.graph.writer import Writer

pytestmark = pytest.mark.anyio

EVERYTHING = parse((Path(__file__).parent / "writing.cypher").read_text("utf-8"))["everything"]
HELD = {"touchedAt", "heldAt", "policyLock", "catalogVersion"}
"""Properties that a statement sets to hold a node, or that count what other nodes tell."""

WALKED = {
    "encryption._apply",
    "encryption.set_encryption",
    "erasing._change",
    "agents.register_agent", "asserting.assert_fact", "asserting.retract_fact", "consolidations.switch", "contents.prepare",
    "contents.ensure_contents", "derivations._write", "duplicates.assign", "expiry.remove_expired", "feedback.give_feedback",
    "imports._change", "keys.revoke_key", "keys.store_first_key", "keys.store_key", "locals._same", "models._choice",
    "revocations.store_revocation",
    "models.keep_model", "relinking.write_batch",
    "remembering.forget", "remembering.remember", "rules.apply_edit", "states.set_state", "strengths.keep_strengths",
    "supersessions.supersede", "tenants.create_tenant", "tuning.switch_knob",
}  # fmt: skip
BOOKKEEPING = {
    "encryption._mastered",
    "wrapping.key_change",
    "checkpoints._change", "communities._apply", "communities._show", "consolidations._change", "expiry.remove_requests", "keys.touch_key",
    "models.keep_drift",
    "models.keep_examples",
    "refreshes.claim", "refreshes.move", "relinking.finish", "remembering._forgotten_before",
    "tuning.note", "vectors._pass", "vectors.mend",
}  # fmt: skip
"""These change nothing that the ledger tells of: what is worked out from the rest (communities, vectors, features), who works on that and
how far it is, idempotency keys, when a key was last used, what is signed of the ledger itself, and nothing at all."""

GRAPH = "https://example.org/graph"
ADA = "https://example.org/ada"


class Walk:
    """A tenant, and what each step of a walk through the verbs did to the graph and to the ledger."""

    def __init__(self, database: Database, writer: Writer, access: Access) -> None:
        self.database, self.writer, self.access = database, writer, access

    async def entries(self) -> list[LedgerEntry]:
        found: list[LedgerEntry] = []
        after: str | None = None
        while True:
            page = await list_entries(self.database, self.access, 100, after)
            found += page.items
            if not page.more:
                return found
            after = page.cursors[-1]

    async def snapshot(self) -> list[str]:
        rows = await self.database.read(EVERYTHING, {"tenant": self.access.tenant})
        for row in rows:
            row["properties"] = {name: value for name, value in sorted(row["properties"].items()) if name not in HELD}
        return [repr(row) for row in rows if row["labels"] != ["Scope"]]

    async def does(self, doing: Awaitable[Any], *operations: str) -> Any:
        """Run a verb. It must change the graph and log just these operations, or change nothing and log nothing."""
        graph, before = await self.snapshot(), await self.entries()
        result: Any = None
        try:
            result = await doing
        except CairnError:
            assert not operations
        logged = [entry.operation for entry in (await self.entries())[len(before) :]]
        assert logged == list(operations)
        assert (await self.snapshot() != graph) is bool(operations), operations
        return result


@pytest.fixture
async def walk(database: Database, writer: Writer, root: Access) -> Walk:
    return Walk(database, writer, root)


def test_every_verb_that_makes_a_change_is_walked_here() -> None:
    found: set[str] = set()
    for file in sorted(Path(cairn.graph.__file__).parent.glob("*.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = [inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call)]
                if any(isinstance(function, ast.Name) and function.id == "Change" for function in calls):
                    found.add(f"{file.stem}.{node.name}")
    assert found == WALKED | BOOKKEEPING


async def test_agents_and_states(walk: Walk) -> None:
    writer, access = walk.writer, walk.access
    await walk.does(register_agent(writer, access, "ada", "Ada", ["finish"], "k"), "agent.register")
    await walk.does(register_agent(writer, access, "ada", "Ada", ["finish"], "k"))
    await walk.does(register_agent(writer, access, "ada", "Ada L."), "agent.register")
    await walk.does(register_agent(writer, access, "", "Ada"))
    await walk.does(set_state(writer, access, "ada", "mood", "calm", 0, "s"), "state.set")
    await walk.does(set_state(writer, access, "ada", "mood", "calm", 0, "s"))
    await walk.does(set_state(writer, access, "ada", "mood", "tense", 0))
    await walk.does(set_state(writer, access, "ada", "other", "tense", 7))
    await walk.does(set_state(writer, access, "nobody", "mood", "calm"))
    await walk.does(set_state(writer, access, "ada", "mood", "tense", 1), "state.set")
    assert (await verify(walk.database, access.tenant)).problem is None


def prepared(access: Access, text: str = "A stone.", **other: Any) -> Prepared:
    return Prepared(check(access, NewMemory(**{"agent": "ada", "text": text, **other}), now()), ("stone",), None)


async def test_models(walk: Walk) -> None:
    writer, access = walk.writer, walk.access
    await create_tenant(writer, access.tenant, ())
    trained = Trained(
        names=["terms"], weights=[1.0], examples=9, figure=0.5, champion_figure=0.4, held_back=2, champion=0, promote=True,
    )  # fmt: skip
    await walk.does(keep_model(writer, access.tenant, trained), "model.train", "model.promote")
    await walk.does(keep_model(writer, access.tenant, trained), "model.train")
    await walk.does(choose_model(writer, access, 2, pinned=True, idempotency_key="k"), "model.pin")
    await walk.does(choose_model(writer, access, 2, pinned=True, idempotency_key="k"))
    await walk.does(choose_model(writer, access, 0, pinned=False), "model.choose")
    await walk.does(choose_model(writer, access, 7, pinned=False))
    await walk.does(choose_model(writer, access, 2, pinned=False), "model.choose")
    await walk.does(roll_back(writer, walk.database, access, "back"), "model.pin")
    await walk.does(roll_back(writer, walk.database, access, "back"))
    await walk.does(keep_model(writer, "no-such-tenant", trained))


async def test_memories_feedback_and_facts(walk: Walk) -> None:
    writer, database, access = walk.writer, walk.database, walk.access
    await register_agent(writer, access, "ada", "Ada")
    many = [prepared(access, f"stone {n}", session="walk", scope=scope) for n, scope in enumerate(("public", "agent/ada", "public"))]
    one, two, three = await walk.does(remember(writer, access, many, idempotency_key="k", input=1), *["memory.remember"] * 3)
    await walk.does(remember(writer, access, many, idempotency_key="k", input=1))
    await walk.does(remember(writer, access, [prepared(access), prepared(access, agent="nobody")]))
    await walk.does(give_feedback(writer, access, "recall", "ada", "q", [one, two], [one], [two]), "feedback.give")
    await walk.does(give_feedback(writer, access, "recall", "ada", "q", [one, two], [two], [one]), "feedback.give")
    await walk.does(give_feedback(writer, access, "recall", "ada", "q", [one], [one, two]))
    await walk.does(forget(writer, database, access, two, idempotency_key="f"), "memory.forget")
    await walk.does(forget(writer, database, access, two, idempotency_key="f"))
    await walk.does(forget(writer, database, access, two))
    await walk.does(forget(writer, database, access, two, erase=True), "memory.erase")
    await walk.does(forget(writer, database, access, three, erase=True), "memory.erase")
    await walk.does(give_feedback(writer, access, "recall", "ada", "q", [one, two], [two]))
    new = NewFact(subject=ADA, predicate="https://example.org/in", object="Rome", functional=True, evidence=(one,))
    fact = await walk.does(assert_fact(writer, access, new, "a"), "fact.assert")
    await walk.does(assert_fact(writer, access, new, "a"))
    await walk.does(assert_fact(writer, access, replace(new, evidence=(two,))))
    await walk.does(assert_fact(writer, access, replace(new, object="Oslo")), "fact.close", "fact.assert")
    again = replace(new, object="Bonn", valid_from=(await list_facts(database, access, object="Oslo")).items[0].valid_from)
    await walk.does(assert_fact(writer, access, again), "fact.retract", "fact.assert")
    await walk.does(retract_fact(writer, database, access, fact.id), "fact.retract")
    await walk.does(retract_fact(writer, database, access, fact.id))
    assert (await verify(database, access.tenant)).problem is None


async def test_encryption(walk: Walk) -> None:
    writer, access = walk.writer, walk.access
    await walk.does(set_encryption(writer, access, enabled=False))
    await create_tenant(writer, access.tenant, ())
    await register_agent(writer, access, "ada", "Ada", ["finish"])
    await walk.does(set_encryption(writer, access, enabled=False), "encryption.switch")
    await walk.does(set_encryption(writer, access, enabled=False))
    await walk.does(set_encryption(writer, access, enabled=True), "encryption.switch")
    await walk.does(rotate_tenant(writer, access), "encryption.rotate")
    await walk.does(erase_agent(writer, access, "ada"), "subject.erase", "agent.erase")
    await walk.does(erase_agent(writer, access, "ada"), "subject.erase")
    assert (await verify(walk.database, access.tenant)).problem is None


async def test_consolidation(walk: Walk) -> None:
    writer, database, access = walk.writer, walk.database, walk.access
    await register_agent(writer, access, "ada", "Ada")
    soon = now() + timedelta(hours=1)
    many = [prepared(access, f"stone {n}", session="walk", expires_at=soon if n == 3 else None) for n in range(4)]
    one, two, three, four = (item.memory for item in many)
    await remember(writer, access, many)
    tenant, scope, later = access.tenant, one.scope, now() + timedelta(hours=2)
    alike = Likeness(two.id, scope, "digest", one.id, 0.9)
    await walk.does(assign(writer, tenant, [alike, replace(alike, id="gone")], later), "memory.compare")
    await walk.does(assign(writer, tenant, [replace(alike, scope="public"), replace(alike, first="gone")], later))
    await walk.does(supersede(writer, tenant, [Supersession(one.id, scope, two.id, "later", "ada")], later), "memory.supersede")
    await walk.does(supersede(writer, tenant, [Supersession(one.id, "public", two.id, "later", "ada")], later))
    learnt = replace(one, id=new_id(), kind=Kind.SEMANTIC, session=None, hash="")
    made = Derivation(replace(learnt, hash=memory_hash(learnt)), one.id, (one.id, two.id), agent_subject("ada"))
    await walk.does(derive(writer, tenant, [made]), "memory.derive")
    await walk.does(derive(writer, tenant, [replace(made, memory=replace(made.memory, id=new_id()))]))
    await walk.does(extend(writer, tenant, [Extension(learnt.id, scope, (three.id,))], later), "memory.extend")
    await walk.does(extend(writer, tenant, [Extension(learnt.id, scope, (three.id,))], later))
    await walk.does(
        keep_strengths(writer, tenant, [Strength(one.id, scope, 0.25, later), Strength(two.id, scope, 0.5, later)]), "memory.weigh"
    )
    await walk.does(keep_strengths(writer, tenant, [Strength("gone", scope, 0.25, later)]))
    gone = [Expired(memory.id, scope, soon) for memory in (three, four)]
    await walk.does(remove_expired(writer, tenant, gone, now()))
    await walk.does(remove_expired(writer, tenant, gone, later), "memory.expire")
    await walk.does(remove_expired(writer, tenant, gone, later))
    await walk.does(switch(writer, access, Job.EXPIRY, enabled=False), "consolidation.switch")
    await walk.does(forget(writer, database, access, one.id), "memory.forget", "memory.forget")
    await walk.does(forget(writer, database, access, one.id, erase=True), "memory.erase", "memory.erase")
    assert (await verify(database, access.tenant)).problem is None


async def test_tenants_rules_and_keys(walk: Walk) -> None:
    writer, database, access = walk.writer, walk.database, walk.access
    rule = StoredRule("p", ("reader", access.tenant, "memory:public/*", "read", "allow"))
    await walk.does(create_tenant(writer, access.tenant, [rule]), "tenant.create")
    await walk.does(create_tenant(writer, access.tenant, []))
    versions = await read_versions(database, access.tenant)
    assert versions is not None
    more = StoredRule("g", ("ada", "reader", access.tenant))
    before, after = policy_hash([rule.text]), policy_hash([rule.text, more.text])
    edit = Edit("rule.add", more, adds=True, expected=versions.policy, before=before, after=after)
    await walk.does(apply_edit(writer, access, edit), f"rule.add {more.text}")
    await walk.does(apply_edit(writer, access, edit))
    back = Edit("rule.remove", more, adds=False, expected=versions.policy + 1, before=after, after=before)
    await walk.does(apply_edit(writer, access, back), f"rule.remove {more.text}")
    await walk.does(store_first_key(writer, make_key(access.tenant, "root", "cairn"), ["root"], versions.policy + 2), "key.create")
    await walk.does(store_first_key(writer, make_key(access.tenant, "root", "cairn"), ["root"], versions.policy + 2))
    await walk.does(store_key(writer, access, make_key(access.tenant, "ada", "root")), "key.create")
    (key, _) = (await list_keys(database, access, 10)).items
    await walk.does(revoke_key(writer, access, key.id), "key.revoke")
    await walk.does(revoke_key(writer, access, "no such key"))
    issuer = "https://login.example.org"
    token, ada = make_revocation(access, issuer, jti="one"), make_revocation(access, issuer, subject="ada")
    await walk.does(store_revocation(writer, access, token), "token.revoke")
    await walk.does(store_revocation(writer, access, make_revocation(access, issuer, jti="one")))
    await walk.does(store_revocation(writer, access, ada), "token.revoke")
    await walk.does(store_revocation(writer, access, make_revocation(access, issuer, subject="ada")), "token.revoke")
    await walk.does(store_revocation(writer, access, ada))
    assert (await verify(database, access.tenant)).problem is None


async def test_graphs_imports_and_entities(walk: Walk) -> None:
    writer, database, access = walk.writer, walk.database, walk.access
    await create_tenant(writer, access.tenant, [])
    await register_agent(writer, access, "ada", "Ada")
    started = Import(new_id(), access.tenant, "root", Status.RUNNING, "ada.ttl", GRAPH, "ttl", now())
    await walk.does(create_import(writer, access, started, None), "import.start")
    await walk.does(ensure_contents(writer, access, [GRAPH]), "graph.create")
    await walk.does(ensure_contents(writer, access, [GRAPH]))
    content = (await find_contents(database, access.tenant, [GRAPH]))[GRAPH]
    stale = (await find_contents(database, access.tenant, [GRAPH]))[GRAPH]
    names = await read_names(database)
    about = subject(access.tenant, ADA, ["<https://example.org/in> <urn:rome>"])
    await walk.does(apply(writer, access, names, content, [GraphEdit(None, about)]), "graph.update")
    await walk.does(apply(writer, access, names, stale, [GraphEdit(None, about)]))
    ended = replace(started, status=Status.DONE, finished_at=now())
    await walk.does(finish_import(writer, access, started, ended, [GRAPH]), "import.finish")
    entity = local_entity(access.tenant, "agent/ada", "Grete", await index_of(writer.database, access.tenant))
    assert entity is not None
    waving = prepared(access, "Grete waves.")
    mention = Mention(0, 5, "Grete", entity.key, entity.iri, 0.9, local=entity)
    linked = link_steps(access.tenant, {waving.memory.id: [mention]}, await index_of(writer.database, access.tenant))
    await walk.does(remember(writer, access, [waving], linked), "memory.remember", "entity.create")
    await walk.does(identify(writer, database, access, entity.iri, ADA), "entity.identify")
    await walk.does(identify(writer, database, access, entity.iri, ADA))
    (memory,) = (await list_memories(database, access, 10, None, MemoryFilter(agent="ada"))).items
    late = replace(mention, start=6, end=11)
    batch = write_batch(writer, access.tenant, {memory.id: memory.scope}, {memory.id: [late]}, Standing(memory.id, 1))
    await walk.does(batch, "memory.link")
    assert (await verify(database, access.tenant)).problem is None


@pytest.mark.parametrize(("one", "other"), [({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([1, "é"], [1, "\u00e9"]), (None, None)])
def test_equal_values_have_one_canonical_form(one: Any, other: Any) -> None:
    assert canonical(one) == canonical(other)
    assert content_hash(one) == content_hash(other)


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (1, 1.0), (True, 1), ([], {}), (None, "null"), (["a", "b"], ["ab"])])
def test_different_values_have_different_hashes(one: Any, other: Any) -> None:
    assert content_hash(one) != content_hash(other)


def test_the_example_of_rfc_8785_is_canonical() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value) == expected.encode()


def test_keys_are_in_the_order_of_their_utf_16_code_units_as_in_rfc_8785() -> None:
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(value)).values()) == [2, 4, 6, 7, 1, 5, 3]
    assert canonical([{"a": value}]) == b'[{"a":' + canonical(value) + b"}]"


def test_what_is_no_json_is_refused() -> None:
    for value in (float("nan"), float("inf"), "\ud800", {1, 2}, b"x", {"\U0001f600": {1j}}):
        with pytest.raises(BadInput, match="not JSON"):
            canonical(value)

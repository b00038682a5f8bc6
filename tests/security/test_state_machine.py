"""Cairn, through its API and on its real servers, beside a plain model in memory: whatever several tenants' principals do, both agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from cairn.api.app import create_app
from cairn.api.services import Cairn, open_services
from cairn.graph.verification import verify
from cairn.policies.bootstrap import bootstrap
from cairn.settings import Settings

from .conftest import Given, allows

AGENTS, KEYS, SCOPES = ("ada", "bob"), ("plan", "trip/day"), ("public", "team/a", "agent/ada", "agent/bob")
OBJECTS = (
    "*", "memory:*", "memory:public", "memory:team/*", "memory:agent/ada", "memory:agent/*", "state:*", "state:agent/ada/*",
    "state:agent/*/plan", "agent:*", "agent:ada", "ledger",
)  # fmt: skip
RULE = st.tuples(
    st.sampled_from(OBJECTS), st.sampled_from(["read", "write", "delete", "*"]), st.sampled_from(["ALLOW", "ALLOW", "ALLOW", "DENY"])
)
PLACE, WHO, SEVERAL = st.integers(0, 1), st.integers(0, 2), st.integers(0, 10**6)
ONCE = st.sampled_from([None, None, "k1", "k2"])
_words = count(1)

REGISTER = "mutation($id: ID!, $name: String!, $k: String) { registerAgent(input: {id: $id, name: $name, idempotencyKey: $k}) { id name } }"
SET = """mutation($a: ID!, $n: String!, $v: JSON!, $e: Int, $k: String) {
  setState(input: {agent: $a, key: $n, value: $v, expectedVersion: $e, idempotencyKey: $k}) { key value version hash recordedAt by } }"""
REMEMBER = """mutation($a: ID!, $t: String!, $s: String, $k: String) {
  remember(input: {agent: $a, text: $t, scope: $s, idempotencyKey: $k}) { id text scope } }"""
FORGET = "mutation($id: ID!, $e: Boolean!) { forget(id: $id, erase: $e) }"
ASSERT = """mutation($o: String!, $s: String!, $k: String) {
  assertFact(input: {subject: "urn:a", predicate: "urn:said", object: $o, scope: $s, idempotencyKey: $k}) { id object } }"""
RETRACT = "mutation($id: ID!) { retractFact(id: $id) { id } }"
STATE = """query($a: ID!, $n: String!, $v: Int) { state(agent: $a, key: $n, version: $v) {
  value version by history(first: 100) { nodes { version value } } } }"""
MEMORIES = "query($a: ID) { memories(filter: {agent: $a}, first: 100) { nodes { id text scope } } }"
LISTS = "{ agents { nodes { id name } } facts(first: 100) { nodes { id object scope } } }"
RECALL = "query($a: ID!, $q: String!) { recall(input: {agent: $a, query: $q, limit: 100}) { hits { memory { id text } } } }"


@dataclass
class Person:
    """A principal, its key, and the rules that name it (None: it may do everything)."""

    name: str
    token: str
    rules: list[Given] | None
    key: str = ""
    revoked: bool = False

    def may(self, object: str, action: str = "read") -> bool:
        return self.rules is None or allows(self.rules, object, action)


@dataclass
class Tenant:
    """What a tenant should hold."""

    name: str
    people: list[Person]
    entries: int = 0
    agents: dict[str, str] = field(default_factory=dict[str, str])
    states: dict[tuple[str, str], list[tuple[Any, str]]] = field(default_factory=dict[tuple[str, str], list[tuple[Any, str]]])
    memories: dict[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    """Agent, text and scope by id."""
    facts: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Object and scope by id."""
    once: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict[tuple[str, str], tuple[str, Any]])
    """Operation with input, and answer, by principal and idempotency key."""


class Machine(RuleBasedStateMachine):
    """Random operations on two tenants, each with an administrator and two principals."""

    portal: BlockingPortal
    cairn: Cairn
    http: httpx.AsyncClient

    # How things are asked

    def ask(self, person: Person, query: str, **variables: Any) -> tuple[Any, list[str]]:
        """The data, and the codes of what went wrong. A query is asked twice, so that the second answer may be a kept one."""
        answers: list[dict[str, Any]] = []
        for _ in range(1 if query.startswith("mutation") else 2):
            answers.append(self.portal.call(self.post, person.token, {"query": query, "variables": variables}))
        codes = [[error["extensions"]["code"] for error in answer.get("errors", [])] for answer in answers]
        assert codes[0] == codes[-1]
        assert codes[0] or answers[0]["data"] == answers[-1]["data"], "the kept answer is another"
        return answers[0].get("data"), codes[0]

    async def post(self, token: str, content: dict[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        return (await self.http.post("/graphql", json=content, headers=headers)).json()

    def change(
        self, tenant: Tenant, person: Person, query: str, wanted: str | None, effect: Callable[[Any], None], **variables: Any
    ) -> None:
        """A change that should go wrong with code `wanted`, or else have the effect, once for each idempotency key."""
        place, asked = (person.name, variables.get("k") or ""), repr((query, sorted(variables.items(), key=str)))
        before = tenant.once.get(place) if place[1] else None
        if person.revoked:
            wanted, before = "UNAUTHENTICATED", None
        elif before is not None and wanted != "FORBIDDEN":
            wanted = None if before[0] == asked else "CONFLICT"
        data, codes = self.ask(person, query, **variables)
        assert codes == ([wanted] if wanted else []), (query, variables, person)
        if wanted is None and before is not None:
            assert data == before[1], "the same key gives the same answer"
        elif wanted is None:
            tenant.entries += 1
            effect(data)
            if place[1]:
                tenant.once[place] = (asked, data)
        size = self.ask(tenant.people[0], "{ ledger { size } }")[0]["ledger"]["size"]
        assert size == tenant.entries, (query, variables, "the ledger has an entry for each effect, and no other")

    def who(self, place: int, number: int) -> tuple[Tenant, Person]:
        tenant = self.tenants[place]
        return tenant, tenant.people[number]

    # The tenants

    @initialize(rules=st.lists(st.lists(RULE, min_size=1, max_size=5, unique=True), min_size=4, max_size=4))
    def begin(self, rules: list[list[Given]]) -> None:
        self.tenants: list[Tenant] = []
        for place in range(2):
            name = f"test-{uuid4().hex}"
            token = self.portal.call(bootstrap, self.cairn.services.writer, name)
            assert token is not None
            tenant = Tenant(name, [Person("admin", token, None)])
            self.tenants.append(tenant)
            for number in range(2):
                person = Person(f"p{number}", "", [])
                self.give_key(tenant, person)
                tenant.people.append(person)
                for one in rules[place * 2 + number]:
                    self.edit(tenant, person, one, "addRule")
            tenant.entries = self.ask(tenant.people[0], "{ ledger { size } }")[0]["ledger"]["size"]

    def give_key(self, tenant: Tenant, person: Person) -> None:
        make = "mutation($p: String!) { createApiKey(input: {principal: $p}) { id secret } }"
        made = self.ask(tenant.people[0], make, p=person.name)[0]["createApiKey"]
        person.token, person.key, person.revoked = made["secret"], made["id"], False

    def edit(self, tenant: Tenant, person: Person, one: Given, verb: str) -> None:
        assert person.rules is not None
        wanted = {"subject": person.name, "object": one[0], "action": one[1], "effect": one[2]}
        data, codes = self.ask(tenant.people[0], f"mutation($r: RuleInput!) {{ {verb}(input: $r) {{ changed }} }}", r=wanted)
        assert codes == ([] if verb == "addRule" or one in person.rules else ["NOT_FOUND"])
        changed = (verb == "addRule" and one not in person.rules) or (verb == "removeRule" and one in person.rules)
        if changed:
            (person.rules.append if verb == "addRule" else person.rules.remove)(one)
            tenant.entries += 1
        assert codes or data[verb]["changed"] == changed

    @rule(place=PLACE, number=st.integers(1, 2), one=RULE, verb=st.sampled_from(["addRule", "removeRule"]), known=SEVERAL)
    def rules_change(self, place: int, number: int, one: Given, verb: str, known: int) -> None:
        tenant, person = self.who(place, number)
        if verb == "removeRule" and person.rules and known % 2:
            one = person.rules[known % len(person.rules)]
        self.edit(tenant, person, one, verb)

    @rule(place=PLACE, number=st.integers(1, 2))
    def a_key_comes_or_goes(self, place: int, number: int) -> None:
        tenant, person = self.who(place, number)
        if person.revoked:
            self.give_key(tenant, person)
        else:
            foreign = self.ask(self.tenants[1 - place].people[0], f'mutation {{ revokeApiKey(id: "{person.key}") }}')
            assert foreign[1] == ["NOT_FOUND"]
            assert self.ask(tenant.people[0], f'mutation {{ revokeApiKey(id: "{person.key}") }}') == ({"revokeApiKey": True}, [])
            person.revoked = True
        tenant.entries += 1

    # Changes

    @rule(place=PLACE, number=WHO, agent=st.sampled_from(AGENTS), once=ONCE)
    def register_agent(self, place: int, number: int, agent: str, once: str | None) -> None:
        tenant, person = self.who(place, number)
        name = f"{agent} {number}"

        def effect(data: Any) -> None:
            tenant.agents[agent] = name

        wanted = None if person.may(f"agent:{agent}", "write") else "FORBIDDEN"
        self.change(tenant, person, REGISTER, wanted, effect, id=agent, name=name, k=once)

    @rule(
        place=PLACE, number=WHO, agent=st.sampled_from(AGENTS), key=st.sampled_from(KEYS), value=st.integers(0, 3),
        expected=st.sampled_from([None, "right", "wrong"]), once=ONCE,
    )  # fmt: skip
    def set_state(self, place: int, number: int, agent: str, key: str, value: int, expected: str | None, once: str | None) -> None:
        tenant, person = self.who(place, number)
        versions = tenant.states.get((agent, key), [])
        version = None if expected is None else len(versions) + (expected == "wrong")

        def effect(data: Any) -> None:
            state = data["setState"]
            assert (state["value"], state["version"], state["by"]) == (value, len(versions) + 1, person.name)
            tenant.states[agent, key] = [*versions, (value, person.name)]

        wanted = "CONFLICT" if expected == "wrong" else None
        wanted = wanted if agent in tenant.agents else "NOT_FOUND"
        wanted = wanted if person.may(f"state:agent/{agent}/{key}", "write") else "FORBIDDEN"
        self.change(tenant, person, SET, wanted, effect, a=agent, n=key, v=value, e=version, k=once)

    @rule(place=PLACE, number=WHO, agent=st.sampled_from(AGENTS), scope=st.sampled_from(SCOPES), once=ONCE)
    def remember(self, place: int, number: int, agent: str, scope: str, once: str | None) -> None:
        tenant, person = self.who(place, number)
        text = f"{tenant.name} saw word{next(_words)}" if once is None else f"{tenant.name} saw word{once}"

        def effect(data: Any) -> None:
            memory = data["remember"]
            tenant.memories[memory["id"]] = (agent, text, scope)

        wanted = None if agent in tenant.agents else "NOT_FOUND"
        wanted = wanted if person.may(f"memory:{scope}", "write") else "FORBIDDEN"
        self.change(tenant, person, REMEMBER, wanted, effect, a=agent, t=text, s=scope, k=once)

    @precondition(lambda self: any(tenant.memories for tenant in self.tenants))
    @rule(place=PLACE, number=WHO, which=SEVERAL, erase=st.booleans())
    def forget(self, place: int, number: int, which: int, erase: bool) -> None:
        tenant, person = self.who(place, number)
        known = [(owner, id) for owner in self.tenants for id in sorted(owner.memories)]
        owner, id = known[which % len(known)]
        scope = owner.memories[id][2]
        wanted = None if person.may(f"memory:{scope}", "delete") else "FORBIDDEN"
        wanted = wanted if owner is tenant and person.may(f"memory:{scope}") else "NOT_FOUND"
        self.change(tenant, person, FORGET, wanted, lambda _: tenant.memories.pop(id), id=id, e=erase)

    @rule(place=PLACE, number=WHO, scope=st.sampled_from(SCOPES), once=ONCE)
    def assert_fact(self, place: int, number: int, scope: str, once: str | None) -> None:
        tenant, person = self.who(place, number)
        said = f"said{next(_words)}" if once is None else f"said{once}"

        def effect(data: Any) -> None:
            tenant.facts[data["assertFact"]["id"]] = (said, scope)

        wanted = None if person.may(f"memory:{scope}", "write") else "FORBIDDEN"
        self.change(tenant, person, ASSERT, wanted, effect, o=said, s=scope, k=once)

    @precondition(lambda self: any(tenant.facts for tenant in self.tenants))
    @rule(place=PLACE, number=WHO, which=SEVERAL)
    def retract_fact(self, place: int, number: int, which: int) -> None:
        tenant, person = self.who(place, number)
        known = [(owner, id) for owner in self.tenants for id in sorted(owner.facts)]
        owner, id = known[which % len(known)]
        scope = owner.facts[id][1]
        wanted = None if person.may(f"memory:{scope}", "write") else "FORBIDDEN"
        wanted = wanted if owner is tenant and person.may(f"memory:{scope}") else "NOT_FOUND"
        self.change(tenant, person, RETRACT, wanted, lambda _: tenant.facts.pop(id), id=id)

    # Reads

    def read(self, person: Person, query: str, **variables: Any) -> Any:
        """The data; None when the person's key was revoked, which must be what the answer says."""
        data, codes = self.ask(person, query, **variables)
        assert codes == (["UNAUTHENTICATED"] if person.revoked else []), (query, variables)
        return data

    @rule(place=PLACE, number=WHO, agent=st.sampled_from(AGENTS), key=st.sampled_from(KEYS), version=st.sampled_from([None, 1, 2, 9]))
    def read_state(self, place: int, number: int, agent: str, key: str, version: int | None) -> None:
        tenant, person = self.who(place, number)
        data = self.read(person, STATE, a=agent, n=key, v=version)
        if data is None:
            return
        versions = tenant.states.get((agent, key), [])
        if not person.may(f"state:agent/{agent}/{key}") or not 0 < (version or len(versions)) <= len(versions):
            assert data["state"] is None
            return
        at = version or len(versions)
        assert (data["state"]["value"], data["state"]["version"], data["state"]["by"]) == (versions[at - 1][0], at, versions[at - 1][1])
        past = [[node["version"], node["value"]] for node in data["state"]["history"]["nodes"]]
        assert past == [[n, value] for n, (value, _) in reversed(list(enumerate(versions, 1)))]

    @rule(place=PLACE, number=WHO, agent=st.sampled_from([None, *AGENTS]))
    def list_memories(self, place: int, number: int, agent: str | None) -> None:
        tenant, person = self.who(place, number)
        if (data := self.read(person, MEMORIES, a=agent)) is not None:
            found = {node["id"]: (node["text"], node["scope"]) for node in data["memories"]["nodes"]}
            assert found == {id: (text, scope) for id, (text, scope) in self.readable(tenant, person, agent).items()}

    def readable(self, tenant: Tenant, person: Person, agent: str | None) -> dict[str, tuple[str, str]]:
        found = {id: one for id, one in tenant.memories.items() if person.may(f"memory:{one[2]}") and agent in (None, one[0])}
        return {id: (text, scope) for id, (_, text, scope) in found.items()}

    @precondition(lambda self: any(tenant.memories for tenant in self.tenants))
    @rule(place=PLACE, number=WHO, which=SEVERAL)
    def read_memory(self, place: int, number: int, which: int) -> None:
        tenant, person = self.who(place, number)
        known = [(owner, id) for owner in self.tenants for id in sorted(owner.memories)]
        owner, id = known[which % len(known)]
        if (data := self.read(person, "query($id: ID!) { memory(id: $id) { text } }", id=id)) is not None:
            seen = owner is tenant and id in self.readable(tenant, person, None)
            assert data["memory"] == ({"text": tenant.memories[id][1]} if seen else None)

    @rule(place=PLACE, number=WHO)
    def list_agents_and_facts(self, place: int, number: int) -> None:
        tenant, person = self.who(place, number)
        if (data := self.read(person, LISTS)) is not None:
            agents = {node["id"]: node["name"] for node in data["agents"]["nodes"]}
            assert agents == {id: name for id, name in tenant.agents.items() if person.may(f"memory:agent/{id}")}
            facts = {node["id"]: (node["object"], node["scope"]) for node in data["facts"]["nodes"]}
            assert facts == {id: one for id, one in tenant.facts.items() if person.may(f"memory:{one[1]}")}

    @rule(place=PLACE, number=WHO, agent=st.sampled_from(AGENTS), which=SEVERAL)
    def recall(self, place: int, number: int, agent: str, which: int) -> None:
        tenant, person = self.who(place, number)
        texts = [text for owner in self.tenants for _, text, _ in owner.memories.values()] or ["nothing"]
        if (data := self.read(person, RECALL, a=agent, q=texts[which % len(texts)])) is None:
            return
        hits = {hit["memory"]["id"]: hit["memory"]["text"] for hit in data["recall"]["hits"]}
        readable = self.readable(tenant, person, None)
        assert hits.items() <= {(id, text) for id, (text, _) in readable.items()}

    def teardown(self) -> None:
        for tenant in getattr(self, "tenants", []):
            verdict = self.portal.call(verify, self.cairn.services.database, tenant.name)
            assert verdict.holds, verdict.problem


def test_cairn_does_what_a_plain_model_does(settings: Settings) -> None:
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(open_services(settings)) as cairn:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(cairn)), base_url="http://cairn.test", timeout=None)
        with portal.wrap_async_context_manager(http):
            machine = type("OnRealServers", (Machine,), {"portal": portal, "cairn": cairn, "http": http})
            run_state_machine_as_test(
                machine,  # type: ignore[arg-type]
                settings=hypothesis_settings(
                    max_examples=5,
                    stateful_step_count=40,
                    derandomize=True,
                    deadline=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )

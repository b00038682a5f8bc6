"""What a principal may not read does not show, does not count and does not differ from what does not exist, in any operation that reads."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cairn.api.execution import Executor
from cairn.api.limits import Limits
from cairn.api.parameters import Parameters
from cairn.schema import build_schema
from cairn.schema.context import Context

from .conftest import AGENTS, CLASS, GRAPHS, LABELS, SCOPES, THINGS, Given, MakeWorld, World, allows, import_quads

pytestmark = pytest.mark.anyio
ON_REAL_SERVERS = hypothesis_settings(
    max_examples=4, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KEYS = ("plan", "mood", "trip/day")
HIDEABLE = ("text", "speaker", "externalId", "metadata", "session")

PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
ENTITY = f"""iri label types graphs literals {{ predicate value }}
  neighbours(direction: BOTH, first: 2) {{ nodes {{ predicate graphs entity {{ iri label }} }} {PAGE} }}
  memories(first: 2) {{ nodes {{ id text }} {PAGE} }}"""
MEMORY = f"""id externalId text speaker session scope metadata agent {{ id name goals memories(first: 2) {{ nodes {{ id }} {PAGE} }} }}
  mentions {{ text start entity {{ iri label graphs }} }} related {{ id text scope }}"""
FACT = "id object scope subject { iri label } evidence { id text }"
STATE = f"key value version hash by history(first: 1) {{ nodes {{ version value }} {PAGE} }}"

OBJECTS = (
    "*",
    "memory:*",
    "graph:*",
    "state:*",
    *(f"memory:{scope}" for scope in SCOPES),
    "memory:team/*",
    "memory:team/*/deep",
    "memory:agent/*",
    "memory:agent/ada/*",
    "agent:*",
    "import",
    "key",
    "ledger",
    "policy",
    *(f"graph:{graph}" for graph in GRAPHS),
    "graph:https://example.org/graphs/*",
    "state:agent/ada/*",
    "state:agent/*/plan",
    "state:agent/bob/trip/*",
)
ALLOWED = st.tuples(st.sampled_from(OBJECTS), st.sampled_from(["read", "admin", "*"]), st.just("ALLOW"))
DENIED = st.tuples(
    st.sampled_from([*OBJECTS[1:], *(f"field:Memory.{field}" for field in HIDEABLE)]), st.sampled_from(["read", "*"]), st.just("DENY")
)
RULES: st.SearchStrategy[list[Given]] = st.tuples(
    st.lists(ALLOWED, min_size=1, max_size=4, unique=True), st.lists(DENIED, max_size=3, unique=True)
).map(lambda both: [*both[0], *both[1]])


@dataclass(frozen=True)
class Plan:
    """What is remembered: memories (scope, agent, thing, session), facts (scope, whether they cite all memories), states."""

    memories: list[tuple[str, str, int, str | None]]
    facts: list[tuple[str, bool]]
    states: list[tuple[str, str]]


SCOPE, AGENT = st.sampled_from(SCOPES), st.sampled_from(AGENTS)
PLANS = st.builds(
    Plan,
    st.lists(st.tuples(SCOPE, AGENT, st.integers(0, len(LABELS) - 1), st.sampled_from(["s", None])), min_size=3, max_size=7),
    st.lists(st.tuples(SCOPE, st.booleans()), min_size=1, max_size=3),
    st.lists(st.tuples(AGENT, st.sampled_from(KEYS)), min_size=2, max_size=5),
)
_round = count()


ALL = (("*", "*", "ALLOW"),)


async def fill(world: World, plan: Plan, rules: Sequence[Given] = ALL, *, whole: bool = True) -> None:
    """Put into the world what the plan says; unless it shall be `whole`, only what these rules let read.

    What they let read names only entities of graphs that they let read, since a writer's graphs decide what a text names.
    """
    ids: list[str] = []
    for scope, agent, thing, session in plan.memories:
        seen = allows(rules, f"memory:{scope}")
        homes = GRAPHS[:2] if thing == 3 else GRAPHS[thing : thing + 1]
        named = thing if not seen or all(allows(rules, f"graph:{graph}") for graph in homes) else None
        id = await world.remember(scope, agent, named, session, skip=not (seen or whole))
        ids += [id] if id else []
    for scope, cites in plan.facts:
        await world.assert_fact(scope, ids if cites else (), skip=not (whole or allows(rules, f"memory:{scope}")))
    for agent, key in plan.states:
        await world.set_state(agent, key, skip=not (whole or allows(rules, f"state:agent/{agent}/{key}")))


async def pages(world: World, token: str, name: str, field: str, fragment: str) -> tuple[str, list[dict[str, Any]]]:
    """All that a connection has, two at a time, as it came and as nodes. No cached answer: each round's document is another."""
    query = f"query round{next(_round)}($a: String) {{ {field} {{ edges {{ cursor node {{ {fragment} }} }} {PAGE} }} }}"
    seen, nodes, after = "", [], None
    while True:
        body = (await world.send(query, {"a": after}, token)).text
        found = json.loads(body)["data"][name]
        seen += body
        nodes += [edge["node"] for edge in found["edges"]]
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            return seen, nodes


LISTS = {
    "memories": ("memories", "memories(first: 2, after: $a)", MEMORY),
    "memories of an agent": ("memories", 'memories(filter: {agent: "ada"}, first: 2, after: $a)', MEMORY),
    "memories below a scope": ("memories", 'memories(filter: {scope: "team"}, first: 2, after: $a)', MEMORY),
    "memories of a session": ("memories", 'memories(filter: {session: "s"}, first: 2, after: $a)', MEMORY),
    "facts": ("facts", "facts(first: 2, after: $a)", FACT),
    "agents": (
        "agents",
        "agents(first: 1, after: $a)",
        f"id name goals states(first: 2) {{ nodes {{ {STATE} }} {PAGE} }} memories(first: 2) {{ nodes {{ id }} {PAGE} }}",
    ),
    "graphs": ("graphs", "graphs(first: 1, after: $a)", "iri triples"),
    "entities": ("entities", "entities(first: 2, after: $a)", ENTITY),
    "entities of a class": ("entities", f'entities(type: "{CLASS}", first: 1, after: $a)', ENTITY),
    **{
        f"entities called {label}": ("entities", f'entities(search: "{label.lower()[:5]}", first: 1, after: $a)', ENTITY)
        for label in LABELS
    },
    **{f"entities of {graph}": ("entities", f'entities(graph: "{graph}", first: 2, after: $a)', ENTITY) for graph in GRAPHS},
}

SINGLE = {
    "memory": (f"query($x: ID!) {{ memory(id: $x) {{ {MEMORY} }} }}", lambda: uuid4().hex),
    "agent": (
        f"query($x: ID!) {{ agent(id: $x) {{ id name goals states {{ nodes {{ {STATE} }} {PAGE} }} "
        f"memories {{ nodes {{ id }} {PAGE} }} }} }}",
        lambda: f"x{uuid4().hex}",
    ),
    "state": (
        f'query($x: ID!) {{ plan: state(agent: $x, key: "plan") {{ {STATE} }} old: state(agent: $x, key: "plan", version: 1) {{ value }} '
        f'mood: state(agent: $x, key: "mood") {{ {STATE} }} '
        f'trip: state(agent: $x, key: "trip/day", asOf: "2999-01-01T00:00:00Z") {{ {STATE} }} }}',
        lambda: f"x{uuid4().hex}",
    ),
    "entity": (f"query($x: IRI!) {{ entity(iri: $x) {{ {ENTITY} }} }}", lambda: f"https://example.org/{uuid4().hex}"),
    "paths": (
        f'query($x: IRI!) {{ to: paths(from: $x, to: "{THINGS[3]}") {{ length entities {{ iri label }} steps {{ predicate }} }} '
        f'from: paths(from: "{THINGS[0]}", to: $x) {{ entities {{ iri }} }} }}',
        lambda: f"https://example.org/{uuid4().hex}",
    ),
    "entities of": (
        f"query($x: IRI!) {{ entities(graph: $x) {{ nodes {{ iri }} {PAGE} }} class: entities(type: $x) {{ nodes {{ iri }} {PAGE} }} }}",
        lambda: f"https://example.org/{uuid4().hex}",
    ),
    "facts about": (f"query($x: IRI!) {{ facts(subject: $x) {{ nodes {{ {FACT} }} {PAGE} }} }}", lambda: f"urn:x:{uuid4().hex}"),
    "facts saying": (f"query($x: String!) {{ facts(object: $x) {{ nodes {{ {FACT} }} {PAGE} }} }}", lambda: uuid4().hex),
    "search": ("query($x: String!) { entities(search: $x) { nodes { iri } } }", lambda: "Nowhereton"),
    "import": ("query($x: ID!) { import(id: $x) { status source graph } }", lambda: uuid4().hex),
}
"""Queries that name one thing, and what makes a name that nothing has."""

RECALL = """query($q: String!, $n: [IRI!]) { recall(input: {agent: "ada", query: $q, near: $n, limit: 100}) {
  hits { why memory { id text speaker metadata mentions { text entity { iri label } } } } } }"""


def by_entities(answer: Mapping[str, Any]) -> dict[str, float]:
    """For each memory that was recalled how many of the entities asked for it shares, as the ranking saw it."""
    return {hit["memory"]["id"]: hit["why"]["entities"]["value"] for hit in answer["data"]["recall"]["hits"]}


async def singles(world: World, token: str) -> dict[tuple[str, str], str]:
    """What each query that names one thing answers for everything there is."""
    named = {
        "memory": [*world.memories],
        "agent": AGENTS,
        "state": AGENTS,
        "entity": THINGS,
        "paths": THINGS,
        "entities of": [*GRAPHS, CLASS],
        "facts about": [f"urn:x:{word}" for word in world.facts],
        "facts saying": [*world.facts],
        "search": LABELS,
    }
    return {(kind, name): (await world.send(SINGLE[kind][0], {"x": name}, token)).text for kind, names in named.items() for name in names}


async def everything(world: World, token: str) -> dict[str, str]:
    """What every operation that reads answers."""
    found = {name: (await pages(world, token, *listed))[0] for name, listed in LISTS.items()}
    found |= {f"{kind} {name}": body for (kind, name), body in (await singles(world, token)).items()}
    for label in LABELS:
        body = (await world.send(RECALL, {"q": f"What of {label}?", "n": list(THINGS)}, token)).json()
        hits = {hit["memory"]["id"]: hit for hit in body["data"]["recall"]["hits"]}  # scores depend on how common words are
        shared = by_entities(body)
        found[f"recall {label}"] = json.dumps([[id, shared[id], hits[id]["memory"]] for id in sorted(hits)])
    return found


def readable(world: World, principal: str, things: Mapping[str, str]) -> set[str]:
    """Those of the things whose scope the principal may read."""
    may = {scope: world.may(principal, f"memory:{scope}") for scope in set(things.values())}
    return {name for name, scope in things.items() if may[scope]}


async def check_complete(world: World, principal: str, token: str) -> None:
    """Everything that may be read is there, so that nothing is kept from leaking by keeping it from everyone."""
    memories = (await pages(world, token, *LISTS["memories"]))[1]
    assert {node["id"] for node in memories} == readable(world, principal, world.memories)
    facts = (await pages(world, token, *LISTS["facts"]))[1]
    assert {node["object"] for node in facts} == readable(world, principal, world.facts)
    graphs = (await pages(world, token, *LISTS["graphs"]))[1]
    assert {node["iri"] for node in graphs} == {graph for graph in GRAPHS if world.may(principal, f"graph:{graph}")}
    ask = "query($a: ID!, $k: String!) { state(agent: $a, key: $k) { value } }"
    for agent, key in world.states:
        state = (await world.send(ask, {"a": agent, "k": key}, token)).json()["data"]["state"]
        assert (state is not None) == world.may(principal, f"state:agent/{agent}/{key}")


@asynccontextmanager
async def listening(world: World, principal: str) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """What the principal hears of memories and states while this block lasts."""
    services = world.cairn.services
    access = await services.accesses.get(world.tenant, principal)
    executor = Executor(build_schema(), Limits.of(services.settings), lambda access, request: Context(access, services, request), 30)
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listen(query: str) -> None:
        async for result in executor.stream(executor.plan(Parameters(query)), access, "r"):
            assert result.errors is None, result.errors
            await heard.put(result.data)

    before = services.events.subscribers
    queries = [f"subscription {{ memoryAdded {{ {MEMORY} }} }}"]
    queries += [f'subscription {{ stateChanged(agent: "{agent}") {{ {STATE} }} }}' for agent in AGENTS]
    tasks = [asyncio.create_task(listen(query)) for query in queries]
    async with asyncio.timeout(10):
        while services.events.subscribers < before + len(queries):
            await asyncio.sleep(0.01)
    try:
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results


WHOLE = {
    "memories": f"memories(first: 50) {{ nodes {{ {MEMORY} }} {PAGE} }}",
    "memories of ada": f'memories(filter: {{agent: "ada", kinds: [EPISODIC]}}, first: 50) {{ nodes {{ {MEMORY} }} {PAGE} }}',
    "memories of a session": 'memories(filter: {session: "s", scope: "team"}, first: 50) { nodes { id } }',
    "facts": f'facts(first: 50, predicate: "urn:x:said") {{ nodes {{ {FACT} confidence }} {PAGE} }}',
    "facts then": f'facts(first: 50, validAt: "2999-01-01T00:00:00Z") {{ nodes {{ {FACT} }} {PAGE} }}',
    "agents": f"agents {{ nodes {{ id name goals states {{ nodes {{ {STATE} }} }} memories {{ nodes {{ id }} }} }} {PAGE} }}",
    "graphs": f"graphs {{ nodes {{ iri triples }} {PAGE} }}",
    "entities": f"""entities(first: 50) {{ nodes {{ iri label types graphs literals {{ predicate value }}
      neighbours(direction: BOTH) {{ nodes {{ predicate graphs entity {{ iri label }} }} {PAGE} }}
      memories {{ nodes {{ id text agent {{ name goals }} }} {PAGE} }} }} {PAGE} }}""",
    **{f"entities called {label}": f'entities(search: "{label}") {{ nodes {{ iri }} {PAGE} }}' for label in (*LABELS, "word")},
    **{
        f"paths {n}": f'paths(from: "{THINGS[0]}", to: "{THINGS[n]}") {{ length steps {{ predicate }} entities {{ iri }} }}'
        for n in (1, 2, 3)
    },
    "recall": f"""recall(input: {{agent: "ada", query: "What of {" and ".join(LABELS)} with wordspeaker9?", session: "s", limit: 100,
      near: {json.dumps(THINGS)}}}) {{ hits {{ why memory {{ {MEMORY} }} }} }}""",
    "recall in a scope": f'recall(input: {{agent: "bob", query: "{LABELS[0]}", scope: "team", goals: ["see"]}}) '
    "{ hits { why memory { id } } }",
    "states": " ".join(
        f'{agent}{n}: state(agent: "{agent}", key: "{key}") {{ {STATE} }}' for agent in AGENTS for n, key in enumerate(KEYS)
    ),
    "one by one": " ".join(f'{agent}: agent(id: "{agent}") {{ name goals }}' for agent in AGENTS),
    "me": "me { id roles } apiKeys { nodes { principal createdBy } }",
}
"""What is asked of two worlds that must look the same."""

FEATURES = ("entities", "speaker", "session", "importance")
"""What `why` tells that doesn't depend on how common words are."""


def normal(value: Any) -> Any:
    """The answer without what can't be the same in two worlds: places, instants, and orders that follow from keys and scores."""
    if isinstance(value, list):
        return sorted(map(normal, value), key=lambda one: json.dumps(one, sort_keys=True))
    if not isinstance(value, dict):
        return value
    found = {name: normal(one) for name, one in value.items() if name not in {"startCursor", "endCursor", "why"}}
    return found | ({"why": {name: value["why"][name]["value"] for name in FEATURES}} if "why" in value else {})


async def seen(world: World, token: str, queries: Mapping[str, str] = WHOLE) -> dict[str, Any]:
    """What each query answers, in a form that can be compared with another world's."""
    found: dict[str, Any] = {}
    for name, query in queries.items():
        text = (await world.send(f"{{ {query} }}", None, token)).text
        for id, called in world.names.items():
            text = text.replace(id, called)
        found[name] = normal(json.loads(text))
        assert "errors" not in found[name], (name, text)
    return found


@ON_REAL_SERVERS
@given(RULES, PLANS)
@example(
    [("memory:team/*", "read", "ALLOW"), (f"graph:{GRAPHS[2]}", "read", "ALLOW")],
    Plan(
        [("team/a", "ada", 0, "s"), ("agent/ada", "ada", 1, "s"), ("team/a/deep", "ada", 2, "s"), ("public", "bob", 3, None)],
        [("team/a", True), ("agent/bob", True)],
        [("ada", "plan"), ("ada", "plan"), ("bob", "mood")],
    ),
)
@example(
    [
        ("*", "*", "ALLOW"),
        ("memory:agent/*", "read", "DENY"),
        (f"graph:{GRAPHS[0]}", "read", "DENY"),
        ("field:Memory.text", "read", "DENY"),
    ],
    Plan(
        [("team/a", "bob", 1, "s"), ("agent/bob", "bob", 1, "s"), ("public", "bob", 1, "s"), ("public", "ada", 3, None)],
        [("public", True), ("agent/bob", True)],
        [("ada", "plan"), ("bob", "plan"), ("bob", "mood")],
    ),
)
@example(
    [("memory:public", "read", "ALLOW"), ("graph:*", "read", "ALLOW")],
    Plan(
        [("public", "ada", 0, "s"), ("agent/ada", "ada", 0, "s"), ("team/a", "bob", 0, None), ("public", "ada", 1, "s")],
        [("public", True)],
        [("ada", "plan")],
    ),
)
async def test_a_world_is_the_same_with_secrets_and_without(make_world: MakeWorld, rules: list[Given], plan: Plan) -> None:
    graphs = [graph for graph in GRAPHS if allows(rules, f"graph:{graph}")]
    authors = {agent for scope, agent, _, _ in plan.memories if allows(rules, f"memory:{scope}")}
    authors |= {agent for agent, key in plan.states if allows(rules, f"state:agent/{agent}/{key}")}
    own = {agent for agent in AGENTS if allows(rules, f"memory:agent/{agent}")}
    worlds = [
        await make_world(encrypted=False),  # keys of their own would make them differ: IRIs of local entities are keyed
        await make_world(graphs, {agent: "" if agent in own else "other" for agent in AGENTS if agent in authors | own}, encrypted=False),
    ]
    answers: list[dict[str, Any]] = []
    for world, whole in zip(worlds, (True, False), strict=True):
        await fill(world, plan, rules, whole=whole)
        principal, token = await world.principal(rules)
        for operation, body in (answer := await seen(world, token)).items():
            assert world.told(principal, json.dumps(body)) == set() or operation == "me"
        await check_complete(world, principal, token)
        await check_guarded(world, principal, token)
        answers.append(answer)
    for operation in WHOLE:
        if operation != "me" or not allows(rules, "key"):
            assert answers[0][operation] == answers[1][operation], operation


async def check_guarded(world: World, principal: str, token: str) -> None:
    """What needs a permission of its own is refused without it, whether there is something or not."""
    guarded = {
        "ledger { size entries { nodes { target } } checkpoints { nodes { note } } }": "ledger",
        "roles { name }": "policy",
        "rules { nodes { object } }": "policy",
    }
    guarded['permitted(subject: "ada", object: "policy", action: "read") { allowed }'] = "policy"
    guarded['permitted(subject: "nobody", object: "policy", action: "read") { allowed }'] = "policy"
    for query, object in guarded.items():
        assert await world.codes(token, f"{{ {query} }}") == ([] if world.may(principal, object) else ["FORBIDDEN"]), query


@hypothesis_settings(ON_REAL_SERVERS, max_examples=3)
@given(st.lists(RULES, min_size=4, max_size=4))
async def test_permitted_says_what_the_rules_say(world: World, several: list[list[Given]]) -> None:
    objects = [
        *(f"memory:{scope}" for scope in SCOPES),
        "memory:agent",
        "memory:team",
        *(f"graph:{graph}" for graph in GRAPHS),
        "ledger",
        "policy",
    ]
    objects += [f"state:agent/{agent}/{key}" for agent in AGENTS for key in KEYS] + ["field:Memory.text", "agent:ada", "unknown:x"]
    for rules in several:
        principal, token = await world.principal(rules)
        for action in ("read", "write", "admin"):
            ask = " ".join(
                f'a{n}: permitted(object: {json.dumps(object)}, action: "{action}") {{ allowed }}' for n, object in enumerate(objects)
            )
            answer = (await world.send(f"{{ {ask} }}", None, token)).json()["data"]
            told = {object: answer[f"a{n}"]["allowed"] for n, object in enumerate(objects)}
            assert told == {object: world.may(principal, object, action) for object in objects}


@hypothesis_settings(ON_REAL_SERVERS, max_examples=3)
@given(RULES, PLANS, PLANS)
async def test_what_is_not_readable_changes_no_answer(world: World, rules: list[Any], plan: Plan, more: Plan) -> None:
    await fill(world, plan)
    principal, token = await world.principal(rules)
    before = await everything(world, token)
    may = {scope: world.may(principal, f"memory:{scope}") for scope in SCOPES}
    states = [state for state in more.states if not world.may(principal, f"state:agent/{state[0]}/{state[1]}")]
    hidden = Plan([one for one in more.memories if not may[one[0]]], [one for one in more.facts if not may[one[0]]], states)
    async with listening(world, principal) as heard:
        await fill(world, hidden)
        assert {name: body for name, body in (await everything(world, token)).items() if name in before} == before
        scope = next((scope for scope in SCOPES if may[scope]), None)
        if scope is not None:
            id = await world.remember(scope, "ada", 0)
            async with asyncio.timeout(10):
                assert (await heard.get())["memoryAdded"]["id"] == id, "this is the first thing to be heard"
        assert heard.empty()


@ON_REAL_SERVERS
@given(RULES, PLANS)
async def test_what_is_not_readable_is_like_what_does_not_exist(world: World, rules: list[Any], plan: Plan) -> None:
    await fill(world, plan)
    principal, token = await world.principal(rules)
    unreadable = set(world.memories) - readable(world, principal, world.memories)
    hidden = set(world.facts) - readable(world, principal, world.facts)
    for (kind, name), body in (await singles(world, token)).items():
        query, invent = SINGLE[kind]
        invented = invent()
        nothing = (await world.send(query, {"x": invented}, token)).text
        data = json.loads(body)["data"]
        if kind == "memory":
            assert (data["memory"] is None) == (name in unreadable)
        elif kind.startswith("facts"):
            assert (data["facts"]["nodes"] == []) == (name.removeprefix("urn:x:") in hidden)
        if all(not value or value.get("nodes") == [] if not isinstance(value, list) else not value for value in data.values()):
            assert body.replace(name, "?") == nothing.replace(invented, "?"), kind
    for thing in THINGS:
        if (await world.send(SINGLE["entity"][0], {"x": thing}, token)).json()["data"]["entity"] is None:
            near = by_entities((await world.send(RECALL, {"q": "anything", "n": [thing]}, token)).json())
            assert set(near.values()) <= {0.0}, "a recall near an entity that is not readable tells which memories mention it"
    size = await world.ledger_size()
    for change, known in {
        "forget(id: $x)": unreadable,
        "forget(id: $x, erase: true)": unreadable,
        'assertFact(input: {subject: "urn:a", predicate: "urn:b", object: "c", evidence: [$x], scope: "own"}) { id }': unreadable,
        "retractFact(id: $x) { id }": {id for id, called in world.names.items() if f"word{called}" in hidden},
        "revokeApiKey(id: $x)": {"0" * 32} if world.may(principal, "key", "admin") else {world.operator.split("_")[1]},
    }.items():
        await world.rule(principal, "memory:own", "write")
        for id in sorted(known)[:2]:
            invented = uuid4().hex
            mutation = f"mutation($x: ID!) {{ {change} }}"
            real, unknown = [await world.send(mutation, {"x": one}, token) for one in (id, invented)]
            assert real.text.replace(id, "?") == unknown.text.replace(invented, "?")
            assert [error["extensions"]["code"] for error in real.json()["errors"]] == ["NOT_FOUND"], change
        await world.rule(principal, "memory:own", "write", change="removeRule")
    size += 2 * 5  # the rules
    assert await world.ledger_size() == size, "what was refused left no trace"


WRITES = {
    "memory:team/a": [
        'remember(input: {agent: "%s", text: "x", scope: "team/a"}) { id }',
        'rememberMany(input: [{agent: "%s", text: "x", scope: "team/a"}]) { id }',
    ],
    "state:agent/ada/plan": ['setState(input: {agent: "ada", key: "plan", value: 1}) { version } # %s'],
    "agent:ada": ['registerAgent(input: {id: "ada", name: "%s"}) { id }'],
    "agent:nobody": ['registerAgent(input: {id: "nobody", name: "%s"}) { id }'],
    "import": ['startImport(input: {source: "/etc/%s"}) { id }'],
    "key": ['createApiKey(input: {principal: "%s"}) { id }', 'createApiKey(input: {principal: "%s", role: "admin"}) { id }'],
    "policy": [
        'addRule(input: {subject: "%s", object: "*", action: "*"}) { version }',
        'removeRule(input: {subject: "%s", object: "graph:*", action: "read"}) { version }',
        'assignRole(principal: "%s", role: "admin") { version }',
        'unassignRole(principal: "%s", role: "reader") { version }',
    ],
}
"""Writes and the object that they need a permission for, each with a place for a name that is known or not."""


async def test_what_may_not_be_written_is_refused_alike_and_leaves_no_trace(world: World) -> None:
    await world.set_state("ada", "plan")
    await world.remember("team/a", "ada", 0)
    local = "urn:cairn:entity:team/a:wordspeaker"
    people = [
        await world.principal(),
        await world.principal([("*", "read", "ALLOW")]),
        await world.principal([("*", "*", "ALLOW"), ("*", "*", "DENY")]),
    ]
    size, before = await world.ledger_size(), await everything(world, world.operator)
    for principal, token in people:
        for object, mutations in WRITES.items():
            assert not any(world.may(principal, object, action) for action in ("write", "admin"))
            for mutation in mutations:
                real, unknown = [(await world.send(f"mutation {{ {mutation % name}\n}}", None, token)).json() for name in ("ada", "nobody")]
                assert [error["extensions"]["code"] for error in real["errors"]] == ["FORBIDDEN"], mutation
                assert json.dumps(real).replace("ada", "nobody") == json.dumps(unknown).replace("ada", "nobody")
        codes = await world.codes(token, f'mutation {{ identify(local: "{local}", sameAs: "urn:x") {{ iri }} }}')
        assert codes == (["FORBIDDEN"] if world.may(principal, "memory:team/a") else ["NOT_FOUND"])
    assert await world.ledger_size() == size
    now = await everything(world, world.operator)
    assert {name: body for name, body in now.items() if name in before} == before


async def test_a_hidden_field_can_not_be_found_out_by_asking_for_it(world: World) -> None:
    id = await world.remember("public", "ada", 0, "night")
    await world.remember("public", "ada", 0, "day")
    asked = "query($f: MemoryFilter) { memories(filter: $f) { nodes { id } } }"
    recalled = 'query($s: ID, $q: String!) { recall(input: {agent: "ada", query: $q, session: $s}) { hits { why memory { id } } } }'
    whole = (await world.do("query($i: ID!) { memory(id: $i) { speaker session externalId } }", i=id))["memory"]

    async def finds(token: str, field: str, value: str) -> list[str]:
        return [node["id"] for node in (await world.send(asked, {"f": {field: value}}, token)).json()["data"]["memories"]["nodes"]]

    async def preferred(token: str, feature: str) -> set[float]:
        hits = (await world.send(recalled, {"s": whole["session"], "q": f"{whole['speaker']} at {LABELS[0]}"}, token)).json()
        return {hit["why"][feature]["value"] for hit in hits["data"]["recall"]["hits"]}

    for field, value in whole.items():
        principal, token = await world.principal([("memory:public", "read", "ALLOW")])
        assert await finds(token, field, value) == [id]
        assert field == "externalId" or await preferred(token, field) == {0.0, 1.0}
        await world.rule(principal, f"field:Memory.{field}", effect="DENY")
        assert await finds(token, field, value) == await finds(token, field, "other") == []
        assert field == "externalId" or await preferred(token, field) == {0.0}


async def test_memories_are_not_related_by_what_is_not_readable(world: World) -> None:
    first, second = [await world.remember("public", "ada", 1) for _ in range(2)]
    ask = "query($i: ID!) { memory(id: $i) { related { id } mentions { text } } }"
    principal, token = await world.principal([("memory:public", "read", "ALLOW")])
    nothing = {"related": [], "mentions": []}
    assert (await world.send(ask, {"i": first}, token)).json()["data"]["memory"] == nothing
    await world.rule(principal, f"graph:{GRAPHS[1]}")
    assert (await world.send(ask, {"i": first}, token)).json()["data"]["memory"]["related"] == [{"id": second}]
    await world.rule(principal, "field:Memory.text", effect="DENY")
    assert (await world.send(ask, {"i": first}, token)).json()["data"]["memory"] == nothing
    third = await world.remember("public", "bob", 2, "night")
    fourth = await world.remember("public", "bob", 3, "night")
    assert (await world.send(ask, {"i": third}, token)).json()["data"]["memory"]["related"] == [{"id": fourth}]
    await world.rule(principal, "field:Memory.session", effect="DENY")
    assert (await world.send(ask, {"i": third}, token)).json()["data"]["memory"] == nothing


async def test_whom_a_text_or_a_speaker_is_hidden_from_does_not_see_the_names_in_it(world: World) -> None:
    speaker = (await world.do("query($i: ID!) { memory(id: $i) { speaker } }", i=await world.remember("public", "ada", 1)))["memory"][
        "speaker"
    ]
    principal, token = await world.principal([("memory:public", "read", "ALLOW"), (f"graph:{GRAPHS[1]}", "read", "ALLOW")])
    ask = "query($s: String, $i: IRI!) { entities(search: $s) { nodes { label } } entity(iri: $i) { memories { nodes { id } } } }"

    async def seen() -> tuple[int, int]:
        data = (await world.send(ask, {"s": speaker, "i": THINGS[1]}, token)).json()["data"]
        return len(data["entities"]["nodes"]), len(data["entity"]["memories"]["nodes"])

    assert await seen() == (1, 1)
    await world.rule(principal, "field:Memory.speaker", effect="DENY")
    assert await seen() == (0, 1)
    await world.rule(principal, "field:Memory.speaker", effect="DENY", change="removeRule")
    await world.rule(principal, "field:Memory.text", effect="DENY")
    assert await seen() == (0, 0)


async def test_feedback_on_what_is_not_readable_is_as_on_what_is_forgotten(world: World) -> None:
    id = await world.remember("team/a", "ada", 0)
    recall = (await world.do('{ recall(input: {agent: "ada", query: "near"}) { id hits { memory { id } } } }'))["recall"]
    assert [hit["memory"]["id"] for hit in recall["hits"]] == [id]
    give = "mutation($r: ID!, $u: [ID!]!) { feedback(recall: $r, useful: $u) }"
    _, token = await world.principal([("memory:agent/ada", "write", "ALLOW")])
    _, stranger = await world.principal([("memory:team/a", "read", "ALLOW")])
    size = await world.ledger_size()
    asked = {"r": recall["id"], "u": [id]}
    hidden = (await world.send(give, asked, token)).text
    assert await world.codes(stranger, give, **asked) == ["FORBIDDEN"]
    assert await world.ledger_size() == size
    await world.do("mutation($i: ID!) { forget(id: $i) }", i=id)
    assert (await world.send(give, asked, token)).text == hidden
    assert await world.codes(token, give, **asked) == ["NOT_FOUND"]


async def test_the_times_of_a_fact_can_not_be_found_out_where_they_are_hidden(world: World) -> None:
    times = 'validFrom: "2020-01-01T00:00:00Z", validTo: "2021-01-01T00:00:00Z"'
    fact = f'{{subject: "urn:a", predicate: "urn:b", object: "c", scope: "public", {times}}}'
    id = (await world.do(f"mutation {{ assertFact(input: {fact}) {{ id }} }}"))["assertFact"]["id"]
    principal, token = await world.principal([("memory:public", "read", "ALLOW")])
    asks = {
        'validAt: "2020-06-01T00:00:00Z"': ("validFrom", "validTo"),
        'validAt: "2030-06-01T00:00:00Z"': ("validFrom", "validTo"),
        'knownAt: "2999-01-01T00:00:00Z"': ("retractedAt",),
    }

    async def found(ask: str) -> list[str]:
        answer = (await world.send(f'{{ facts({ask}, subject: "urn:a") {{ nodes {{ id }} }} }}', None, token)).json()
        return [node["id"] for node in answer["data"]["facts"]["nodes"]]

    assert [await found(ask) for ask in asks] == [[id], [], [id]]
    for hidden in ("validFrom", "validTo", "retractedAt"):
        await world.rule(principal, f"field:Fact.{hidden}", effect="DENY")
        assert [await found(ask) for ask, fields in asks.items() if hidden in fields] == [[]] * (1 if hidden == "retractedAt" else 2)
        await world.rule(principal, f"field:Fact.{hidden}", effect="DENY", change="removeRule")


async def test_links_that_are_not_readable_block_no_path(make_world: MakeWorld, tmp_path: Path) -> None:
    world = await make_world(())
    ends, middle = ("https://example.org/east", "https://example.org/west"), "https://example.org/middle"
    lines = [f"<{end}> <urn:x:near> <{middle}> <{GRAPHS[0]}> ." for end in ends]
    lines += [f"<{middle}> <urn:x:near> <https://example.org/n{n}> <{GRAPHS[1]}> ." for n in range(1_001)]
    await import_quads(world, tmp_path / "hub.nq", "\n".join(lines))
    ask = "query($a: IRI!, $b: IRI!) { paths(from: $a, to: $b) { entities { iri } } }"
    ways = []
    for rules in ([(f"graph:{GRAPHS[0]}", "read", "ALLOW")], [("graph:*", "read", "ALLOW")]):
        _, token = await world.principal(rules)
        ways.append((await world.send(ask, dict(zip("ab", ends, strict=True)), token)).json()["data"]["paths"])
    assert ways == [[{"entities": [{"iri": iri} for iri in (ends[0], middle, ends[1])]}], []], "only readable links make a hub"


async def test_repeating_a_write_tells_nothing_that_can_not_be_read(world: World) -> None:
    principal, token = await world.principal([("memory:team/a", "write", "ALLOW")])
    remember = 'mutation { remember(input: {agent: "ada", text: "x", scope: "team/a", idempotencyKey: "once"}) { id } }'
    assert await world.codes(token, remember) == []
    assert await world.codes(token, remember) == ["NOT_FOUND"], "it can't be read"
    await world.rule(principal, "memory:team/a")
    assert await world.codes(token, remember) == []


async def test_a_cached_answer_is_never_anothers(world: World) -> None:
    await world.remember("team/a", "ada", 0)
    await world.remember("public", "ada", 3)
    for object in ("memory:public", f"graph:{GRAPHS[1]}"):
        await world.rule("watcher", object)
    people = [await world.principal([("*", "read", "ALLOW")]), *[await world.principal(role=role) for role in ("watcher", "watcher", None)]]
    shared = f"{{ entities {{ nodes {{ {ENTITY} }} {PAGE} }} }}"
    private = f"{{ memories {{ nodes {{ {MEMORY} }} {PAGE} }} }}"
    first: dict[tuple[str, str], tuple[str, str]] = {}
    world.rules |= {people[0][0]: [*ALL], people[1][0]: world.rules["watcher"], people[2][0]: world.rules["watcher"]}
    for query in (shared, private) * 2:
        for principal, token in people:
            response = await world.send(query, None, token)
            assert world.told(principal, response.text) == set()
            level, body = first.setdefault((query, principal), (response.headers["x-cache"], response.text))
            assert response.text == body
            expected = ("l1", "l2") if (query, principal) == (shared, people[2][0]) else ("miss",)
            assert level in expected, "only equal permissions share an answer"


async def test_a_running_subscription_follows_the_rules(world: World) -> None:
    principal, _ = await world.principal([("memory:public", "read", "ALLOW")])
    async with listening(world, principal) as heard, asyncio.timeout(20):
        await world.remember("public", "ada", 0)
        assert (await heard.get())["memoryAdded"]["text"] is not None
        await world.rule(principal, "field:Memory.text", effect="DENY")
        id = await world.remember("public", "ada", 0)
        event = (await heard.get())["memoryAdded"]
        assert (event["id"], event["text"], event["mentions"]) == (id, None, [])
        await world.rule(f"role-{principal}", "memory:public", change="removeRule")
        await world.remember("public", "ada", 0)
        await world.rule(principal, "memory:team/*")
        last = await world.remember("team/a", "ada", 0)
        assert (await heard.get())["memoryAdded"]["id"] == last


async def test_another_tenants_key_reaches_nothing_here(make_world: MakeWorld) -> None:
    world, other = await make_world(), await make_world((), {})
    id = await world.remember("public", "ada", 0)
    fact = await world.assert_fact("public", [id])
    await world.set_state("ada", "plan")
    fact_id = next(id for id, called in world.names.items() if f"word{called}" == fact)
    nothing = await everything(other, other.operator)
    for (kind, name), body in (await singles(world, other.operator)).items():
        invented = SINGLE[kind][1]()
        unknown = (await other.send(SINGLE[kind][0], {"x": invented}, other.operator)).text
        assert body.replace(name, "?") == unknown.replace(invented, "?"), kind
    assert not any(world.words.keys() & set(re.findall(r"word[a-z]+\d+", body)) for body in nothing.values())
    size, before = await world.ledger_size(), await everything(world, world.operator)
    for change, known in {
        "forget(id: $x, erase: true)": id,
        "retractFact(id: $x) { id }": fact_id,
        "revokeApiKey(id: $x)": world.operator.split("_")[1],
    }.items():
        assert await other.codes(other.operator, f"mutation($x: ID!) {{ {change} }}", x=known) == ["NOT_FOUND"], change
    assert await other.codes(other.operator, 'mutation { setState(input: {agent: "ada", key: "plan", value: 1}) { version } }') == [
        "NOT_FOUND"
    ]
    assert await other.codes(other.operator, 'mutation { remember(input: {agent: "ada", text: "x"}) { id } }') == ["NOT_FOUND"]
    now = await everything(world, world.operator)
    assert (await world.ledger_size(), {name: now[name] for name in before}) == (size, before)


FORGED = (
    "",
    "x",
    "cairn_",
    "cairn__",
    f"cairn_{'0' * 32}_{'A' * 43}",
    f"cairn_{'0' * 32}_{'A' * 43} ",
    "cairn_\u00e9",
    "Bearer",
    "*",
    "' OR 1=1 //",
)


async def test_a_forged_key_is_nobodys(world: World) -> None:
    whole = world.operator
    head, id, secret = whole.split("_", 2)
    wrong = [
        f"{head}_{id}_{secret[:-1]}",
        f"{whole}x",
        f"{head}_{id}_{secret[:-2]}{'AA' if secret[-2:] != 'AA' else 'BB'}",
        f"{head}_{id.upper()}x_{secret}",
        whole.upper(),
    ]
    answers: set[str] = set()
    for token in (*FORGED, *wrong):
        headers = {"authorization": f"Bearer {token}".encode(), "accept": "application/json"}
        response = await world.http.post("/graphql", json={"query": "{ me { id } memories { nodes { id } } }"}, headers=headers)
        assert response.status_code == 401, token
        answers.add(re.sub(r'"requestId":"[^"]*"', "", response.text) if token in wrong else "")
    assert len(answers) == 2, "unknown keys and wrong secrets are answered alike"

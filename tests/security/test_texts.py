"""Whatever a text holds, it is a text: in no argument does it reach past the rules or the tenant, or break anything inside."""

from __future__ import annotations

import json
import re
from typing import Any

import anyio
import pytest

from .conftest import GRAPHS, SCOPES, THINGS, MakeWorld
from .test_leaks import Plan, fill

pytestmark = pytest.mark.anyio

NASTY = (
    "\ud800",
    "a\udfff",
    "",
    " ",
    "\0",
    "a\0b",
    "\x1f",
    "ada\x1fplan",
    "\u2028",
    "\ufffe",
    "\U0001f300",
    "*",
    "*:*",
    "?",
    "~",
    "word*",
    "terms:word* OR tenant:*",
    "+tenant:[* TO *]",
    ") OR scopeKey:(*",
    '") OR tenant:("',
    "/.*/",
    "a AND NOT b",
    "\\",
    "'",
    '"',
    "`",
    "$tenant",
    "{principal}",
    "' OR 1=1 //",
    "'}) RETURN 1 UNION MATCH (n) RETURN n //",
    "`) DETACH DELETE n //",
    "'; DROP DATABASE neo4j; //",
    "%00",
    "..",
    "../../etc/passwd",
    "team/*",
    "team/",
    "/",
    "agent/ada/../bob",
    ".*",
    "(?s:.*)",
    "[^/]+",
    "a" * 5_000,
    "_:",
    "_:b0",
    "urn:cairn:scope:agent/bob",
    "urn:cairn:entity:agent/bob:word",
    "https://example.org/\0",
    "https://example.org/<>",
    "https://example.org/' OR 1=1",
    "W10",
    "WyJ+Il0",
    "WzFlOTk5LCIiXQ",
    "bnVsbA",
    "W05hTiwieCJd",
    "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiIl0",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "eJwDAAAAAAE",
)
"""Lucene's syntax, Cypher's, regular expressions', paths, control characters, forged cursors, instants at the ends of time."""

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "String": (
        'permitted(object: $x, action: "read") { allowed }',
        'permitted(object: "memory:public", action: $x) { allowed rule }',
        'permitted(object: "memory:agent/bob", action: "read", subject: $x) { allowed }',
        "apiKeys(principal: $x) { nodes { principal } }",
        "agents(after: $x) { nodes { id goals } }",
        "memories(after: $x) { nodes { id text } }",
        "memories(filter: {speaker: $x}) { nodes { id text } }",
        "memories(filter: {scope: $x}) { nodes { id text } }",
        "memories(filter: {externalId: $x}) { nodes { id text } }",
        "facts(object: $x) { nodes { object } }",
        "facts(after: $x) { nodes { object } }",
        "graphs(after: $x) { nodes { iri } }",
        "rules(after: $x) { nodes { object } }",
        "entities(after: $x) { nodes { iri } }",
        "entities(search: $x) { nodes { iri label(lang: $x) literals { value } } }",
        'entities(search: "word", after: $x) { nodes { iri } }',
        "ledger { entries(after: $x) { nodes { target } } }",
        "ledger { checkpoints(after: $x) { nodes { note } } }",
        f'entity(iri: "{THINGS[3]}") {{ label(lang: $x) neighbours(after: $x) {{ nodes {{ entity {{ iri }} }} }} }}',
        f'entity(iri: "{THINGS[3]}") {{ memories(after: $x) {{ nodes {{ id }} }} }}',
        'agent(id: "ada") { states(after: $x) { nodes { key } } memories(after: $x) { nodes { id } } }',
        'state(agent: "ada", key: $x) { value history { nodes { value } } }',
        'state(agent: "ada", key: "plan") { history(after: $x) { nodes { value } } }',
        'recall(input: {agent: "ada", query: $x}) { hits { memory { id text } } }',
        'recall(input: {agent: "ada", query: "word", scope: $x, goals: ["a"]}) { hits { memory { id text } } }',
        'recall(input: {agent: "ada", query: "word", goals: [$x]}) { hits { memory { id text } } }',
    ),
    "ID": (
        "agent(id: $x) { id goals }",
        'state(agent: $x, key: "plan") { value }',
        'state(agent: $x, key: "") { value history { nodes { value } } }',
        "memory(id: $x) { text }",
        "memories(filter: {agent: $x}) { nodes { text } }",
        "memories(filter: {session: $x}) { nodes { text } }",
        'recall(input: {agent: $x, query: "word", session: $x}) { hits { memory { id text } } }',
        "import(id: $x) { source }",
    ),
    "IRI": (
        "entity(iri: $x) { iri label literals(predicate: $x) { value } neighbours(predicate: $x) { nodes { predicate } } "
        "memories { nodes { text } } }",
        "entities(type: $x) { nodes { iri } }",
        "entities(graph: $x) { nodes { iri } }",
        'entities(search: "word", type: $x, graph: $x) { nodes { iri } }',
        f'paths(from: $x, to: "{THINGS[3]}") {{ length }}',
        f'paths(from: "{THINGS[3]}", to: $x) {{ length }}',
        "facts(subject: $x) { nodes { object } }",
        "facts(predicate: $x) { nodes { object } }",
        'recall(input: {agent: "ada", query: "word", near: [$x]}) { hits { memory { id } } }',
    ),
    "DateTime": (
        "memories(filter: {after: $x, before: $x}) { nodes { text } }",
        'state(agent: "ada", key: "plan", asOf: $x) { value }',
        "facts(validAt: $x, knownAt: $x) { nodes { object } }",
        'recall(input: {agent: "ada", query: "word", after: $x, before: $x}) { hits { memory { id } } }',
    ),
}
"""Every argument of a query that takes text, by its type; the text goes where $x stands."""

MUTATIONS = (
    ("ID", "forget(id: $x, idempotencyKey: $k)"),
    ("ID", "retractFact(id: $x, idempotencyKey: $k) { id }"),
    ("ID", "revokeApiKey(id: $x, idempotencyKey: $k)"),
    ("ID", "feedback(recall: $x, useful: [$x], idempotencyKey: $k)"),
    ("ID", 'registerAgent(input: {id: $x, name: "x", idempotencyKey: $k}) { id }'),
    ("String", 'registerAgent(input: {id: "eve", name: $x, goals: [$x], idempotencyKey: $k}) { name }'),
    ("ID", 'setState(input: {agent: $x, key: "plan", value: 1, idempotencyKey: $k}) { version }'),
    ("String", 'setState(input: {agent: "ada", key: $x, value: 1, idempotencyKey: $k}) { history { nodes { value } } }'),
    ("JSON", 'setState(input: {agent: "ada", key: "mood", value: $x, idempotencyKey: $k}) { value history { nodes { value } } }'),
    ("ID", 'remember(input: {agent: $x, text: "x", scope: "public", idempotencyKey: $k}) { id }'),
    (
        "String",
        'remember(input: {agent: "ada", text: $x, speaker: $x, externalId: $x, idempotencyKey: $k}) { related { text } mentions { text } }',
    ),
    ("String", 'remember(input: {agent: "ada", text: $x, scope: "public", idempotencyKey: $k}) { related { text } mentions { text } }'),
    ("ID", 'remember(input: {agent: "ada", text: "x", session: $x, scope: "public", idempotencyKey: $k}) { session related { text } }'),
    ("String", 'remember(input: {agent: "ada", text: "x", scope: $x, idempotencyKey: $k}) { scope }'),
    ("JSON", 'remember(input: {agent: "ada", text: "x", scope: "public", metadata: {a: $x}, idempotencyKey: $k}) { metadata }'),
    ("IRI", "identify(local: $x, sameAs: $x, idempotencyKey: $k) { iri }"),
    ("IRI", 'assertFact(input: {subject: $x, predicate: $x, object: "o", scope: "public", idempotencyKey: $k}) { object }'),
    ("String", 'assertFact(input: {subject: "urn:a", predicate: "urn:b", object: $x, scope: "public", idempotencyKey: $k}) { object }'),
    (
        "ID",
        'assertFact(input: {subject: "urn:a", predicate: "urn:b", object: "o", evidence: [$x], idempotencyKey: $k}) { object }',
    ),
    (
        "DateTime",
        'assertFact(input: {subject: "urn:a", predicate: "urn:b", object: "o", validFrom: $x, functional: true,idempotencyKey: $k}) { id }',
    ),
    ("String", "startImport(input: {source: $x, idempotencyKey: $k}) { id }"),
    ("String", 'startImport(input: {source: "nowhere.nt", format: $x, idempotencyKey: $k}) { id }'),
    ("String", "createApiKey(input: {principal: $x, idempotencyKey: $k}) { principal }"),
    ("String", 'createApiKey(input: {principal: "eve", role: $x, idempotencyKey: $k}) { principal }'),
    ("String", 'addRule(input: {subject: $x, object: "memory:none", action: "read"}, idempotencyKey: $k) { changed }'),
    ("String", 'addRule(input: {subject: "none", object: $x, action: "read"}, idempotencyKey: $k) { changed }'),
    ("String", 'addRule(input: {subject: "none", object: "memory:none", action: $x}, idempotencyKey: $k) { changed }'),
    ("String", "removeRule(input: {subject: $x, object: $x, action: $x}, idempotencyKey: $k) { changed }"),
    ("String", 'assignRole(principal: $x, role: "reader", idempotencyKey: $k) { changed }'),
    ("String", 'assignRole(principal: "eve", role: $x, idempotencyKey: $k) { changed }'),
    ("String", "unassignRole(principal: $x, role: $x, idempotencyKey: $k) { changed }"),
)
"""Every mutation's arguments that take text."""
EXPECTED = {"BAD_INPUT", "NOT_FOUND", "FORBIDDEN", "CONFLICT"}


EVERY = 5
"""Each argument is tried with one of so many texts."""


async def test_texts_are_only_texts(make_world: MakeWorld) -> None:
    world, other = await make_world(), await make_world()
    for _ in range(20):
        other.word("foreign")
    await fill(
        world,
        Plan([(scope, "ada", 3, "s") for scope in SCOPES], [("agent/bob", True), ("public", True)], [("ada", "plan"), ("bob", "plan")]),
    )
    for scope in SCOPES:
        await other.remember(scope, "ada", 0, "s")
    foreign = set(other.words) - set(world.words)
    principal, token = await world.principal(
        [("memory:public", "*", "ALLOW"), (f"graph:{GRAPHS[0]}", "read", "ALLOW"), ("state:agent/ada/mood", "*", "ALLOW")]
    )
    people = (("operator", world.operator), (principal, token))
    bad: list[Any] = []

    async def attempt(document: str, text: str, more: dict[str, str]) -> None:
        for name, key in people:
            variables = {"x": text} | more
            content = json.dumps({"query": document, "variables": variables, "extensions": {"number": 2**64}})
            headers = {"authorization": f"Bearer {key}", "accept": "application/json", "content-type": "application/json"}
            body = (await world.http.post("/graphql", content=content, headers=headers)).text
            codes = {error["extensions"]["code"] for error in json.loads(body).get("errors", [])}
            words = set(re.findall(r"word[a-z]+\d+", body))
            if not (codes <= EXPECTED and not foreign & words and (name == "operator" or world.told(name, body) == set())):
                bad.append((document, text[:100], name, body[:300]))

    tries: list[tuple[str, dict[str, str]]] = [
        (f"query($x: {kind}!) {{ {query} }}", {}) for kind, queries in ARGUMENTS.items() for query in queries
    ]
    tries += [(f"mutation($x: {kind}!, $k: String) {{ {change} }}", {"k": "%s"}) for kind, change in MUTATIONS]
    limiter = anyio.CapacityLimiter(8)

    async def limited(document: str, text: str, more: dict[str, str]) -> None:
        async with limiter:
            await attempt(document, text, more)

    async with anyio.create_task_group() as group:
        for at, text in enumerate(NASTY):
            for place, (document, more) in enumerate(tries):
                if (at + place) % EVERY == 0:
                    group.start_soon(limited, document, text, dict.fromkeys(more, f"{text[:50]}{place}"))
    assert bad == []

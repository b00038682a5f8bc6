"""Authorisation: reaching past one's rules, past one's tenant, or past the need for a key."""

from __future__ import annotations

from functools import partial
from typing import Any

from .target import Attack, Target, refused

RULE = "mutation($r: RuleInput!) { addRule(input: $r) { version } }"
CHANGES: dict[str, tuple[str, Any]] = {
    "a rule for oneself": (RULE, {"r": {"subject": "mallory", "object": "*", "action": "*"}}),
    "a rule for everyone": (RULE, {"r": {"subject": "everyone", "object": "memory:*", "action": "read"}}),
    "a rule taken away": (
        "mutation($r: RuleInput!) { removeRule(input: $r) { version } }",
        {"r": {"subject": "admin", "object": "*", "action": "*"}},
    ),
    "the role of an administrator": ('mutation { assignRole(principal: "mallory", role: "admin") { version } }', None),
    "an administrator's role taken": ('mutation { unassignRole(principal: "operator", role: "admin") { version } }', None),
    "a key for an administrator": ('mutation { createApiKey(input: {principal: "admin"}) { secret } }', None),
    "a key with a role": ('mutation { createApiKey(input: {principal: "eve", role: "admin"}) { secret } }', None),
    "a key for oneself": ('mutation { createApiKey(input: {principal: "mallory"}) { secret } }', None),
    "another agent's registration": ('mutation { registerAgent(input: {id: "ada", name: "mine"}) { id } }', None),
    "another agent's state": ('mutation { setState(input: {agent: "ada", key: "plan", value: 1}) { version } }', None),
    "a memory for another agent": ('mutation { remember(input: {agent: "ada", text: "x"}) { id } }', None),
    "a memory in another's scope": ('mutation { remember(input: {agent: "mallory", text: "x", scope: "agent/ada"}) { id } }', None),
    "a memory for everybody": ('mutation { remember(input: {agent: "mallory", text: "x", scope: "public"}) { id } }', None),
    "a memory in a team's scope": ('mutation { remember(input: {agent: "mallory", text: "x", scope: "team/a"}) { id } }', None),
    "a memory beside one's scope": ('mutation { remember(input: {agent: "mallory", text: "x", scope: "agent/mallory2"}) { id } }', None),
    "a memory above one's scope": (
        'mutation { remember(input: {agent: "mallory", text: "x", scope: "agent/mallory/../ada"}) { id } }',
        None,
    ),
    "one good memory and one bad": (
        "mutation($i: [RememberInput!]!) { rememberMany(input: $i) { id } }",
        {"i": [{"agent": "mallory", "text": "a"}, {"agent": "mallory", "text": "b", "scope": "agent/ada"}]},
    ),
    "a fact in another's scope": (
        'mutation { assertFact(input: {subject: "urn:a", predicate: "urn:b", object: "c", scope: "agent/ada"}) { id } }',
        None,
    ),
    "an import": ('mutation { startImport(input: {source: "/etc/passwd", format: "nt"}) { id } }', None),
    "a pinned model": ("mutation { pinModel(version: 0) { version } }", None),
    "a model rolled back": ("mutation { rollbackModel { version } }", None),
    "communities found again": ("mutation { refreshCommunities { id } }", None),
    "memories consolidated": ("mutation { consolidate { job } }", None),
    "a job switched off": ("mutation { switchConsolidation(job: EXPIRY, enabled: false) { job } }", None),
    "the rules": ("{ rules { nodes { subject object } } }", None),
    "the roles": ("{ roles { name members } }", None),
    "another's permissions": ('{ permitted(subject: "ada", object: "memory:agent/ada", action: "read") { allowed rule } }', None),
    "the ledger": ("{ ledger { size entries { nodes { target actor } } } }", None),
    "the models": ("{ models { nodes { version } } }", None),
    "the jobs": ("{ consolidation { job } }", None),
}
NOWHERE: dict[str, tuple[str, Any]] = {
    "another agent's memories": ('{ memories(filter: {agent: "ada"}) { nodes { text } } }', None),
    "another scope's memories": ('{ memories(filter: {scope: "agent/ada"}) { nodes { text } } }', None),
    "another's memories by recall": (
        'query($q: String!) { recall(input: {agent: "ada", query: $q, limit: 100}) { hits { memory { text } } } }',
        {"q": "zanzibarquartz"},
    ),
    "another's scope by recall": (
        'query($q: String!) { recall(input: {agent: "mallory", query: $q, scope: "agent/ada"}) { hits { memory { text } } } }',
        {"q": "zanzibarquartz"},
    ),
    "another's context": ('query($q: String!) { context(agent: "ada", query: $q) { text items { text } } }', {"q": "zanzibarquartz"}),
    "another's state": ('{ state(agent: "ada", key: "plan") { value history { nodes { value } } } }', None),
    "another's states by the agent": ('{ agent(id: "ada") { goals states { nodes { value } } memories { nodes { text } } } }', None),
    "another's keys": ("{ apiKeys { nodes { principal secret } } }", None),
    "facts of others": ("{ facts(first: 100) { nodes { object evidence { text } } } }", None),
    "entities that others named": ('{ entities(search: "zanzibarquartz") { nodes { iri label memories { nodes { text } } } } }', None),
    "communities of others": ("{ communities { nodes { description memories { text } } } }", None),
}
HEADERS = (
    {"x-tenant": "other"},
    {"x-forwarded-for": "127.0.0.1"},
    {"x-original-url": "/admin"},
    {"x-http-method-override": "PUT"},
    {"cookie": "session=admin"},
    {"authorization": "Basic YWRtaW46YWRtaW4="},
    {"authorization": "Bearer"},
    {"authorization": "bearer a b"},
    {"authorization": "Negotiate x"},
    {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."},
)


OTHERS = ("memory", "agent", "state", "forget", "recall", "entities")


def attacks() -> list[Attack]:
    """All of this class."""
    anything = "{ __schema { types { name } } }"
    return [
        *(refused(name, query, variables, "FORBIDDEN", "NOT_FOUND", "BAD_INPUT") for name, (query, variables) in CHANGES.items()),
        *(Attack(name, partial(_nothing, query, variables)) for name, (query, variables) in NOWHERE.items()),
        *(Attack(f"another tenant's: {kind}", partial(_tenant, kind)) for kind in OTHERS),
        *(refused(f"no key, but {header}", "{ me { id } }", None, "UNAUTHENTICATED", key=None, headers=header) for header in HEADERS),
        refused("the schema without a key", anything, None, "UNAUTHENTICATED", key=None),
        refused("a mistyped field without a key", "{ mee { id } }", None, "UNAUTHENTICATED", key=None),
        refused("a malformed document without a key", "{", None, "UNAUTHENTICATED", key=None),
        refused("a revoked key", "{ me { id } }", None, "UNAUTHENTICATED", key="revoked"),
        refused("a key with another's secret", "{ me { id } }", None, "UNAUTHENTICATED", key="mixed"),
        Attack("the schema by WebSocket without a key", partial(_socket, {})),
        Attack("a wrong key by WebSocket", partial(_socket, {"token": "wrong"})),
        Attack("an object for a key by WebSocket", partial(_socket, {"authorization": {"$ne": ""}})),
        Attack("a WebSocket without a greeting", _hasty),
        Attack("the ledger as a file", partial(_file, "/ledger/export")),
        Attack("the verification of the ledger", partial(_file, "/ledger/verification")),
        Attack("an export without a key", partial(_file, "/export", key=None)),
        Attack("an export in a format with a path", partial(_file, "/export?format=../../x")),
    ]


async def _nothing(query: str, variables: Any, target: Target) -> None:
    """What may not be read does not exist: nothing, or an error, but never the secret (the target looks for it)."""
    response = await target.ask(query, variables)
    assert "ada's" not in response.text, response.text
    assert response.status_code in (200, 429), response.text


async def _tenant(kind: str, target: Target) -> None:
    """Names of the other tenant's things lead nowhere here, not even for this tenant's administrator."""
    id = target.keys["other memory"]
    asked = {
        "memory": ("query($i: ID!) { memory(id: $i) { text } }", {"i": id}),
        "agent": ('{ agent(id: "spy") { goals memories { nodes { text } } } }', None),
        "state": ('{ state(agent: "spy", key: "plan") { value } }', None),
        "forget": ("mutation($i: ID!) { forget(id: $i, erase: true) }", {"i": id}),
        "recall": ('{ recall(input: {agent: "spy", query: "zanzibarquartz"}) { hits { memory { text } } } }', None),
        "entities": ('{ entities(search: "zanzibarquartz") { nodes { iri } } }', None),
    }
    response = await target.ask(*asked[kind], key="admin")
    assert response.status_code == 200, response.text
    kept = await target.data("query($i: ID!) { memory(id: $i) { text } }", {"i": id}, "other")
    assert kept["memory"] is not None


async def _socket(init: dict[str, Any], target: Target) -> None:
    heard, code = await target.sock({"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}}, init=init)
    assert code == 4403 and not heard, (heard, code)


async def _hasty(target: Target) -> None:
    heard, code = await target.sock({"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}}, key=None)
    assert code == 4401 and not heard, (heard, code)


async def _file(path: str, target: Target, key: str | None = "mallory") -> None:
    response = await target.get(path, key)
    assert 400 <= response.status_code < 500, response.status_code

"""Injection into Cypher, Lucene and Redis: whatever a text holds, it is found again as that text, and nothing else happens."""

from __future__ import annotations

from functools import partial

from .target import CODES, Attack, Target

PAYLOADS = (
    "' OR 1=1 //",
    "'}) RETURN 1 UNION MATCH (n) RETURN n //",
    "`) DETACH DELETE n //",
    "'; DROP DATABASE neo4j; //",
    '" OR true WITH 1 AS x MATCH (n:ApiKey) RETURN n.hash //',
    "}) WITH * CALL db.labels() YIELD label RETURN label //",
    "\\u0027 OR 1=1 //",
    "ʼ OR 1=1 //",
    "') CALL { MATCH (n) DETACH DELETE n } IN TRANSACTIONS //",
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "LOAD CSV FROM 'http://169.254.169.254/' AS x RETURN x",
    "$tenant",
    "{principal}",
    "$scopes + ['public']",
    "CALL dbms.security.createUser('eve', 'eve', false)",
    "CALL apoc.load.json('http://127.0.0.1/')",
    "/* */ MATCH (n) SET n.tenant = 'mallory' /*",
    "\\\\'",
    "tenant:* OR scope:*",
    "+tenant:[* TO *] -x",
    ") OR scopeKey:(*",
    "/(a+)+$/",
    "*" * 100 + "a",
    "word~2147483647",
    "field^1e400",
    "terms:{* TO *}",
    "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
    "'); redis.call('FLUSHALL') --",
    "cairn:{*}:epochs",
    "a\u202eb\u2028c",
    "urn:cairn:scope:agent/admin",
)
READS = (
    ("query($x: String!) { entities(search: $x) { nodes { iri } } }", "String"),
    ("query($x: String!) { memories(filter: {speaker: $x}) { nodes { id text } } }", "String"),
    ("query($x: String!) { memories(filter: {scope: $x}) { nodes { id text } } }", "String"),
    ("query($x: String!) { memories(after: $x) { nodes { id text } } }", "String"),
    ('query($x: String!) { recall(input: {agent: "mallory", query: $x, goals: [$x]}) { hits { memory { text } } } }', "String"),
    ("query($x: ID!) { memory(id: $x) { text } agent(id: $x) { goals } import(id: $x) { source } }", "ID"),
    ("query($x: String!) { facts(object: $x) { nodes { object } } }", "String"),
    ('query($x: String!) { state(agent: "admin", key: $x) { value } }', "String"),
    ('query($x: String!) { permitted(object: $x, action: "admin") { allowed rule } }', "String"),
)
REMEMBER = "mutation($i: RememberInput!) { remember(input: $i) { id text speaker externalId metadata } }"
BACK = "query($i: ID!) { memory(id: $i) { text speaker externalId metadata } }"


def attacks() -> list[Attack]:
    """All of this class."""
    return [Attack(f"{payload[:40]!r}", partial(_inject, payload)) for payload in PAYLOADS]


async def _inject(payload: str, target: Target) -> None:
    """Put the text wherever a text goes, as mallory, and see that it stayed one."""
    for query, _ in READS:
        response = await target.ask(query, {"x": payload})
        content = response.json()
        codes = {error["extensions"]["code"] for error in content.get("errors", [])}
        assert codes <= CODES, response.text
        assert '"allowed": true' not in response.text and '"allowed":true' not in response.text, response.text
    wanted = {"agent": "mallory", "text": payload, "speaker": payload, "externalId": payload, "metadata": {"a": payload}}
    response = await target.ask(REMEMBER, {"i": wanted})
    content = response.json()
    if content.get("errors"):
        target.refusal(response)
        return
    made = content["data"]["remember"]
    found = (await target.data(BACK, {"i": made["id"]}, "mallory"))["memory"]
    assert {name: found[name] for name in ("text", "speaker", "externalId")} == dict.fromkeys(("text", "speaker", "externalId"), payload)
    assert found["metadata"] == {"a": payload}

"""Injection into GraphQL: text that would be taken for more than a text, and documents that would be taken for others."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from .target import Attack, Target, refused

MUTATE = 'mutation { registerAgent(input: {id: "mallory", name: "csrf"}) { id } }'
DOCUMENTS = {
    "a type definition": "type Query { x: Int } { me { id } }",
    "an extension of the schema": "extend type Query { secrets: String } { secrets }",
    "a schema definition": "schema { query: Mutation } { me { id } }",
    "a directive definition": "directive @skip on FIELD { me { id } }",
    "an unknown directive": "{ me @defer { id } }",
    "a mutation's field in a query": '{ registerAgent(input: {id: "x", name: "x"}) { id } }',
    "a query's field in a mutation": "mutation { me { id } }",
    "a field of another type by a fragment": "{ me { ...on ApiKey { secret } } }",
    "a fragment on nothing": "{ ...on Nothing { id } }",
    "a field that is none": "{ me { id password hash } }",
    "a look at the prototype": "{ __proto__ { id } constructor { id } }",
    "a private name": "{ _entities(representations: []) { id } _service { sdl } }",
    "the SDL of a federation": "{ _service { sdl } }",
    "an argument that is none": '{ memories(where: "1=1") { nodes { id } } }',
    "an argument twice": '{ memory(id: "a", id: "b") { id } }',
    "an enum for a string": "{ entities(search: MATCH) { nodes { iri } } }",
    "an object for a string": '{ entities(search: {regex: ".*"}) { nodes { iri } } }',
    "a list for an id": '{ memory(id: ["a", "b"]) { id } }',
    "a variable in a variable's default": "query($a: ID! = $b, $b: ID) { memory(id: $a) { id } }",
    "a variable that nobody declared": "{ memory(id: $id) { id } }",
    "a variable of an output type": "query($m: Memory) { me { id } }",
    "two anonymous operations": "{ me { id } } { me { id } }",
    "a query with a hidden mutation": "query A { me { id } } mutation A { rollbackModel { version } }",
    "two fields with one name": '{ x: memory(id: "a") { id } x: agent(id: "b") { id } }',
    "a string that is not closed": '{ memory(id: "a) { id } }',
    "a block string that is not closed": '{ memory(id: """a) { id } }',
    "an escape that is none": '{ memory(id: "\\x41") { id } }',
    "half a surrogate pair": '{ memory(id: "\\ud800") { id } }',
    "a control character": "{ me { id\u0007 } }",
    "a number too large": "{ memories(first: 99999999999999999999) { nodes { id } } }",
    "a float for an integer": "{ memories(first: 1.5) { nodes { id } } }",
    "null where there must be something": "{ memory(id: null) { id } }",
    "a subscription with two roots": "subscription { memoryAdded { id } __typename }",
    "a subscription by POST": "subscription { memoryAdded { id } }",
}
NAMES: dict[str, Any] = {
    "an operation's name with a document in it": "A } mutation { rollbackModel { version } }",
    "an operation that is not there": "Z",
    "an object for a name": {"$ne": None},
    "a list for a name": ["A"],
}
VARIABLES: dict[str, Any] = {
    "an operator for a string": {"x": {"$gt": ""}},
    "a list for a string": {"x": ["a"]},
    "a number for a string": {"x": 7},
    "a truth for a string": {"x": True},
    "null for a string": {"x": None},
    "nothing for a string": {},
    "an array of variables": ["x"],
    "text for variables": "x",
    "a number for variables": 7,
}
FORMS = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/graphql",
    "application/json; charset=utf-7",
)


def attacks() -> list[Attack]:
    """All of this class."""
    needs = 'query A($x: String!) { permitted(object: $x, action: "read") { allowed } }'
    return [
        *(refused(name, document) for name, document in DOCUMENTS.items()),
        *(refused(name, "query A { me { id } } query B { me { id } }", operationName=value) for name, value in NAMES.items()),
        *(refused(name, needs, value) for name, value in VARIABLES.items()),
        refused("a mutation by GET", MUTATE, method="GET"),
        refused("a mutation by GET under a name", f"query A {{ me {{ id }} }} mutation B {MUTATE[9:]}", method="GET", operationName="B"),
        *(Attack(f"a form from another page: {kind}", partial(_form, kind)) for kind in FORMS),
        Attack("a hash of a document that nobody registered", _unregistered),
        Attack("a hash that is none", partial(_persisted, "../../etc/passwd")),
        Attack("a hash that is an object", partial(_persisted, {"a": 1})),
        Attack("a page of another origin by WebSocket", _origin),
    ]


async def _form(kind: str, target: Target) -> None:
    body = json.dumps({"query": MUTATE}).encode()
    response = await target.post(body, content_type=kind, accept="application/json")
    assert response.status_code == 415 or target.throttled, response.status_code


async def _persisted(hash: Any, target: Target, *codes: str) -> None:
    body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}}
    target.refusal(await target.post(json.dumps(body).encode(), accept="application/json"), *codes)


async def _unregistered(target: Target) -> None:
    await _persisted("0" * 64, target, "PERSISTED_QUERY_NOT_FOUND")


async def _origin(target: Target) -> None:
    head = (
        "GET /graphql HTTP/1.1\r\nHost: cairn\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\nOrigin: https://evil.example\r\n\r\n"
    )
    answer = await target.raw(head.encode())
    assert answer.startswith(b"HTTP/1.1 4"), answer[:100]

"""Denial of service: too deep, too wide, too many, too large, too slow."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from websockets.exceptions import ConnectionClosed

from .target import SECONDS, Attack, Target, closed, refused

MANY = "mutation($i: [RememberInput!]!) { rememberMany(input: $i) { id } }"
CHAIN = "agent { memories { nodes { "
DEEP = "{ memories { nodes { " + CHAIN * 6 + "id" + " } } }" * 7 + " }"
TWICE = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60)) + " fragment F60 on Query { me { id } }"
SHAPES = {
    "deep": DEEP,
    "deep through fragments": "{ memories { nodes { ...A } } } fragment A on Memory { " + CHAIN * 6 + "id" + " } } }" * 6 + " }",
    "deep through inline fragments": "{ memories { nodes { "
    + "... on Memory { agent { memories { nodes { " * 6
    + "id"
    + " } } } }" * 6
    + " } } }",
    "deeper than the parser goes": "{" + " a {" * 2_400,
    "a list nested without end": "{ entity(iri: " + "[" * 4_500,
    "an object nested without end": "{ entity(iri: " + "{a:" * 1_600,
    "1,000 aliases": "{" + " ".join(f"a{n}: me {{ id }}" for n in range(1_000)) + "}",
    "60 aliases": "{ me {" + " ".join(f"a{n}: id" for n in range(60)) + "} }",
    "aliases through a fragment": "{ me { ...A } } fragment A on Principal {" + " ".join(f"a{n}: id" for n in range(60)) + "}",
    "aliases through nested fragments": "{ me { ...A ...B } } fragment A on Principal {"
    + " ".join(f"a{n}: id" for n in range(30))
    + "} fragment B on Principal {"
    + " ".join(f"b{n}: id" for n in range(30))
    + "}",
    "31 root fields": "{" + " me { id }" * 31 + "}",
    "root fields through fragments": "{ ...A } fragment A on Query {" + " me { id }" * 31 + "}",
    "200 directives": "{ me { id " + "@skip(if: false) " * 200 + "} }",
    "directives through a fragment": "{ me { ...A } } fragment A on Principal { " + "id @include(if: true) " * 60 + "}",
    "directives on an operation": "query " + "@a " * 60 + "{ me { id } }",
    "5,000 tokens": "{ me { " + "id " * 5_000 + "} }",
    "a document of 1 MB": "{ me { id } } #" + "x" * 100 + " ,\n" * 350_000 + "id " * 6_000,
    "one place, 300 fields": "{ memories { nodes { " + "id " * 300 + "} } }",
    "1,500 fields": "{" + ("memories { nodes { " + "id text kind " * 17 + "} } ") * 30 + "}",
    "pairs to merge": "{" + ("me { " + "id " * 32 + "} ") * 30 + "}",
    "pairs to merge through fragments": "{ memories { nodes {"
    + " ".join(f"...F{n}" for n in range(190))
    + "} } } "
    + " ".join(f"fragment F{n} on Memory {{ id text }}" for n in range(190)),
    "fragments that double 60 times": "{ ...F0 } " + TWICE,
    "a fragment within itself": "{ ...A } fragment A on Query { me { id } ...A }",
    "fragments in a circle": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }",
    "500 fragments in a row": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(500))
    + " fragment F500 on Query { me { id } }",
    "pages of pages": "{ agents(first: 100) { nodes { memories(first: 100) { nodes { mentions(first: 100) { text } } } } } }",
    "pages of pages in a fragment": "{ agents(first: 100) { ...A } } fragment A on AgentConnection"
    " { nodes { memories(first: 100) { nodes { mentions(first: 100) { text } } } } }",
    "introspection of introspection": "{ __schema { types {" + " fields { type {" * 4 + " name" + " } }" * 4 + " } } }",
    "many operations, none meant": " ".join(f"query Q{n} {{ me {{ id }} }}" for n in range(200)),
}
SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "a page of 10^9": ("{ memories(first: 1000000000) { nodes { id } } }", {}),
    "a page of 101": ("{ memories(first: 101) { nodes { id } } }", {}),
    "a page of -1": ("{ memories(first: -1) { nodes { id } } }", {}),
    "a page by variable": ("query($n: Int) { memories(first: $n) { nodes { mentions(first: $n) { text } } } }", {"n": 100_000}),
    "a recall of 10^6": ('{ recall(input: {agent: "mallory", query: "x", limit: 1000000}) { hits { score } } }', {}),
    "a context of 2^31 tokens": ('{ context(agent: "mallory", query: "x", tokenBudget: 2147483647) { text } }', {}),
    "paths of 10^6 hops": ('{ paths(from: "urn:a", to: "urn:b", maxHops: 1000000) { entities { iri } } }', {}),
    "paths by the million": ('{ paths(from: "urn:a", to: "urn:b", first: 1000000) { entities { iri } } }', {}),
    "1,001 memories": (MANY, {"i": [{"agent": "mallory", "text": "x"}] * 1_001}),
    "20,000 memories": (MANY, {"i": [{"agent": "mallory", "text": "x"}] * 20_000}),
    "a text of 3 MB": (
        "mutation($i: RememberInput!) { remember(input: $i) { id } }",
        {"i": {"agent": "mallory", "text": "x " * 1_500_000}},
    ),
    "a question of 3 MB": (
        "query($i: RecallInput!) { recall(input: $i) { hits { score } } }",
        {"i": {"agent": "mallory", "query": "x" * 3_000_000}},
    ),
    "a key of 1 MB": (
        "mutation($i: SetStateInput!) { setState(input: $i) { version } }",
        {"i": {"agent": "mallory", "key": "k" * 1_000_000, "value": 1}},
    ),
    "an idempotency key of 1 MB": (
        "mutation($i: SetStateInput!) { setState(input: $i) { version } }",
        {"i": {"agent": "mallory", "key": "k", "value": 1, "idempotencyKey": "k" * 1_000_000}},
    ),
    "an IRI of 1 MB": ("query($i: IRI!) { entity(iri: $i) { iri } }", {"i": "urn:" + "x" * 1_000_000}),
    "a cursor of 1 MB": ("query($a: String) { memories(after: $a) { nodes { id } } }", {"a": "e" * 1_000_000}),
    "a cursor nested without end": ("query($a: String) { memories(after: $a) { nodes { id } } }", {"a": "W1tb" * 100_000}),
    "10,000 goals": (
        "mutation($i: RegisterAgentInput!) { registerAgent(input: $i) { id } }",
        {"i": {"id": "mallory", "name": "m", "goals": ["g" * 100] * 10_000}},
    ),
    "10,000 ids of feedback": (
        "mutation($r: ID!, $u: [ID!]!) { feedback(recall: $r, useful: $u) }",
        {"r": "x", "u": [str(n) for n in range(10_000)]},
    ),
    "10,000 variables of wrong types": ("query($a: [Int!]!) { memories(first: $a) { nodes { id } } }", {"a": ["x"] * 10_000}),
}


def attacks() -> list[Attack]:
    """All of this class."""
    found = [refused(name, query, None, "TOO_COSTLY", "BAD_INPUT") for name, query in SHAPES.items()]
    found += [refused(name, query, variables, "TOO_COSTLY", "BAD_INPUT", "NOT_FOUND") for name, (query, variables) in SIZES.items()]
    ways = ("deep through fragments", "31 root fields", "60 aliases", "200 directives", "pages of pages")
    for name in ways:
        found.append(refused(f"{name}, by GET", SHAPES[name], None, "TOO_COSTLY", method="GET"))
        found.append(refused(f"{name}, as events", SHAPES[name], None, headers={"accept": "text/event-stream"}))
        found.append(Attack(f"{name}, by WebSocket", partial(_by_socket, SHAPES[name])))
    return [*found, *_bodies(), *_connections()]


async def _by_socket(query: str, target: Target) -> None:
    heard, code = await target.sock({"id": "1", "type": "subscribe", "payload": {"query": query}})
    assert code or heard[-1]["type"] == "error", heard


def _bodies() -> list[Attack]:
    small = b'{"query": "{ me { id } }"}'
    contents: dict[str, bytes] = {
        "a body of 20 MB": b" " * 20_000_000,
        "a body of 5 MB of JSON": b'{"query": "{ me { id } }", "x": "' + b"a" * 5_000_000 + b'"}',
        "arrays 100,000 deep": b"[" * 100_000,
        "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "variables 1,000 deep": b'{"query": "{ me { id } }", "variables": {"a": ' + b"[" * 1_000 + b"]" * 1_000 + b"}}",
        "a number of 10^6 digits": b'{"query": "{ me { id } }", "variables": {"a": ' + b"9" * 1_000_000 + b"}}",
        "a batch": b"[" + small + b"]",
        "a batch of 1,000": b"[" + b",".join([small] * 1_000) + b"]",
        "a batch of batches": b"[[" + small + b"]]",
        "gzip that nobody asked for": gzip.compress(small),
    }

    async def send(content: bytes, target: Target) -> None:
        target.refusal(await target.post(content, accept="application/json"))

    async def zipped(target: Target) -> None:
        target.refusal(await target.post(gzip.compress(b" " * 50_000_000), content_encoding="gzip"))

    return [*(Attack(name, partial(send, content)) for name, content in contents.items()), Attack("a gzip bomb as a body", zipped)]


def _connections() -> list[Attack]:
    return [
        Attack("a head of 1 MB", _large_head),
        Attack("10,000 headers", _many_headers),
        Attack("a target of 1 MB", _long_target),
        Attack("an endless chunked body", _endless_body),
        Attack("endless trailers", _endless_trailers),
        Attack("50 slow heads", _slow_heads),
        Attack("a body that never comes", _slow_body),
        Attack("500 requests at once on one connection", _pipelined),
        Attack("a message of 5 MB by WebSocket", _large_message),
        Attack("a message in 100,000 pieces", _pieces),
        Attack("100 subscriptions on one connection", _many_operations),
        Attack("200 WebSockets of one principal", _many_sockets),
        Attack("WebSockets that say nothing", _silent_sockets),
        Attack("pings without end from one who never reads", _pings),
        Attack("answers that nobody reads", _unread),
        Attack("300 wrong keys", _wrong_keys),
    ]


def _post(target: Target, *headers: str, key: str = "mallory") -> bytes:
    lines = [
        "POST /graphql HTTP/1.1",
        "Host: cairn",
        f"Authorization: Bearer {target.keys[key]}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n"


async def _large_head(target: Target) -> None:
    closed(await target.raw(b"GET /graphql HTTP/1.1\r\nHost: cairn\r\nX-Large: ", *[b"x" * 65_536] * 16, b"\r\n\r\n"))


async def _many_headers(target: Target) -> None:
    closed(await target.raw(b"GET /graphql HTTP/1.1\r\nHost: cairn\r\n", *[b"X-Header: value\r\n" * 100] * 100, b"\r\n"))


async def _long_target(target: Target) -> None:
    closed(await target.raw(b"GET /graphql?query=", *[b"%20" * 20_000] * 17, b" HTTP/1.1\r\nHost: cairn\r\n\r\n"))


async def _endless_body(target: Target) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    closed(await target.raw(_post(target, "Transfer-Encoding: chunked", ""), *[chunk] * 320))


async def _endless_trailers(target: Target) -> None:
    head = _post(target, "Transfer-Encoding: chunked", "") + b"1\r\n \r\n0\r\n"
    closed(await target.raw(head, *[b"X-Trailer: value\r\n" * 500] * 100))


async def _slow_heads(target: Target) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(50):
            _, writer = await asyncio.open_connection(*_place(target))
            stack.callback(writer.close)
            writer.write(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        response = await target.get("/healthz", None)
        assert response.status_code == 200


async def _slow_body(target: Target) -> None:
    reader, writer = await asyncio.open_connection(*_place(target))
    writer.write(_post(target, "Content-Length: 1000", "") + b"{")
    await writer.drain()
    assert (await target.get("/healthz", None)).status_code == 200
    writer.close()
    assert not await reader.read()


async def _pipelined(target: Target) -> None:
    answer = await target.raw(b"GET /nowhere HTTP/1.1\r\nHost: cairn\r\n\r\n" * 500)
    closed(answer)


async def _large_message(target: Target) -> None:
    _, code = await target.sock(json.dumps({"type": "ping", "payload": {"x": "x" * 5_000_000}}))
    assert code in (1009, 4400, 1006), code


async def _pieces(target: Target) -> None:
    async with target.open() as opened:
        try:
            await opened.send(["x" * 50] * 100_000)
            async with asyncio.timeout(SECONDS):
                async for _ in opened:
                    pass
        except ConnectionClosed:
            pass
        assert opened.close_code in (1009, 4400, 1006), opened.close_code


async def _many_operations(target: Target) -> None:
    query = {"query": "subscription { memoryAdded { id } }"}
    heard, code = await target.sock(*({"id": str(n), "type": "subscribe", "payload": query} for n in range(100)))
    assert code or heard[-1]["payload"][0]["extensions"]["code"] == "RATE_LIMITED", heard


async def _many_sockets(target: Target) -> None:
    init = json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {target.keys['mallory']}"}})

    async def enter(stack: AsyncExitStack) -> bool:
        opened = await stack.enter_async_context(target.open())
        await opened.send(init)
        try:
            return "connection_ack" in str(await asyncio.wait_for(opened.recv(), SECONDS))
        except ConnectionClosed:
            return False

    async with AsyncExitStack() as stack:
        entered = [await enter(stack) for _ in range(200)]
    assert sum(entered) <= 100, sum(entered)


async def _silent_sockets(target: Target) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(target.open())
        assert (await target.get("/healthz", None)).status_code == 200


async def _pings(target: Target) -> None:
    """Raw frames: a client of a library would read."""
    _, writer = await asyncio.open_connection(*_place(target))
    upgrade = (
        "GET /graphql HTTP/1.1\r\nHost: cairn\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    ping = bytes([0x89, 0x80 | 125]) + b"\0\0\0\0" + b"x" * 125
    writer.write(upgrade.encode())
    try:
        async with asyncio.timeout(3):
            while True:
                writer.write(ping * 500)
                await writer.drain()  # waits for good once the server reads no more
    except (TimeoutError, ConnectionError):
        pass
    writer.transport.abort()
    assert (await target.get("/healthz", None)).status_code == 200


async def _unread(target: Target) -> None:
    query = json.dumps({"query": "{ __schema { types { name description fields { name description } } } }"}).encode()
    request = _post(target, f"Content-Length: {len(query)}", "") + query
    _, writer = await asyncio.open_connection(*_place(target), limit=1_024)
    try:
        async with asyncio.timeout(1):
            for _ in range(200):
                writer.write(request)
                await writer.drain()
    except (TimeoutError, ConnectionError):
        pass
    writer.transport.abort()
    assert (await target.get("/healthz", None)).status_code == 200


async def _wrong_keys(target: Target) -> None:
    for number in range(300):
        response = await target.ask("{ me { id } }", key=f"cairn_{number:032x}_wrong")
        assert response.status_code in (401, 429), response.status_code


def _place(target: Target) -> tuple[str, int]:
    host, _, port = target.url.removeprefix("http://").partition(":")
    return host, int(port)

"""Malformed requests: bytes that are no HTTP, no JSON, no GraphQL, no message of the protocol, no key."""

from __future__ import annotations

from functools import partial
from typing import Any

from .target import Attack, Target, closed

ME = '{"query": "{ me { id } }"'
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "a brace": b"{",
    "a word": b"query",
    "null": b"null",
    "a number": b"7",
    "a string": b'"{ me { id } }"',
    "an empty object": b"{}",
    "a query of null": b'{"query": null}',
    "a query of numbers": b'{"query": [1, 2]}',
    "the query twice": b'{"query": "{ me { id } }", "query": "mutation { rollbackModel { version } }"}',
    "the variables twice": f'{ME}, "variables": {{}}, "variables": {{"a": 1}}}}'.encode(),
    "NaN": f'{ME}, "variables": {{"a": NaN}}}}'.encode(),
    "Infinity": f'{ME}, "variables": {{"a": -Infinity}}}}'.encode(),
    "1e999": f'{ME}, "variables": {{"a": 1e999}}}}'.encode(),
    "half a surrogate pair": f'{ME}, "variables": {{"a": "\\ud800"}}}}'.encode(),
    "bytes that are no UTF-8": b'{"query": "\xff\xfe"}',
    "UTF-8 that is too long": b'{"query": "\xc0\xaf"}',
    "UTF-16": '{"query": "{ me { id } }"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + f"{ME}}}".encode(),
    "a comma too many": f"{ME},}}".encode(),
    "a comment": f"{ME} /* x */}}".encode(),
    "single quotes": b"{'query': '{ me { id } }'}",
    "two objects": f"{ME}}}{ME}}}".encode(),
    "a zero byte": b'{"query": "{ me { id } }\x00"}',
    "a control character in a string": b'{"query": "{ me { id } }\n"}',
    "a leading zero": f'{ME}, "variables": {{"a": 01}}}}'.encode(),
    "an extension that is no object": f'{ME}, "extensions": 7}}'.encode(),
    "XML": b'<?xml version="1.0"?><query/>',
    "a pickle": b"\x80\x04\x95\x1f\x00\x00\x00",
    "YAML": b"query: !!python/object/apply:os.system ['id']",
}
RAW: dict[str, bytes] = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP 0.9": b"GET /\r\n\r\n",
    "HTTP 9.9": b"GET / HTTP/9.9\r\nHost: cairn\r\n\r\n",
    "a method that is none": b"STEAL /graphql HTTP/1.1\r\nHost: cairn\r\n\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": b"POST /graphql HTTP/1.1\r\nHost: cairn\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length and chunks": b"POST /graphql HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST /graphql HTTP/1.1\r\nHost: cairn\r\nContent-Length: -1\r\n\r\n",
    "a length of 10^30": b"POST /graphql HTTP/1.1\r\nHost: cairn\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
    "a chunk of no size": b"POST /graphql HTTP/1.1\r\nHost: cairn\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a header without a name": b"GET /graphql HTTP/1.1\r\n: x\r\n\r\n",
    "a header with a line break": b"GET /graphql HTTP/1.1\r\nHost: cairn\r\nX: a\rb\r\n\r\n",
    "a header with a zero byte": b"GET /graphql HTTP/1.1\r\nHost: cairn\r\nX: a\x00b\r\n\r\n",
    "a target with a zero byte": b"GET /graphql\x00 HTTP/1.1\r\nHost: cairn\r\n\r\n",
    "a target in Latin-1": b"GET /graphql\xff HTTP/1.1\r\nHost: cairn\r\n\r\n",
    "a full URL of another host": b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: cairn\r\n\r\n",
    "a tunnel": b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: cairn\r\n\r\n",
    "a trace": b"TRACE /graphql HTTP/1.1\r\nHost: cairn\r\n\r\n",
}
PATHS = (
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/..%2f..%2fsettings.py",
    "/static//etc/passwd",
    "/static/%00",
    "/.env",
    "/graphql/../admin",
    "/%ff%fe",
    "/graphql?query=%ff",
    "/graphql?query={me{id}}&query={me{id}}",
    "/graphql?query={me{id}}&variables=[",
    "/graphql?" + "&".join(f"a{n}=1" for n in range(100)),
)
KEYS = ("", "cairn_", "cairn_x_y", "cairn_" + "0" * 32 + "_" + "a" * 43, "null", "undefined", "' OR 1=1", "x" * 5_000, "\u00e9", "a b c")
MESSAGES: dict[str, Any] = {
    "nonsense": "nonsense",
    "an array": "[]",
    "a type that is none": {"type": "dance"},
    "a number for a type": {"type": 7},
    "a subscription without an id": {"type": "subscribe", "payload": {"query": "{ me { id } }"}},
    "a subscription without a payload": {"type": "subscribe", "id": "1"},
    "a payload that is a list": {"type": "subscribe", "id": "1", "payload": []},
    "a query that is a number": {"type": "subscribe", "id": "1", "payload": {"query": 7}},
    "a second greeting": {"type": "connection_init", "payload": {}},
    "bytes": b"\x00\xff\xfe",
    "a message 100,000 deep": "[" * 100_000,
}
TYPES = ("", "image/png", "application/xml", "application/json;charset=\x01")
FORMS = ("image/png", "text/csv", "application/json;q=0", "a;q=x")


def attacks() -> list[Attack]:
    """All of this class."""
    return [
        *(Attack(f"a body: {name}", partial(_body, content)) for name, content in BODIES.items()),
        *(Attack(f"a request: {name}", partial(_raw, content)) for name, content in RAW.items()),
        *(Attack(f"a path: {path[:40]}", partial(_path, path)) for path in PATHS),
        *(Attack(f"a key: {key[:20]!r}", partial(_key, key)) for key in KEYS),
        *(Attack(f"a message: {name}", partial(_message, message)) for name, message in MESSAGES.items()),
        *(Attack(f"a content type: {kind!r}", partial(_type, kind)) for kind in TYPES),
        *(Attack(f"a form of answer: {kind!r}", partial(_form, kind)) for kind in FORMS),
    ]


async def _body(content: bytes, target: Target) -> None:
    response = await target.post(content, accept="application/graphql-response+json")
    assert 400 <= response.status_code < 500, response.status_code
    assert target.throttled or response.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"


async def _raw(content: bytes, target: Target) -> None:
    closed(await target.raw(content))


async def _path(path: str, target: Target) -> None:
    answer = await target.raw(
        f"GET {path} HTTP/1.1\r\nHost: cairn\r\nAuthorization: Bearer {target.keys['mallory']}\r\n"
        "Accept: application/graphql-response+json\r\nConnection: close\r\n\r\n".encode("latin-1")
    )
    closed(answer)
    assert b"import " not in answer and b"root:" not in answer


async def _key(key: str, target: Target) -> None:
    answer = await target.raw(
        b"GET /graphql?query={me{id}} HTTP/1.1\r\nHost: cairn\r\nConnection: close\r\nAuthorization: Bearer " + key.encode() + b"\r\n\r\n"
    )
    assert answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 400", b"HTTP/1.1 429")), answer[:100]


async def _message(message: Any, target: Target) -> None:
    heard, code = await target.sock(message)
    assert code >= 1000 or heard[-1]["type"] == "error", (heard, code)


async def _type(kind: str, target: Target) -> None:
    answer = await target.raw(
        f"POST /graphql HTTP/1.1\r\nHost: cairn\r\nAuthorization: Bearer {target.keys['mallory']}\r\nContent-Type: {kind}\r\n"
        "Content-Length: 2\r\nConnection: close\r\n\r\n{}".encode()
    )
    closed(answer)


async def _form(kind: str, target: Target) -> None:
    response = await target.post(b'{"query": "{ me { id } }"}', accept=kind)
    assert response.status_code == 406 or target.throttled, response.status_code

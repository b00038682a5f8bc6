"""What is attacked: a served Cairn, keys of several principals in two tenants, and a look at everything that comes back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

SECRET = "zanzibarquartz"
"""Stands in what no attacker may read: the other tenant's memory, the administrator's, files outside the import folders."""
CODES = frozenset(
    {"BAD_INPUT", "TOO_COSTLY", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT", "RATE_LIMITED"}
)  # all but INTERNAL and UNAVAILABLE
_TELLTALE = re.compile(
    r"Traceback|File \"|site-packages|\.py\b|Neo\.[A-Z]\w+|MATCH \(|UNWIND|MERGE \(|RETURN [a-z]| at 0x[0-9a-f]{8}|<[\w.]+ object"
    r"|(?i:bolt://|neo4j(?:\+s)?://|rediss?://|unix://|asyncio|uvicorn|starlette|strawberry|graphql-core|org\.neo4j|java\.|errno)"
)
SECONDS = 30.0


@dataclass
class Target:
    """A Cairn at `url`. `keys`: by the name of their principal; `files`: an import folder, and `outside` one that is none.

    `evil`: a web server that the attackers own, at a private address like everything here.
    """

    url: str
    http: httpx.AsyncClient
    keys: Mapping[str, str]
    files: Path
    outside: Path
    evil: str
    secrets: Sequence[str] = ()
    known: str = ""
    """What attackers wrote before, and may read again."""
    throttled: bool = False
    """Whether an attacker may by now be held off by the rate limit, whatever it sends."""
    answers: int = field(default=0)

    async def ask(
        self,
        query: Any,
        variables: Any = None,
        key: str | None = "mallory",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        **more: Any,
    ) -> httpx.Response:
        """One GraphQL request."""
        sent = {**self.auth(key), **(headers or {})}
        content = {"query": query, "variables": variables, **more}
        if method == "GET":
            parameters = {name: value if isinstance(value, str) else json.dumps(value) for name, value in content.items() if value}
            response = await self.http.get("/graphql", params=parameters, headers=sent)
        else:
            response = await self.http.post("/graphql", content=json.dumps(content), headers={"content-type": "application/json", **sent})
        return self.seen(response, json.dumps(content, ensure_ascii=False))

    async def post(self, content: Any, key: str | None = "mallory", path: str = "/graphql", **headers: str) -> httpx.Response:
        """One POST of any content."""
        sent = {"content-type": "application/json", **self.auth(key), **{name.replace("_", "-"): value for name, value in headers.items()}}
        response = await self.http.post(path, content=content, headers=sent)
        return self.seen(response, content.decode("utf-8", "replace") if isinstance(content, bytes) else "")

    async def get(self, path: str, key: str | None = "mallory", **headers: str) -> httpx.Response:
        """One GET."""
        return self.seen(await self.http.get(path, headers={**self.auth(key), **headers}), path)

    def auth(self, key: str | None) -> dict[str, str]:
        """The header that says who asks."""
        return {"authorization": f"Bearer {self.keys.get(key, key)}"} if key is not None else {}

    def seen(self, response: httpx.Response, sent: str) -> httpx.Response:
        """The response, unless it is a defect or tells of what is inside."""
        assert response.status_code < 500, f"{response.status_code}: {response.text[:300]}"
        self.look(response.text, sent)
        for name, value in response.headers.items():
            assert name not in ("server", "x-powered-by"), f"{name}: {value}"
        return response

    def look(self, text: str, sent: str = "") -> None:
        """Fail when a text tells of what is inside, but for what was in the request itself."""
        self.answers += 1
        for found in _TELLTALE.finditer(text):
            around = text[max(0, found.start() - 80) : found.end() + 80]
            assert found[0].lower() in (sent + self.known).lower(), f"an answer tells {found[0]!r}: {around!r}"
        assert '"INTERNAL"' not in text, text[:300]
        for secret in (SECRET, *self.secrets):
            assert secret not in text or secret in sent, f"an answer tells a secret: {text[:300]!r}"

    async def raw(self, *parts: bytes, read: bool = True) -> bytes:
        """Send bytes over a connection; all that comes back until the server closes it, or says nothing more."""
        parsed = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parsed.hostname, parsed.port)
        answer = b""
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            while read and (more := await asyncio.wait_for(reader.read(65536), SECONDS)):
                answer += more
                if answer.startswith(b"HTTP/1.1 4") and b"\r\n\r\n" in answer:
                    break
        except (ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()
        self.look(answer.decode("latin-1"), b"".join(parts).decode("latin-1"))
        return answer

    async def sock(self, *messages: Any, init: Mapping[str, Any] | None = None, key: str | None = "mallory") -> tuple[list[Any], int]:
        """Send messages over a WebSocket; what came back until an error, a completion or the end, and the code of the end (0: open)."""
        async with self.open() as opened:
            heard: list[Any] = []
            try:
                if init is not None or key is not None:
                    payload = init if init is not None else {"authorization": f"Bearer {self.keys[key or '']}"}
                    await opened.send(json.dumps({"type": "connection_init", "payload": payload}))
                for message in messages:
                    await opened.send(message if isinstance(message, str | bytes) else json.dumps(message))
                async with asyncio.timeout(SECONDS):
                    async for text in opened:
                        self.look(str(text), json.dumps(messages, default=str))
                        heard.append(json.loads(text))
                        if heard[-1]["type"] in ("error", "complete"):
                            return heard, 0
            except ConnectionClosed:
                pass
            return heard, opened.close_code or 0

    def open(self, key: str | None = None) -> connect:
        """A WebSocket without a word said."""
        address = self.url.replace("http", "ws") + "/graphql"
        return connect(
            address, subprotocols=[Subprotocol("graphql-transport-ws")], additional_headers=self.auth(key), max_size=None, close_timeout=1
        )

    async def data(self, query: str, variables: Any = None, key: str = "admin") -> dict[str, Any]:
        """The data of a request that must go well."""
        response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=self.auth(key))
        content = response.json()
        assert "errors" not in content, content
        return content["data"]

    async def imported(self, source: str, key: str = "curator", **more: Any) -> dict[str, Any] | None:
        """Import a source to its end; the import, or None when it was refused at once."""
        start = "mutation($i: StartImportInput!) { startImport(input: $i) { id } }"
        response = await self.ask(start, {"i": {"source": source, **more}}, key)
        if "errors" in response.json():
            self.refusal(response)
            return None
        id = response.json()["data"]["startImport"]["id"]
        async with asyncio.timeout(120):
            while True:
                found = await self.ask("query($i: ID!) { import(id: $i) { status error triplesAdded } }", {"i": id}, key)
                if found.status_code == 429:
                    await asyncio.sleep(0.2)
                    continue
                state = found.json()["data"]["import"]
                if state["status"] != "RUNNING":
                    return state
                await asyncio.sleep(0.05)

    def refusal(self, response: httpx.Response, *codes: str) -> None:
        """Fail unless the response refuses: 4xx, or GraphQL errors, with one of these codes where they are given."""
        if self.throttled and response.status_code == 429:
            return
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            assert '"errors"' in response.text, response.text[:300]
            return
        if not response.headers.get("content-type", "").startswith("application/"):
            assert 400 <= response.status_code < 500, f"{response.status_code}: {response.text[:300]}"
            return
        content = response.json()
        assert content.get("errors"), f"it was not refused: {response.text[:300]}"
        found = {error["extensions"]["code"] for error in content["errors"]}
        assert found <= (set(codes) | {"RATE_LIMITED"} if codes else CODES), f"{found}: {response.text[:300]}"


@dataclass(frozen=True)
class Attack:
    """One attack: `run` fails when it is not refused, or not harmless."""

    name: str
    run: Callable[[Target], Awaitable[object]]


def refused(name: str, query: Any, variables: Any = None, *codes: str, key: str | None = "mallory", **more: Any) -> Attack:
    """A GraphQL request that must be refused."""

    async def run(target: Target) -> None:
        target.refusal(await target.ask(query, variables, key, **more), *codes)

    return Attack(name, run)


def closed(answer: bytes) -> None:
    """Fail unless the server answered 4xx, or closed without a word."""
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]


def opened(connection: ClientConnection) -> bool:
    """Whether a WebSocket is still open."""
    return connection.close_code is None

"""Connections: slow, large and endless requests end, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from cairn.api.serve import address, bind, server
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
HEAD = b"POST /graphql HTTP/1.1\r\nHost: cairn\r\nAuthorization: Bearer ada\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def served(app: Any, **bounds: Any) -> AsyncIterator[str]:
    """The app as `cairn up` serves it, with these bounds."""
    settings = Settings(port=0)
    config = server(app, settings)
    for name, value in bounds.items():
        setattr(config.bounds, name, value)
    with bind(settings) as listening:
        web = uvicorn.Server(config)
        serving = asyncio.create_task(web.serve([listening]))
        while not web.started:
            await asyncio.sleep(0.01)
        yield address(listening, settings)
        web.should_exit = True
        await serving


async def said(url: str, *parts: bytes) -> bytes:
    """What comes back until the server closes."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        async with asyncio.timeout(20):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET /healthz HTTP/1.1\r\nX-Large: ", *[b"x" * 65_536] * 8],
        [b"GET /healthz HTTP/1.1\r\n", *[b"X-Header: value\r\n" * 1_000] * 30],
        [b"GET /", *[b"a" * 65_536] * 8],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n", *[b"X-Trailer: value\r\n" * 1_000] * 30],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\nX-Trailer: ", *[b"x" * 65_536] * 8],
    ],
    ids=["a header", "headers", "a target", "trailers", "a trailer"],
)
async def test_endless_heads_end(toy: Any, parts: list[bytes]) -> None:
    async with served(toy.app) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await said(url, *parts)
        assert not answer or answer.startswith(b"HTTP/1.1 400")
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "part", [b"", b"GET /healthz HTTP/1.1\r\nX-Slow: ", HEAD + b"Content-Length: 100\r\n\r\n{"], ids=["nothing", "a head", "a body"]
)
async def test_slow_requests_end(toy: Any, part: bytes) -> None:
    async with served(toy.app, head=0.2, message=0.2) as url:
        answer = await said(url, part)
        assert not answer or answer.startswith(b"HTTP/1.1 400")


async def test_who_waits_longest_makes_room(toy: Any) -> None:
    async with served(toy.app, most=3) as url, httpx.AsyncClient(base_url=url) as client:
        waiting = [asyncio.create_task(said(url, b"GET /healthz HTTP/1.1\r\nX-Slow: ")) for _ in range(6)]
        async with asyncio.timeout(10):
            while sum(task.done() for task in waiting) < 3:
                await asyncio.sleep(0.01)
        assert (await client.get("/healthz")).status_code == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_never_reads_is_cut_off(toy: Any, until: Any) -> None:
    toy.notes.texts["1"] = "x" * 900_000
    body = b'{"query": "{ note(id: \\"1\\") { text } }"}'
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with served(toy.app, stall=0.2) as url:
        place = urlsplit(url)
        _, writer = await asyncio.open_connection(place.hostname, place.port, limit=1_024)
        writer.write(request * 30)
        try:
            await until(lambda: writer.write(b" ") or writer.transport.is_closing())  # only writing tells, to who does not read
        finally:
            writer.close()


async def test_other_versions_of_http_are_refused(toy: Any) -> None:
    async with served(toy.app) as url:
        for line in (b"GET /\r\n\r\n", b"GET / HTTP/0.9\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            assert (await said(url, line)).startswith(b"HTTP/1.1 400")

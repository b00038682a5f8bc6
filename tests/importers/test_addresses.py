"""Addresses: only servers on the open internet are asked for those who are no administrators, however an address is written."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from cairn.errors import Forbidden
from cairn.graph.access import Access, Decision
from cairn.graph.addresses import reachable_address
from cairn.importers.sources import opened
from cairn.settings import Settings

from ..listening import listening

pytestmark = pytest.mark.anyio
GUEST = Access("t", "guest", decide=lambda _o, action: Decision(action != "admin"))


async def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(Forbidden):
        await reachable_address("two.example", 80)


def answer(monkeypatch: pytest.MonkeyPatch, *turns: list[str]) -> list[str]:
    """Let names have these addresses, the last ones for good; the names that were asked for."""
    asked: list[str] = []
    left = list(turns)

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_name_that_changes_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the connection goes to the address that was checked, and the server is told the name."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    asked = answer(monkeypatch, ["127.0.0.1"], ["10.255.255.1"])
    async with listening(serve) as port:
        place = f"http://changing.example:{port}/a.ttl"
        async with opened(place, GUEST, Settings(import_networks=("127.0.0.0/8",))) as source:
            assert source.base == place
    assert f"Host: changing.example:{port}".encode().lower() in heads[0].lower()
    assert asked.count("changing.example") == 1


async def test_redirects_are_checked_as_well() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with listening(serve) as port:
        place = f"http://127.0.0.1:{port}/a.ttl"
        with pytest.raises(Forbidden, match="169"):
            async with opened(place, GUEST, Settings(import_networks=("127.0.0.0/8",))):
                pass

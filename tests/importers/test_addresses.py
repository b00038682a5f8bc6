"""Addresses: only servers on the open internet are asked for those who are no administrators, however an address is written."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import pytest

from cairn.errors import BadInput, Forbidden
from cairn.graph.access import Access, Decision
from cairn.importers.addresses import is_public, public_address
from cairn.importers.sources import opened
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
GUEST = Access("t", "guest", decide=lambda _o, action: Decision(action != "admin"))

PRIVATE = (
    *("127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1"),
    *("::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "::1", "::ffff:7f00:1", "127.0.0.1."])
async def test_hosts_lead_where_they_lead_however_they_are_written(host: str) -> None:
    with pytest.raises((Forbidden, BadInput)):
        await public_address(host, 80)


async def test_an_administrator_may_allow_networks() -> None:
    assert await public_address("127.0.0.1", 80, ["127.0.0.0/8"]) == "127.0.0.1"
    assert await public_address("::ffff:127.0.0.1", 80, ["127.0.0.0/8"])
    with pytest.raises(Forbidden, match="private"):
        await public_address("127.0.0.1", 80, ["10.0.0.0/8", "fc00::/7"])


async def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(Forbidden):
        await public_address("two.example", 80)


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
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    asked = answer(monkeypatch, ["127.0.0.1"], ["10.255.255.1"])
    async with listening, opened(f"http://changing.example:{port}/a.ttl", GUEST, Settings(import_networks=("127.0.0.0/8",))) as source:
        assert source.base == f"http://changing.example:{port}/a.ttl"
    assert f"Host: changing.example:{port}".encode().lower() in heads[0].lower()
    assert asked.count("changing.example") == 1


async def test_redirects_are_checked_as_well() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    place = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/a.ttl"
    async with listening:
        with pytest.raises(Forbidden, match="169"):
            async with opened(place, GUEST, Settings(import_networks=("127.0.0.0/8",))):
                pass

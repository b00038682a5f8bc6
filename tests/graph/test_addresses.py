"""Which servers may be asked for what outsiders name."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from cairn.errors import BadInput, Forbidden
from cairn.graph.addresses import is_public, reachable_address

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
async def test_private_addresses_are_not_asked_however_they_are_written(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(Forbidden):
        await reachable_address(address, 443)


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f.1", "127.1"])
async def test_names_and_old_notations_of_this_machine_are_not_asked(name: str) -> None:
    with pytest.raises((Forbidden, BadInput)):
        await reachable_address(name, 443)


async def test_public_addresses_and_allowed_networks_are_asked() -> None:
    assert await reachable_address("1.1.1.1", 443) == "1.1.1.1"
    assert await reachable_address("2606:4700:4700::1111", 443) == "2606:4700:4700::1111"
    assert await reachable_address("127.0.0.1", 443, ["10.0.0.0/8", "127.0.0.0/8"]) == "127.0.0.1"
    with pytest.raises(BadInput):
        await reachable_address("\ud800", 443)

"""Which servers may be asked for what outsiders name."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from cairn.errors import BadInput, Forbidden
from cairn.graph.addresses import is_public, reachable_address

pytestmark = pytest.mark.anyio


PRIVATE = (
    *("127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1"),
    *("::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
)


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_addresses_are_not_asked_however_they_are_written(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(Forbidden):
        await reachable_address(address, 443)


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1."])
async def test_names_and_old_notations_of_this_machine_are_not_asked(name: str) -> None:
    with pytest.raises((Forbidden, BadInput)):
        await reachable_address(name, 443)


async def test_public_addresses_and_allowed_networks_are_asked() -> None:
    assert await reachable_address("1.1.1.1", 443) == "1.1.1.1"
    assert await reachable_address("2606:4700:4700::1111", 443) == "2606:4700:4700::1111"
    assert all(is_public(ip_address(address)) for address in ("8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808"))
    assert await reachable_address("127.0.0.1", 443, ["10.0.0.0/8", "127.0.0.0/8"]) == "127.0.0.1"
    assert await reachable_address("::ffff:127.0.0.1", 443, ["127.0.0.0/8"])
    with pytest.raises(Forbidden, match="unless the moon is full"):
        await reachable_address("127.0.0.1", 443, ["10.0.0.0/8", "fc00::/7"], "the moon is full")
    with pytest.raises(BadInput):
        await reachable_address("\ud800", 443)

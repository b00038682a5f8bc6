"""Which servers may be asked for what outsiders name: those that the whole internet can reach, and those that an administrator allowed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from ..errors import BadInput, Forbidden

Address = IPv4Address | IPv6Address
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")


async def reachable_address(host: str, port: int, networks: Sequence[str] = (), unless: str = "an administrator allows it") -> str:
    """An address of `host` to connect to, checked: whoever connects to it, and not to the name again, is not led elsewhere.

    Raises Forbidden when any of its addresses is private, link-local, a loopback, multicast or reserved, however it is written, and is
    not in one of `networks`; BadInput when there is none. `unless` says in the error what would allow it.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    except (OSError, UnicodeError, ValueError):
        raise BadInput(f"there is no server {host!r}") from None
    if not addresses or not all(_is_allowed(address, networks) for address in addresses):
        raise Forbidden(f"{host!r} is in a private network, which is not asked unless {unless}")
    return str(addresses[0])


def is_public(address: Address) -> bool:
    """Whether an address, and any that it stands for (IPv4 within IPv6), belongs to the open internet."""
    return all(one.is_global and not one.is_multicast for one in (address, *_within(address)))


def _is_allowed(address: Address, networks: Sequence[str]) -> bool:
    meant = next(iter(_within(address)), address)
    return is_public(address) or any(meant in ip_network(network) for network in networks)


def _within(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address leads to: mapped, compatible, 6to4, Teredo (server and client) and NAT64."""
    if isinstance(address, IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in (*_NAT64, _COMPATIBLE)):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]

"""How often a caller may be refused: who sends what can't be served has only so much of everybody's time."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address

from ..errors import RateLimited
from .rates import Buckets, Rate

_EACH_SECOND = 100.0
"""A refusal counts as one, and as one more for every 10 ms that it took."""
_REMEMBERED = 10_000


class Refusals:
    """Counts refusals by name, in this process. A rate of 0 is no limit."""

    def __init__(self, rate: Rate) -> None:
        self._buckets = Buckets(rate, _REMEMBERED) if rate.rate > 0 else None
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def check(self, name: str | None) -> None:
        """Raise RateLimited when `name` was refused too often. None has no limit."""
        if name is not None and self._buckets is not None and (wait := self._buckets.wait(name, 1.0)) > 0:
            raise RateLimited("too many of your requests had to be refused; mend them and try again later", wait)

    def note(self, name: str | None, seconds: float = 0.0) -> None:
        """Count a refusal, which took so many seconds."""
        if name is not None and self._buckets is not None:
            self._buckets.spend(name, 1.0 + seconds * _EACH_SECOND)

    def check_stranger(self, address: str | None, token: str) -> None:
        """Raise RateLimited when the address was refused too often, unless the token was good before."""
        if _digest(token) not in self._known:
            self.check(address)

    def trust(self, token: str) -> None:
        """Remember that the token is good, so that its owner does not suffer from others at the same address."""
        digest = _digest(token)
        self._known[digest] = None
        self._known.move_to_end(digest)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def address_name(client: tuple[str, int] | None) -> str | None:
    """What an address is counted as: IPv6 by its network of 64 bits, which one customer has. None when there is none."""
    if client is None:
        return None
    try:
        address = ip_address(client[0])
    except ValueError:
        return f"address {client[0]}"
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64)
    return f"address {address}"


def principal_name(tenant: str, principal: str) -> str:
    """What a principal is counted as."""
    return f"principal {len(tenant)}:{tenant}{principal}"


def _digest(token: str) -> bytes:
    return blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()

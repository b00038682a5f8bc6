"""How much a principal and a tenant may ask for in a time: the generic cell rate algorithm (GCRA), by cost.

Guarantees: all replicas over one Redis together let through no more than rate and burst allow; a request that costs more than the
burst passes when the bucket is full. A replica draws from Redis in blocks and spends them by itself, so that most requests ask
nobody. While Redis is away each replica keeps buckets of its own. Memory is bounded.
"""

from __future__ import annotations

import logging
from asyncio import timeout
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from time import monotonic
from typing import cast

from redis.exceptions import RedisError

from ..errors import RateLimited
from ..settings import Settings
from .circuit import Circuit
from .redis_client import Client, open_redis

log = logging.getLogger("cairn.rates")
_SCRIPT = (files(str(__package__)) / "rates.lua").read_text(encoding="utf-8")
_REMEMBERED = 10_000
_PATIENCE_SECONDS = 0.1
_BLOCKS = 50
"""A burst is drawn in so many blocks."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Units a second, and how many at once when nothing was spent for a while. A rate of 0 is no limit."""

    rate: float
    burst: float


class Buckets:
    """GCRA in this process, for at most `most` names; the one that was spent from longest ago is forgotten, that is, full again."""

    def __init__(self, rate: Rate, most: int = _REMEMBERED, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._most = most
        self._clock = clock
        self._full: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str, cost: float) -> float:
        """Seconds until `cost` can be spent; 0: now."""
        here = self.left(name)
        return max(0.0, (min(cost, self._rate.burst) - here) / self._rate.rate)

    def left(self, name: str) -> float:
        """How much can be spent now."""
        return self._rate.burst - max(0.0, self._full.get(name, 0.0) - self._clock()) * self._rate.rate

    def spend(self, name: str, cost: float) -> None:
        """Spend `cost`; a bucket is never emptier than empty."""
        now = self._clock()
        full = max(now, self._full.get(name, now)) + cost / self._rate.rate
        self._full[name] = min(full, now + self._rate.burst / self._rate.rate)
        self._full.move_to_end(name)
        while len(self._full) > self._most:
            self._full.popitem(last=False)


@dataclass(slots=True)
class _Lease:
    """Units that were drawn and not spent yet, and how many were left behind in the bucket."""

    units: float = 0.0
    left: float = 0.0


class Rates:
    """Lets principals and tenants spend. `redis` None: every bucket is in this process."""

    def __init__(self, redis: Client | None, namespace: str, principal: Rate, tenant: Rate, patience: float = _PATIENCE_SECONDS) -> None:
        self._script = redis.register_script(_SCRIPT) if redis is not None else None
        self._namespace = namespace
        self._patience = patience
        self._limits = [(kind, limit) for kind, limit in (("principal", principal), ("tenant", tenant)) if limit.rate > 0]
        self._own = {kind: Buckets(limit) for kind, limit in self._limits}
        self._leases: OrderedDict[tuple[str, str], _Lease] = OrderedDict()
        self._circuit = Circuit()

    async def spend(self, tenant: str, principal: str, cost: float) -> float | None:
        """Spend `cost` and return how many units are left now, about; None without a limit.

        Raises RateLimited with the seconds to wait.
        """
        if not self._limits:
            return None
        cost = min(cost, *(limit.burst for _, limit in self._limits))
        lease = self._lease(tenant, principal)
        if lease.units < cost:
            await self._draw(lease, tenant, principal, cost)
        lease.units -= cost
        return lease.units + lease.left

    def affords(self, tenant: str, principal: str, cost: float) -> bool:
        """Whether `cost` can be spent without asking Redis."""
        if not self._limits:
            return True
        lease = self._leases.get((tenant, principal))
        return lease is not None and lease.units >= cost

    def pay(self, tenant: str, principal: str, cost: float) -> None:
        """Spend what it `affords`."""
        if self._limits and (lease := self._leases.get((tenant, principal))) is not None:
            lease.units -= cost

    def _lease(self, tenant: str, principal: str) -> _Lease:
        lease = self._leases.setdefault((tenant, principal), _Lease())
        self._leases.move_to_end((tenant, principal))
        while len(self._leases) > _REMEMBERED:
            self._leases.popitem(last=False)
        return lease

    async def _draw(self, lease: _Lease, tenant: str, principal: str, cost: float) -> None:
        names = {"principal": f"{len(tenant)}:{tenant}{principal}", "tenant": tenant}
        block = min(limit.burst for _, limit in self._limits) / _BLOCKS
        needed = cost - lease.units
        drawn = await self._ask(tenant, [names[kind] for kind, _ in self._limits], max(needed, block), needed)
        granted, wait, left = self._by_myself(names, needed) if drawn is None else drawn
        if wait > 0:
            raise RateLimited(f"that is more than the rate limit allows; try again in {max(1, round(wait))} s", wait)
        lease.units += granted
        lease.left = left

    async def _ask(self, tenant: str, names: Sequence[str], wanted: float, needed: float) -> tuple[float, float, float] | None:
        """What Redis grants, the seconds to wait, and what it has left. None when it does not answer."""
        if self._script is None or self._circuit.open:
            return None
        prefix = f"cairn:{{{self._namespace}/{_short(tenant)}}}:rate"  # a tenant's are together, tenants spread over a cluster
        keys = [f"{prefix}:{kind}:{_short(name)}" for (kind, _), name in zip(self._limits, names, strict=True)]
        figures = [figure for _, limit in self._limits for figure in (limit.rate, limit.burst)]
        try:
            async with timeout(self._patience):
                granted, wait, left = await cast("Awaitable[list[int]]", self._script(keys=keys, args=[wanted, needed, *figures]))
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("Redis does not answer (%s); this replica limits rates by itself", type(error).__name__)
            self._circuit.failed()
            return None
        self._circuit.worked()
        return 0.0 if wait else max(float(granted), needed), wait / 1e6, float(left)

    def _by_myself(self, names: dict[str, str], needed: float) -> tuple[float, float, float]:
        wait = max(bucket.wait(names[kind], needed) for kind, bucket in self._own.items())
        if wait > 0:
            return 0.0, wait, 0.0
        for kind, bucket in self._own.items():
            bucket.spend(names[kind], needed)
        return needed, 0.0, min(bucket.left(names[kind]) for kind, bucket in self._own.items())


@asynccontextmanager
async def open_rates(url: str, namespace: str, settings: Settings) -> AsyncGenerator[Rates]:
    """`Rates` over the Redis at `url`, until the block ends. Redis need not be up. `namespace` names the graph."""
    async with open_redis(url, _PATIENCE_SECONDS) as redis:
        yield Rates(redis, namespace, *rates_of(settings))


def rates_of(settings: Settings) -> tuple[Rate, Rate]:
    """The principal's and the tenant's rate that an administrator set."""
    principal = Rate(settings.rate_limit, settings.rate_burst)
    return principal, Rate(settings.tenant_rate_limit, settings.tenant_rate_burst)


def _short(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

"""Rates: no more than rate and burst over all replicas, by themselves when Redis is away, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.api.rates import Buckets, Rate, Rates, open_rates
from cairn.errors import RateLimited
from cairn.settings import Settings

pytestmark = pytest.mark.anyio

NEVER = 0.000_001
"""A rate so low that nothing comes back during a test."""


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 30)), max_size=50))
def test_a_bucket_never_lets_through_more_than_rate_and_burst(steps: list[tuple[float, int]]) -> None:
    now = 0.0
    buckets = Buckets(Rate(2, 20), clock=lambda: now)
    spent = 0
    for pause, cost in steps:
        now += pause
        if buckets.wait("a", cost) == 0:
            buckets.spend("a", cost)
            spent += min(cost, 20)
        assert spent <= 20 + 2 * now + 1e-6


def test_whoever_waits_as_told_is_let_through() -> None:
    now = 0.0
    buckets = Buckets(Rate(2, 10), clock=lambda: now)
    buckets.spend("a", 10)
    wait = buckets.wait("a", 4)
    assert wait == pytest.approx(2)
    now += wait
    assert buckets.wait("a", 4) == pytest.approx(0, abs=1e-9)


def test_buckets_of_a_million_names_stay_few() -> None:
    buckets = Buckets(Rate(1, 10), most=100)
    for number in range(10_000):
        buckets.spend(str(number), 1)
    assert len(buckets._full) == 100


@asynccontextmanager
async def replicas(url: str, count: int, **settings: Any) -> AsyncIterator[list[Rates]]:
    space = uuid4().hex
    chosen = Settings(**{"tenant_rate_limit": 0, **settings})
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_rates(url, space, chosen)) for _ in range(count)]


async def passed(rates: list[Rates], tries: int, cost: float = 1, who: Callable[[int], tuple[str, str]] = lambda _: ("t", "ada")) -> int:
    count = 0
    for number in range(tries):
        with suppress(RateLimited):
            await rates[number % len(rates)].spend(*who(number), cost)
            count += 1
    return count


@pytest.mark.parametrize("away", [False, True])
async def test_a_burst_passes_and_no_more(redis_url: str, away: bool) -> None:
    url = "redis://127.0.0.1:9/0" if away else redis_url
    async with replicas(url, 1, rate_limit=NEVER, rate_burst=100) as rates:
        assert await passed(rates, 200) == 100
        assert await passed(rates, 10, who=lambda _: ("t", "bob")) == 10


async def test_replicas_share_the_count(redis_url: str) -> None:
    async with replicas(redis_url, 3, rate_limit=NEVER, rate_burst=300) as rates:
        assert 300 - 3 * 6 <= await passed(rates, 600) <= 300


async def test_a_tenant_has_a_rate_of_its_own(redis_url: str) -> None:
    limits = {"rate_limit": NEVER, "rate_burst": 1_000, "tenant_rate_limit": NEVER, "tenant_rate_burst": 50}
    async with replicas(redis_url, 1, **limits) as rates:
        assert await passed(rates, 100, who=lambda number: ("t", f"p{number}")) == 50
        assert await passed(rates, 10, who=lambda number: ("u", f"p{number}")) == 10


async def test_what_costs_more_than_the_burst_passes_once(redis_url: str) -> None:
    async with replicas(redis_url, 1, rate_limit=NEVER, rate_burst=100) as rates:
        assert await passed(rates, 3, cost=1_000_000) == 1


async def test_a_rate_of_zero_is_no_limit(redis_url: str) -> None:
    async with replicas(redis_url, 1, rate_limit=0) as rates:
        assert await passed(rates, 100, cost=1e12) == 100


async def test_over_http_it_is_429_with_what_to_do(make_toy: Any, redis_url: str) -> None:
    async with replicas(redis_url, 1, rate_limit=NEVER, rate_burst=1_000) as rates:
        toy = await make_toy(rates=rates[0])
        answer = (await toy.ask("{ me { id } }", extensions={"rate": True})).json()
        assert answer["extensions"]["cost"] == 1
        assert 0 < answer["extensions"]["rate"]["left"] < 1_000
        refused = await toy.ask("{ notes(first: 100) { edges { node { related(first: 20) { id } } } } }")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        error = refused.json()["errors"][0]
        assert error["extensions"]["code"] == "RATE_LIMITED" and error["extensions"]["retryAfter"] > 0
        assert (await toy.ask("{ me { id } }", token="bob")).status_code == 200
        assert (await toy.client.get("/healthz")).status_code == 200

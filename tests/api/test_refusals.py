"""Refusals: who sends what can't be served, or tries keys, is held off; nobody else is."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.api.rates import Rate
from cairn.api.refusals import Refusals, address_name

pytestmark = pytest.mark.anyio


def few() -> Refusals:
    return Refusals(Rate(0.000_001, 10))


async def test_who_tries_keys_is_held_off_and_a_known_key_is_not(make_toy: Any) -> None:
    toy = await make_toy(refusals=few())
    assert (await toy.ask("{ me { id } }")).status_code == 200
    statuses = [(await toy.ask("{ me { id } }", token="wrong")).status_code for _ in range(15)]
    assert statuses == [401] * 10 + [429] * 5
    assert (await toy.ask("{ me { id } }", token="bob")).status_code == 429  # a good key, but new here
    assert (await toy.ask("{ me { id } }")).status_code == 200
    assert (await toy.client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("body", ["{", '{"query": "{"}', '{"query": "{ nothing }"}', "[]"])
async def test_who_sends_what_can_not_be_served_is_held_off(make_toy: Any, body: str) -> None:
    toy = await make_toy(refusals=few())
    headers = {"content-type": "application/json", "accept": "application/graphql-response+json"}
    statuses = [(await toy.client.post("/graphql", content=body, headers=headers)).status_code for _ in range(15)]
    assert statuses[0] == 400 and statuses[-1] == 429
    refused = await toy.client.post("/graphql", content=body, headers=headers)
    assert int(refused.headers["retry-after"]) >= 1
    assert (await toy.ask("{ me { id } }", token="bob")).status_code == 200


async def test_errors_of_what_was_executed_are_no_refusals(make_toy: Any) -> None:
    toy = await make_toy(refusals=few())
    for _ in range(15):
        assert (await toy.ask('{ fail(code: "NOT_FOUND") }')).json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_a_refusal_that_took_long_counts_more() -> None:
    refusals = few()
    refusals.note("a", seconds=0.2)
    with pytest.raises(Exception, match="too many"):
        refusals.check("a")


def test_networks_of_ipv6_count_as_one() -> None:
    names = {address_name((address, 1)) for address in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1")}
    assert len(names) == 2
    assert address_name(("::ffff:192.0.2.1", 1)) == address_name(("192.0.2.1", 1))

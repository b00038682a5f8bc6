"""What an agent will probably ask next stands in the cache before it asks, under its own permissions; changes are never run ahead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairn.api.rates import Rate, Rates
from cairn.learning.anticipation import Anticipations

pytestmark = pytest.mark.anyio

FIRST = "query First($n: Int!) { cheap(number: $n) me { id } }"
NOTE = "query Note($id: ID!) { note(id: $id) { text } me { id } }"
WRITE = 'mutation Write($id: ID!) { write(id: $id, text: "x") { id } }'


@pytest.fixture
async def anticipations() -> AsyncIterator[Anticipations]:
    """Models, stopped at the end."""
    models = Anticipations()
    yield models
    await models.close()


async def settle(models: Anticipations) -> None:
    """Wait until everything was learned and run."""
    for wait in models.settling:
        await wait()


async def teach(toy: Any, models: Anticipations, second: str = NOTE, times: int = 30) -> None:
    """Sessions in which the note of a number is asked for after the number."""
    for n in range(times):
        for query, variables in ((FIRST, {"n": n % 3}), (second, {"id": f"note {n % 3}"})):
            answer = await toy.ask(query, variables, token=f"agent{n}")
            assert "errors" not in answer.json()
            await settle(models)


async def test_what_comes_next_is_in_the_cache_before_it_is_asked_for(make_toy: Any, anticipations: Anticipations) -> None:
    toy = await make_toy(anticipations=anticipations, prefetch_crowd=1e9)
    await teach(toy, anticipations)
    await toy.ask(FIRST, {"n": 1}, token="new")
    await settle(anticipations)
    reads = toy.notes.reads
    answer = await toy.ask(NOTE, {"id": "note 1"}, token="new")
    assert answer.headers["x-cache"] == "l2"
    assert answer.json()["data"]["me"]["id"] == "new"
    assert toy.notes.reads == reads
    model = anticipations.of(toy.doors.tenant)
    assert model.account.used >= 1
    assert model.account.precision > 0.5
    assert 0 < model.account.coverage < 1
    text = (await toy.client.get("/metrics")).text
    assert f'cairn_prefetches_total{{outcome="used"}} {float(model.account.used)}' in text
    assert "cairn_prefetch_models_on 1.0" in text


async def test_changes_are_learned_from_and_never_run_ahead(make_toy: Any, anticipations: Anticipations) -> None:
    toy = await make_toy(anticipations=anticipations, prefetch_crowd=1e9)
    await teach(toy, anticipations, second=WRITE)
    writes, issued = toy.notes.writes, anticipations.of(toy.doors.tenant).account.issued
    await toy.ask(FIRST, {"n": 1}, token="new")
    await settle(anticipations)
    assert toy.notes.writes == writes
    assert anticipations.of(toy.doors.tenant).bar is not None
    assert anticipations.of(toy.doors.tenant).account.issued - issued <= 1


async def test_an_agent_does_not_pay_for_what_is_run_ahead(make_toy: Any, anticipations: Anticipations) -> None:
    rates = Rates(None, "", Rate(0.001, 1_000), Rate(0.001, 1_000_000))
    toy = await make_toy(anticipations=anticipations, prefetch_crowd=1e9, rates=rates)
    await teach(toy, anticipations)
    account = anticipations.of(toy.doors.tenant).account
    issued, before = account.issued, await rates.spend(toy.doors.tenant, "poor", 1)
    answer = await toy.ask(FIRST, {"n": 1}, token="poor")
    await settle(anticipations)
    after = await rates.spend(toy.doors.tenant, "poor", 1)
    assert account.issued > issued
    assert before is not None and after is not None
    assert before - after == pytest.approx(2 + answer.json()["extensions"]["cost"], abs=0.1)


async def test_where_nothing_can_be_predicted_nothing_is_run(make_toy: Any, anticipations: Anticipations) -> None:
    toy = await make_toy(anticipations=anticipations, prefetch_crowd=1e9)
    for n in range(60):
        await toy.ask(NOTE, {"id": f"{n * 7919 % 1009} {n}"}, token=f"agent{n % 4}")
        await settle(anticipations)
    model = anticipations.of(toy.doors.tenant)
    assert model.bar is None
    assert model.account.issued <= 10


async def test_sessions_of_one_agent_are_kept_apart(make_toy: Any, anticipations: Anticipations) -> None:
    toy = await make_toy(anticipations=anticipations, prefetch_crowd=1e9)
    await teach(toy, anticipations)
    headers = {"authorization": "Bearer twin", "x-cairn-session": "one"}
    for session in ("one", "two"):
        headers["x-cairn-session"] = session
        await toy.client.post("/graphql", json={"query": FIRST, "variables": {"n": int(session == "two")}}, headers=headers)
    await settle(anticipations)
    for id in ("note 0", "note 1"):
        assert (await toy.ask(NOTE, {"id": id}, token="twin")).headers["x-cache"] == "l2"


async def test_hits_of_the_first_level_are_learned_from_and_settled(make_toy: Any, anticipations: Anticipations) -> None:
    toy = await make_toy(anticipations=anticipations, prefetch_crowd=1e9, memory=1_000_000, trust=30.0)
    await teach(toy, anticipations)
    account = anticipations.of(toy.doors.tenant).account
    used, learned = account.used, anticipations.of(toy.doors.tenant).learned
    for _ in range(2):
        answer = await toy.ask(FIRST, {"n": 1}, token="agent1")
        await settle(anticipations)
    assert answer.headers["x-cache"] == "l1"
    answer = await toy.ask(NOTE, {"id": "note 1"}, token="agent1")
    await settle(anticipations)
    assert answer.headers["x-cache"] == "l1"
    assert anticipations.of(toy.doors.tenant).learned == learned + 3
    hits = account.hits
    await toy.ask(FIRST, {"n": 2}, token="new")
    await settle(anticipations)
    answer = await toy.ask(NOTE, {"id": "note 2"}, token="new")
    await settle(anticipations)
    assert answer.headers["x-cache"] == "l1"
    assert (account.used, account.hits) == (used + 1, hits)


async def test_a_crowded_process_learns_nothing_and_runs_nothing_ahead(make_toy: Any, anticipations: Anticipations) -> None:
    toy = await make_toy(anticipations=anticipations, prefetch_crowd=0.001, memory=1_000_000, trust=30.0)
    await teach(toy, anticipations, times=10)
    model = anticipations.of(toy.doors.tenant)
    learned, issued, hits = model.learned, model.account.issued, model.account.hits
    await teach(toy, anticipations, times=10)
    assert model.learned == learned
    assert model.account.issued == issued
    assert model.account.hits == hits + 20

"""A bad network before Neo4j and Redis: no hang, no wrong answer, plain errors, and everything as before when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cairn.graph.verification import verify

from .conftest import HANG, Flaky
from .proxy import FINE, Fault

pytestmark = pytest.mark.anyio
SILENT, REFUSED = Fault(silent=True), Fault(refuse=True)
FAULTS = {
    "late": Fault(delay=0.3),
    "slow": Fault(rate=4_000),
    "refused": REFUSED,
    "silent": SILENT,
    "replies lost": Fault(lose_replies=True),
    "cut off": Fault(cut_after=1_500),
}
SET = 'mutation($k: String!, $v: JSON!, $i: String) { setState(input: {agent: "ada", key: $k, value: $v, idempotencyKey: $i}) { version } }'
GET = 'query($k: String!) { state(agent: "ada", key: $k) { value version } }'
REMEMBER = 'mutation($t: String!, $i: String) { remember(input: {agent: "ada", text: $t, idempotencyKey: $i}) { id } }'
RECALL = 'query($q: String!) { recall(input: {agent: "ada", query: $q}) { hits { memory { text } } } }'
IMPORT = "mutation($s: String!, $i: String) { startImport(input: {source: $s, idempotencyKey: $i}) { id } }"
JOB = "query($i: ID!) { import(id: $i) { status error triplesAdded } }"
HARMLESS = (["UNAVAILABLE"], ["TOO_COSTLY"])
"""What a request may come to that met a fault; TOO_COSTLY when Neo4j answers others, and this one late."""


@asynccontextmanager
async def watching(flaky: Flaky) -> AsyncIterator[list[str]]:
    """What a subscriber that is here the whole time hears of states, by the writer's own word."""
    heard: list[str] = []
    subscription = flaky.cairn.services.events.subscribe(flaky.cairn.services.settings.tenant, frozenset({"state"}))

    async def listen() -> None:
        async for event in subscription:
            heard.append(event.key or "")

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        await subscription.aclose()
        await task


async def settle(flaky: Flaky, query: str, **variables: Any) -> dict[str, Any]:
    """Repeat a change with its idempotency key until its outcome is known."""
    while "codes" in (answer := await flaky.ask(query, **variables)):
        assert answer["codes"] in HARMLESS, answer
        await asyncio.sleep(0.2)
    return answer


@pytest.mark.parametrize("server", ["neo4j", "redis"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_path_meets_a_fault(flaky: Flaky, server: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "one.nt").write_text("".join(f'<urn:a{n}> <urn:b> "word{n}" .\n' for n in range(200)), "utf-8")
    await flaky.ask(SET, k="before", v=1, i=None)
    await flaky.ask(REMEMBER, t="The sluice is shut.", i=None)
    cached = await flaky.ask(GET, k="before")
    assert await flaky.ask(GET, k="before") == cached == {"state": {"value": 1, "version": 1}}
    proxy = getattr(flaky, server)
    async with watching(flaky) as heard:
        proxy.fault = FAULTS[fault]
        changes = [(SET, {"k": f"k{n}", "v": n, "i": f"k{n}"}) for n in range(6)]
        changes += [(REMEMBER, {"t": "The lock is open.", "i": "memory"}), (IMPORT, {"s": str(tmp_path / "one.nt"), "i": "import"})]
        reads = [(GET, {"k": "before"}), (RECALL, {"q": "Is the sluice shut?"}), (GET, {"k": "before"})]
        answers = await asyncio.gather(*(flaky.ask(query, **variables) for query, variables in (*changes, *reads)))
        for (query, _), answer in zip((*changes, *reads), answers, strict=True):
            assert "codes" not in answer or answer["codes"] in HARMLESS, (query, answer)
        for answer in (answers[8], answers[10]):
            assert "codes" in answer or answer == cached
        if server == "redis":
            assert all("codes" not in answer for answer in answers), "Cairn works without Redis"
        await flaky.until_well()
        for n, (query, variables) in enumerate(changes):
            answer = await settle(flaky, query, **variables)
            if query == SET:
                assert answer == {"setState": {"version": 1}}, f"{n} took effect more than once"
            assert "codes" in answers[n] or answer == answers[n], "the same key gives the same answer"
        for n in range(6):
            assert await settle(flaky, GET, k=f"k{n}") == {"state": {"value": n, "version": 1}}
        assert sorted(key for key in heard if key.startswith("k")) == [f"k{n}" for n in range(6)], "each change is told once"
    hits = (await settle(flaky, RECALL, q="Is the lock open?"))["recall"]["hits"]
    assert [hit["memory"]["text"] for hit in hits].count("The lock is open.") == 1
    assert await imported(flaky, str(tmp_path / "one.nt")) in ("DONE", "FAILED")
    verdict = await verify(flaky.cairn.services.database, flaky.cairn.services.settings.tenant)
    assert verdict.holds, verdict.problem


async def imported(flaky: Flaky, source: str) -> str:
    """What became of the import."""
    id = (await settle(flaky, IMPORT, s=source, i="import"))["startImport"]["id"]
    async with asyncio.timeout(60):
        while (job := (await settle(flaky, JOB, i=id))["import"])["status"] == "RUNNING":
            await asyncio.sleep(0.1)
    if job["status"] == "FAILED":
        assert "database" in job["error"], job
        return "FAILED"
    assert job["triplesAdded"] == 200
    return "DONE"


async def test_connections_that_were_reset_are_not_noticed(flaky: Flaky) -> None:
    for n in range(10):
        flaky.neo4j.reset()
        flaky.redis.reset()
        answer = await flaky.ask(SET, k="one", v=n, i=f"n{n}")
        assert answer == {"setState": {"version": n + 1}}
        assert await flaky.ask(GET, k="one") == {"state": {"value": n, "version": n + 1}}


async def test_what_dies_silently_says_unavailable_and_not_that_too_much_was_asked(flaky: Flaky) -> None:
    flaky.neo4j.fault = SILENT
    answers = await asyncio.gather(*(flaky.ask("{ agents { nodes { id } } }") for _ in range(5)))
    assert answers == [{"codes": ["UNAVAILABLE"]}] * 5
    for path, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 200)):
        async with asyncio.timeout(HANG):
            assert (await flaky.http.get(path)).status_code == status
    await flaky.until_well()
    assert (await flaky.http.get("/readyz")).status_code == 200


async def test_events_of_other_replicas_come_again_after_redis_died_silently(flaky: Flaky) -> None:
    events = flaky.cairn.services.events
    async with asyncio.timeout(20):
        await events.listening.wait()  # type: ignore[attr-defined]
    flaky.redis.fault = SILENT
    async with asyncio.timeout(30):
        while events.listening.is_set():  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)
    flaky.redis.fault = FINE
    async with asyncio.timeout(30):
        await events.listening.wait()  # type: ignore[attr-defined]


async def test_a_redis_that_comes_and_goes_makes_no_answer_wrong(flaky: Flaky) -> None:
    for n in range(20):
        flaky.redis.fault = (FINE, REFUSED, Fault(lose_replies=True), SILENT)[n % 4]
        flaky.redis.reset()
        assert await flaky.ask(SET, k="one", v=n, i=None) == {"setState": {"version": n + 1}}
        for _ in range(2):
            assert await flaky.ask(GET, k="one") == {"state": {"value": n, "version": n + 1}}

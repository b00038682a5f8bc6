"""The hot path: the same answer as the long way, to the same callers, after the same checks; in the form that was asked for."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest

from cairn.api.hot import _takes_gzip
from cairn.api.rates import Rate, Rates
from cairn.api.refusals import Refusals
from cairn.errors import RateLimited

pytestmark = pytest.mark.anyio

NOTE = 'query N($id: ID = "1") { note(id: $id) { text } }'


@pytest.fixture
async def hot(make_toy: Any) -> Any:
    """A toy that keeps answers itself, with one note."""
    toy = await make_toy(memory=1_000_000, trust=30.0)
    toy.notes.texts["1"] = "hello " * 500
    return toy


def level(response: httpx.Response) -> str | None:
    assert response.status_code == 200, response.text
    return response.headers.get("x-cache")


async def get(toy: Any, query: str = NOTE, **headers: str) -> httpx.Response:
    return await toy.client.get("/graphql", params={"query": query}, headers=headers)


async def test_the_second_identical_query_comes_from_the_process_and_is_the_same(hot: Any) -> None:
    first, second = await hot.ask(NOTE), await hot.ask(NOTE)
    assert (level(first), level(second)) == ("miss", "l1")
    assert first.content == second.content
    assert second.headers["age"] == "0"
    varying = {"x-cache", "x-request-id", "age", "content-encoding", "content-length"}
    assert {name: value for name, value in first.headers.items() if name not in varying} == {
        name: value for name, value in second.headers.items() if name not in varying
    }
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_what_redis_has_is_given_without_reading_the_query(make_toy: Any) -> None:
    toy = await make_toy()
    toy.notes.texts["1"] = "hello"
    assert [level(await toy.ask(NOTE)) for _ in range(3)] == ["miss", "l2", "l2"]
    assert toy.notes.reads == 1


async def test_a_write_ends_it_at_once(hot: Any) -> None:
    for text in ("one", "two", "three"):
        await hot.ask(f'mutation {{ write(id: "1", text: "{text}") {{ id }} }}')
        assert [(await hot.ask(NOTE)).json()["data"]["note"]["text"] for _ in range(3)] == [text] * 3
        assert level(await hot.ask(NOTE)) == "l1"


async def test_it_is_given_to_nobody_else(hot: Any) -> None:
    mine = "{ me { id } }"
    for token in ("ada", "bob", "ada:guests"):
        assert [(await hot.ask(mine, token=token)).json()["data"]["me"]["id"] for _ in range(3)] == [token] * 3
    assert level(await hot.ask(mine)) == "l1"
    hot.doors.version += 1
    assert level(await hot.ask(mine)) == "miss"
    hot.doors.generation += 1
    assert level(await hot.ask(mine)) == "miss"
    hot.doors.tenant = "another"
    assert level(await hot.ask(mine)) == "miss"


async def test_a_revoked_token_opens_nothing_any_more(hot: Any) -> None:
    assert [level(await hot.ask(NOTE)) for _ in range(2)] == ["miss", "l1"]
    hot.doors.revoked.add("ada")
    assert (await hot.ask(NOTE)).status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic ada", "bearer ada", "Bearer wrong", "Bearer \xe9"])
async def test_other_headers_are_judged_by_the_long_way(hot: Any, header: str) -> None:
    await hot.ask(NOTE)
    body = {"query": NOTE, "variables": None}
    response = await hot.client.post("/graphql", json=body, headers=[(b"authorization", header.encode("latin-1"))])
    good = header.lower() == "bearer ada"
    assert response.status_code == (200 if good else 401)


async def test_rates_and_refusals_hold_for_hits(make_toy: Any) -> None:
    rates = Rates(None, "", Rate(0.001, 2_000), Rate(0, 1))
    toy = await make_toy(memory=1_000_000, trust=30.0, rates=rates)
    assert [level(await toy.ask(NOTE)) for _ in range(3)] == ["miss", "l1", "l1"]
    while rates.affords(toy.doors.tenant, "ada", 1) or await _draws(rates, toy.doors.tenant):
        rates.pay(toy.doors.tenant, "ada", 1)
    assert (await toy.ask(NOTE)).status_code == 429
    limited = await make_toy(memory=1_000_000, trust=30.0, refusals=Refusals(Rate(0.001, 3)))
    assert [level(await limited.ask(NOTE)) for _ in range(2)] == ["miss", "l1"]
    for _ in range(3):
        await limited.ask("{ nonsense }")
    assert (await limited.ask(NOTE)).status_code == 429


async def _draws(rates: Rates, tenant: str) -> bool:
    try:
        await rates.spend(tenant, "ada", 1)
    except RateLimited:
        return False
    return True


async def test_hits_are_counted(hot: Any) -> None:
    for _ in range(5):
        await hot.ask(NOTE)
    page = (await hot.client.get("/metrics")).text
    assert 'cairn_queries_total{cache="l1"} 4.0' in page
    assert 'cairn_queries_total{cache="miss"} 1.0' in page
    assert 'cairn_http_requests_total{status="200"} 5.0' in page
    assert "cairn_http_request_seconds_count 5.0" in page


async def test_a_get_has_an_entity_tag_and_is_not_sent_again_to_who_has_it(hot: Any) -> None:
    first, second = await get(hot), await get(hot)
    assert (level(first), level(second)) == ("miss", "l1")
    tag = second.headers["etag"]
    assert first.headers["etag"] == tag
    for asked in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
        response = await get(hot, **{"if-none-match": asked})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)
    assert (await get(hot, **{"if-none-match": '"other"'})).status_code == 200
    await hot.ask('mutation { write(id: "1", text: "new") { id } }')
    assert (await get(hot, **{"if-none-match": tag})).json()["data"] == {"note": {"text": "new"}}
    posted = await hot.client.post("/graphql", json={"query": NOTE}, headers={"if-none-match": "*"})
    assert posted.status_code == 200


async def test_it_is_compressed_for_who_takes_that(hot: Any) -> None:
    plain = await hot.client.post("/graphql", json={"query": NOTE}, headers={"accept-encoding": "identity"})
    async with hot.client.stream("POST", "/graphql", json={"query": NOTE}, headers={"accept-encoding": "br, gzip"}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) == len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content
    again = await hot.client.post("/graphql", json={"query": NOTE}, headers={"accept-encoding": "identity"})
    assert (again.content, "content-encoding" in again.headers) == (plain.content, False)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [(b"gzip", True), (b"GZIP;q=0.5", True), (b"br", False), (b"", False), (b"gzip;q=0", False), (b"gzip; q=0.000", False), (b"*", False)],
)
def test_who_takes_gzip(accepted: bytes, expected: bool) -> None:
    assert _takes_gzip(accepted) == expected


async def test_forms_differ_by_their_header_only(hot: Any) -> None:
    for accept in ("application/json", "application/graphql-response+json", "*/*"):
        for _ in range(2):
            response = await hot.client.post("/graphql", json={"query": NOTE}, headers={"accept": accept})
            assert response.headers["content-type"].startswith(accept if accept != "*/*" else "application/json")
    refused = await hot.client.post("/graphql", json={"query": NOTE}, headers={"accept": "image/png"})
    assert refused.status_code == 406
    wrong = await hot.client.post("/graphql", content=b'{"query": "{ me { id } }"}', headers={"content-type": "text/plain"})
    assert wrong.status_code == 415


async def test_delimiters_in_names_and_bodies_make_no_two_questions_one(hot: Any) -> None:
    seen: dict[str, str] = {}
    for id in ('1","id":"2', "1\\u0000", "1\n", "1 ", " 1", "1:ada", "operation N"):
        hot.notes.texts[id] = f"text of {id}"
    for id in list(hot.notes.texts):
        for _ in range(2):
            seen[id] = (await hot.ask(NOTE, {"id": id})).json()["data"]["note"]["text"]
    assert seen == hot.notes.texts
    parts = [b'{"query":"{ cheap(text: \\"a\\") }"}', b'{"query":"{ cheap(text: \\"a\\") }" }', b'{"query":"{ cheap(text: \\"a\\")}"}']
    for raw in parts:
        response = await hot.client.post("/graphql", content=raw, headers={"content-type": "application/json"})
        assert response.json()["data"] == {"cheap": 0}


async def test_many_different_requests_take_bounded_memory_and_the_hot_one_stays(make_toy: Any) -> None:
    toy = await make_toy(memory=200_000, trust=60.0)
    toy.notes.texts["1"] = "hello"
    levels = []
    for number in range(1_500):
        await toy.ask("query Q($id: ID!) { note(id: $id) { text } }", {"id": f"absent {number}"})
        if number % 10 == 0:
            levels.append(level(await toy.ask(NOTE)))
    assert toy.epochs.near.size <= 200_000
    assert levels[20:].count("l1") > len(levels[20:]) * 0.9


async def test_altered_moved_and_foreign_entries_in_redis_are_refused(make_toy: Any, redis_url: str) -> None:
    from redis.asyncio import Redis

    toy = await make_toy()
    toy.notes.texts |= {"1": "one", "2": "two"}
    await toy.ask(NOTE, {"id": "1"})
    await toy.ask(NOTE, {"id": "2"})
    async with Redis.from_url(redis_url) as redis:
        one, two = sorted([name async for name in redis.scan_iter(f"{toy.epochs.prefix}a:*")])
        bodies = [await redis.hget(one, "b"), await redis.hget(two, "b")]
        poisons = (bodies[1], bodies[0][:-9] + b'"}}', bodies[0][:9], b"", b"\x02" + bodies[0][1:], b'{"data":{"note":{"text":"evil"}}}')
        for poison in poisons:
            await redis.hset(one, "b", poison)
            found = {id: (await toy.ask(NOTE, {"id": id})).json()["data"]["note"]["text"] for id in ("1", "2")}
            assert found == {"1": "one", "2": "two"}, poison

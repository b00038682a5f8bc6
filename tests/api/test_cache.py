"""The query cache through the endpoint: what is kept, for whom, and until when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.api.authentication import Caller
from cairn.api.cache import QueryCache
from cairn.api.execution import Executor, Plan
from cairn.api.limits import Limits
from cairn.api.parameters import Parameters
from cairn.graph.access import Access, Identity

pytestmark = pytest.mark.anyio

NOTE = 'query N($id: ID = "1") { note(id: $id) { text } }'


def level(response: httpx.Response) -> str | None:
    assert response.status_code == 200, response.text
    return response.headers.get("x-cache")


async def test_the_second_identical_query_comes_from_redis(toy: Any) -> None:
    toy.notes.texts["1"] = "hello"
    first, second = await toy.ask(NOTE), await toy.ask(NOTE)
    assert (level(first), level(second)) == ("miss", "l2")
    assert first.content == second.content
    assert toy.notes.reads == 1


async def test_a_write_makes_stale_what_depends_on_it_and_nothing_else(toy: Any) -> None:
    for id in ("1", "2"):
        await toy.ask(NOTE, {"id": id})
    await toy.ask('mutation { write(id: "1", text: "new") { id } }')
    again = await toy.ask(NOTE, {"id": "1"})
    assert (level(again), again.json()["data"]) == ("miss", {"note": {"text": "new"}})
    assert level(await toy.ask(NOTE, {"id": "2"})) == "l2"


async def test_absence_is_an_answer_that_a_write_ends(toy: Any) -> None:
    query = "{ notes { edges { node { text } } } }"
    assert (await toy.ask(query)).json()["data"] == {"notes": {"edges": []}}
    assert level(await toy.ask(query)) == "l2"
    await toy.ask('mutation { write(id: "1", text: "first") { id } }')
    assert (await toy.ask(query)).json()["data"] == {"notes": {"edges": [{"node": {"text": "first"}}]}}


async def test_every_difference_makes_another_answer(toy: Any) -> None:
    document = "query A { note(id: 1) { text } } query B { note(id: 1) { text } }"
    assert level(await toy.ask(document, operationName="A")) == "miss"
    assert level(await toy.ask(document, operationName="B")) == "miss"
    assert level(await toy.ask(document + " ", operationName="A")) == "miss"
    assert level(await toy.ask(NOTE, {"id": "1"})) == "miss"
    assert level(await toy.ask(NOTE, {"id": "2"})) == "miss"
    assert level(await toy.ask(NOTE, {"id": "2"}, token="bob")) == "miss"
    toy.doors.version += 1
    assert level(await toy.ask(NOTE, {"id": "2"})) == "miss"
    toy.doors.generation += 1
    assert level(await toy.ask(NOTE, {"id": "2"})) == "miss"
    assert level(await toy.ask(NOTE, {"id": "2"})) == "l2"


async def test_the_order_of_variables_makes_no_difference(toy: Any) -> None:
    query = "query Q($a: Int!, $b: String!, $id: ID!) { note(id: $id) { text } cheap(number: $a, text: $b) }"
    assert level(await toy.ask(query, {"a": 1, "b": "x", "id": "1"})) == "miss"
    assert level(await toy.ask(query, {"id": "1", "b": "x", "a": 1})) == "l2"


async def test_principals_share_only_what_was_declared_shareable_and_only_with_equal_grants(make_toy: Any) -> None:
    toy = await make_toy(shareable=frozenset({"note"}))
    assert level(await toy.ask(NOTE, token="ada:readers")) == "miss"
    assert level(await toy.ask(NOTE, token="bob:readers")) == "l2"
    assert level(await toy.ask(NOTE, token="eve:guests")) == "miss"
    mixed = "{ note(id: 1) { text } me { id } }"
    assert (await toy.ask(mixed, token="ada:readers")).json()["data"]["me"] == {"id": "ada:readers"}
    assert (await toy.ask(mixed, token="bob:readers")).json()["data"]["me"] == {"id": "bob:readers"}
    aliased = "query { note: me { ...on Me { id } } }"
    assert (await toy.ask(aliased, token="ada:readers")).json()["data"] == {"note": {"id": "ada:readers"}}
    assert (await toy.ask(aliased, token="bob:readers")).json()["data"] == {"note": {"id": "bob:readers"}}
    hidden = "{ ...F } fragment F on Query { me { id } }"
    assert (await toy.ask(hidden, token="ada:readers")).json()["data"] == {"me": {"id": "ada:readers"}}
    assert (await toy.ask(hidden, token="bob:readers")).json()["data"] == {"me": {"id": "bob:readers"}}


async def test_equal_questions_of_two_tenants_are_two(make_toy: Any) -> None:
    space = uuid4().hex
    one, other = await make_toy(namespace=space), await make_toy(namespace=space)
    other.doors.tenant = "another"
    one.notes.texts["1"] = "theirs"
    await one.ask(NOTE)
    response = await other.ask(NOTE)
    assert (level(response), response.json()["data"]) == ("miss", {"note": None})


@pytest.mark.parametrize(
    "query",
    [
        "{ untagged }",
        '{ fail(code: "NOT_FOUND") note(id: 1) { text } }',
        "{ __schema { queryType { name } } }",
        "{ __typename }",
    ],
)
async def test_some_answers_are_never_kept(toy: Any, query: str) -> None:
    assert [level(await toy.ask(query)) for _ in range(3)] == ["miss"] * 3


async def test_mutations_are_never_answered_from_the_cache(toy: Any) -> None:
    mutation = 'mutation { write(id: "1", text: "x") { id } }'
    assert [level(await toy.ask(mutation)) for _ in range(2)] == [None, None]
    assert toy.notes.writes == 2


async def test_callers_without_a_fingerprint_are_not_served_from_the_cache(toy: Any) -> None:
    toy.doors.access_of = _nameless
    assert [level(await toy.ask(NOTE)) for _ in range(2)] == ["miss", "miss"]


async def _nameless(identity: Identity) -> Access:
    return Access(identity.tenant, identity.principal)


async def test_many_who_ask_the_same_at_once_cause_one_execution(toy: Any, until: Any) -> None:
    toy.notes.texts["1"] = "hello"
    toy.notes.hold = asyncio.Event()
    asking = [asyncio.create_task(toy.ask(NOTE)) for _ in range(30)]
    await until(lambda: toy.notes.reads)
    toy.notes.hold.set()
    responses = await asyncio.gather(*asking)
    assert {response.json()["data"]["note"]["text"] for response in responses} == {"hello"}
    assert toy.notes.reads == 1
    assert sorted(str(level(response)) for response in responses) == ["l2"] * 29 + ["miss"]


async def test_who_joins_a_running_query_after_a_write_does_not_get_its_old_answer(toy: Any, until: Any) -> None:
    toy.notes.texts["1"] = "old"
    toy.notes.hold = asyncio.Event()
    leader = asyncio.create_task(toy.ask(NOTE))
    await until(lambda: toy.notes.reads)
    await toy.ask('mutation { write(id: "1", text: "new") { id } }')
    follower = asyncio.create_task(toy.ask(NOTE))
    await asyncio.sleep(0.05)
    toy.notes.hold.set()
    await leader
    assert (await follower).json()["data"] == {"note": {"text": "new"}}


async def test_a_leader_that_fails_or_leaves_fails_nobody_else(toy: Any, until: Any) -> None:
    toy.notes.texts["1"] = "hello"
    toy.notes.hold = asyncio.Event()
    leader = asyncio.create_task(toy.ask(NOTE))
    await until(lambda: toy.notes.reads)
    followers = [asyncio.create_task(toy.ask(NOTE)) for _ in range(3)]
    await asyncio.sleep(0.05)
    leader.cancel()
    toy.notes.hold.set()
    async with asyncio.timeout(10):
        for response in await asyncio.gather(*followers):
            assert response.json()["data"] == {"note": {"text": "hello"}}


async def test_answers_end_when_something_in_them_expires(make_toy: Any) -> None:
    from datetime import UTC, datetime, timedelta

    toy = await make_toy()
    cache = QueryCache(toy.epochs, "v", 300)

    async def compute_until(moment: datetime) -> Any:
        from cairn.api.execution import Answer
        from cairn.graph.tags import collect, collect_until

        async def compute() -> Answer:
            collect("t/x")
            collect_until(moment)
            return Answer(b"{}", clean=True)

        return compute

    past = await compute_until(datetime.now(UTC) - timedelta(seconds=1))
    assert [(await cache.answer("a:past", past)).level for _ in range(2)] == ["miss", "miss"]
    later = await compute_until(datetime.now(UTC) + timedelta(seconds=100))
    assert [(await cache.answer("a:later", later)).level for _ in range(2)] == ["miss", "l2"]


TEXTS = st.text(max_size=8)


@st.composite
def askings(draw: st.DrawFn) -> tuple[str, Plan, Caller]:
    name = draw(st.sampled_from(["A", "B", None]))
    text = draw(st.sampled_from(["query A { cheap } query B { cheap }", "query A{cheap}query B{cheap}"])) if name else "{ cheap }"
    executor = _executor()
    variables = draw(st.dictionaries(TEXTS, st.integers(0, 3) | TEXTS, max_size=2))
    plan = executor.plan(Parameters(text, name, variables))
    access = Access(draw(TEXTS), draw(TEXTS), policy_version=draw(st.integers(0, 2)), fingerprint="f" + draw(TEXTS))
    return draw(TEXTS), plan, Caller(access, draw(st.integers(0, 2)))


def _executor() -> Executor:
    import strawberry

    @strawberry.type
    class Query:
        cheap: int = 1

    return Executor(strawberry.Schema(Query), Limits(), lambda access, request: None, 1.0)


def _identity(asking: tuple[str, Plan, Caller]) -> Any:
    version, plan, caller = asking
    access = replace(caller.access, decide=caller.access.decide)
    variables = sorted(plan.parameters.variables.items(), key=repr)
    return version, plan.document.text, plan.operation.name, variables, access, caller.generation


@given(askings(), askings())
def test_keys_are_equal_only_when_everything_is(one: Any, other: Any) -> None:
    keys = [QueryCache(None, version, 1).key(plan, caller) for version, plan, caller in (one, other)]  # pyright: ignore[reportArgumentType]
    assert all(keys)
    assert (keys[0] == keys[1]) == (_identity(one) == _identity(other))

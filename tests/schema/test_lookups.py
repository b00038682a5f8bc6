"""Look-ups of many requests in one statement: who may be asked together, what each is told, and that no permission leaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cairn.api.client import Client
from cairn.api.services import Cairn
from cairn.errors import BadInput, CairnError, Unavailable
from cairn.graph.access import Access
from cairn.graph.deadlines import deadline, ending
from cairn.graph.tags import collect, collecting
from cairn.schema.loaders import Loaders
from cairn.schema.lookups import Lookups

pytestmark = pytest.mark.anyio

ADA = Access("t", "ada", scopes=("agent/ada",))


class Shelf:
    """What is looked up here, and every batch that was asked for, with whose permissions."""

    def __init__(self) -> None:
        self.batches: list[tuple[Access, list[str]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.wrong: dict[str, CairnError] = {}
        self.deadlines: list[float | None] = []

    async def batch(self, access: Access, keys: list[str]) -> dict[str, str]:
        self.batches.append((access, keys))
        self.deadlines.append(ending())
        collect(*(f"{access.tenant}/memory/{key}" for key in keys), f"{access.tenant}/graph/1")
        await self.gate.wait()
        for key in keys:
            if key in self.wrong:
                raise self.wrong[key]
        return {key: f"{access.principal} reads {key}" for key in keys if key != "missing"}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def ask(shelf: Shelf) -> Callable[..., Awaitable[Any]]:
    """Asks as a request of its own."""
    lookups = Lookups()

    async def ask(key: str, access: Access = ADA, name: str = "memory") -> Any:
        return await Loaders(lookups).load(name, key, access, shelf.batch, "memory")

    return ask


async def test_what_is_asked_in_the_same_moment_is_one_statement(shelf: Shelf, ask: Callable[..., Awaitable[Any]]) -> None:
    found = await asyncio.gather(ask("a"), ask("b"), ask("a"), ask("missing"))
    assert found == ["ada reads a", "ada reads b", "ada reads a", None]
    assert [keys for _, keys in shelf.batches] == [["a", "b", "missing"]]


async def test_other_permissions_and_other_arguments_are_asked_apart(shelf: Shelf, ask: Callable[..., Awaitable[Any]]) -> None:
    equal, other = Access("t", "ada", scopes=("agent/ada",)), Access("t", "bob")
    found = await asyncio.gather(ask("a"), ask("a", equal), ask("a", other), ask("a", name="others"))
    assert found == ["ada reads a", "ada reads a", "bob reads a", "ada reads a"]
    assert [id(access) for access, _ in shelf.batches] == [id(ADA), id(equal), id(other), id(ADA)]


async def test_no_answer_is_older_than_its_question(shelf: Shelf, ask: Callable[..., Awaitable[Any]]) -> None:
    shelf.gate.clear()
    first = asyncio.create_task(ask("a"))
    while len(shelf.batches) < 1:
        await asyncio.sleep(0)
    second = asyncio.create_task(ask("a"))
    while len(shelf.batches) < 2:
        await asyncio.sleep(0)
    later = [asyncio.create_task(ask(key)) for key in ("a", "b", "c")]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(shelf.batches) == 2  # two at a time; the others wait, and go together
    shelf.gate.set()
    await asyncio.gather(first, second, *later)
    assert [keys for _, keys in shelf.batches] == [["a"], ["a"], ["a", "b", "c"]]


async def test_each_is_told_what_its_own_answer_depends_on(ask: Callable[..., Awaitable[Any]]) -> None:
    async def tags_of(key: str) -> set[str]:
        with collecting() as tags:
            await ask(key)
        return set(tags)

    one, other = await asyncio.gather(tags_of("a"), tags_of("b"))
    assert one == {"t/memory/a", "t/graph/1"}
    assert other == {"t/memory/b", "t/graph/1"}


async def test_a_key_that_is_at_fault_fails_alone(shelf: Shelf, ask: Callable[..., Awaitable[Any]]) -> None:
    shelf.wrong["bad"] = BadInput("no such thing can be")
    found = await asyncio.gather(ask("a"), ask("bad"), ask("b"), return_exceptions=True)
    assert found == ["ada reads a", shelf.wrong["bad"], "ada reads b"]


async def test_a_database_that_is_away_is_asked_once(shelf: Shelf, ask: Callable[..., Awaitable[Any]]) -> None:
    shelf.wrong["bad"] = Unavailable("away")
    found = await asyncio.gather(ask("a"), ask("bad"), return_exceptions=True)
    assert found == [shelf.wrong["bad"]] * 2
    assert len(shelf.batches) == 1


async def test_who_leaves_takes_nothing_from_others(shelf: Shelf, ask: Callable[..., Awaitable[Any]]) -> None:
    shelf.gate.clear()
    leaving, staying = asyncio.create_task(ask("a")), asyncio.create_task(ask("a"))
    while not shelf.batches:
        await asyncio.sleep(0)
    leaving.cancel()
    shelf.gate.set()
    assert await staying == "ada reads a"


async def test_a_statement_has_as_long_as_the_last_who_waits(shelf: Shelf, ask: Callable[..., Awaitable[Any]]) -> None:
    async def within(seconds: float, key: str) -> float | None:
        with deadline(seconds):
            await ask(key)
            return ending()

    ends = await asyncio.gather(within(50, "a"), within(100, "b"), within(20, "c"))
    assert shelf.deadlines == [ends[1]]
    await ask("a")
    assert shelf.deadlines[1:] == [None]


async def test_an_operation_sees_one_value_of_a_key(shelf: Shelf) -> None:
    loaders = Loaders(Lookups())
    assert await loaders.load("memory", "a", ADA, shelf.batch) == await loaders.load("memory", "a", ADA, shelf.batch)
    assert len(shelf.batches) == 1


async def test_principals_who_ask_at_once_see_what_each_may(client: Client, cairn: Cairn) -> None:
    make = "mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { secret } }"
    keys = {
        name: (await client.demand(make, {"i": {"principal": name, "role": "agent"}}))["createApiKey"]["secret"] for name in ("ada", "bob")
    }
    ids: dict[str, str] = {}
    for name, key in keys.items():
        await client.demand("mutation($i: RegisterAgentInput!) { registerAgent(input: $i) { id } }", {"i": {"id": name, "name": name}})
        remember = "mutation($i: RememberInput!) { remember(input: $i) { id } }"
        ids[name] = (await client.execute(remember, {"i": {"agent": name, "text": f"{name} keeps this"}}, key)).data["remember"]["id"]
    before = cairn.services.database.round_trips

    async def look(who: str, whose: str) -> tuple[str, str, Any]:
        answer = await client.execute("query($id: ID!) { memory(id: $id) { text scope } }", {"id": ids[whose]}, keys[who])
        assert not answer.errors
        return who, whose, answer.data["memory"]

    asked = [(who, whose) for _ in range(25) for who in keys for whose in keys]
    for who, whose, found in await asyncio.gather(*(look(*one) for one in asked)):
        assert found == ({"text": f"{whose} keeps this", "scope": f"agent/{whose}"} if who == whose else None)
    assert cairn.services.database.round_trips - before < len(asked) / 2

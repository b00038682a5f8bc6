"""Two replicas over one Neo4j: what one changes, the other follows, with Redis and without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from cairn.api.app import create_app
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
NO_REDIS = "redis://127.0.0.1:1/0"
WITHIN = 1.0
"""Seconds in which a change must have taken effect everywhere."""


@asynccontextmanager
async def replica(settings: Settings, folder: Path, redis_url: str | None) -> AsyncIterator[Client]:
    mine = settings.model_copy(update={"data_dir": folder, "redis_url": redis_url or settings.redis_url})
    async with open_services(mine) as cairn:
        transport = httpx.ASGITransport(create_app(cairn))
        async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
            yield Client(http, "http://cairn.test/graphql", operator_key(folder))


@pytest.fixture(params=["redis", "no redis"])
async def pair(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[Client, Client]]:
    """Two replicas of one Cairn; in the second round neither has a Redis."""
    url = None if request.param == "redis" else NO_REDIS
    async with replica(settings, tmp_path / "one", url) as one, replica(settings, tmp_path / "other", url) as other:
        yield one, other


async def soon(ask: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Ask until the answer is the wanted one; fails when it is not within the time."""
    last = None
    with anyio.move_on_after(WITHIN):
        while (last := await ask()) != wanted:
            await anyio.sleep(0.02)
    assert last == wanted


async def ada_and_rita(one: Client) -> tuple[str, str, str]:
    """An agent's memory, and a reader's key: (memory id, key id, secret)."""
    await one.demand('mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    memory = await one.demand('mutation { remember(input: {agent: "ada", text: "The sluice is shut."}) { id } }')
    key = await one.demand('mutation { createApiKey(input: {principal: "rita", role: "reader"}) { id secret } }')
    return memory["remember"]["id"], key["createApiKey"]["id"], key["createApiKey"]["secret"]


async def test_a_rule_takes_effect_on_the_other_replica_within_a_second(pair: tuple[Client, Client]) -> None:
    one, other = pair
    _, _, secret = await ada_and_rita(one)

    async def texts() -> list[str]:
        answer = await other.execute("{ memories { nodes { text } } }", token=secret)
        return [node["text"] for node in (answer.data or {})["memories"]["nodes"]]

    assert await texts() == []
    rule = {"subject": "rita", "object": "memory:agent/ada/*", "action": "read", "effect": "ALLOW"}
    await one.demand("mutation($r: RuleInput!) { addRule(input: $r) { version } }", {"r": rule})
    await soon(texts, ["The sluice is shut."])
    await one.demand("mutation($r: RuleInput!) { removeRule(input: $r) { version } }", {"r": rule})
    await soon(texts, [])


async def test_a_revoked_key_is_refused_by_the_other_replica_within_a_second(pair: tuple[Client, Client]) -> None:
    one, other = pair
    _, id, secret = await ada_and_rita(one)

    async def refused() -> list[str]:
        return [error["extensions"]["code"] for error in (await other.execute("{ me { id } }", token=secret)).errors]

    assert await refused() == []
    await one.demand("mutation($i: ID!) { revokeApiKey(id: $i) }", {"i": id})
    await soon(refused, ["UNAUTHENTICATED"])


async def test_a_write_is_seen_at_once_by_a_cached_query_of_the_other_replica(pair: tuple[Client, Client]) -> None:
    one, other = pair
    memory, _, _ = await ada_and_rita(one)

    async def count() -> int:
        return len((await other.demand("{ memories { nodes { id } } }"))["memories"]["nodes"])

    await soon(count, 1)
    assert await count() == 1
    await one.demand('mutation { remember(input: {agent: "ada", text: "The sluice is open."}) { id } }')
    assert await count() == 2
    await one.demand("mutation($i: ID!) { forget(id: $i) }", {"i": memory})
    assert await count() == 1


async def test_a_new_scope_is_readable_on_the_other_replica_within_a_second(pair: tuple[Client, Client]) -> None:
    one, other = pair
    await ada_and_rita(one)

    async def scopes() -> set[str]:
        return {node["scope"] for node in (await other.demand("{ memories { nodes { scope } } }"))["memories"]["nodes"]}

    await soon(scopes, {"agent/ada"})
    await one.demand('mutation { remember(input: {agent: "ada", text: "For all.", scope: "team/tides"}) { id } }')
    await soon(scopes, {"agent/ada", "team/tides"})

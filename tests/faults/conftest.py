"""A Cairn whose Neo4j and Redis are reached by way of proxies that can be made to fail."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from cairn.api.app import create_app
from cairn.api.presence import operator_key
from cairn.api.services import Cairn, open_services
from cairn.settings import Settings

from .proxy import FINE, Proxy, open_proxy

TIMEOUT = 6.0
"""Seconds that a request of this Cairn may take, the looks at keys and rules before it apart."""
HANG = 2 * TIMEOUT + 3
"""What takes longer hangs."""


@dataclass(repr=False)
class Flaky:
    """The Cairn, the proxies, and a client that counts what was answered."""

    cairn: Cairn
    neo4j: Proxy
    redis: Proxy
    http: httpx.AsyncClient
    token: str
    keys: list[str] = field(default_factory=list[str])

    async def ask(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """One request, which must be answered in time: the data, or under "codes" what was wrong."""
        async with asyncio.timeout(HANG):
            headers = {"authorization": f"Bearer {self.token}"}
            response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        answer = response.json()
        for hidden in ("bolt:", "127.0.0.1", "MATCH", "Traceback", "redis:"):
            assert hidden not in response.text, response.text
        if "errors" not in answer:
            return answer["data"]
        assert response.status_code == 200 or "retry-after" in response.headers
        return {"codes": sorted({error["extensions"]["code"] for error in answer["errors"]})}

    async def until_well(self) -> None:
        """Wait until it answers as before, at the latest when every connection that died silently has been given up."""
        self.neo4j.fault = self.redis.fault = FINE
        async with asyncio.timeout(6 * TIMEOUT):
            while "codes" in await self.ask('mutation { setState(input: {agent: "ada", key: "well", value: 1}) { version } }'):
                await asyncio.sleep(0.2)
            while "codes" in await self.ask("{ agents { nodes { id } } }"):
                await asyncio.sleep(0.2)


@pytest.fixture
async def flaky(settings: Settings) -> AsyncIterator[Flaky]:
    """That Cairn, with one agent, well until a test makes it otherwise; afterwards nothing of it may be left."""
    assert settings.neo4j_uri is not None and settings.redis_url is not None
    async with open_proxy(settings.neo4j_uri) as neo4j, open_proxy(settings.redis_url) as redis:
        mine = settings.model_copy(update={"neo4j_uri": neo4j.url, "redis_url": redis.url, "request_timeout": TIMEOUT})
        before = asyncio.all_tasks()
        async with open_services(mine) as cairn:
            transport = httpx.ASGITransport(create_app(cairn))
            async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
                token = operator_key(mine.data_dir)
                assert token is not None
                made = Flaky(cairn, neo4j, redis, http, token)
                await made.ask('mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
                yield made
                neo4j.fault = redis.fault = FINE
        left = {task for task in asyncio.all_tasks() - before if not re.search("listening|proxy|TestRunner", repr(task))}
        assert left == set(), "tasks outlived the Cairn they belonged to"
        async with asyncio.timeout(20):
            while neo4j.connections or redis.connections:
                await asyncio.sleep(0.05)

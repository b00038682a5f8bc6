"""Crashes amid writes: no acknowledged write is lost, none is applied twice, and the ledger holds afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.errors import Conflict, Unavailable
from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.database import Database
from cairn.graph.states import get_state, list_states, set_state
from cairn.graph.tenants import create_tenant
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
WRITES = 1_000
CALLERS = 64


def everything(tenant: str) -> Access:
    return Access(tenant, "ada", scopes=("agent/ada",), state_allow=(".*",), decide=lambda _object, _action: Decision(allowed=True))


async def names(database: Database, access: Access) -> dict[str, int]:
    """The version of every state of the agent."""
    found: dict[str, int] = {}
    after = None
    while True:
        page = (await list_states(database, access, ["ada"], 100, after))["ada"]
        found |= {state.key: state.version for state in page.items}
        if not page.more:
            return found
        after = page.cursors[-1]


async def test_neo4j_is_killed_amid_a_thousand_writes(tmp_path: Path) -> None:
    async with open_services(Settings(data_dir=tmp_path / "data", neo4j_heap="512m", neo4j_page_cache="64m")) as cairn:
        writer, database = cairn.services.writer, cairn.services.database
        access = everything("default")
        await register_agent(writer, access, "ada", "Ada")
        children = psutil.Process().children(recursive=True)
        (neo4j,) = (child for child in children if child.name() == "java" and any(str(tmp_path) in part for part in child.cmdline()))
        acknowledged: set[str] = set()
        waiting = iter(range(WRITES))

        async def caller() -> None:
            for number in waiting:
                name = f"k{number:04}"
                while True:
                    try:
                        await set_state(writer, access, "ada", name, number, idempotency_key=name)
                    except Unavailable:
                        continue  # the outcome is unknown; the same key again is harmless
                    break
                acknowledged.add(name)
                if len(acknowledged) == WRITES // 4:
                    neo4j.kill()

        async with asyncio.timeout(240):
            await asyncio.gather(*(caller() for _ in range(CALLERS)))
        assert len(acknowledged) == WRITES
        assert await names(database, access) == dict.fromkeys(sorted(acknowledged), 1)
        verdict = await verify(database, "default")
        assert verdict.holds, verdict.problem


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A `cairn up` in a process of its own, and its address."""
    environment = {
        **os.environ,
        "CAIRN_DATA_DIR": str(settings.data_dir),
        "CAIRN_TENANT": settings.tenant,
        "CAIRN_NEO4J_URI": settings.neo4j_uri or "",
        "CAIRN_REDIS_URL": settings.redis_url or "",
        "CAIRN_NEO4J_USER": settings.neo4j_user,
        **({"CAIRN_NEO4J_PASSWORD": settings.neo4j_password.get_secret_value()} if settings.neo4j_password else {}),
    }
    command = [sys.executable, "-m", "cairn", "up", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if line.startswith("Cairn is ready: "))
            yield process, line.split()[-1].removesuffix("/graphql")
        finally:
            process.kill()
            process.communicate(timeout=30)


SET = 'mutation($k: String!, $v: JSON!) { setState(input: {agent: "ada", key: $k, value: $v, idempotencyKey: $k}) { version } }'


async def test_the_api_is_killed_amid_writes(settings: Settings) -> None:
    acknowledged: set[str] = set()
    wanted = [f"k{number:03}" for number in range(300)]

    async def write(client: httpx.AsyncClient, name: str) -> int:
        answer: dict[str, Any] = (await client.post("/graphql", json={"query": SET, "variables": {"k": name, "v": name}})).json()
        acknowledged.add(name)
        return answer["data"]["setState"]["version"]

    def client(url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {operator_key(settings.data_dir)}"}, timeout=60)

    with serving(settings) as (process, url):
        async with client(url) as http:
            await http.post("/graphql", json={"query": 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }'})
            todo = iter(wanted)

            async def caller() -> None:
                for name in todo:
                    await write(http, name)
                    if len(acknowledged) == 100:
                        os.kill(process.pid, signal.SIGKILL)

            outcomes = await asyncio.gather(*(caller() for _ in range(16)), return_exceptions=True)
            assert any(isinstance(outcome, httpx.HTTPError) for outcome in outcomes)
    before = set(acknowledged)
    assert before < set(wanted)
    with serving(settings) as (_, url):
        async with client(url) as http:
            assert [await write(http, name) for name in wanted] == [1] * len(wanted)
            read = 'query($k: String!) { state(agent: "ada", key: $k) { value version } }'
            for name in sorted(before):
                state = (await http.post("/graphql", json={"query": read, "variables": {"k": name}})).json()["data"]["state"]
                assert state == {"value": name, "version": 1}


async def test_of_two_replicas_racing_on_one_state_exactly_one_wins(database: Database, writer: Writer, tenant: str) -> None:
    await create_tenant(writer, tenant, [])
    access = everything(tenant)
    await register_agent(writer, access, "ada", "Ada")
    async with open_writer(database) as other:
        for version in range(10):
            racing = [set_state(one, access, "ada", "plan", [version, side], version) for side, one in enumerate((writer, other) * 3)]
            outcomes = await asyncio.gather(*racing, return_exceptions=True)
            won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
            lost = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
            assert len(won) == 1
            assert all(isinstance(outcome, Conflict) for outcome in lost)
            current = await get_state(database, access, "ada", "plan")
            assert current is not None
            assert (current.version, current.value) == (version + 1, won[0].value)

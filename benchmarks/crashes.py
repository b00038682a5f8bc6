"""What crashes cost: Neo4j, the API and Redis are killed amid writes, and replies are dropped. Nothing may be lost or applied twice.

    python -m benchmarks.crashes [--rounds 20] [--writes 10000] [--callers 64] [--repeated 10000] [--seed 1]

Each round has a tenant of its own. Its callers write over HTTP, every write with an idempotency key, and repeat what was not
acknowledged with the same key; meanwhile each of the three servers is killed once (SIGKILL), at a moment drawn at random. Afterwards
every acknowledged write is looked for, the ledger's entries are counted beside the writes, and `cairn verify` runs.
Then `--repeated` writes are sent three times each, at the same time, and the first two replies are never read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import urlsplit

import psutil

from cairn.api.presence import operator_key
from cairn.graph.servers import Servers, servers
from cairn.settings import Settings

AGENTS = 16
REGISTER = "mutation($a: ID!, $n: String!) { registerAgent(input: {id: $a, name: $n}) { id } }"
SET = """mutation($a: ID!, $k: String!, $v: JSON!, $i: String) {
  setState(input: {agent: $a, key: $k, value: $v, idempotencyKey: $i}) { version } }"""
STATES = """query($a: ID!, $p: String) { agent(id: $a) { states(first: 100, after: $p) {
  nodes { key value version } pageInfo { hasNextPage endCursor } } } }"""
SIZE = "{ ledger { size } }"


@dataclass
class API:
    """`cairn up` as a process of its own, over servers that outlive it."""

    running: Servers
    folder: Path
    tenant: str
    process: subprocess.Popen[str] | None = None
    host: str = ""
    port: int = 0
    token: str = ""
    restarts: int = -1
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {
            **os.environ,
            "CAIRN_DATA_DIR": str(self.folder),
            "CAIRN_TENANT": self.tenant,
            "CAIRN_NEO4J_URI": self.running.neo4j_uri,
            "CAIRN_NEO4J_PASSWORD": self.running.neo4j_password or "",
            "CAIRN_REDIS_URL": self.running.redis_url,
            "CAIRN_LOG_LEVEL": "error",
            "CAIRN_CONSOLIDATION_INTERVAL": "0",
        }

    async def start(self) -> None:
        """Start it, again and again while Neo4j is away."""
        while True:
            if line := await asyncio.to_thread(self._launch):
                break
            await asyncio.sleep(1)
        address = urlsplit(line.split()[-1])
        self.host, self.port = address.hostname or "", address.port or 0
        self.token = operator_key(self.folder) or ""
        self.restarts += 1

    def _launch(self) -> str:
        """Start it once; the line in which it says that it is ready, empty when it ended before."""
        command = [sys.executable, "-m", "cairn", "up", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = next((line for line in self.process.stdout if line.startswith("Cairn is ready")), "")
        if not line:
            self.process.wait()
        return line

    async def kill(self) -> None:
        """Kill it and start it again."""
        self.stop(signal.SIGKILL)
        await self.start()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.communicate()

    def verifies(self) -> str:
        """What `cairn verify` says; empty when all holds."""
        done = subprocess.run([sys.executable, "-m", "cairn", "verify"], env=self.environment, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr


class Place(Protocol):
    """Where a Cairn answers, and a key for it."""

    host: str
    port: int
    token: str


class Caller:
    """One client with one connection, which is opened again whenever it broke."""

    def __init__(self, api: Place) -> None:
        self._api = api
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, query: str, *, read: bool = True, **variables: Any) -> dict[str, Any] | None:
        """The answer; None when the connection broke first, or when it is not to be `read`: then the connection is cut."""
        try:
            reader, _ = await self._send(json.dumps({"query": query, "variables": variables}).encode())
            if not read:
                await asyncio.sleep(random.random() * 0.02)
                self.close()
                return None
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            return json.loads(await reader.readexactly(length))
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return None

    async def insist(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data, however often that must be asked for."""
        while True:
            answer = await self.ask(query, **variables)
            if answer is not None and "errors" not in answer:
                return answer["data"]
            codes = [error["extensions"]["code"] for error in (answer or {}).get("errors", [])]
            assert set(codes) <= {"UNAVAILABLE", "TOO_COSTLY", "RATE_LIMITED"}, answer
            await asyncio.sleep(0.1)

    async def _send(self, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._api.host, self._api.port)
        head = (
            f"POST /graphql HTTP/1.1\r\nhost: cairn\r\nauthorization: Bearer {self._api.token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._streams[1].write(head.encode() + body)
        await self._streams[1].drain()
        return self._streams

    def close(self) -> None:
        """Cut the connection."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


@asynccontextmanager
async def opened(running: Servers, folder: Path, tenant: str) -> AsyncIterator[API]:
    """An API with its agents."""
    api = API(running, folder, tenant)
    await api.start()
    try:
        await asyncio.gather(*(Caller(api).insist(REGISTER, a=f"agent{number}", n=f"Agent {number}") for number in range(AGENTS)))
        yield api
    finally:
        api.stop()


async def found(api: API) -> dict[str, list[Any]]:
    """All states there are: their values and versions."""
    states: dict[str, list[Any]] = {}
    caller = Caller(api)
    for number in range(AGENTS):
        after = None
        while True:
            page = (await caller.insist(STATES, a=f"agent{number}", p=after))["agent"]["states"]
            states |= {node["key"]: [node["value"], node["version"]] for node in page["nodes"]}
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
    caller.close()
    return states


def child(name: str) -> psutil.Process:
    """The child process that runs a server."""
    return next(one for one in psutil.Process().children(recursive=True) if one.name() == name and "admin" not in one.cmdline())


async def crash(running: Servers, folder: Path, number: int, writes: int, callers: int, rng: random.Random) -> tuple[int, int, bool]:
    """One round: how many acknowledged writes are lost, how many were applied more than once, and whether all is verified."""
    async with opened(running, folder, f"round-{number}") as api:
        before = (await Caller(api).insist(SIZE))["ledger"]["size"]
        acknowledged: set[str] = set()
        moments = dict(zip(rng.sample(range(1, writes), 3), ("java", "redis-server", "api"), strict=True))
        killing: list[asyncio.Task[None]] = []
        waiting = iter(range(writes))

        async def kill(name: str) -> None:
            if name == "api":
                await api.kill()
            else:
                with suppress(StopIteration, psutil.NoSuchProcess):
                    child(name).kill()

        async def call() -> None:
            caller = Caller(api)
            for number in waiting:
                key = f"k{number}"
                await caller.insist(SET, a=f"agent{number % AGENTS}", k=key, v=key, i=key)
                acknowledged.add(key)
                if (name := moments.get(len(acknowledged))) is not None:
                    killing.append(asyncio.create_task(kill(name)))
            caller.close()

        began = perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        await asyncio.gather(*killing)
        states = await found(api)
        lost = sum(states.get(key) != [key, 1] and states.get(key, [0, 0])[1] < 1 for key in acknowledged)
        twice = sum(version > 1 for _, version in states.values())
        grown = (await Caller(api).insist(SIZE))["ledger"]["size"] - before
        problem = await asyncio.to_thread(api.verifies)
        when = ", ".join(f"{name} after {moment}" for moment, name in sorted(moments.items()))
        print(
            f"round {number:>2}: {len(acknowledged)} acknowledged in {perf_counter() - began:.0f} s, {lost} lost, {twice} twice, "
            f"{grown} entries in the ledger, verify {problem or 'passes'}; killed {when}",
            flush=True,
        )
        return lost, twice + abs(grown - writes), not problem


async def repeat(running: Servers, folder: Path, writes: int, callers: int) -> int:
    """Send each write three times at once, and read the last reply only. How many effects there were."""
    async with opened(running, folder, "repeated") as api:
        before = (await Caller(api).insist(SIZE))["ledger"]["size"]
        waiting = iter(range(writes))

        async def call() -> None:
            reading, dropping = Caller(api), (Caller(api), Caller(api))
            for number in waiting:
                asked = {"a": f"agent{number % AGENTS}", "k": f"k{number}", "v": number, "i": f"k{number}"}
                await asyncio.gather(*(one.ask(SET, read=False, **asked) for one in dropping), reading.insist(SET, **asked))
            reading.close()

        await asyncio.gather(*(call() for _ in range(callers)))
        states = await found(api)
        assert set(states) == {f"k{number}" for number in range(writes)}
        effects = sum(version for _, version in states.values())
        grown = (await Caller(api).insist(SIZE))["ledger"]["size"] - before
        assert grown == effects, f"{grown} entries in the ledger for {effects} effects"
        return effects


async def run(arguments: argparse.Namespace) -> bool:
    """Everything; whether nothing went wrong."""
    rng = random.Random(arguments.seed)
    with TemporaryDirectory() as folder:
        async with servers(Settings(data_dir=Path(folder, "servers"), neo4j_uri=None, redis_url=None)) as running:
            rounds = [
                await crash(running, Path(folder, f"round{number}"), number, arguments.writes, arguments.callers, rng)
                for number in range(1, arguments.rounds + 1)
            ]
            lost, twice = sum(one[0] for one in rounds), sum(one[1] for one in rounds)
            passed = sum(one[2] for one in rounds)
            print(f"{len(rounds)} rounds of {arguments.writes} writes, Neo4j, Redis and the API killed in each:")
            print(f"{lost} acknowledged writes lost, {twice} applied twice, cairn verify passes {passed} of {len(rounds)} times")
            if not arguments.repeated:
                return not lost and not twice and passed == len(rounds)
            effects = await repeat(running, Path(folder, "repeated"), arguments.repeated, arguments.callers)
            print(f"{arguments.repeated} writes sent three times each, two replies in three dropped: {effects} effects")
            return not lost and not twice and passed == len(rounds) and effects == arguments.repeated


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--repeated", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    logging.disable(logging.ERROR)  # that servers which are killed have died
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()

"""How many replicas, Redis nodes and Neo4j members serve so many agents: CPU seconds as measured, in a discrete-event simulation.

    python -m benchmarks.capacity [--measured FILE] [--agents 1000 100000 10000000] [--think 10] [--cores 8] [--objective 0.1]

First one Cairn over servers of its own does each kind of operation in turn, and the CPU seconds that its process, Neo4j and Redis take for
one are printed (`--measured` reads them from a file with that line instead). Then cells are simulated with SimPy: a cell is one graph
with its Neo4j cluster, its Redis node and its replicas. Writes go to the cluster's leader, reads to followers; an agent does one thing
every `--think` seconds. No part is planned beyond 60 % of its CPU time, nor a cell whose p95 is above `--objective` seconds.

Assumptions, not measured: the mix of operations, exponential service times, 0.3 ms of network a request, and that cores are all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import simpy

from benchmarks.crashes import API, REGISTER, Caller, child
from benchmarks.replicas import GET, SET
from cairn.graph.servers import servers
from cairn.settings import Settings

MIX = {"hit": 0.70, "miss": 0.12, "write": 0.15, "recall": 0.03}
PARTS = ("api", "neo4j", "redis")
FULL, NETWORK = 0.6, 0.0003
MEMBERS = 7
"""More Neo4j members than that make a leader's every commit slower; a plan goes on with another cell."""
REQUESTS = 20_000
REMEMBER = 'mutation($t: String!) { remember(input: {agent: "agent0", text: $t}) { id } }'
RECALL = 'query($t: String!) { recall(input: {agent: "agent0", query: $t, limit: 10}) { hits { memory { text } } } }'
Times = Mapping[str, Mapping[str, float]]


async def measure(count: int) -> dict[str, dict[str, float]]:
    """CPU seconds that each kind of operation takes in each process, one after the other."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with servers(Settings(data_dir=folder / "servers", neo4j_uri=None, redis_url=None)) as running:
            api = API(running, folder / "replica", "capacity")
            await api.start()
            try:
                return await _measure(api, count)
            finally:
                await asyncio.to_thread(api.stop)


async def _measure(api: API, count: int) -> dict[str, dict[str, float]]:
    assert api.process is not None
    processes = [psutil.Process(api.process.pid), child("java"), child("redis-server")]
    caller = Caller(api)
    await caller.insist(REGISTER, a="agent0", n="Agent")
    for number in range(200):
        await caller.insist(REMEMBER, t=f"The sluice of polder {number} was shut at dusk.")
    await caller.insist(SET, a="agent0", k="same", v=1)

    async def hit(_: int) -> None:
        await caller.insist(GET, a="agent0", k="same")

    async def miss(number: int) -> None:
        await caller.insist(GET, a="agent0", k=f"other{number}")

    async def write(number: int) -> None:
        await caller.insist(SET, a="agent0", k=f"k{number % 50}", v=number)

    async def recall(number: int) -> None:
        await caller.insist(RECALL, t=f"polder {number}")

    kinds: dict[str, Callable[[int], Awaitable[None]]] = {"hit": hit, "miss": miss, "write": write, "recall": recall}
    times: dict[str, dict[str, float]] = {}
    for kind, act in kinds.items():
        for number in range(count):
            await act(-1 - number)
        before = [sum(one.cpu_times()[:2]) for one in processes]
        for number in range(count):
            await act(number)
        after = [sum(one.cpu_times()[:2]) for one in processes]
        times[kind] = {part: round((now - then) / count, 6) for part, now, then in zip(PARTS, after, before, strict=True)}
    caller.close()
    return times


@dataclass(frozen=True)
class Cell:
    """One graph: replicas of one core each, Neo4j members of so many cores, a Redis node; `rate` in requests a second."""

    replicas: int
    members: int
    cores: int
    rate: float

    @property
    def all_cores(self) -> int:
        """Cores that are paid for, Redis' one included."""
        return self.replicas + self.members * self.cores + 1


@dataclass(frozen=True)
class Outcome:
    """What a simulation saw: seconds, requests a second, and the part of the CPU time that was used."""

    p50: float
    p95: float
    done: float
    used: Mapping[str, float]


def simulate(cell: Cell, times: Times, requests: int = REQUESTS, seed: int = 1) -> Outcome:
    """Requests come at random at the cell's rate, and wait their turn at each part."""
    rng, env = random.Random(seed), simpy.Environment()
    api, redis = simpy.Resource(env, cell.replicas), simpy.Resource(env, 1)
    members = [simpy.Resource(env, cell.cores) for _ in range(cell.members)]
    busy = dict.fromkeys((*PARTS, "leader"), 0.0)
    took: list[float] = []

    def use(server: simpy.Resource, mean: float, *parts: str) -> Generator[Any, Any, None]:
        if mean <= 0:
            return
        seconds = rng.expovariate(1 / mean)
        for part in parts:
            busy[part] += seconds
        with server.request() as turn:
            yield turn
            yield env.timeout(seconds)

    def request(kind: str) -> Generator[Any, Any, None]:
        began, spent = env.now, times[kind]
        yield env.timeout(NETWORK)
        yield from use(redis, spent["redis"], "redis")
        if kind == "write":
            yield from use(members[0], spent["neo4j"], "neo4j", "leader")
        else:
            alone = cell.members == 1
            follower = members[0 if alone else rng.randrange(1, cell.members)]
            yield from use(follower, spent["neo4j"], "neo4j", *(["leader"] if alone else []))
        yield from use(api, spent["api"], "api")
        took.append(env.now - began)

    def arrivals() -> Generator[Any, Any, None]:
        for kind in rng.choices(list(MIX), list(MIX.values()), k=requests):
            yield env.timeout(rng.expovariate(cell.rate))
            env.process(request(kind))

    env.process(arrivals())
    env.run()
    took.sort()
    there = {"api": cell.replicas, "neo4j": cell.members * cell.cores, "redis": 1, "leader": cell.cores}
    used = {part: busy[part] / env.now / count for part, count in there.items()}
    return Outcome(took[len(took) // 2], took[int(len(took) * 0.95)], len(took) / env.now, used)


def demand(times: Times) -> dict[str, float]:
    """CPU seconds of the mean request at each part; `leader`: of its writes at Neo4j."""
    mean = {part: sum(share * times[kind][part] for kind, share in MIX.items()) for part in PARTS}
    return {**mean, "leader": MIX["write"] * times["write"]["neo4j"]}


def plan(rate: float, times: Times, cores: int) -> tuple[int, Cell, str]:
    """How many cells, one of them, and the part that makes more cells than one needed (or that fills first)."""
    need = demand(times)
    most = {
        "leader": FULL * cores / need["leader"],
        "neo4j": FULL * cores * (MEMBERS - 1) / (need["neo4j"] - need["leader"]),
        "redis": FULL / max(need["redis"], 1e-9),
    }
    first = min(most, key=lambda part: most[part])
    cells = max(1, math.ceil(rate / most[first]))
    each = rate / cells
    members = 1
    if each * need["neo4j"] > FULL * cores:
        members = max(3, 1 + math.ceil(each * (need["neo4j"] - need["leader"]) / FULL / cores))
    return cells, Cell(max(2, math.ceil(each * need["api"] / FULL)), members, cores, each), first


def report(times: Times, arguments: argparse.Namespace) -> None:
    """Print what serves how many agents, where it breaks first, and what replicas gain."""
    print("| agents | requests/s | cells | replicas | Redis nodes | Neo4j members | cores | p50 | p95 | busiest | full first |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for agents in arguments.agents:
        rate = agents / arguments.think
        cells, cell, first = plan(rate, times, arguments.cores)
        seen = simulate(cell, times)
        busiest = max(seen.used, key=lambda part: seen.used[part])
        print(
            f"| {agents:,} | {rate:,.0f} | {cells:,} | {cells * cell.replicas:,} | {cells:,} | {cells * cell.members:,} "
            f"| {cells * cell.all_cores:,} | {1000 * seen.p50:.1f} ms | {1000 * seen.p95:.1f} ms "
            f"| {busiest} {seen.used[busiest]:.0%} | {first} |"
            + ("" if seen.p95 <= arguments.objective else f" above the {arguments.objective} s that were asked for")
        )
    print("Cores are core-hours an hour; those of idle spares are not in it.\n")
    print("| replicas | requests/s at most | gain |\n| --- | --- | --- |")
    alone = 0.0
    for replicas in (1, 2, 3, 4, 8):
        cell = Cell(replicas, 3, arguments.cores, 1e6)  # far more than can be done: what comes out is what it can do
        done = simulate(cell, times).done
        alone = alone or done
        print(f"| {replicas} | {done:,.0f} | {done / alone:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measured", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--agents", type=int, nargs="+", default=[1_000, 100_000, 10_000_000])
    parser.add_argument("--think", type=float, default=10)
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--objective", type=float, default=0.1)
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    times = json.loads(arguments.measured.read_text("utf-8")) if arguments.measured else asyncio.run(measure(arguments.count))
    print(json.dumps(times))
    report(times, arguments)


if __name__ == "__main__":
    main()

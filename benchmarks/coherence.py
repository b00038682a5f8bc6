"""Whether any answer of three replicas is stale, or another principal's, while Redis is killed and restarted.

    python -m benchmarks.coherence [--operations 5000] [--principals 50] [--every 3] [--seed 1]

Principals, four in five of them agents that may see only themselves and the rest administrators, read and write through a replica
drawn at random for each operation; Redis is killed (SIGKILL) every few seconds and comes back empty. Reads are held against the history:

- stale: its version is older than one that was acknowledged, by any replica, before the read began. That is what the cache promises
  (docs/decisions/0005-query-cache.md): no time for which an old answer may be given.
- foreign: it shows an agent what is another's, or a value that was not written as that version.

`--operations 1000000` is the figure; what comes from the cache is counted beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx
import psutil

from benchmarks.crashes import API, REGISTER, Caller, child
from benchmarks.replicas import GET, REPLICAS, SET, Door, History, State, keys, replicated
from cairn.graph.servers import servers
from cairn.settings import Settings

STATES = 3
"""States an agent has: few, so that most are asked for again before they change."""
ALL = "{ agents(first: 100) { nodes { id states(first: 10) { nodes { key value version } } } } }"
PASSABLE = {"FORBIDDEN", "NOT_FOUND"}


@dataclass
class Reader:
    """One principal with a connection to each replica. `agent`: whom it is and may see; None: everybody."""

    name: str
    agent: str | None
    callers: list[Caller]

    def close(self) -> None:
        for caller in self.callers:
            caller.close()


@dataclass
class Trial:
    """What was done, and what was wrong with it."""

    agents: list[str]
    operations: int
    rng: random.Random
    history: History = field(default_factory=History)
    begun: int = 0
    done: Counter[str] = field(default_factory=Counter[str])
    unread: list[tuple[State, int, Any]] = field(default_factory=list[tuple[State, int, Any]])

    async def act(self, reader: Reader) -> None:
        """Do one thing after another until enough was done."""
        while self.begun < self.operations:
            self.begun += 1
            caller = self.rng.choice(reader.callers)
            draw = self.rng.random()
            if draw < 0.2:
                await self._write(reader, caller)
            elif draw < 0.8:
                await self._read(reader, caller)
            else:
                await self._read_all(reader, caller)

    def _state(self, agent: str | None) -> State:
        return agent or self.rng.choice(self.agents), f"k{self.rng.randrange(STATES)}"

    async def _write(self, reader: Reader, caller: Caller) -> None:
        state = self._state(reader.agent)
        value = f"{state[0]} {state[1]} {self.begun}"
        answer = await caller.insist(SET, a=state[0], k=state[1], v=value, i=value)
        self.history.acknowledge(state, answer["setState"]["version"], value)
        self.done["written"] += 1

    async def _read(self, reader: Reader, caller: Caller) -> None:
        state = self._state(reader.agent if self.rng.random() < 0.7 else None)
        least = self.history.newest[state]
        answer = await self._ask(caller, GET, a=state[0], k=state[1])
        self.done["read"] += 1
        self._judge(reader, state, answer.get("state"), least)

    async def _read_all(self, reader: Reader, caller: Caller) -> None:
        least = dict(self.history.newest)
        answer = await self._ask(caller, ALL)
        self.done["read"] += 1
        seen = {
            (agent["id"], state["key"]): state
            for agent in answer.get("agents", {"nodes": []})["nodes"]
            for state in agent["states"]["nodes"]
        }
        for state in {*least, *seen}:
            if reader.agent in (None, state[0]) or state in seen:
                self._judge(reader, state, seen.get(state), least.get(state, 0))

    async def _ask(self, caller: Caller, query: str, **variables: Any) -> dict[str, Any]:
        """The data, empty when it may not be read."""
        while True:
            answer = await caller.ask(query, **variables)
            codes = {error["extensions"]["code"] for error in (answer or {}).get("errors", [])}
            if answer is not None and codes <= PASSABLE:
                return {} if codes else answer["data"]
            self.done["repeated"] += 1
            await asyncio.sleep(0.1)

    def _judge(self, reader: Reader, state: State, seen: dict[str, Any] | None, least: int) -> None:
        mine = reader.agent in (None, state[0])
        if seen is None:
            self.done["stale"] += mine and least > 0
            return
        self.done["foreign"] += not mine
        self.done["stale"] += mine and seen["version"] < least
        self.unread.append((state, seen["version"], seen["value"]))
        if len(self.unread) > 100_000:
            self.compare(everything=False)

    def compare(self, *, everything: bool) -> None:
        """Hold what was read against what was written as that version, as far as its writer was told by now."""
        kept = []
        for state, version, value in self.unread:
            written = self.history.written.get((state, version))
            if written is None and not everything:
                kept.append((state, version, value))
            self.done["foreign"] += written is not None and written != value
            self.done["unknown"] += written is None and everything
        self.unread = kept


async def disturb(trial: Trial, every: float) -> int:
    """Kill Redis again and again until the work is done; how often."""
    killed = 0
    while trial.begun < trial.operations:
        await asyncio.sleep(every)
        with suppress(StopIteration, psutil.NoSuchProcess):
            child("redis-server").kill()
            killed += 1
    return killed


async def cached(apis: list[API]) -> Counter[str]:
    """How many queries were answered from where, by all replicas together."""
    counts: Counter[str] = Counter()
    async with httpx.AsyncClient() as http:
        for api in apis:
            page = (await http.get(f"http://{api.host}:{api.port}/metrics")).text
            for line in page.splitlines():
                if line.startswith("cairn_queries_total{"):
                    counts[line.split('"')[1]] += int(float(line.split()[-1]))
    return counts


async def prepare(apis: list[API], count: int) -> tuple[list[str], list[Reader]]:
    """The agents, and the principals with their keys."""
    agents = [f"agent{number}" for number in range(count - count // 5)]
    others = [f"operator{number}" for number in range(count // 5)]
    caller = Caller(apis[0])
    for agent in agents:
        await caller.insist(REGISTER, a=agent, n=agent)
    caller.close()
    tokens = [*await keys(apis[0], agents, "agent"), *await keys(apis[0], others, "admin")]
    readers = [
        Reader(name, name if name in agents else None, [Caller(Door(api.host, api.port, token)) for api in apis])
        for name, token in zip([*agents, *others], tokens, strict=True)
    ]
    return agents, readers


async def run(arguments: argparse.Namespace) -> bool:
    """Everything; whether nothing was stale or foreign."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            servers(Settings(data_dir=folder / "servers", neo4j_uri=None, redis_url=None)) as running,
            replicated(running, folder, "coherence", drain=0) as apis,
        ):
            agents, readers = await prepare(apis, arguments.principals)
            trial = Trial(agents, arguments.operations, random.Random(arguments.seed))
            began = perf_counter()
            killing = asyncio.create_task(disturb(trial, arguments.every))
            await asyncio.gather(*(trial.act(reader) for reader in readers))
            seconds = perf_counter() - began
            killed = await killing
            for reader in readers:
                reader.close()
            trial.compare(everything=True)
            levels = await cached(apis)
    done = trial.done
    print(
        f"{done['read']} reads and {done['written']} writes by {arguments.principals} principals over {REPLICAS} replicas in "
        f"{seconds:.0f} s, Redis killed {killed} times, {done['repeated']} requests repeated"
    )
    print("answered from: " + ", ".join(f"{level} {count}" for level, count in sorted(levels.items())))
    print(f"{done['stale']} stale, {done['foreign']} foreign, {done['unknown']} that nobody wrote", flush=True)
    return not done["stale"] and not done["foreign"] and not done["unknown"] and killed > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--operations", type=int, default=5_000)
    parser.add_argument("--principals", type=int, default=50)
    parser.add_argument("--every", type=float, default=3)
    parser.add_argument("--seed", type=int, default=1)
    logging.disable(logging.ERROR)
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()

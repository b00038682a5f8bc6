"""Whether three replicas behind HAProxy lose nothing and answer rightly while one of them is ended every 10 seconds.

    python -m benchmarks.replicas [--seconds 60] [--every 10] [--callers 12] [--seed 1]

HAProxy runs with docker/haproxy.cfg. Callers, each with a key of its own, write states with idempotency keys, repeat what was not
acknowledged with the same key, and read what anybody wrote. Meanwhile one replica after the other is ended and started again, by SIGTERM
and SIGKILL in turns. A SIGTERM may cost no request; a SIGKILL only requests that were under way at that replica. A read is stale when
it is older than what was acknowledged before it began. At the end every acknowledged write must be there, once, and `cairn verify` pass.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.crashes import AGENTS, API, REGISTER, SIZE, Caller, Place
from cairn.graph.servers import Servers, servers
from cairn.settings import Settings

CONFIGURATION = Path(__file__).resolve().parents[1] / "docker" / "haproxy.cfg"
REPLICAS = 3
DRAIN = 2.0
KEYS = 20
"""States an agent has."""
SET = """mutation($a: ID!, $k: String!, $v: JSON!, $i: String) {
  setState(input: {agent: $a, key: $k, value: $v, idempotencyKey: $i}) { version } }"""
GET = "query($a: ID!, $k: String!) { state(agent: $a, key: $k) { value version } }"
KEY = "mutation($p: String!, $r: String!) { createApiKey(input: {principal: $p, role: $r}) { secret } }"
State = tuple[str, str]


@dataclass
class History:
    """What was acknowledged: of each state the newest version, and what each version is."""

    newest: Counter[State] = field(default_factory=Counter[State])
    written: dict[tuple[State, int], Any] = field(default_factory=dict[tuple[State, int], Any])

    def acknowledge(self, state: State, version: int, value: Any) -> None:
        """Note a write of which its caller was told."""
        self.newest[state] = max(self.newest[state], version)
        self.written[state, version] = value


@dataclass(frozen=True)
class Door:
    """An address with one caller's key."""

    host: str
    port: int
    token: str


class Patient(Caller):
    """A caller that takes what the balancer says in an answer's stead (502, 503) for a connection that broke."""

    async def ask(self, query: str, *, read: bool = True, **variables: Any) -> dict[str, Any] | None:
        """The answer; None when there is none."""
        try:
            return await super().ask(query, read=read, **variables)
        except (json.JSONDecodeError, StopIteration):
            self.close()
            return None


@asynccontextmanager
async def replicated(running: Servers, folder: Path, tenant: str, *, drain: float = DRAIN) -> AsyncIterator[list[API]]:
    """Replicas of one Cairn, with the agents `agent0` and so on."""
    apis = [API(running, folder / f"replica{number}", tenant) for number in range(REPLICAS)]
    try:
        for api in apis:
            api.environment |= {
                "CAIRN_DRAIN": str(drain),
                "CAIRN_MASTER_KEY_FILE": str(folder / "master.key"),
                "CAIRN_LEDGER_KEY_FILE": str(folder / "ledger.key"),
            }
            await api.start()
        yield apis
    finally:
        for api in apis:
            if api.process is not None and api.process.poll() is None:
                api.stop(signal.SIGKILL)


@asynccontextmanager
async def balanced(apis: list[API]) -> AsyncIterator[int]:
    """HAProxy in front of them, and its port."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("needs haproxy: apt-get install haproxy")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    places = {f"CAIRN_REPLICA_{number}": f"{api.host}:{api.port}" for number, api in enumerate(apis, 1)}
    environment = {**os.environ, **places, "CAIRN_LISTEN": f"127.0.0.1:{port}"}
    quiet = subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(program, "-db", "-f", str(CONFIGURATION), env=environment, stdout=quiet, stderr=quiet)
    try:
        caller = Patient(Door("127.0.0.1", port, apis[0].token))
        await caller.insist("{ __typename }")
        caller.close()
        await asyncio.sleep(1)  # all three were looked at twice
        yield port
    finally:
        process.terminate()
        await process.wait()


async def keys(at: Place, principals: list[str], role: str) -> list[str]:
    """A new key for each."""
    caller = Caller(at)
    made = [(await caller.insist(KEY, p=principal, r=role))["createApiKey"]["secret"] for principal in principals]
    caller.close()
    return made


@dataclass
class Trial:
    """One run: callers, what they were told, and what failed meanwhile. `ending`: which replica is being ended, and how."""

    port: int
    rng: random.Random
    history: History = field(default_factory=History)
    ending: str = "none"
    failed: Counter[str] = field(default_factory=Counter[str])
    stale: int = 0
    wrong: int = 0
    reads: int = 0
    writes: int = 0
    over: bool = False

    async def call(self, number: int, token: str) -> None:
        """Write and read until it is over."""
        caller = Patient(Door("127.0.0.1", self.port, token))
        while not self.over:
            if self.rng.random() < 0.5:
                await self._write(caller, number)
            else:
                await self._read(caller)
        caller.close()

    async def _write(self, caller: Patient, number: int) -> None:
        self.writes += 1
        state, value = (f"agent{number % AGENTS}", f"k{self.rng.randrange(KEYS)}"), f"{number}-{self.writes}"
        while True:
            answer = await self._ask(caller, SET, a=state[0], k=state[1], v=value, i=value)
            if answer is not None:
                self.history.acknowledge(state, answer["setState"]["version"], value)
                return
            await asyncio.sleep(0.05)

    async def _read(self, caller: Patient) -> None:
        if not self.history.newest:
            return
        state = self.rng.choice(list(self.history.newest))
        least = self.history.newest[state]
        answer = await self._ask(caller, GET, a=state[0], k=state[1])
        if answer is None:
            return
        self.reads += 1
        seen = answer["state"] or {"version": 0, "value": None}
        self.stale += seen["version"] < least
        self.wrong += self.history.written.get((state, seen["version"]), seen["value"]) != seen["value"]

    async def _ask(self, caller: Patient, query: str, **variables: Any) -> dict[str, Any] | None:
        before = self.ending
        answer = await caller.ask(query, **variables)
        if answer is not None and "errors" not in answer:
            return answer["data"]
        self.failed[self.ending if self.ending != "none" else before] += 1
        return None

    async def disturb(self, apis: list[API], seconds: float, every: float) -> Counter[str]:
        """End one replica after the other, and start it again meanwhile. How often each way, when the time is over and all are back.

        Never the last one that is up: where starting takes longer than twice `every`, the next end waits.
        """
        done: Counter[str] = Counter()
        starting: dict[int, asyncio.Task[None]] = {}
        began = perf_counter()
        for count in range(1, math.ceil(seconds / every)):
            await asyncio.sleep(max(0.0, began + count * every - perf_counter()))
            index = count % len(apis)
            if index in starting:
                await starting[index]
            while sum(not one.done() for one in starting.values()) > len(apis) - 2:
                await asyncio.wait(starting.values(), return_when=asyncio.FIRST_COMPLETED)
            how = (signal.SIGTERM, signal.SIGKILL)[count % 2]
            self.ending = how.name
            await asyncio.to_thread(apis[index].stop, how)
            await asyncio.sleep(1.0)  # until the balancer has noticed
            self.ending = "none"
            done[how.name] += 1
            starting[index] = asyncio.create_task(_again(apis[index]))
        await asyncio.gather(*starting.values())
        return done


async def _again(api: API) -> None:
    await api.start()
    await asyncio.sleep(1.5)  # until the balancer has looked twice


async def run(arguments: argparse.Namespace) -> bool:
    """Everything; whether nothing went wrong."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            servers(Settings(data_dir=folder / "servers", neo4j_uri=None, redis_url=None)) as running,
            replicated(running, folder, "replicas") as apis,
            balanced(apis) as port,
        ):
            caller = Caller(apis[0])
            for number in range(AGENTS):
                await caller.insist(REGISTER, a=f"agent{number}", n=f"Agent {number}")
            tokens = await keys(apis[0], [f"caller{number}" for number in range(arguments.callers)], "admin")
            before = (await caller.insist(SIZE))["ledger"]["size"]
            caller.close()
            trial = Trial(port, random.Random(arguments.seed))
            calls = [asyncio.create_task(trial.call(number, token)) for number, token in enumerate(tokens)]
            ended = await trial.disturb(apis, arguments.seconds, arguments.every)
            trial.over = True
            await asyncio.gather(*calls)
            return await judge(trial, apis, ended, before, arguments)


async def judge(trial: Trial, apis: list[API], ended: Counter[str], before: int, arguments: argparse.Namespace) -> bool:
    """Print what came of it; whether nothing went wrong."""
    grown = (await Caller(apis[0]).insist(SIZE))["ledger"]["size"] - before
    problem = await asyncio.to_thread(apis[0].verifies)
    lost = await missing(trial, apis[0])
    twice = grown - len(trial.history.written)
    killed = ended["SIGKILL"]
    print(
        f"{REPLICAS} replicas, {arguments.callers} callers, one ended every {arguments.every:.0f} s: "
        f"{trial.writes} writes and {trial.reads} reads; "
        f"{ended['SIGTERM']} times SIGTERM, {killed} times SIGKILL"
    )
    print(
        f"failed requests: {trial.failed['SIGTERM']} of SIGTERM, {trial.failed['SIGKILL']} of SIGKILL "
        f"({arguments.callers * killed} were possible), {trial.failed['none']} besides"
    )
    print(f"{lost} acknowledged writes lost, {twice} applied twice, {trial.stale} stale and {trial.wrong} wrong reads", end="; ")
    print(f"cairn verify {problem or 'passes'}", flush=True)
    small = trial.failed["SIGKILL"] <= arguments.callers * killed
    rest = (trial.failed["SIGTERM"], trial.failed["none"], lost, twice, trial.stale, trial.wrong)
    return small and not any(rest) and not problem


async def missing(trial: Trial, api: API) -> int:
    """How many states are not what was acknowledged last."""
    caller = Caller(api)
    count = 0
    for state, version in trial.history.newest.items():
        seen = (await caller.insist(GET, a=state[0], k=state[1]))["state"]
        count += seen is None or [seen["version"], seen["value"]] != [version, trial.history.written[state, version]]
    caller.close()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=10)
    parser.add_argument("--callers", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    logging.disable(logging.ERROR)
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()

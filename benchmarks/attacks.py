"""Attacks of our own on a served Cairn: each refused or harmless, none a 5xx, none telling of what is inside, and who behaves goes on.

A Cairn is served as `cairn up` serves it, in a process of its own; every attack of `tests/security/attacks` is run once and
judged; then well-behaved callers are timed alone and beside attackers, taking turns, and their p99 compared.
Run: python -m benchmarks.attacks [--attackers 4] [--callers 8] [--seconds 15] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import httpx

from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.graph.names import new_id
from cairn.graph.servers import Servers, servers
from cairn.settings import Settings
from tests.security.attacks import CLASSES
from tests.security.attacks.world import REMEMBER, STATE, Prepared, attacked, prepare

WANTED_ATTACKS = 200
WANTED_RATIO = 2.0
RECALL = "query($i: RecallInput!) { recall(input: $i) { hits { score memory { text } } } }"
PLACES = ("Seal Sound", "Merrow Bay", "Gannet Rock", "the seagrass meadow")


@dataclass
class Judgement:
    """How the attacks of one class went."""

    passed: int
    failures: list[str]


@asynccontextmanager
async def served(running: Servers, folder: Path, files: Path, tenant: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The address of a `cairn up` of its own on the servers, and its process."""
    environment = {
        **os.environ,
        "CAIRN_NEO4J_URI": running.neo4j_uri,
        "CAIRN_NEO4J_USER": running.neo4j_user,
        "CAIRN_NEO4J_DATABASE": running.neo4j_database,
        "CAIRN_REDIS_URL": running.redis_url,
        "CAIRN_DATA_DIR": str(folder),
        "CAIRN_TENANT": tenant,
        "CAIRN_IMPORT_ROOTS": json.dumps([str(files)]),
        "CAIRN_LOG_LEVEL": "warning",
        **({"CAIRN_NEO4J_PASSWORD": running.neo4j_password} if running.neo4j_password is not None else {}),
    }
    with open(folder.parent / "server.log", "wb") as log:  # noqa: ASYNC230
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cairn", "up", "--port", "0", env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                if line.startswith(b"Cairn is ready"):
                    yield line.split()[-1].decode().removesuffix("/graphql"), process
                    break
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()


async def judge(prepared: Prepared) -> dict[str, Judgement]:
    """Run every attack once."""
    judged: dict[str, Judgement] = {}
    async with attacked(prepared) as target:
        for name, attacks in CLASSES.items():
            judgement, began = judged.setdefault(name, Judgement(0, [])), perf_counter()
            for attack in attacks:
                try:
                    await attack.run(target)
                    judgement.passed += 1
                except Exception as error:  # noqa: BLE001
                    judgement.failures.append(f"{attack.name}: {type(error).__name__}: {str(error)[:400]}")
            print(f"  {name}: {judgement.passed} of {len(attacks)} refused or harmless, {perf_counter() - began:.0f} s", flush=True)
        print(f"  {target.answers} answers looked through", flush=True)
    return judged


async def attack(prepared: Prepared, attackers: int, seed: int) -> None:
    """Attack without end, so many attackers at a time, each with the attacks in an order of its own."""
    os.nice(10)  # attackers have machines of their own; theirs must not take this one's time from the server
    everything = [attack for attacks in CLASSES.values() for attack in attacks]

    async def one(number: int) -> None:
        order = random.Random(seed + number)
        async with attacked(prepared) as target:
            target.throttled = True
            while True:
                try:
                    await order.choice(everything).run(target)
                except Exception as error:  # noqa: BLE001
                    print(f"{type(error).__name__}: {str(error)[:200]}", file=sys.stderr, flush=True)

    await asyncio.gather(*(one(number) for number in range(attackers)))


async def behave(prepared: Prepared, callers: int, seconds: float) -> list[float]:
    """What an agent does in a day, by so many agents at once: remember, recall, look things up, keep state. Latencies in seconds."""
    latencies: list[float] = []
    end = perf_counter() + seconds

    async def one(number: int, http: httpx.AsyncClient) -> None:
        agent, turn = f"tern{number}", random.Random(number)
        headers = {"authorization": f"Bearer {prepared.keys[agent]}"}
        while perf_counter() < end:
            place, day = turn.choice(PLACES), turn.randrange(10_000)
            requests: tuple[tuple[str, Any], ...] = (
                (REMEMBER, {"i": {"agent": agent, "text": f"{place} on day {day}."}}),
                (
                    "query($i: RecallInput!) { recall(input: $i) { hits { score memory { text } } } }",
                    {"i": {"agent": agent, "query": place}},
                ),
                ("query { memories(first: 20) { nodes { id text mentions { text } } } }", {}),
                (STATE, {"i": {"agent": agent, "key": "day", "value": day}}),
                ('query($a: ID!) { state(agent: $a, key: "day") { value } agent(id: $a) { goals } }', {"a": agent}),
            )
            for query, variables in requests:
                begin = perf_counter()
                response = await http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
                latencies.append(perf_counter() - begin)
                if response.status_code != 200 or "errors" in response.json():
                    raise SystemExit(f"a well-behaved caller was refused: {response.status_code} {response.text[:300]}")

    async with httpx.AsyncClient(base_url=prepared.url, timeout=60) as http:
        await asyncio.gather(*(one(number, http) for number in range(callers)))
    return latencies


async def behaved_elsewhere(prepared: Prepared, callers: int, seconds: float) -> list[float]:
    """`behave`, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *_myself(prepared, "--behave", str(callers), str(seconds)), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(output)


async def compare(prepared: Prepared, options: argparse.Namespace) -> float:
    """Print the well-behaved callers' p99 alone and beside attackers; the ratio."""
    found: dict[str, list[float]] = {"alone": [], "attacked": []}
    await behaved_elsewhere(prepared, options.callers, 5)  # warms up
    for number in range(options.rounds):
        for way in found:
            attacking = None
            if way == "attacked":
                attacking = await asyncio.create_subprocess_exec(
                    *_myself(prepared, "--attack", str(options.attackers), str(number)), cwd=Path(__file__).parents[1]
                )
                await asyncio.sleep(2)
            latencies = await behaved_elsewhere(prepared, options.callers, options.seconds)
            if attacking is not None:
                assert attacking.returncode is None, "the attackers ended"
                attacking.kill()
                await attacking.wait()
                await asyncio.sleep(1)
            p50, p99 = (quantiles(latencies, n=100)[point] * 1000 for point in (49, 98))
            found[way].append(p99)
            print(f"  {way:>8}: {len(latencies) / options.seconds:6.0f} requests/s, p50 {p50:6.1f} ms, p99 {p99:6.1f} ms", flush=True)
    alone, beside = median(found["alone"]), median(found["attacked"])
    print(
        f"p99 of {options.callers} well-behaved callers beside {options.attackers} attackers: {beside:.1f} ms, alone {alone:.1f} ms, "
        f"ratio {beside / alone:.2f} (at most {WANTED_RATIO:.0f} wanted)",
        flush=True,
    )
    return beside / alone


def _myself(prepared: Prepared, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.attacks", "--prepared", prepared.dump(), *arguments]


async def run(options: argparse.Namespace) -> int:
    """Judge every attack, then compare. 1 when something is not as wanted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            running = await stack.enter_async_context(servers(Settings(data_dir=folder / "servers")))
            tenant, other = f"bench-{new_id()}", f"bench-{new_id()}"
            data, files = folder / "data", folder / "files"
            for made in (data, files, folder / "outside"):
                made.mkdir()
            foreign = Settings(
                data_dir=folder / "other",
                tenant=other,
                neo4j_uri=running.neo4j_uri,
                neo4j_password=running.neo4j_password,  # pyright: ignore[reportArgumentType]
                redis_url=running.redis_url,
            )
            async with open_services(foreign):
                other_key = operator_key(foreign.data_dir) or ""
            url, process = await stack.enter_async_context(served(running, data, files, tenant))
            prepared = await prepare(url, operator_key(data) or "", other_key, files, folder / "outside", callers=options.callers)
            before = await _pulse(prepared)
            judged = {} if options.unjudged else await judge(prepared)
            ratio = await compare(prepared, options) if options.rounds else 0.0
            failures = [f"{kind}: {failure}" for kind, one in judged.items() for failure in one.failures]
            total = sum(len(attacks) for attacks in CLASSES.values())
            after = await _pulse(prepared)
            lives = process.returncode is None
        log = (folder / "server.log").read_text("utf-8", "replace")
        for failure in failures:
            print(f"  FAILED {failure}")
        if "Traceback" in log:
            print(log[-6_000:], file=sys.stderr)
    held = f"{total - len(failures)} of {total} attacks refused or harmless ({WANTED_ATTACKS} wanted)"
    print(f"{'no attack judged' if options.unjudged else held}, the server {'lives' if lives else 'DIED'}")
    print(f"what the administrator's memories and rules were before and after: {'the same' if before == after else 'CHANGED'}")
    return int(bool(failures) or not lives or before != after or total < WANTED_ATTACKS or ratio > WANTED_RATIO)


async def _pulse(prepared: Prepared) -> Any:
    """What no attack may change."""
    query = '{ rules(first: 100) { nodes { subject object action effect } } memories(filter: {agent: "ada"}) { nodes { id text } } }'
    async with attacked(prepared) as target:
        return await target.data(query, None, "admin")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--attackers", type=int, default=4)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--unjudged", action="store_true", help="only compare")
    parser.add_argument("--prepared", help=argparse.SUPPRESS)
    parser.add_argument("--attack", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--behave", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        asyncio.run(attack(Prepared.load(options.prepared), int(options.attack[0]), int(options.attack[1])))
    if options.behave:
        print(json.dumps(asyncio.run(behave(Prepared.load(options.prepared), int(options.behave[0]), float(options.behave[1])))))
        return 0
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())

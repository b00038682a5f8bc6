"""What the query cache brings: requests/s of a repeated query from it beside the same query computed each time.

Real HTTP on loopback, keep-alive connections from a process of their own, one server with the cache and one without it over the same
Neo4j, taking turns in the same run.

Run: python -m benchmarks.cache [--connections 32] [--seconds 3] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette

from cairn.api.app import create_app
from cairn.api.assembly import Parts, assemble
from cairn.api.authentication import Gate
from cairn.api.presence import operator_key
from cairn.api.serve import address, bind, server
from cairn.api.services import Cairn, open_services
from cairn.graph.names import new_id
from cairn.schema import build_schema
from cairn.schema.context import Context
from cairn.settings import Settings

WANTED = 20

QUERIES = {
    "20 memories with their mentions": """{ memories(first: 20) { nodes {
        id text speaker session kind occurredAt mentions { text entity { iri label } } } } }""",
    "recall of 10": """{ recall(input: {agent: "tern", query: "Where did Petrel see the seagrass?"}) {
        hits { score memory { id text } } } }""",
    "one agent by its id": '{ agent(id: "tern") { id name goals } }',
}
CHEAPEST = "one agent by its id"
"""Takes Neo4j so little that HTTP is most of it; shown, not judged."""


def computing(cairn: Cairn) -> Starlette:
    """The app without the query cache."""
    services = cairn.services
    return assemble(
        Parts(
            schema=build_schema(),
            make_context=lambda access, request: Context(access, services, request),
            gate=Gate(cairn.credentials, services.accesses),
            settings=services.settings,
        )
    )


@asynccontextmanager
async def served(app: Starlette, settings: Settings) -> AsyncIterator[str]:
    """The address of `app`, served as `cairn up` serves it."""
    with bind(settings) as listening:
        web = uvicorn.Server(server(app, settings))
        serving = asyncio.create_task(web.serve([listening]))
        while not web.started:
            await asyncio.sleep(0.01)
        yield address(listening, settings)
        web.should_exit = True
        await serving


async def fill(url: str, key: str) -> None:
    """An agent with 60 memories."""
    birds, places = ("Petrel", "Tern", "Gannet", "Skua", "Dunlin"), ("Seal Sound", "Merrow Bay", "Gannet Rock", "the seagrass meadow")
    turns = [
        {
            "agent": "tern",
            "text": f"{birds[n % 5]} saw {places[n % 4]} on day {n}, and wrote it down.",
            "session": f"s{n // 20}",
            "speaker": birds[n % 5],
        }
        for n in range(60)
    ]
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=120) as client:
        for query, variables in (
            ('mutation { registerAgent(input: {id: "tern", name: "Tern", goals: ["see"]}) { id } }', {}),
            ("mutation R($input: [RememberInput!]!) { rememberMany(input: $input) { id } }", {"input": turns}),
        ):
            answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
            if "errors" in answer:
                raise SystemExit(f"the benchmark's data was refused: {answer['errors']}")


async def ask(url: str, key: str, query: str, connections: int, seconds: float) -> dict[str, Any]:
    """Send one query over so many connections for so long. What came back: requests, seconds, latencies, X-Cache values."""
    parts = urlsplit(url)
    body = json.dumps({"query": query}).encode()
    head = f"POST /graphql HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    latencies: list[float] = []
    levels: set[str] = set()
    begin = perf_counter()

    async def talk() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (start := perf_counter()) < begin + seconds:
            writer.write(request)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines[1:] if line)
            content = await reader.readexactly(int(fields["content-length"]))
            latencies.append(perf_counter() - start)
            levels.add(fields.get("x-cache", "none"))
            if b'"errors"' in content:
                raise SystemExit(f"the query failed: {content.decode()}")
        writer.close()

    await asyncio.gather(*(talk() for _ in range(connections)))
    return {"rate": len(latencies) / (perf_counter() - begin), "latencies": latencies, "levels": sorted(levels)}


async def asked_from_elsewhere(*arguments: str) -> dict[str, Any]:
    """`ask`, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.cache", "--ask", *arguments, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(output)


async def compare(cached: str, computed: str, key: str, name: str, options: argparse.Namespace) -> float:
    """Print the figures of one query; its ratio."""
    rates: dict[str, list[float]] = {"cached": [], "computed": []}
    for number in range(options.rounds + 1):  # the first round warms up
        for way, url in (("computed", computed), ("cached", cached)):
            outcome = await asked_from_elsewhere(url, key, QUERIES[name], str(options.connections), str(options.seconds if number else 1))
            if number:
                rates[way].append(outcome["rate"])
                p50, p99 = (quantiles(outcome["latencies"], n=100)[point] * 1000 for point in (49, 98))
                levels = " and ".join(outcome["levels"])
                print(f"  {way:>8}: {outcome['rate']:8,.0f} requests/s, p50 {p50:6.1f} ms, p99 {p99:6.1f} ms, {levels}", flush=True)
    cache, neo4j = (median(rates[way]) for way in ("cached", "computed"))
    wanted = "" if name == CHEAPEST else f" ({WANTED} wanted)"
    print(f"{name}: {cache:,.0f} beside {neo4j:,.0f} requests/s, ratio {cache / neo4j:.1f}{wanted}", flush=True)
    return cache / neo4j


async def run(options: argparse.Namespace) -> int:
    """Measure every query. 1 when a ratio is below what is wanted."""
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            settings = Settings(data_dir=Path(folder), tenant=f"bench-{new_id()}", port=0)
            cairn = await stack.enter_async_context(open_services(settings))
            key = operator_key(settings.data_dir) or ""
            cached = await stack.enter_async_context(served(create_app(cairn), settings))
            computed = await stack.enter_async_context(served(computing(cairn), settings))
            await fill(cached, key)
            ratios = {name: await compare(cached, computed, key, name, options) for name in QUERIES}
    return int(any(ratio < WANTED for name, ratio in ratios.items() if name != CHEAPEST))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ask", nargs=5, metavar=("URL", "KEY", "QUERY", "CONNECTIONS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        url, key, query, connections, seconds = options.ask
        print(json.dumps(asyncio.run(ask(url, key, query, int(connections), float(seconds)))))
        return 0
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())

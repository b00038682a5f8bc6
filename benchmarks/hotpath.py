"""What a cached answer costs beside the web server under it: requests/s and p99 of a bare Starlette route that returns the same bytes,
and of the same query from the process (L1), from Redis (L2), and by naive Strawberry that asks Neo4j each time.

All are served by the same server in this one process, loaded from another on loopback (`wrk` where it is on PATH), in turns;
authentication, permissions, rates and metrics are on. Medians over the rounds.

Run: python -m benchmarks.hotpath [--connections 8] [--seconds 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL

from benchmarks._load import Load, Outcome, bodies, press
from benchmarks.cache import served
from cairn.api.app import create_app
from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.graph.names import new_id
from cairn.settings import Settings

QUERY = "{ agents(first: 10) { nodes { id name goals } } }"
NAIVE = "{ agents { id name goals } }"
AGENTS = 10


@strawberry.type
class Agent:
    id: strawberry.ID
    name: str | None
    goals: list[str]


def bare(body: bytes) -> Starlette:
    """A route that returns these bytes."""

    async def answer(request: Request) -> Response:
        await request.body()
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/bare", answer, methods=["POST"])])


def naive(driver: Any, tenant: str) -> GraphQL[Any, Any]:
    """Strawberry whose resolver asks Neo4j each time, by the way that the driver's manual shows first."""

    @strawberry.type
    class Query:
        @strawberry.field
        async def agents(self) -> list[Agent]:
            found = await driver.execute_query(
                "MATCH (a:Agent {tenant: $tenant}) RETURN a.id AS id, a.name AS name, a.goals AS goals ORDER BY id LIMIT 10",
                {"tenant": tenant},
                database_="neo4j",
                routing_="r",
            )
            return [
                Agent(id=strawberry.ID(row["id"]), name=str(row["name"]), goals=row["goals"] if isinstance(row["goals"], list) else [])
                for row in found.records
            ]

    return GraphQL(strawberry.Schema(Query))


async def fill(url: str, key: str) -> bytes:
    """Ten agents; the answer to `QUERY`."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
        for number in range(AGENTS):
            about = f'id: "a{number}", name: "Agent {number}", goals: ["see", "write it down"]'
            query = f"mutation {{ registerAgent(input: {{{about}}}) {{ id }} }}"
            (await client.post(f"{url}/graphql", json={"query": query})).raise_for_status()
        return (await client.post(f"{url}/graphql", json={"query": QUERY})).content


def report(found: dict[str, list[Outcome]]) -> bool:
    """Print the medians and the ratios; whether every goal is met."""
    rate = {name: median(one.rate for one in outcomes) for name, outcomes in found.items()}
    p99 = {name: median(one.p99 for one in outcomes) for name, outcomes in found.items()}
    for name in found:
        print(f"  {name:>6}: {rate[name]:8,.0f} requests/s, p99 {p99[name]:6.2f} ms")
    goals = (
        ("L1 beside bare", rate["l1"] / rate["bare"], 0.75, True),
        ("L1 p99 beside bare", p99["l1"] / p99["bare"], 1.5, False),
        ("L2 beside bare", rate["l2"] / rate["bare"], 0.5, True),
        ("L1 beside naive", rate["l1"] / rate["naive"], 30.0, True),
        ("L2 beside naive", rate["l2"] / rate["naive"], 12.0, True),
    )
    for name, ratio, goal, least in goals:
        print(f"{name}: {ratio:.2f} (goal: {'at least' if least else 'at most'} {goal:g})")
    return all((ratio >= goal) if least else (ratio <= goal) for _, ratio, goal, least in goals)


async def run(options: argparse.Namespace) -> int:
    """Measure. 1 when a goal is missed."""
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            first = Settings(data_dir=Path(folder) / "one", tenant=f"bench-{new_id()}", port=0)
            cairn = await stack.enter_async_context(open_services(first))
            key = operator_key(first.data_dir) or ""
            near = await stack.enter_async_context(served(create_app(cairn), first))  # pyright: ignore[reportArgumentType]
            body = await fill(near, key)
            driver = vars(cairn.services.database)["_driver"]
            apart = [(bare(body), "bare"), (naive(driver, first.tenant), "naive")]
            urls = {name: await stack.enter_async_context(served(app, first)) for app, name in apart}  # pyright: ignore[reportArgumentType]
            loads = {
                "bare": Load(f"{urls['bare']}/bare", bodies(QUERY, [{}]), key=key),
                "l1": Load(f"{near}/graphql", bodies(QUERY, [{}]), key=key),
                "l2": Load(f"{near}/graphql", bodies(QUERY, [{}]), key=key),
                "naive": Load(f"{urls['naive']}/", bodies(NAIVE, [{}]), key=key),
            }
            found: dict[str, list[Outcome]] = {name: [] for name in loads}
            for number in range(options.rounds + 1):  # the first round warms up
                for name, load_ in loads.items():
                    cairn.epochs.near.resize(0 if name == "l2" else first.cache_memory)
                    outcome = await press(load_, options.connections, options.seconds if number else 1)
                    found[name] += [outcome] if number else []
            print(f"{len(body)} bytes, {options.connections} connections, {options.rounds} rounds of {options.seconds:g} s")
            return 0 if report(found) else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    return anyio.run(run, parser.parse_args(), backend_options={"use_uvloop": True})


if __name__ == "__main__":
    sys.exit(main())

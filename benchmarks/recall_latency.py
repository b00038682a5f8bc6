"""How long recall takes on the server at 10,000 memories of a tenant and 16 callers at once, beside one plain vector query.

    python -m benchmarks.recall_latency [--memories 10000] [--callers 16] [--rounds 40]

Both go to the same Neo4j in turns in the same run: `learning.recall.recall` whole (three or four statements, features, ranking), and one
query of the vector index for the ten nearest ids. The embedding of the question is part of both.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio

from cairn.api.services import Cairn, open_services
from cairn.graph.access import Access
from cairn.graph.agents import register_agent
from cairn.graph.names import new_id
from cairn.graph.remembering import NewMemory
from cairn.graph.statements import parse
from cairn.importers.text import remember
from cairn.learning.recall import RecallRequest, recall
from cairn.settings import Settings

WANTED = 3.0
_CYPHER = parse((Path(__file__).parent / "recall_latency.cypher").read_text(encoding="utf-8"))
_BIRDS = ("petrel", "tern", "gannet", "skua", "dunlin", "plover", "puffin", "heron", "curlew", "shag")
_PLACES = ("Seal Sound", "Merrow Bay", "Gannet Rock", "the seagrass meadow", "the old harbour", "the mud flats", "the north pier")
_DEEDS = ("was seen at", "nests near", "left", "came back to", "was ringed at", "feeds along", "sleeps on", "was photographed at")


def sentence(chance: random.Random) -> str:
    """A made-up observation."""
    return (
        f"On day {chance.randint(1, 400)} the {chance.choice(_BIRDS)} number {chance.randint(1, 900)} {chance.choice(_DEEDS)} "
        f"{chance.choice(_PLACES)}, with {chance.randint(2, 60)} others, in {chance.choice(('rain', 'fog', 'sun', 'wind'))}."
    )


async def fill(cairn: Cairn, access: Access, count: int) -> Access:
    """That many memories of one agent, in sessions of 40."""
    services, chance = cairn.services, random.Random(3)
    await register_agent(services.writer, access, "tern", "Tern")
    new = [NewMemory(agent="tern", text=sentence(chance), session=f"s{n // 40}", speaker=_BIRDS[n % 2].title()) for n in range(count)]
    for start in range(0, count, 500):
        part = new[start : start + 500]
        await remember(services.database, services.writer, services.embedders, services.linker, access, part)
    return await services.accesses.get(access.tenant, access.principal)


async def timed(work: Callable[[str], Awaitable[object]], questions: list[str], callers: int) -> list[float]:
    """Seconds of each call; `callers` at a time."""
    seconds: list[float] = []
    waiting = iter(questions)

    async def call() -> None:
        for question in waiting:
            start = perf_counter()
            await work(question)
            seconds.append(perf_counter() - start)

    await asyncio.gather(*(call() for _ in range(callers)))
    return seconds


async def run(options: argparse.Namespace) -> int:
    """Measure both in turns. 1 when recall takes longer than wanted."""
    with TemporaryDirectory() as folder:
        async with open_services(Settings(data_dir=Path(folder), tenant=f"bench-{new_id().lower()}")) as cairn:
            services = cairn.services
            access = await fill(cairn, await services.accesses.get(services.settings.tenant, "operator"), options.memories)

            async def ours(question: str) -> None:
                named = await services.linker.resources(question, access)
                await recall(services.database, services.embedders, access, RecallRequest(agent="tern", query=question, resources=named))

            async def plain(question: str) -> None:
                seen = await services.embedders.question([question])
                assert seen is not None
                wanted = {"nearest": seen.vectors[0], "tenant": access.tenant, "scopes": list(access.scopes)}
                await services.database.read(_CYPHER["plain"], wanted)

            chance = random.Random(5)
            ours_seconds, plain_seconds = list[float](), list[float]()
            for number in range(options.rounds + 10):
                questions = [
                    f"Where was the {chance.choice(_BIRDS)} in {chance.choice(('fog', 'rain'))}?" for _ in range(2 * options.callers)
                ]
                one, other = await timed(ours, questions, options.callers), await timed(plain, questions, options.callers)
                if number >= 10:
                    ours_seconds += one
                    plain_seconds += other
    for name, found in (("recall", ours_seconds), ("vector query", plain_seconds)):
        print(f"{name:>13}: p50 {1000 * median(found):6.1f} ms, p95 {1000 * quantiles(found, n=20)[18]:6.1f} ms", flush=True)
    ratio = median(ours_seconds) / median(plain_seconds)
    print(f"{options.memories:,} memories, {options.callers} callers: ratio of p50 {ratio:.1f} (at most {WANTED} wanted)")
    return int(ratio > WANTED)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Recall's latency beside one plain vector query.")
    parser.add_argument("--memories", type=int, default=10_000)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=40)
    return anyio.run(run, parser.parse_args(), backend_options={"use_uvloop": sys.platform != "win32"})  # as `cairn up` does


if __name__ == "__main__":
    sys.exit(main())

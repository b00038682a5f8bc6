"""How many memories a second `rememberMany` takes in, linked and embedded, beside a gazetteer of 20,000 names.

    python -m benchmarks.ingest [--labels 20000] [--memories 4000] [--rounds 3] [--callers 4]

Through the GraphQL API over HTTP, 500 memories a call. The names are imported first, as RDF. A text has 25 words, among them one name.
Beside it stands what the same server takes in of the same rows, 500 a transaction, by one plain UNWIND: no index, no link, no vector,
no entry in the ledger. Both take turns, and medians of the rounds are compared, so that a busy machine can be told from slow code.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio
from neo4j import AsyncManagedTransaction

from benchmarks.linking import make_names, make_texts
from benchmarks.recall import REGISTER, REMEMBER, Api, opened
from cairn.api.services import Cairn
from cairn.graph.database import Row
from cairn.graph.database import run as run_statement
from cairn.graph.names import new_id
from cairn.graph.statements import parse
from cairn.importers.jobs import Wish
from cairn.settings import Settings

WANTED = 1_000
_PART = 500
_CYPHER = parse(Path(__file__).with_suffix(".cypher").read_text(encoding="utf-8"))


async def import_names(cairn: Cairn, folder: Path, names: list[str]) -> None:
    """A graph that says nothing but what things are called."""
    file = folder / "names.nt"
    label = "<http://www.w3.org/2000/01/rdf-schema#label>"
    file.write_text("".join(f'<https://example.org/{n}> {label} "{name}"@en .\n' for n, name in enumerate(names)), encoding="utf-8")
    access = await cairn.services.accesses.get(cairn.services.settings.tenant, "operator")
    job = await cairn.services.imports.start(access, Wish(str(file), graph="https://example.org/names"))
    ended = await cairn.services.imports.wait(access, job.id)
    if ended is None or ended.error is not None:
        raise SystemExit(f"the import failed: {ended and ended.error}")


async def write_plainly(cairn: Cairn, parts: list[list[Row]]) -> float:
    """Rows a second that Neo4j takes in of its own."""
    tenant = cairn.services.settings.tenant

    async def write(name: str, parameters: Row) -> None:
        async def work(transaction: AsyncManagedTransaction) -> None:
            await run_statement(transaction, _CYPHER[name], parameters)

        await cairn.services.database.write(work)

    start = perf_counter()
    for part in parts:
        await write("plain", {"rows": [{**row, "tenant": tenant, "id": new_id()} for row in part]})
    seconds = perf_counter() - start
    await write("plain_remove", {"tenant": tenant})
    return sum(map(len, parts)) / seconds


async def remember(api: Api, parts: list[list[Row]], callers: int) -> float:
    """Memories a second that so many callers put in together."""
    waiting = iter(parts)

    async def call() -> None:
        for part in waiting:
            await api.do(REMEMBER, input=part)

    start = perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return sum(map(len, parts)) / (perf_counter() - start)


async def run(options: argparse.Namespace) -> int:
    """Measure. 1 when there are fewer a second than wanted."""
    chance = random.Random(11)
    names = make_names(options.labels, chance)
    rates: dict[str, list[float]] = {"plain": [], "cairn": []}
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder, "data"), tenant=f"bench-{new_id().lower()}", port=0)
        async with opened(settings) as (cairn, api):
            await import_names(cairn, Path(folder), names)
            await api.do(REGISTER, id="tern", name="Tern")
            for number in range(options.rounds + 1):  # the first round warms up, and lets the names be read
                count = options.memories if number else 4 * _PART
                rows = [{"agent": "tern", "text": text} for text, _ in make_texts(count, names, chance)]
                parts = [[{**row, "session": f"s{number}.{at}"} for row in rows[at : at + _PART]] for at in range(0, count, _PART)]
                plain, ours = await write_plainly(cairn, parts), await remember(api, parts, options.callers)
                if number:
                    rates["plain"].append(plain)
                    rates["cairn"].append(ours)
                    print(f"  plain {plain:8,.0f} rows/s, rememberMany {ours:8,.0f} memories/s", flush=True)
    plain, rate = median(rates["plain"]), median(rates["cairn"])
    print(
        f"{options.memories:,} memories beside {options.labels:,} names: {rate:,.0f} a second (at least {WANTED:,} wanted); one plain "
        f"UNWIND takes in {plain:,.0f} rows a second, {plain / rate:.1f} times as many"
    )
    return int(rate < WANTED)


def main() -> int:
    """Print the figure."""
    parser = argparse.ArgumentParser(description="Memories a second through rememberMany.")
    parser.add_argument("--labels", type=int, default=20_000)
    parser.add_argument("--memories", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=4)
    return anyio.run(run, parser.parse_args(), backend_options={"use_uvloop": sys.platform != "win32"})  # as `cairn up` does


if __name__ == "__main__":
    sys.exit(main())

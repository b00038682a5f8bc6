"""How many memories a second `rememberMany` takes in, linked and embedded, beside a gazetteer of 20,000 names.

    python -m benchmarks.ingest [--labels 20000] [--memories 5000] [--callers 4]

Through the GraphQL API over HTTP, 500 memories a call. The names are imported first, as RDF. A text has 25 words, among them one name.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio

from benchmarks.linking import make_names, make_texts
from benchmarks.recall import REGISTER, REMEMBER, opened
from cairn.api.services import Cairn
from cairn.graph.names import new_id
from cairn.importers.jobs import Wish
from cairn.settings import Settings

WANTED = 1_000
_PART = 500


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


async def run(options: argparse.Namespace) -> int:
    """Measure. 1 when there are fewer a second than wanted."""
    chance = random.Random(11)
    names = make_names(options.labels, chance)
    texts = [text for text, _ in make_texts(options.memories + 4 * _PART, names, chance)]
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder, "data"), tenant=f"bench-{new_id().lower()}", port=0)
        async with opened(settings) as (cairn, api):
            await import_names(cairn, Path(folder), names)
            await api.do(REGISTER, id="tern", name="Tern")
            parts = [texts[start : start + _PART] for start in range(0, len(texts), _PART)]
            waiting = iter([[{"agent": "tern", "text": text, "session": f"s{n}"} for text in part] for n, part in enumerate(parts)])

            async def call() -> None:
                for part in waiting:
                    await api.do(REMEMBER, input=part)

            for _ in range(4):  # warms up, and lets the names be read
                await api.do(REMEMBER, input=next(waiting))
            start = perf_counter()
            await asyncio.gather(*(call() for _ in range(options.callers)))
            seconds = perf_counter() - start
    rate = options.memories / seconds
    print(f"{options.memories:,} memories beside {options.labels:,} names: {rate:,.0f} a second (at least {WANTED:,} wanted)")
    return int(rate < WANTED)


def main() -> int:
    """Print the figure."""
    parser = argparse.ArgumentParser(description="Memories a second through rememberMany.")
    parser.add_argument("--labels", type=int, default=20_000)
    parser.add_argument("--memories", type=int, default=5_000)
    parser.add_argument("--callers", type=int, default=4)
    return anyio.run(run, parser.parse_args(), backend_options={"use_uvloop": sys.platform != "win32"})  # as `cairn up` does


if __name__ == "__main__":
    sys.exit(main())

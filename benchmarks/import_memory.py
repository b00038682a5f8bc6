"""Peak memory of an import of two million generated triples, beside that of an import of a hundredth of them in the same run.

An import has two processes: the one that writes (this one, with all that a server has loaded) and the one that parses. Each is to
stay under 500 MB.
Run: python -m benchmarks.import_memory [TRIPLES]
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path

from cairn.api.services import open_services
from cairn.importers.jobs import Wish
from cairn.settings import Settings

TRIPLES = 2_000_000
BOUND = 500.0
EACH = 10
"""Triples a subject has: eight literals and two links."""


def generate(file: Path, triples: int) -> None:
    """Write a file of N-Triples."""
    with file.open("w", encoding="ascii") as out:
        for number in range(triples // EACH):
            subject = f"<https://example.org/thing/{number}>"
            for at in range(EACH - 2):
                out.write(f'{subject} <https://example.org/p{at}> "value {number * at} of the thing {number}"@en .\n')
            for at in (1, 2):
                other = (number * 31 + at * 7_919) % (triples // EACH)
                out.write(f"{subject} <https://example.org/link{at}> <https://example.org/thing/{other}> .\n")


def peaks() -> tuple[float, float]:
    """Megabytes that this process, and the largest of its children, have had resident at most."""
    ours, parser = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ours, parser


async def main(triples: int) -> None:
    """Print the figure beside its reference."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_services(Settings(data_dir=Path(folder, "data"), tenant=f"bench-{uuid.uuid4().hex}")) as cairn:
            services = cairn.services
            access = await services.accesses.get(services.settings.tenant, "operator")
            measured: list[tuple[float, float]] = []
            for size in (triples // 100, triples):
                file = Path(folder, f"{size}.nt")
                generate(file, size)
                started = time.perf_counter()
                job = await services.imports.start(access, Wish(str(file), graph=f"https://example.org/{size}"))
                done = await services.imports.wait(access, job.id)
                assert done is not None
                assert done.triples_added == size, done.error
                measured.append(peaks())
                rate = size / (time.perf_counter() - started)
                print(
                    f"{size:,} triples: writer {measured[-1][0]:.0f} MB, parser {measured[-1][1]:.0f} MB, {rate:,.0f} triples/s", flush=True
                )
    (few_writer, few_parser), (writer, parser) = measured
    ratio = (writer + parser) / (few_writer + few_parser)
    print(f"peak memory: writer {writer:.0f} MB, parser {parser:.0f} MB (bound {BOUND:.0f} MB each), {ratio:.2f} times that of a hundredth")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIPLES))

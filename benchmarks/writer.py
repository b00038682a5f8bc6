"""What group commit gains: 64 concurrent callers through one writer beside one transaction per write, same server, same run.

    python benchmarks/writer.py [--callers 64] [--seconds 5] [--rounds 3]

Both ways write the same: the next version of a state, each caller its own, with the entry in the ledger. The reference gives every
caller a writer of its own, so that each write is a transaction and 64 of them run at once. The ways take turns; medians of the
rounds are compared, and the ledger is verified at the end.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from uuid import uuid4

from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.database import Database, connect
from cairn.graph.migrations.runner import migrate
from cairn.graph.servers import servers
from cairn.graph.states import set_state
from cairn.graph.tenants import create_tenant
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer
from cairn.settings import Settings


async def write(writers: Sequence[Writer], access: Access, seconds: float) -> tuple[float, list[float]]:
    """Writes per second of as many callers as `writers`, each writing through its own as fast as it is answered; and all latencies."""
    latencies: list[float] = []
    begin = perf_counter()

    async def call(number: int, writer: Writer) -> None:
        version = 0
        while (start := perf_counter()) < begin + seconds:
            version += 1
            await set_state(writer, access, f"agent{number}", "position", {"step": version})
            latencies.append(perf_counter() - start)

    await asyncio.gather(*(call(number, writer) for number, writer in enumerate(writers)))
    return len(latencies) / (perf_counter() - begin), latencies


async def measure(database: Database, callers: int, seconds: float, rounds: int) -> None:
    """Print the figures."""
    tenant = f"bench-{uuid4().hex}"
    access = Access(tenant, "bench", decide=lambda _object, _action: Decision(allowed=True))
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(open_writer(database))
        own = [await stack.enter_async_context(open_writer(database)) for _ in range(callers)]
        await create_tenant(shared, tenant, ())
        await asyncio.gather(*(register_agent(shared, access, f"agent{number}", f"Agent {number}") for number in range(callers)))
        ways = {"group commit": [shared] * callers, "one transaction each": own}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            await write(way, access, seconds / 5)
        for _ in range(rounds):
            for name, way in ways.items():
                rate, latencies = await write(way, access, seconds)
                rates[name].append(rate)
                p99 = quantiles(latencies, n=100)[-1]
                print(f"{name:>21}: {rate:7.0f} writes/s, p50 {median(latencies) * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms", flush=True)
    verdict = await verify(database, tenant)
    grouped, alone = (median(rates[name]) for name in ways)
    print(f"medians of {rounds} rounds, {callers} callers: {grouped:.0f} beside {alone:.0f} logged writes/s")
    print(f"ratio {grouped / alone:.1f} (5 wanted)")
    print(f"the ledger of {verdict.size} entries {'holds' if verdict.holds else f'does not hold: {verdict.problem}'}")


async def run(arguments: argparse.Namespace) -> None:
    with TemporaryDirectory() as folder:
        async with (
            servers(Settings(data_dir=Path(folder))) as running,
            connect(
                running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database, pool=arguments.callers + 10
            ) as database,
        ):
            await migrate(database)
            await measure(database, arguments.callers, arguments.seconds, arguments.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

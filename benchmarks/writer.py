"""What group commit gains: 64 concurrent callers through one writer beside one transaction per write, same server, same run.

    python -m benchmarks.writer [--callers 64] [--tenants 16] [--seconds 5] [--rounds 3]

Both ways write the same: the next version of a state, each caller its own, with the entry in the ledger. The reference gives every
caller a writer of its own, so that each write is a transaction and 64 of them run at once. The ways take turns; medians of the
rounds are compared, and the ledger is verified at the end.

Then the same callers write for several tenants, beside the same batches without ledger and encryption: a writer that drops the
ledger's entries of every change, for tenants of its own whose values are stored as they are.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import uuid4

import anyio

from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.changes import Change
from cairn.graph.database import Database, connect
from cairn.graph.encryption import set_encryption
from cairn.graph.keyring import Keyring
from cairn.graph.master import open_master_key
from cairn.graph.migrations.runner import migrate
from cairn.graph.servers import servers
from cairn.graph.states import set_state
from cairn.graph.tenants import create_tenant
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer
from cairn.settings import Settings


class Unlogged(Writer):
    """A writer whose changes leave nothing in the ledger."""

    async def apply(self, change: Change) -> Any:
        """Commit the change without its entries."""
        return await super().apply(replace(change, settle=lambda results: replace(change.settle(results), entries=())))


Ways = dict[str, tuple[Sequence[Writer], Sequence[Access]]]
"""By name: for each caller the writer, and what it may do and where."""


async def write(writers: Sequence[Writer], accesses: Sequence[Access], seconds: float) -> tuple[float, list[float]]:
    """Writes per second of as many callers as `writers`, each writing through its own as fast as it is answered; and all latencies."""
    latencies: list[float] = []
    begin = perf_counter()

    async def call(number: int, writer: Writer, access: Access) -> None:
        version = 0
        while (start := perf_counter()) < begin + seconds:
            version += 1
            await set_state(writer, access, f"agent{number}", "position", {"step": version})
            latencies.append(perf_counter() - start)

    await asyncio.gather(*(call(number, *one) for number, one in enumerate(zip(writers, accesses, strict=True))))
    return len(latencies) / (perf_counter() - begin), latencies


def everything(tenant: str) -> Access:
    """Every permission in a tenant."""
    return Access(tenant, "bench", decide=lambda _object, _action: Decision(allowed=True))


async def populate(writer: Writer, accesses: Sequence[Access]) -> None:
    """A tenant for each access, and an agent for each caller."""
    for tenant in dict.fromkeys(access.tenant for access in accesses):
        await create_tenant(writer, tenant, ())
    await asyncio.gather(*(register_agent(writer, access, f"agent{number}", f"Agent {number}") for number, access in enumerate(accesses)))


async def unprotected(writer: Writer, accesses: Sequence[Access]) -> None:
    """Have the values of these tenants stored as they are."""
    for access in {access.tenant: access for access in accesses}.values():
        await set_encryption(writer, access, enabled=False)


async def compare(ways: Ways, seconds: float, rounds: int) -> tuple[list[float], list[float]]:
    """Let the ways take turns; the median rate of each, and the 99th percentile of all latencies of the first, in milliseconds."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    waited: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        await write(*way, seconds / 5)
    for _ in range(rounds):
        for name, way in ways.items():
            rate, latencies = await write(*way, seconds)
            rates[name].append(rate)
            waited[name] += latencies
            p99 = quantiles(latencies, n=100)[-1]
            print(f"{name:>21}: {rate:7.0f} writes/s, p50 {median(latencies) * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms", flush=True)
    return [median(rates[name]) for name in ways], [quantiles(waited[name], n=100)[-1] * 1000 for name in ways]


async def measure(database: Database, callers: int, seconds: float, rounds: int) -> None:
    """Print what group commit gains."""
    access = everything(f"bench-{uuid4().hex}")
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(open_writer(database))
        own = [await stack.enter_async_context(open_writer(database)) for _ in range(callers)]
        accesses = [access] * callers
        await populate(shared, accesses)
        rates, _ = await compare({"group commit": ([shared] * callers, accesses), "one transaction each": (own, accesses)}, seconds, rounds)
    verdict = await verify(database, access.tenant)
    grouped, alone = rates
    print(f"medians of {rounds} rounds, {callers} callers: {grouped:.0f} beside {alone:.0f} logged writes/s")
    print(f"ratio {grouped / alone:.1f} (5 wanted)")
    print(f"the ledger of {verdict.size} entries {'holds' if verdict.holds else f'does not hold: {verdict.problem}'}")


async def measure_ledger(database: Database, callers: int, tenants: int, seconds: float, rounds: int) -> None:
    """Print what the ledger costs."""
    async with open_writer(database) as logged:
        plain = Unlogged(database)
        working = asyncio.create_task(plain.work())
        run = uuid4().hex
        mine, theirs = ([everything(f"{way}-{number % tenants}-{run}") for number in range(callers)] for way in ("bench", "plain"))
        await populate(logged, mine)
        await populate(plain, theirs)
        await unprotected(plain, theirs)
        (ours, bare), p99 = await compare(
            {"logged": ([logged] * callers, mine), "not logged": ([plain] * callers, theirs)}, seconds, rounds
        )
        await plain.close()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    verdicts = [await verify(database, tenant) for tenant in dict.fromkeys(access.tenant for access in mine)]
    print(f"{callers} callers over {tenants} tenants: {ours:.0f} logged, encrypted writes/s (3000 wanted)")
    print(f"p99 {p99[0]:.0f} ms (under 100 wanted)")
    print(f"{(1 - ours / bare) * 100:.0f} % below the same batches without ledger and encryption, {bare:.0f} writes/s (at most 25 wanted)")
    print(f"{sum(verdict.holds for verdict in verdicts)} of {len(verdicts)} ledgers hold")


async def run(arguments: argparse.Namespace) -> None:
    with TemporaryDirectory() as folder:
        async with (
            servers(Settings(data_dir=Path(folder))) as running,
            connect(
                running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database, pool=arguments.callers + 10
            ) as database,
        ):
            await migrate(database)
            database.keyring = Keyring(database, open_master_key(Path(folder, "master.key")))
            await measure_ledger(database, arguments.callers, arguments.tenants, arguments.seconds, arguments.rounds)
            await measure(database, arguments.callers, arguments.seconds, arguments.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--tenants", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    anyio.run(run, parser.parse_args(), backend_options={"use_uvloop": sys.platform != "win32"})  # as `cairn up` does


if __name__ == "__main__":
    main()

"""How long `cairn up` takes on a provisioned machine, from the command to `readyz`, beside the bound of 15 s.

The reference in the same run is a start of the embedded Neo4j alone, so that the ratio tells what Cairn itself adds.
Run: python -m benchmarks.up
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from cairn.graph.servers import prepare, servers
from cairn.settings import Settings

BOUND = 15.0
RUNS = 3


async def alone(folder: Path) -> float:
    """Seconds until the two servers alone answer."""
    started = time.perf_counter()
    async with servers(Settings(data_dir=folder)):
        return time.perf_counter() - started


def whole(folder: Path) -> float:
    """Seconds until a fresh `cairn up` is ready."""
    environment = {**os.environ, "CAIRN_DATA_DIR": str(folder)}
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "cairn", "up", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = next(line for line in process.stdout if line.startswith("Cairn is ready")).split()[-1].removesuffix("/graphql")
            assert httpx.get(f"{url}/readyz").is_success
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)


def main() -> None:
    """Print the figure beside its references."""
    asyncio.run(prepare(Settings()))
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = [], []
        for _ in range(RUNS):
            theirs.append(asyncio.run(alone(Path(folder, "alone"))))
            ours.append(whole(Path(folder, "whole")))
    print(f"cairn up to readyz: first start {ours[0]:.1f} s, later {min(ours[1:]):.1f} to {max(ours[1:]):.1f} s (bound {BOUND:.0f} s)")
    print(f"the servers alone: first start {theirs[0]:.1f} s, later {min(theirs[1:]):.1f} s; ratio {min(ours[1:]) / min(theirs[1:]):.2f}")


if __name__ == "__main__":
    main()

"""HTTP load from another process: `wrk` where it is on PATH, else a loop of asyncio's in a Python of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

_SCRIPT = """
local requests, next = {}, 0
for line in io.lines("%s") do requests[#requests + 1] = line end
wrk.method = "%s"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
request = function()
  next = next %% #requests + 1
  if wrk.method == "GET" then return wrk.format(nil, requests[next]) end
  return wrk.format(nil, nil, nil, requests[next])
end
done = function(summary, latency)
  io.write(string.format("figures %%d %%d %%f %%f %%d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent, in turn: the bodies of POSTs to `url`, or, for GET, paths at its host."""

    url: str
    requests: Sequence[str]
    method: str = "POST"
    key: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Requests a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


async def press(load: Load, connections: int, seconds: float) -> Outcome:
    """Send the requests over so many kept connections for so long. Ends the benchmark when one was refused."""
    with TemporaryDirectory() as folder:
        lines = Path(folder) / "requests"
        lines.write_text("".join(f"{one}\n" for one in load.requests), encoding="utf-8")
        if wrk := shutil.which("wrk"):
            script = Path(folder) / "load.lua"
            script.write_text(_SCRIPT % (lines, load.method, load.key), encoding="utf-8")
            arguments = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), load.url]
        else:
            arguments = [sys.executable, __file__, load.url, str(lines), load.method, load.key, str(connections), str(seconds)]
        process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    found = re.search(r"^figures (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)$", output.decode(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"the load could not be made: {output.decode()}")
    requests, micros, p50, p99, errors = map(float, found.groups())
    if errors or not requests:
        raise SystemExit(f"{errors:.0f} requests to {load.url} failed, {requests:.0f} were answered")
    return Outcome(requests / micros * 1e6, p50 / 1000, p99 / 1000)


async def _ask(options: argparse.Namespace) -> tuple[list[float], int, float]:
    parts = urlsplit(options.url)
    latencies: list[float] = []
    errors = position = 0
    lines = Path(options.requests).read_text(encoding="utf-8").splitlines()
    begin = perf_counter()

    async def talk() -> None:
        nonlocal errors, position
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (start := perf_counter()) < begin + options.seconds:
            line = lines[position % len(lines)]
            position += 1
            path, body = (line, b"") if options.method == "GET" else (parts.path, line.encode())
            head = f"{options.method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {options.key}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            fields = dict(field.split(": ", 1) for field in answer[1:] if field)
            await reader.readexactly(int(fields["content-length"]))
            errors += " 200 " not in answer[0]
            latencies.append(perf_counter() - start)
        writer.close()

    await asyncio.gather(*(talk() for _ in range(options.connections)))
    return latencies, errors, perf_counter() - begin


def main() -> None:
    """Send what the arguments say and print the figures as the script for wrk does."""
    parser = argparse.ArgumentParser()
    for name, kind in (("url", str), ("requests", str), ("method", str), ("key", str), ("connections", int), ("seconds", float)):
        parser.add_argument(name, type=kind)
    latencies, errors, seconds = asyncio.run(_ask(parser.parse_args()))
    points = quantiles(latencies, n=100)
    print(f"figures {len(latencies)} {seconds * 1e6:.0f} {points[49] * 1e6:f} {points[98] * 1e6:f} {errors}")


def bodies(query: str, variables: Sequence[dict[str, Any]]) -> list[str]:
    """A GraphQL request for each of `variables`."""
    return [json.dumps({"query": query, "variables": one}) for one in variables]


if __name__ == "__main__":
    main()

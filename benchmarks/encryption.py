"""What encryption at rest costs: recall's figures and latency with it and without, on the same files in the same run.

    python -m benchmarks.encryption [FILE ...] [--rounds 3]

Two Cairns on the same Neo4j and Redis, which differ in nothing but `CAIRN_ENCRYPTION`, remember each file through the GraphQL API and are
asked each question in turns, the first of the two changing from question to question. Files are as `benchmarks.recall` says. What they
find must be the same, memory for memory, and the median latency at most a tenth apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import mean, median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from benchmarks.recall import FILES, Answer, Api, line, opened
from cairn.graph.names import new_id
from cairn.graph.servers import Servers, servers
from cairn.settings import Settings

WANTED = 1.10
_WARM = 20
"""Questions asked before any is timed."""


def tenant(folder: Path, running: Servers, name: str, *, encrypted: bool) -> Settings:
    """Settings for one of the two."""
    return Settings(
        data_dir=folder / name,
        tenant=f"bench-{name}-{new_id().lower()}",
        port=0,
        neo4j_uri=running.neo4j_uri,
        neo4j_user=running.neo4j_user,
        neo4j_password=SecretStr(running.neo4j_password) if running.neo4j_password is not None else None,
        neo4j_database=running.neo4j_database,
        redis_url=running.redis_url,
        encryption=encrypted,
        master_key_file=folder / "master.key",
        consolidation_interval=0,
        community_interval=0,
    )


async def play(plain: Api, sealed: Api, data: dict[str, Any], rounds: int) -> tuple[dict[str, list[Answer]], int]:
    """Put the file to both; the answers of each, and how many questions they answered differently."""
    answers: dict[str, list[Answer]] = {"plain": [], "encrypted": []}
    apart = 0
    for number, collection in enumerate(data["collections"]):
        agent = f"a{number}x{new_id()[:12]}".lower()
        for api in (plain, sealed):
            await api.fill(agent, collection["items"])
        for question in collection["questions"][:_WARM]:
            for api in (plain, sealed):
                await api.ask(agent, f"{question['text']} ")
                api.latencies.pop()
        for place, question in enumerate(collection["questions"]):
            found: dict[str, tuple[str, ...]] = {}
            for turn in range(rounds):
                pair = [("plain", plain), ("encrypted", sealed)]
                for name, api in pair if (place + turn) % 2 else reversed(pair):
                    recall = await api.ask(agent, question["text"] + " " * turn)  # each time another query for the cache
                    found[name] = tuple(hit["memory"]["externalId"] for hit in recall["hits"])
            apart += found["plain"] != found["encrypted"]
            for name, ids in found.items():
                answers[name].append(Answer(question.get("category") or "all", frozenset(question["gold"]), ids))
    return answers, apart


def show(name: str, answers: dict[str, list[Answer]], apart: int, plain: Api, sealed: Api) -> bool:
    """Print what both came to; whether it is as wanted."""
    print(f"{name}:")
    for contestant, api in (("plain", plain), ("encrypted", sealed)):
        print(line(contestant, answers[contestant]))
        p50, p95 = median(api.latencies), quantiles(api.latencies, n=20)[18]
        print(f"  {'':<24} latency p50 {1000 * p50:.2f} ms, p95 {1000 * p95:.2f} ms, {len(api.latencies)} calls, one caller")
    figures = [(mean(a.recall(10) for a in answers[one]), mean(a.reciprocal for a in answers[one])) for one in ("plain", "encrypted")]
    same = figures[0] == figures[1]
    ratio = median(sealed.latencies) / median(plain.latencies)
    print(f"  figures {'identical' if same else 'DIFFER'}; {apart} of {len(answers['plain'])} questions answered differently")
    print(f"{name} latency encrypted/plain {ratio:.3f} (at most {WANTED:.2f} wanted)", flush=True)
    return same and ratio <= WANTED


async def run(files: Sequence[Path], rounds: int) -> int:
    """Play the files. 1 when something is not as wanted."""
    good = True
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with servers(Settings(data_dir=folder / "servers")) as running:
            for file in files:
                data = json.loads(file.read_text(encoding="utf-8"))
                async with AsyncExitStack() as stack:
                    apis: list[Api] = []
                    for label in ("plain", "encrypted"):
                        settings = tenant(folder, running, f"{file.stem}-{label}", encrypted=label == "encrypted")
                        _, api = await stack.enter_async_context(opened(settings))
                        apis.append(api)
                    answers, apart = await play(apis[0], apis[1], data, rounds)
                    good = show(data["name"], answers, apart, apis[0], apis[1]) and good
    return 0 if good else 1


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Recall with and without encryption at rest.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=3, help="how often each question is put")
    options = parser.parse_args()
    files = options.files or [file for file in FILES[:1] if file.is_file()]
    if not files:
        sys.exit("name a file to play")
    return asyncio.run(run(files, options.rounds))


if __name__ == "__main__":
    sys.exit(main())

"""What each side of recall adds: R@10 and MRR with that side's features left out, over the same candidates.

    python -m benchmarks.recall_ablation [FILE ...]

Files as in `benchmarks/recall.py`. Prints a Markdown table, as it stands in docs/recall.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.recall import FILES, SHOWN, Answer, Api, opened
from cairn.api.services import Cairn
from cairn.graph.names import new_id
from cairn.learning.features import NAMES
from cairn.learning.ranking import Model, distinct, order
from cairn.learning.recall import RecallRequest, rank
from cairn.settings import Settings

SIDES = {
    "all": (),
    "without the turns beside (`context`, `nearby`)": ("context", "nearby"),
    "without what came before (`reply`)": ("reply",),
    "without the second look (`beside`, `around`)": ("beside", "around"),
    "without the best passage (`passage`)": ("passage",),
    "without meaning (`meaning`, `nearby`, `gist`)": ("meaning", "nearby", "gist"),
    "without `gist`": ("gist",),
    "without like words (`kin`)": ("kin",),
    "without `length`": ("length",),
    "without `topic`": ("topic",),
    "without `speaker`": ("speaker",),
    "without headings (`about`, `bridge`)": ("about", "bridge"),
    "without `entities`": ("entities",),
    "without the question's form (`answer`, `statement`)": ("answer", "statement"),
    "`terms` and `coverage` alone": tuple(name for name in NAMES if name not in ("terms", "coverage")),
}


async def answers(cairn: Cairn, agent: str, question: dict[str, Any], names: dict[str, str]) -> dict[str, Answer]:
    """What each variant answers to one question."""
    services = cairn.services
    access = await services.accesses.get(services.settings.tenant, "operator")
    request = RecallRequest(
        agent=agent,
        query=question["text"],
        scope=f"agent/{agent}",
        limit=SHOWN,
        resources=await services.linker.resources(question["text"], access),
    )
    ranked = await rank(services.database, services.embedders, access, request, Model())
    found: dict[str, Answer] = {}
    for side, left_out in SIDES.items():
        weights = tuple(0.0 if name in left_out else weight for name, weight in zip(NAMES, Model().weights, strict=True))
        scores = replace(Model(), weights=weights).scores(ranked.measured.values)
        shown = distinct(ranked.found, order(ranked.found, scores), SHOWN)
        found[side] = Answer("all", frozenset(question["gold"]), tuple(names[ranked.found[at].id] for at, _ in shown))
    return found


async def play(cairn: Cairn, api: Api, data: dict[str, Any]) -> dict[str, list[Answer]]:
    """Every variant's answers to all questions of a file."""
    found: dict[str, list[Answer]] = defaultdict(list)
    for collection in data["collections"]:
        agent = f"a{new_id()[:12]}".lower()
        names = await api.fill(agent, collection["items"])
        for question in collection["questions"]:
            for side, answer in (await answers(cairn, agent, question, names)).items():
                found[side].append(answer)
    return found


async def run(files: list[Path]) -> None:
    """Play the files and print the table."""
    columns: dict[str, dict[str, list[Answer]]] = {}
    with TemporaryDirectory() as folder:
        for file in files:
            data = json.loads(file.read_text(encoding="utf-8"))
            settings = Settings(data_dir=Path(folder, file.stem), tenant=f"bench-{new_id().lower()}", port=0)
            async with opened(settings) as (cairn, api):
                columns[data["name"]] = await play(cairn, api, data)
    print("| | " + " | ".join(f"{name} R@10 | MRR" for name in columns) + " |")
    print("| --- |" + " --- | --- |" * len(columns))
    for side in SIDES:
        cells = [(100 * mean(a.recall(SHOWN) for a in found[side]), mean(a.reciprocal for a in found[side])) for found in columns.values()]
        print(f"| {side} | " + " | ".join(f"{share:.1f} | {rank:.3f}" for share, rank in cells) + " |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What each side of recall adds.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    asyncio.run(run(parser.parse_args().files or [file for file in FILES if file.is_file()]))


if __name__ == "__main__":
    main()

"""Recall on conversations with known answers (LoCoMo): recall@10 of Cairn beside BM25 alone, over the same candidates in the same run.

The data stands beside the repository (`../shared/data/recall`), or is given by its path; without it nothing is measured.
Run: python -m benchmarks.recall [FILE.json]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cairn.api.services import Cairn, open_services
from cairn.graph.agents import register_agent
from cairn.graph.analysis import terms
from cairn.graph.remembering import NewMemory
from cairn.graph.search import Question, candidates
from cairn.importers.text import remember
from cairn.learning.recall import RecallRequest, recall
from cairn.settings import Settings

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "recall" / "locomo-dev.json"
AT = 10


def found(gold: Sequence[str], ranked: Sequence[str | None]) -> float:
    """The share of the gold items among the first ten."""
    return len(set(gold) & set(ranked[:AT])) / len(gold)


async def collection(cairn: Cairn, one: dict[str, Any]) -> tuple[list[float], list[float]]:
    """For each question of a collection, recall@10 of Cairn and of BM25 alone."""
    services = cairn.services
    agent = f"a{uuid.uuid4().hex[:8]}"
    operator = await services.accesses.get(services.settings.tenant, "operator")
    await register_agent(services.writer, operator, agent, agent)
    items = [
        NewMemory(
            agent=agent,
            text=item["text"],
            speaker=item.get("speaker"),
            session=item.get("session"),
            external_id=item["id"],
        )
        for item in one["items"]
    ]
    for start in range(0, len(items), 500):
        await remember(services.database, services.writer, services.embedders, services.linker, operator, items[start : start + 500])
    access = await services.accesses.get(services.settings.tenant, "operator")
    scope = f"agent/{agent}"
    ours, plain = [], []
    for question in one["questions"]:
        text = question["text"]
        named = await services.linker.resources(text, access)
        request = RecallRequest(agent=agent, query=text, limit=AT, scope=scope, resources=named)
        hits = (await recall(services.database, services.embedders, access, request)).hits
        ours.append(found(question["gold"], [hit.memory.external_id for hit in hits]))
        only = await candidates(services.database, access, Question(tuple(terms(text)), None, scope=scope))
        only.sort(key=lambda candidate: -candidate.bm25)
        plain.append(found(question["gold"], [candidate.memory.external_id for candidate in only]))
    return ours, plain


async def main(file: Path) -> None:
    """Print the figure beside its reference."""
    if not file.is_file():
        print(f"{file} is absent: nothing to measure")
        return
    data = json.loads(file.read_text(encoding="utf-8"))
    ours: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for one in data["collections"]:
            settings = Settings(data_dir=Path(folder, one["id"]), tenant=f"bench-{uuid.uuid4().hex}")
            async with open_services(settings) as cairn:
                mine, theirs = await collection(cairn, one)
            ours += mine
            plain += theirs
            print(f"{one['id']}: Cairn {sum(mine) / len(mine):.1%}, BM25 alone {sum(theirs) / len(theirs):.1%}", flush=True)
    cairn_share, plain_share = sum(ours) / len(ours), sum(plain) / len(plain)
    ratio = cairn_share / plain_share
    print(f"recall@{AT} over {len(ours)} questions: Cairn {cairn_share:.1%}, BM25 alone {plain_share:.1%}, ratio {ratio:.2f}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA))

"""Recall on texts with known answers, through the GraphQL API: how much of what answers a question is found, how early, how fast.

    python -m benchmarks.recall FILE... [--embedder wordllama|minilm] [--feedback none|gold] [--noise 0.1]

A file is `{name, collections: [{id, items: [{id, text, speaker?, session?, time?}], questions: [{text, gold: [ids], category?}]}]}`. One
agent a collection remembers its items; each question is put to it verbatim. Beside it stand BM25 and the embedding alone over the same
items, by the same analyser and embedder. With `--feedback gold` the gold among the ten hits shown first is fed back after each question;
`--noise` is the share of feedback that names a wrong hit instead. Without a file the two beside the repository are played, where present.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx
import numpy as np
from dateparser import parse as parse_time

from benchmarks.cache import served
from cairn.api.app import create_app
from cairn.api.presence import operator_key
from cairn.api.services import Cairn, open_services
from cairn.graph.analysis import terms
from cairn.graph.names import new_id
from cairn.learning.embedding import Embedder
from cairn.settings import Settings

FILES = [Path(__file__).resolve().parents[2] / "shared" / "data" / "recall" / name for name in ("locomo-dev.json", "musique-dev.json")]
SHOWN = 10
DEEPEST = 20
REMEMBER = "mutation R($input: [RememberInput!]!) { rememberMany(input: $input) { id } }"
REGISTER = "mutation A($id: ID!, $name: String!) { registerAgent(input: {id: $id, name: $name}) { id } }"
RECALL = "query Q($input: RecallInput!) { recall(input: $input) { id hits { memory { id externalId } } } }"
FEEDBACK = "mutation F($recall: ID!, $useful: [ID!]!) { feedback(recall: $recall, useful: $useful) }"


@dataclass(frozen=True)
class Answer:
    """What came back for one question, against what is right."""

    category: str
    gold: frozenset[str]
    found: tuple[str, ...]

    def recall(self, at: int) -> float:
        """The share of the gold among the first `at`."""
        return len(self.gold & set(self.found[:at])) / len(self.gold)

    @property
    def reciprocal(self) -> float:
        """One by the rank of the first gold; 0 when there is none."""
        return next((1 / rank for rank, id in enumerate(self.found, 1) if id in self.gold), 0.0)


def line(name: str, answers: Sequence[Answer]) -> str:
    """The figures of some answers."""
    shares = " ".join(f"R@{at} {100 * mean(a.recall(at) for a in answers):5.1f}" for at in (1, 5, 10, 20))
    hit = 100 * mean(a.recall(SHOWN) > 0 for a in answers)
    return f"  {name:<24} {len(answers):4} questions  {shares}  hit@10 {hit:5.1f}  MRR {mean(a.reciprocal for a in answers):.3f}"


class Alone:
    """BM25 (Lucene's k1 1.2, b 0.75) and the embedding, each alone, over the items of one collection."""

    def __init__(self, items: Sequence[dict[str, Any]], embedder: Embedder) -> None:
        self._ids = [item["id"] for item in items]
        self._embedder = embedder
        self._words = [Counter(terms(item["text"])) for item in items]
        self._lengths = [sum(words.values()) for words in self._words]
        self._having = Counter(word for words in self._words for word in words)
        self._vectors = np.asarray(embedder.embed([item["text"] for item in items]))

    def bm25(self, text: str) -> tuple[str, ...]:
        """The ids, best first."""
        average = mean(self._lengths) or 1
        scores = np.zeros(len(self._ids))
        for word in set(terms(text)):
            rare = math.log(1 + (len(self._ids) - self._having[word] + 0.5) / (self._having[word] + 0.5))
            for at, words in enumerate(self._words):
                if count := words[word]:
                    scores[at] += rare * count / (count + 1.2 * (0.25 + 0.75 * self._lengths[at] / average))
        return self._first(scores)

    def embedding(self, text: str) -> tuple[str, ...]:
        """The ids, best first."""
        return self._first(self._vectors @ np.asarray(self._embedder.embed([text])[0]))

    def _first(self, scores: np.ndarray) -> tuple[str, ...]:
        return tuple(self._ids[at] for at in np.argsort(-scores, kind="stable")[:DEEPEST])


class Api:
    """The GraphQL API of a running server."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.latencies: list[float] = []

    async def do(self, query: str, **variables: Any) -> Any:
        """The data of the only field. Ends the benchmark with what the server says when it is an error."""
        answer = (await self._http.post("/graphql", json={"query": query, "variables": variables})).json()
        if "errors" in answer:
            raise SystemExit(f"the server refused: {answer['errors']}")
        return next(iter(answer["data"].values()))

    async def fill(self, agent: str, items: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Let an agent remember all items; the items' ids by the memories'."""
        await self.do(REGISTER, id=agent, name=agent)
        names: dict[str, str] = {}
        for start in range(0, len(items), 100):
            some = items[start : start + 100]
            written = await self.do(REMEMBER, input=[remembered(agent, item) for item in some])
            names.update((memory["id"], item["id"]) for memory, item in zip(written, some, strict=True))
        return names

    async def ask(self, agent: str, text: str) -> Any:
        """Recall, timed."""
        start = perf_counter()
        found = await self.do(RECALL, input={"agent": agent, "query": text, "limit": DEEPEST, "scope": f"agent/{agent}"})
        self.latencies.append(perf_counter() - start)
        return found


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[tuple[Cairn, Api]]:
    """A Cairn and its API, served as `cairn up` serves it, for whoever owns the data directory."""
    async with open_services(settings) as cairn, served(create_app(cairn), settings) as url:
        headers = {"authorization": f"Bearer {operator_key(settings.data_dir)}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as http:
            yield cairn, Api(http)


def remembered(agent: str, item: dict[str, Any]) -> dict[str, Any]:
    """An item as an input of `remember`."""
    at = (
        parse_time(item["time"], languages=["en"], settings={"TIMEZONE": "UTC", "RETURN_AS_TIMEZONE_AWARE": True})
        if item.get("time")
        else None
    )
    values = {
        "agent": agent,
        "text": item["text"],
        "externalId": item["id"],
        "speaker": item.get("speaker"),
        "session": item.get("session"),
        "occurredAt": at.isoformat() if at else None,
    }
    return {name: value for name, value in values.items() if value is not None}


async def play(api: Api, data: dict[str, Any], embedder: Embedder, feedback: bool, noise: float) -> None:
    """Play one file and print its figures."""
    rows: dict[str, list[Answer]] = defaultdict(list)
    wrong = random.Random(7)
    api.latencies.clear()
    for collection in data["collections"]:
        agent = f"a{new_id()[:12]}".lower()
        await api.fill(agent, collection["items"])
        alone = Alone(collection["items"], embedder)
        for question in collection["questions"]:
            gold, category = frozenset(question["gold"]), question.get("category") or "all"
            recall = await api.ask(agent, question["text"])
            ids = {hit["memory"]["externalId"]: hit["memory"]["id"] for hit in recall["hits"]}
            rows["cairn"].append(Answer(category, gold, tuple(ids)))
            rows["BM25 alone"].append(Answer(category, gold, alone.bm25(question["text"])))
            rows["embedding alone"].append(Answer(category, gold, alone.embedding(question["text"])))
            if feedback:
                shown = list(ids)[:SHOWN]
                right, others = [id for id in shown if id in gold], [id for id in shown if id not in gold]
                named = [wrong.choice(others) if others and wrong.random() < noise else id for id in right]
                if named:
                    await api.do(FEEDBACK, recall=recall["id"], useful=[ids[id] for id in dict.fromkeys(named)])
    show(data["name"], rows, api.latencies, feedback)


def show(name: str, rows: dict[str, list[Answer]], latencies: Sequence[float], feedback: bool) -> None:
    """Print the figures of one file, its own line last."""
    ours = rows["cairn"]
    print(f"{name}:")
    for category in sorted({answer.category for answer in ours} - {"all"}):
        print(line(f"cairn, {category}", [answer for answer in ours if answer.category == category]))
    for contestant, answers in rows.items():
        print(line(contestant, answers))
    if feedback:
        print(line("cairn, first half", ours[: len(ours) // 2]))
        print(line("cairn, second half", ours[len(ours) // 2 :]))
    print(f"  latency p50 {1000 * median(latencies):.1f} ms, p95 {1000 * quantiles(latencies, n=20)[18]:.1f} ms, one caller")
    print(f"{name} R@10 {100 * mean(a.recall(SHOWN) for a in ours):.1f} MRR {mean(a.reciprocal for a in ours):.3f}", flush=True)


async def run(files: Sequence[Path], embedder: str, feedback: bool, noise: float) -> None:
    """Play the files, each in a tenant of its own."""
    with TemporaryDirectory() as folder:
        for file in files:
            data = json.loads(file.read_text(encoding="utf-8"))
            settings = Settings(data_dir=Path(folder, file.stem), tenant=f"bench-{new_id().lower()}", port=0, embedder=embedder)
            async with opened(settings) as (cairn, api):
                await play(api, data, cairn.services.embedders.configured, feedback, noise)


def main() -> None:
    """Print each file's figures beside their references."""
    parser = argparse.ArgumentParser(description="Recall on texts with known answers, through the GraphQL API.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--embedder", choices=("wordllama", "minilm"), default="wordllama")
    parser.add_argument("--feedback", choices=("none", "gold"), default="none")
    parser.add_argument("--noise", type=float, default=0.0, help="the share of feedback that names a wrong hit")
    arguments = parser.parse_args()
    files = arguments.files or [file for file in FILES if file.is_file()]
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        sys.exit(f"there is no {missing[0]}" if missing else "name a file to play")
    asyncio.run(run(files, arguments.embedder, arguments.feedback == "gold", arguments.noise))


if __name__ == "__main__":
    main()

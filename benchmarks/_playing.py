"""Sessions played against a real Cairn: each operation a query of its own, each session an agent of its own, with time to think between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx

from cairn.api.app import create_app
from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.graph.names import new_id
from cairn.learning.anticipation import Account
from cairn.settings import Settings

from ._traces import TURN, Trace, operation
from .cache import served

_LONGEST = 120
_NODES = "nodes { id name states(first: 5) { nodes { key value } } memories(first: 10) { nodes { id text } } }"


@dataclass
class Played:
    """How it went: seconds that each session waited for answers, how many queries were computed meanwhile, and the prefetches' account."""

    waited: list[float] = field(default_factory=list[float])
    misses: int = 0
    queries: int = 0
    account: Account = field(default_factory=Account)


def request(text: str) -> dict[str, Any]:
    """The query that an operation is: a document a name, its arguments as variables, all that an agent may read of what they name."""
    came = operation(text)
    names = list(came.variables)[:6] or [""]
    declared = ", ".join(f"$v{place}: String" for place in range(len(names)))
    asked = " ".join(f"a{place}: entities(search: $v{place}, first: 5) {{ nodes {{ iri label }} }}" for place in range(len(names)))
    words = {f"v{place}": _words(came.variables.get(name, came.shape)) for place, name in enumerate(names)}
    query = f"query {came.shape}({declared}) {{ me {{ id }} {asked} agents(first: 5) {{ {_NODES} }} }}"
    return {"query": query, "operationName": came.shape, "variables": words}


def _words(text: str) -> str:
    return "".join(letter if letter.isalnum() else " " for letter in text)[:_LONGEST].strip() or "nothing"


async def play(trace: Trace, think: float, at_once: int, most: int, *, ahead: bool) -> Played:
    """Play up to `most` sessions, `at_once` at a time, on servers of its own."""
    played = Played()
    sessions = trace.sessions[:most]
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            settings = Settings(data_dir=Path(folder), tenant=f"bench-{new_id()}", port=0, prefetch=ahead)
            cairn = await stack.enter_async_context(open_services(settings))
            url = await stack.enter_async_context(served(create_app(cairn), settings))
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
            keys = await _people(http, operator_key(settings.data_dir) or "", len(sessions))
            turn = asyncio.Semaphore(at_once)

            async def one(texts: Sequence[str], key: str) -> None:
                async with turn:
                    played.waited.append(await _session(http, texts, key, think, played))

            await asyncio.gather(*(one(texts, key) for texts, key in zip(sessions, keys, strict=True)))
            if cairn.services.anticipations is not None:
                await cairn.services.anticipations.close()  # what was not asked for until now was in vain
                played.account = cairn.services.anticipations.of(settings.tenant).account
    return played


async def _session(http: httpx.AsyncClient, texts: Sequence[str], key: str, think: float, played: Played) -> float:
    waited = 0.0
    for text in texts:
        if text != TURN:
            began = perf_counter()
            answer = await http.post("/graphql", json=request(text), headers={"authorization": f"Bearer {key}"})
            waited += perf_counter() - began
            if '"errors"' in answer.text:
                raise SystemExit(f"a query failed: {answer.text[:500]}")
            played.queries += 1
            played.misses += answer.headers["x-cache"] == "miss"
        await asyncio.sleep(think)
    return waited


async def _people(http: httpx.AsyncClient, key: str, count: int) -> list[str]:
    """A small graph, and keys of as many agents."""

    async def change(query: str, **variables: Any) -> dict[str, Any]:
        answer = await http.post("/graphql", json={"query": query, "variables": variables}, headers={"authorization": f"Bearer {key}"})
        found = answer.json()
        if "errors" in found:
            raise SystemExit(f"the benchmark's data was refused: {found['errors']}")
        return found["data"]

    await change('mutation { registerAgent(input: {id: "tern", name: "Tern", goals: ["see"]}) { id } }')
    turns = [{"agent": "tern", "text": f"Petrel saw Gannet Rock on day {day}.", "scope": "public"} for day in range(60)]
    await change("mutation R($input: [RememberInput!]!) { rememberMany(input: $input) { id } }", input=turns)
    make = 'mutation K($who: String!) { createApiKey(input: {principal: $who, role: "reader"}) { secret } }'
    return [(await change(make, who=f"agent{number}"))["createApiKey"]["secret"] for number in range(count)]


async def compare(trace: Trace, think: float, at_once: int, most: int) -> float:
    """Play a trace with and without prefetching, and print what it brought; the ratio of the median sessions' waiting."""
    plain = await play(trace, think, at_once, most, ahead=False)
    ahead = await play(trace, think, at_once, most, ahead=True)
    account, ratio = ahead.account, median(filter(None, ahead.waited)) / median(filter(None, plain.waited))
    print(
        f"  {trace.name}: {ahead.queries} queries, {plain.misses} misses without and {ahead.misses} with prefetching; {account.issued} run"
        f" ahead, {account.used} asked for: precision {100 * account.precision:.0f} % (60 wanted), coverage {100 * account.coverage:.0f} %"
        f" (50 wanted where operations repeat), wasted {account.spent_in_vain:.2f} s of {account.spent:.2f} s;"
        f" the median session waits {ratio:.2f} times as long",
        flush=True,
    )
    return ratio

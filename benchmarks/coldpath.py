"""What an answer that no cache has costs above Neo4j itself, and what it brings to ask for many callers at once.

One worker process serves all of these over the same driver and the same Neo4j, in turns in the same run, loaded from another process:

* Cairn's GraphQL without the query cache: 10 memories of 8 fields by a known document, with authentication, access, limits and metrics;
* a bare Starlette route that runs the same Cypher with the same parameters and returns the same JSON, and nothing else;
* naive Strawberry: resolvers over the same Cypher by the driver's `execute_query`, with Strawberry's caches of parsed and valid documents;
* one memory by its id: Cairn's GraphQL beside naive Strawberry, at 32 connections, each request another id.

Run: python -m benchmarks.coldpath [--connections 8] [--seconds 4] [--rounds 5]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import quote, urlencode

import anyio
import httpx
import orjson
import strawberry
from neo4j import AsyncDriver
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

from benchmarks._load import Load, Outcome, bodies, press
from benchmarks.cache import computing, served
from cairn.api.presence import operator_key
from cairn.api.services import Cairn, open_services
from cairn.graph.instants import now, utc
from cairn.graph.memories import start_of
from cairn.graph.names import new_id
from cairn.graph.sealing import opened
from cairn.graph.statements import load, parse
from cairn.schema.scalars import serialize_instant
from cairn.settings import Settings

WHOLE, POINTS = 0.95, 5.0
FIELDS = "id kind text speaker session scope importance recordedAt"
LIST = f"query Page($after: String) {{ memories(first: 10, after: $after) {{ nodes {{ {FIELDS} }} }} }}"
POINT = f"query One($id: ID!) {{ memory(id: $id) {{ {FIELDS} }} }}"
MEMORIES = 1_000
_FILTERS = (
    "agent", "session", "speaker", "scope", "externalId", "kinds", "modalities", "occurredAfter", "occurredBefore", "speakerKey",
    "externalKey",
)  # fmt: skip
_POINT = parse((Path(__file__).parent / "coldpath.cypher").read_text(encoding="utf-8"))["point"]
_LIST = load("memories")["memories_list"]
Read = Callable[[str, dict[str, Any]], Awaitable[list[dict[str, Any]]]]


class Reader:
    """Reads memories for somebody who may read these scopes, by the driver's own means and no more."""

    def __init__(self, cairn: Cairn, tenant: str, scopes: Sequence[str]) -> None:
        self._database = cairn.services.database
        self._driver = cast("AsyncDriver", vars(self._database)["_driver"])
        self._readable = {"tenant": tenant, "scopes": list(scopes)}

    async def plainly(self, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """By an auto-commit transaction, which is the driver's fastest way."""
        async with self._driver.session(database="neo4j", default_access_mode="READ") as session:
            result = await session.run(statement, parameters)  # pyright: ignore[reportArgumentType]
            return [one async for record in result for one in record["memories"]]

    async def naively(self, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """By the way that the driver's manual shows first."""
        result = await self._driver.execute_query(statement, parameters, database_="neo4j", routing_="r")  # pyright: ignore[reportArgumentType]
        return [one for record in result.records for one in record["memories"]]

    async def page(self, read: Read, after: str | None) -> list[dict[str, Any]]:
        """The ten memories after a cursor."""
        start = start_of(after)
        filters = dict.fromkeys(_FILTERS)
        asked = {**self._readable, **filters, "now": now(), "before": start.recorded_at, "beforeId": start.id, "limit": 11}
        return [await self._shown(row) for row in (await read(_LIST.text, asked))[:10]]

    async def one(self, read: Read, id: str) -> dict[str, Any] | None:
        """The memory with an id."""
        found = await read(_POINT.text, {**self._readable, "now": now(), "id": id})
        return await self._shown(found[0]) if found else None

    async def _shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        sealed = [row[name] for name in ("text", "speaker") if isinstance(row[name], bytes)]
        keys = await self._database.keys_of(sealed) if sealed else {}
        text, speaker = (opened(keys.get(row[name], row[name]), "Memory", row["id"], name) for name in ("text", "speaker"))
        return {
            "id": row["id"], "kind": row["kind"], "text": text, "speaker": speaker, "session": row["session"], "scope": row["scope"],
            "importance": row["importance"], "recordedAt": serialize_instant(utc(row["recordedAt"])),
        }  # fmt: skip


def bare(reader: Reader) -> Starlette:
    """A route that returns the JSON of `LIST` without GraphQL."""

    async def page(request: Request) -> Response:
        nodes = await reader.page(reader.plainly, request.query_params.get("after"))
        return Response(orjson.dumps({"data": {"memories": {"nodes": nodes}}, "extensions": {"cost": 21}}), media_type="application/json")

    return Starlette(routes=[Route("/memories", page)])


@strawberry.type
class Note:
    id: strawberry.ID
    kind: str
    text: str | None
    speaker: str | None
    session: strawberry.ID | None
    scope: str
    importance: float
    recorded_at: str


@strawberry.type
class Notes:
    nodes: list[Note]


def _note(found: Mapping[str, Any]) -> Note:
    return Note(**{"recorded_at" if name == "recordedAt" else name: value for name, value in found.items()})


@strawberry.type
class Query:
    @strawberry.field
    async def memories(self, info: strawberry.Info[Any, Any], first: int = 10, after: str | None = None) -> Notes:  # noqa: ARG002
        reader: Reader = info.context["reader"]
        return Notes(nodes=[_note(one) for one in await reader.page(reader.naively, after)])

    @strawberry.field
    async def memory(self, info: strawberry.Info[Any, Any], id: strawberry.ID) -> Note | None:
        reader: Reader = info.context["reader"]
        found = await reader.one(reader.naively, id)
        return None if found is None else _note(found)


def naive(reader: Reader) -> Starlette:
    """What Strawberry's documentation shows."""

    class Served(GraphQL[Any, Any]):
        async def get_context(self, request: Any, response: Any) -> Any:
            return {"reader": reader, "request": request, "response": response}

    schema = strawberry.Schema(query=Query, extensions=[ParserCache, ValidationCache])
    return Starlette(routes=[Route("/graphql", Served(schema))])


async def fill(url: str, key: str) -> tuple[list[str], list[str]]:
    """An agent with its memories; their ids, and cursors all over their list."""
    birds, places = ("Petrel", "Tern", "Gannet", "Skua", "Dunlin"), ("Seal Sound", "Merrow Bay", "Gannet Rock", "the seagrass meadow")
    remember = "mutation R($input: [RememberInput!]!) { rememberMany(input: $input) { id } }"
    turns = [
        {"agent": "tern", "text": f"{birds[n % 5]} saw {places[n % 4]} on day {n}.", "session": f"s{n // 20}", "speaker": birds[n % 5]}
        for n in range(MEMORIES)
    ]
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=120) as client:

        async def send(query: str, variables: dict[str, Any]) -> Any:
            answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
            if "errors" in answer:
                raise SystemExit(f"the benchmark's data was refused: {answer['errors']}")
            return answer["data"]

        await send('mutation { registerAgent(input: {id: "tern", name: "Tern", goals: ["see"]}) { id } }', {})
        ids = [one["id"] for n in range(0, MEMORIES, 250) for one in (await send(remember, {"input": turns[n : n + 250]}))["rememberMany"]]
        cursors: list[str] = []
        for _ in range(MEMORIES // 100 - 1):
            after = cursors[-1] if cursors else None
            edges = await send("query C($after: String) { memories(first: 100, after: $after) { edges { cursor } } }", {"after": after})
            cursors += [edge["cursor"] for edge in edges["memories"]["edges"]]
    return ids, cursors


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that is compared, with the addresses at which it is served."""

    cairn: str
    bare: str
    naive: str
    key: str
    ids: Sequence[str]
    cursors: Sequence[str]

    def loads(self) -> tuple[dict[str, Load], dict[str, Load]]:
        """What is sent for pages, and for points."""
        pages = [{"after": cursor} for cursor in self.cursors]
        points = [{"id": id} for id in self.ids]
        ways = {"Cairn's GraphQL": f"{self.cairn}/graphql", "naive Strawberry": f"{self.naive}/graphql"}
        paths = [f"/memories?{urlencode(one, quote_via=quote)}" for one in pages]
        return (
            {
                "Cairn's GraphQL": Load(ways["Cairn's GraphQL"], bodies(LIST, pages), key=self.key),
                "bare Starlette": Load(self.bare, paths, "GET"),
                "naive Strawberry": Load(ways["naive Strawberry"], bodies(LIST, pages)),
            },
            {name: Load(url, bodies(POINT, points), key=self.key) for name, url in ways.items()},
        )


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """All of it, served."""
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            settings = Settings(data_dir=Path(folder), tenant=f"bench-{new_id()}", port=0)
            cairn = await stack.enter_async_context(open_services(settings))
            key = operator_key(settings.data_dir) or ""
            ours = await stack.enter_async_context(served(computing(cairn), settings))
            ids, cursors = await fill(ours, key)
            access = await cairn.services.accesses.get(settings.tenant, "operator")
            reader = Reader(cairn, access.tenant, access.scopes)
            plain = await stack.enter_async_context(served(bare(reader), settings))
            strawberries = await stack.enter_async_context(served(naive(reader), settings))
            yield Site(ours, plain, strawberries, key, ids, cursors)


async def check(loads: Mapping[str, Load]) -> None:
    """End the benchmark unless all ways answer the same."""
    answers = set[bytes]()
    async with httpx.AsyncClient() as client:
        for load in loads.values():
            headers = {"authorization": f"Bearer {load.key or '-'}", "content-type": "application/json"}
            for line in load.requests[:5]:
                if load.method == "GET":
                    answer = await client.get(f"{load.url}{line}")
                else:
                    answer = await client.post(load.url, content=line, headers=headers)
                answers.add(orjson.dumps(orjson.loads(answer.content)["data"]))
    if len(answers) != 5:
        raise SystemExit("the ways that are compared do not answer the same")


async def compare(loads: Mapping[str, Load], connections: int, options: argparse.Namespace) -> dict[str, float]:
    """Let the ways take turns; print each round; the median rate of each. The first round warms up."""
    await check(loads)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in loads}
    for number in range(options.rounds + 1):
        for name, one in loads.items():
            outcome = await press(one, connections, options.seconds)
            if number:
                outcomes[name].append(outcome)
    for name, found in outcomes.items():
        rates = sorted(one.rate for one in found)
        p50, p99 = median(one.p50 for one in found), median(one.p99 for one in found)
        spread = f"{rates[0]:,.0f} to {rates[-1]:,.0f}"
        print(f"  {name:>16}: {median(rates):7,.0f} requests/s ({spread}), p50 {p50:6.1f} ms, p99 {p99:6.1f} ms", flush=True)
    return {name: median(one.rate for one in found) for name, found in outcomes.items()}


async def run(options: argparse.Namespace) -> int:
    """Measure both. 1 when a ratio is below what is wanted."""
    async with site() as place:
        pages, points = place.loads()
        print(f"10 memories of 8 fields, {options.connections} connections:", flush=True)
        rates = await compare(pages, options.connections, options)
        whole, usual = (rates[name] / rates["bare Starlette"] for name in ("Cairn's GraphQL", "naive Strawberry"))
        print(f"GraphQL beside a bare route: {whole * 100:.0f} % ({WHOLE * 100:.0f} wanted; naive Strawberry {usual * 100:.0f} %)")
        print("one memory by its id, 32 connections:", flush=True)
        rates = await compare(points, 32, options)
        gain = rates["Cairn's GraphQL"] / rates["naive Strawberry"]
        print(f"look-ups beside naive Strawberry: {gain:.1f} times ({POINTS:.0f} wanted)")
    return int(whole < WHOLE or gain < POINTS)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    return anyio.run(run, parser.parse_args(), backend_options={"use_uvloop": sys.platform != "win32"})  # as `cairn up` does


if __name__ == "__main__":
    sys.exit(main())

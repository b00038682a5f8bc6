"""Whether a tenant ever gets anything of another's: generated operations against a neighbour that has the same names for everything.

    python -m benchmarks.isolation [--operations 10000] [--seed 1]

Two tenants hold agents, states, memories, facts and keys under the same ids; all that the neighbour holds carries a telling word. The
first one's administrator runs random reads, writes, searches, proofs and subscriptions over the real API with the real cache, with
its own ids, the neighbour's and invented ones, while the neighbour goes on writing. Counted is what of the neighbour's shows in an
answer, kept or computed, or in an event; how far lists are from what the tenant itself wrote; and what changed at the neighbour's.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx

from cairn.api.app import create_app
from cairn.api.services import Cairn, open_services
from cairn.graph.verification import verify
from cairn.policies.bootstrap import bootstrap
from cairn.settings import Settings

AGENTS, SCOPES = ("ada", "bob"), ("public", "team/a", "agent/ada")
TELLING = "neighbourly"
CALLERS = 8
READS = (
    "query($x: ID!) { memory(id: $x) { text metadata related { text } } }",
    "query($x: ID!) { agent(id: $x) { name goals states { nodes { value } } memories { nodes { text } } } }",
    'query($x: ID!) { state(agent: $x, key: "plan") { value by hash history { nodes { value } } } }',
    "query($x: ID!) { memories(filter: {agent: $x}) { nodes { text } } }",
    "query($x: ID!) { memories(filter: {session: $x}) { nodes { text } } }",
    "query($x: String!) { memories(filter: {externalId: $x}) { nodes { text } } }",
    "query($x: String!) { facts(object: $x) { nodes { object scope } } }",
    "query($x: IRI!) { facts(subject: $x) { nodes { object } } entity(iri: $x) { label memories { nodes { text } } } }",
    "query($x: String!) { entities(search: $x) { nodes { iri label } } }",
    'query($x: String!) { recall(input: {agent: "ada", query: $x, limit: 100}) { hits { why memory { text } } } }',
    "query($x: String!) { permitted(subject: $x, object: \"memory:public\", action: \"read\") { allowed rule } }",
    "query($x: String!) { apiKeys(principal: $x) { nodes { id principal } } }",
    "query($x: ID!) { import(id: $x) { source } }",
    "query($x: String) { memories(after: $x) { nodes { text } } agents(after: $x) { nodes { name } } }",
    "{ rules { nodes { subject object } } roles { name } graphs { nodes { iri } } }",
    "{ ledger { size root checkpoint entries(first: 100) { nodes { target actor leaf } } } }",
    "query($n: Int!) { ledger { inclusionProof(seq: $n, size: $n) } }",
    "query($n: Int!) { ledger { consistencyProof(from: 1, to: $n) } }",
)  # fmt: skip
WRITES = (
    "mutation($x: ID!) { forget(id: $x, erase: true) }",
    "mutation($x: ID!) { retractFact(id: $x) { object } }",
    "mutation($x: ID!) { revokeApiKey(id: $x) }",
    "mutation($x: ID!) { feedback(recall: $x, useful: [$x]) }",
    'mutation($x: ID!) { setState(input: {agent: $x, key: "plan", value: "mine", idempotencyKey: "same"}) { value } }',
    'mutation($x: ID!) { remember(input: {agent: $x, text: "mine", scope: "public"}) { id text } }',
    'mutation($x: ID!) { assertFact(input: {subject: "urn:a", predicate: "urn:b", object: "mine", evidence: [$x]}) { object } }',
)


@dataclass(repr=False)
class Tenant:
    """One side: its key, and the ids of all that it holds."""

    http: httpx.AsyncClient
    name: str
    token: str
    word: str
    ids: list[str] = field(default_factory=list[str])
    size: int = 0

    async def send(self, query: str, **variables: Any) -> httpx.Response:
        """One request."""
        headers = {"authorization": f"Bearer {self.token}", "accept": "application/json"}
        return await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    async def do(self, query: str, **variables: Any) -> Any:
        """The data of one that must go well."""
        answer = (await self.send(query, **variables)).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def write(self, number: int) -> None:
        """One more memory, fact and version of a state, all with the word."""
        text, scope = f"{self.word} heron {number}", SCOPES[number % len(SCOPES)]
        given = {"agent": "ada", "text": text, "scope": scope, "session": "s", "externalId": f"e{number}", "metadata": {"a": text}}
        made = await self.do("mutation($i: RememberInput!) { remember(input: $i) { id } }", i=given)
        said = {"subject": "urn:heron", "predicate": "urn:said", "object": text, "scope": scope, "evidence": [made["remember"]["id"]]}
        fact = await self.do("mutation($i: AssertFactInput!) { assertFact(input: $i) { id } }", i=said)
        put = {"agent": "ada", "key": "plan", "value": text}
        await self.do("mutation($i: SetStateInput!) { setState(input: $i) { version } }", i=put)
        self.ids += [made["remember"]["id"], fact["assertFact"]["id"]]
        self.size += 3

    async def begin(self) -> None:
        """The first things it holds."""
        for agent in AGENTS:
            given = {"id": agent, "name": f"{self.word} {agent}", "goals": [f"{self.word} goal"]}
            await self.do("mutation($i: RegisterAgentInput!) { registerAgent(input: $i) { id } }", i=given)
        made = await self.do("mutation($p: String!) { createApiKey(input: {principal: $p}) { id } }", p=self.word)
        self.ids.append(made["createApiKey"]["id"])
        rule = {"subject": self.word, "object": "memory:public", "action": "read"}
        await self.do("mutation($r: RuleInput!) { addRule(input: $r) { changed } }", r=rule)
        self.size = (await self.do("{ ledger { size } }"))["ledger"]["size"]
        for number in range(10):
            await self.write(number)


async def operate(one: Tenant, other: Tenant, operations: int, rng: random.Random) -> Counter[str]:
    """What went wrong, and how many answers came from the cache."""
    found: Counter[str] = Counter()
    waiting = iter(range(operations))

    async def call() -> None:
        for number in waiting:
            if number % 500 == 499:
                await other.write(number)
            queries = READS if rng.random() < 0.8 else WRITES
            query = rng.choice(queries)
            names = rng.choice((one.ids, other.ids, [*AGENTS, "s", "e1", other.word, f"{other.word} heron 1", "urn:heron", uuid4().hex]))
            variables = {"x": rng.choice(names)} if "$x" in query else {"n": rng.randint(1, 40)} if "$n" in query else {}
            response = await one.send(query, **variables)
            if query in WRITES and variables["x"] in other.ids and "errors" not in response.json():
                found["writes"] += 1
            shows = response.text.replace(str(variables.get("x")), "") if variables else response.text
            kept = response.headers.get("x-cache") in ("l1", "l2")
            found["answers from the cache"] += kept
            if TELLING in shows or any(id in shows for id in other.ids):
                found["cache hits" if kept else "reads, searches and proofs"] += 1

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return found


async def counted(one: Tenant, other: Tenant) -> int:
    """How many of the tenant's own lists have as many objects as the neighbour's words or another's could explain only: must be 0."""
    wrong = 0
    for tenant in (one, other):
        after, texts = None, list[str]()
        while True:
            page = (
                await tenant.do(
                    "query($a: String) { memories(first: 100, after: $a) { nodes { text } pageInfo { hasNextPage endCursor } } }", a=after
                )
            )["memories"]
            texts += [node["text"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        wrong += sum(not (text.startswith(tenant.word) or (tenant is one and text == "mine")) for text in texts)
    return wrong


async def run(cairn: Cairn, http: httpx.AsyncClient, operations: int, rng: random.Random) -> int:
    """Everything; the number of leaks."""
    tenants: list[Tenant] = []
    for word in ("ownword", TELLING):
        name = f"{word}-{uuid4().hex}"
        token = await bootstrap(cairn.services.writer, name)
        assert token is not None
        tenants.append(Tenant(http, name, token, word))
        await tenants[-1].begin()
    one, other = tenants
    events = 0

    async def listen() -> None:
        nonlocal events
        async for event in cairn.services.events.subscribe(one.name, frozenset({"memory", "state"})):
            events += event.tenant != one.name or event.id in other.ids

    listening = asyncio.create_task(listen())
    found = await operate(one, other, operations, rng)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    found["events"] = events
    found["counts"] = await counted(one, other)
    found["writes"] += abs((await other.do("{ ledger { size } }"))["ledger"]["size"] - other.size)
    verdicts = [await verify(cairn.services.database, tenant.name) for tenant in tenants]
    kept = found.pop("answers from the cache")
    kinds = ("reads, searches and proofs", "writes", "cache hits", "counts", "events")
    print(f"{operations} operations of one tenant, {kept} answered from the cache, its neighbour writing meanwhile:")
    print("of the neighbour's: " + ", ".join(f"{found[kind]} {kind}" for kind in kinds) + " (0 wanted of each)")
    print(f"{sum(verdict.holds for verdict in verdicts)} of 2 ledgers hold")
    return sum(found.values()) + sum(not verdict.holds for verdict in verdicts)


async def prepare(operations: int, seed: int) -> int:
    """Open a Cairn, and run."""
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder, "data"), consolidation_interval=0)
        async with open_services(settings) as cairn:
            transport = httpx.ASGITransport(create_app(cairn))
            async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
                return await run(cairn, http, operations, random.Random(seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(1 if asyncio.run(prepare(arguments.operations, arguments.seed)) else 0)


if __name__ == "__main__":
    main()

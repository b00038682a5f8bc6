"""Whether lists, traversals, counts and searches return what Casbin itself would let through, node by node, for random policies.

    python -m benchmarks.policies [--policies 1000] [--seed 1]

One tenant holds memories in several scopes, states of several agents, and named graphs. Each policy is a random set of rules for a
principal of its own. What that principal gets is compared with everything there is, each node judged by pycasbin's `enforce` over the
same lines.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx

from cairn.api.app import create_app
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import Cairn, open_services
from cairn.graph.access import Access, Identity
from cairn.graph.analysis import terms
from cairn.graph.database import Database
from cairn.graph.exploring import paths, search_entities
from cairn.graph.graphs import list_graphs
from cairn.graph.keyring import index_of
from cairn.graph.memories import list_memories
from cairn.graph.search import Question, candidates
from cairn.graph.states import list_states
from cairn.graph.tenants import read_catalog
from cairn.policies.compiler import compile_access
from cairn.policies.model import enforce, make_enforcer
from cairn.policies.rules import parse_rule
from cairn.policies.ruleset import Line, RuleSet
from cairn.policies.seed import seed
from cairn.settings import Settings

TENANT = f"policies-{uuid4().hex}"
AGENTS = ("ada", "bob")
SCOPES = ("public", "public/notes", "team/a", "team/a/deep", "team/b", "agent/ada", "agent/ada/diary", "agent/bob")
KEYS = ("plan", "mood", "trip/day")
GRAPHS = tuple(f"https://example.org/graphs/{number}" for number in range(4))
THINGS = tuple(f"https://example.org/things/{number}" for number in range(5))
"""Graph n links thing n to thing n + 1, and names thing n."""
OBJECTS = (
    "*", "memory:*", "graph:*", "state:*", "memory:public/*", "memory:team/*", "memory:team/*/deep", "memory:agent/*",
    "memory:agent/{principal}/*", "memory:agent/*/diary", "state:agent/ada/*", "state:agent/*/plan", "state:agent/{principal}/*",
    "graph:https://example.org/graphs/*", *(f"memory:{scope}" for scope in SCOPES), *(f"graph:{graph}" for graph in GRAPHS),
)  # fmt: skip
SEEDED = len(seed(TENANT))
Node = tuple[str, str]
"""Where it shows, and its name there."""


async def fill(client: Client, folder: Path) -> dict[Node, str]:
    """Everything there is, and the object that must be readable for it to show."""
    there: dict[Node, str] = {}
    for agent in AGENTS:
        await client.demand("mutation($a: ID!, $n: String!) { registerAgent(input: {id: $a, name: $n}) { id } }", {"a": agent, "n": agent})
        for key in KEYS:
            put = "mutation($a: ID!, $k: String!) { setState(input: {agent: $a, key: $k, value: 1}) { version } }"
            await client.demand(put, {"a": agent, "k": key})
            there["list of states", f"{agent}/{key}"] = f"state:agent/{agent}/{key}"
    for scope in SCOPES:
        for agent in AGENTS:
            say = "mutation($a: ID!, $s: String, $t: String!) { remember(input: {agent: $a, scope: $s, text: $t}) { id } }"
            made = await client.demand(say, {"a": agent, "s": scope, "t": f"A heron of {scope} was seen by {agent}."})
            there["list of memories", made["remember"]["id"]] = there["search of memories", made["remember"]["id"]] = f"memory:{scope}"
    lines = [f'<{THINGS[n]}> <http://www.w3.org/2000/01/rdf-schema#label> "Heronry {n}" <{graph}> .' for n, graph in enumerate(GRAPHS)]
    lines += [f"<{THINGS[n]}> <urn:near> <{THINGS[n + 1]}> <{graph}> ." for n, graph in enumerate(GRAPHS)]
    (folder / "graphs.nq").write_text("\n".join(lines) + "\n", "utf-8")
    started = await client.demand("mutation($s: String!) { startImport(input: {source: $s}) { id } }", {"s": str(folder / "graphs.nq")})
    while (await client.demand("query($i: ID!) { import(id: $i) { status } }", {"i": started["startImport"]["id"]}))["import"][
        "status"
    ] == "RUNNING":
        await asyncio.sleep(0.05)
    for n, graph in enumerate(GRAPHS):
        there["list of graphs", graph] = there["count of triples", f"{graph} 2"] = there["search of entities", THINGS[n]] = f"graph:{graph}"
        there["traversal", f"{THINGS[n]} {THINGS[n + 1]}"] = f"graph:{graph}"
    return there


async def shown(database: Database, access: Access) -> set[Node]:
    """Everything that whoever has this `Access` gets to see."""
    memories = [memory.id for memory in (await list_memories(database, access, first=100)).items]
    found: set[Node] = {("list of memories", id) for id in memories}
    words = tuple((await index_of(database, access.tenant)).tokens(terms("heron")))
    for agent in AGENTS:  # who asks finds no other agent's own memories unless it asks for them
        question = Question(agent=agent, terms=words)
        found |= {("search of memories", one.id) for one in await candidates(database, access, question)}
    states = await list_states(database, access, AGENTS, 100)
    found |= {("list of states", f"{agent}/{state.key}") for agent, page in states.items() for state in page.items}
    graphs = (await list_graphs(database, access, 100)).items
    found |= {("list of graphs", graph.iri) for graph in graphs if graph.iri in GRAPHS}
    found |= {("count of triples", f"{graph.iri} {graph.triples}") for graph in graphs if graph.iri in GRAPHS}
    found |= {("search of entities", one.iri) for one in (await search_entities(database, access, "heronry", first=100)).items}
    for start, end in pairwise(THINGS):
        ways = await paths(database, access, start, end, 1)
        found |= {("traversal", " ".join(node.iri for node in way.nodes)) for way in ways}
    return found


def policy(rng: random.Random) -> list[Line]:
    """A random set of rules for the principal ada, some of them through a role, with the seed."""
    lines: list[Line] = list(seed(TENANT))
    for _ in range(rng.randint(1, 8)):
        effect = "deny" if rng.random() < 0.3 else "allow"
        subject = rng.choice(["ada", "ada", "everyone", "bob"])
        lines.append(parse_rule(TENANT, subject, rng.choice(OBJECTS), rng.choice(["read", "read", "*", "write", "admin"]), effect))
    return list({line.text: line for line in lines}.values())


async def run(policies: int, rng: random.Random) -> int:
    """Compare; the number of policies with a difference."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_dir=folder / "data", tenant=TENANT, consolidation_interval=0)
        async with open_services(settings) as cairn:
            transport = httpx.ASGITransport(create_app(cairn))
            async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
                there = await fill(Client(http, "http://cairn.test/graphql", operator_key(settings.data_dir)), folder)
            return await compare(cairn, there, policies, rng)


async def compare(cairn: Cairn, there: dict[Node, str], policies: int, rng: random.Random) -> int:
    """Print how often what is shown differs from what Casbin lets through."""
    database = cairn.services.database
    catalog = await read_catalog(database, TENANT)
    different = judged = visible = 0
    for number in range(policies):
        lines = policy(rng)
        rules = RuleSet.load(TENANT, number + 1, [(line.stored().ptype, line.stored().values) for line in lines])
        enforcer = make_enforcer(rules.lines.values())
        allowed = {object: enforce(enforcer, TENANT, "ada", object, "read").allowed for object in sorted(set(there.values()))}
        expected = {node for node, object in there.items() if allowed[object]}
        got = await shown(database, compile_access(rules, catalog, Identity(TENANT, "ada")))
        judged, visible = judged + len(there), visible + len(expected)
        if got != expected:
            different += 1
            print(f"policy {number} differs: {sorted(got ^ expected)[:5]}; rules {[line.text for line in lines[SEEDED:]]}", flush=True)
    kinds = ", ".join(dict.fromkeys(kind for kind, _ in there))
    print(f"{policies} random policies, {judged} nodes judged by enforce, {visible} of them readable ({kinds})")
    print(f"{different} policies with a difference (0 wanted)")
    return different


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policies", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(1 if asyncio.run(run(arguments.policies, random.Random(arguments.seed))) else 0)


if __name__ == "__main__":
    main()

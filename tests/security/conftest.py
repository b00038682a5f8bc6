"""A small world of memories, facts, states and imported graphs, in which everything that may leak carries a word that tells on it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest

from cairn.api.app import create_app
from cairn.api.services import Cairn
from cairn.policies.bootstrap import bootstrap

SCOPES = ("public", "team/a", "team/a/deep", "agent/ada", "agent/bob")
AGENTS = ("ada", "bob")
GRAPHS = tuple(f"https://example.org/graphs/wordgraph{number}" for number in (1, 2, 3))
LABELS = ("Harrowgate", "Tinderbay", "Oxmoor", "Commonweir")
THINGS = tuple(f"https://example.org/things/wordthing{number}" for number in (1, 2, 3, 4))
"""Thing n is in graph n alone, but for a link of graph 3 to thing 1; the last is in graphs 1 and 2."""
CLASS = "https://example.org/Place"

_LABEL, _TYPE = "http://www.w3.org/2000/01/rdf-schema#label", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_NOTE, _NEAR = "https://example.org/note", "https://example.org/near"
_WORD = re.compile(r"word[a-z]+\d+")

Need = tuple[tuple[str, ...], ...]
"""Objects to read: one of the inner lists must be readable as a whole."""

Given = tuple[str, str, str]
"""A rule: object, action, effect."""
SEEDED: Given = ("field:*", "read", "ALLOW")


def covers(pattern: str, object: str) -> bool:
    """Whether a rule's object covers another, as the administrator's guide says it."""
    kind, _, path = pattern.partition(":")
    asked, _, place = object.partition(":")
    if pattern == "*" or (kind, path) == (asked, "*"):
        return True
    want, have = path.split("/"), place.split("/")
    if want[-1] == "*":
        want, have = want[:-1], have[: len(want) - 1]
    return kind == asked and len(want) == len(have) and all(w == h or (w == "*" and h) for w, h in zip(want, have, strict=True))


def allows(rules: Iterable[Given], object: str, action: str = "read") -> bool:
    """Whether these rules allow it: some rule does, and none denies it."""
    effects = {effect for covered, done, effect in [*rules, SEEDED] if done in {action, "*", "admin"} and covers(covered, object)}
    return effects == {"ALLOW"}


def quads(graphs: Iterable[str]) -> str:
    """The world's imported graphs as N-Quads, as far as they are among `graphs`."""
    lines: list[str] = []
    for number, (graph, thing, label) in enumerate(zip(GRAPHS, THINGS, LABELS, strict=False), 1):
        lines.append(f'<{thing}> <{_LABEL}> "{label}" <{graph}> .')
        lines.append(f'<{thing}> <{_NOTE}> "wordnote{number}" <{graph}> .')
        lines.append(f"<{thing}> <{_TYPE}> <{CLASS}> <{graph}> .")
    for number, graph in enumerate(GRAPHS[:2], 1):
        lines.append(f'<{THINGS[3]}> <{_LABEL}> "{LABELS[3]}" <{graph}> .')
        lines.append(f'<{THINGS[3]}> <{_NOTE}> "wordshared{number}" <{graph}> .')
        lines.append(f"<{THINGS[3]}> <{_NEAR}> <{THINGS[number - 1]}> <{graph}> .")
    lines.append(f"<{THINGS[2]}> <{_NEAR}> <{THINGS[0]}> <{GRAPHS[2]}> .")
    return "\n".join(line for line in lines if any(line.endswith(f" <{graph}> .") for graph in graphs))


GRAPH_WORDS: dict[str, Need] = {
    **{f"wordgraph{n}": ((f"graph:{graph}",),) for n, graph in enumerate(GRAPHS, 1)},
    **{f"wordnote{n}": ((f"graph:{graph}",),) for n, graph in enumerate(GRAPHS, 1)},
    **{f"wordshared{n}": ((f"graph:{GRAPHS[n - 1]}",),) for n in (1, 2)},
    "wordthing1": ((f"graph:{GRAPHS[0]}",), (f"graph:{GRAPHS[2]}",)),
    "wordthing2": ((f"graph:{GRAPHS[1]}",),),
    "wordthing3": ((f"graph:{GRAPHS[2]}",),),
    "wordthing4": ((f"graph:{GRAPHS[0]}",), (f"graph:{GRAPHS[1]}",)),
}


@dataclass(repr=False)
class World:
    """One tenant with everything in it. `words` says of each telling word what must be readable for it to show."""

    cairn: Cairn
    http: httpx.AsyncClient
    tenant: str
    operator: str
    words: dict[str, Need] = field(default_factory=lambda: dict(GRAPH_WORDS))
    memories: dict[str, str] = field(default_factory=dict[str, str])
    """Scopes of memories by their ids."""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    """Scopes of facts by the word that is their subject and object."""
    states: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    rules: dict[str, list[Given]] = field(default_factory=dict[str, list[Given]])
    """The rules of principals that have no role but one of their own."""
    names: dict[str, str] = field(default_factory=dict[str, str])
    """What to call ids when worlds are compared."""
    _number: count[int] = field(default_factory=lambda: count(1))

    async def send(self, query: str, variables: Mapping[str, Any] | None = None, token: str | None = None) -> httpx.Response:
        """One request, as whoever has the token."""
        headers = {"authorization": f"Bearer {token or self.operator}", "accept": "application/json"}
        return await self.http.post("/graphql", json={"query": query, "variables": dict(variables or {})}, headers=headers)

    async def do(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of what the operator asks for."""
        answer = (await self.send(query, variables)).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def codes(self, token: str, query: str, **variables: Any) -> list[str]:
        """The codes of what goes wrong when the token's owner asks."""
        return [error["extensions"]["code"] for error in (await self.send(query, variables, token)).json().get("errors", [])]

    async def principal(self, rules: Sequence[Given] = (), role: str | None = None) -> tuple[str, str]:
        """A new principal with these rules (object, action, effect), every other one through a role of its own, and its key."""
        name = f"p{next(self._number)}"
        self.rules[name] = []
        for number, rule in enumerate(rules):
            await self.rule(name if number % 2 else f"role-{name}", *rule)
        make = "mutation($p: String!, $r: String) { createApiKey(input: {principal: $p, role: $r}) { secret } }"
        made = await self.do(make, p=name, r=role or (f"role-{name}" if rules else None))
        return name, made["createApiKey"]["secret"]

    async def rule(self, subject: str, object: str, action: str = "read", effect: str = "ALLOW", change: str = "addRule") -> None:
        """Add a rule, or remove it (`removeRule`)."""
        rule = {"subject": subject, "object": object, "action": action, "effect": effect}
        await self.do(f"mutation($r: RuleInput!) {{ {change}(input: $r) {{ version }} }}", r=rule)
        known = self.rules.setdefault(subject.removeprefix("role-"), [])
        (known.append if change == "addRule" else known.remove)((object, action, effect))

    def may(self, principal: str, object: str, action: str = "read") -> bool:
        """What the principal's rules say, read naively."""
        return allows(self.rules[principal], object, action)

    def word(self, kind: str, *needs: str) -> str:
        """A new word that may only show where all of `needs` may be read."""
        word = f"word{kind}{next(self._number)}"
        self.words[word] = (needs,)
        return word

    def told(self, principal: str, text: str) -> set[str]:
        """The words in `text` that the principal should not see."""
        found = set(_WORD.findall(text))
        return {word for word in found if not any(all(self.may(principal, object) for object in way) for way in self.words[word])}

    async def remember(self, scope: str, agent: str, thing: int | None, session: str | None = None, *, skip: bool = False) -> str:
        """A memory that names a thing; everything about it tells on it. `skip`: only its words are used up."""
        memory = f"memory:{scope}"
        words = {name: self.word(name.lower(), memory, f"field:Memory.{name}") for name in ("text", "speaker", "externalId", "metadata")}
        if skip:
            return ""
        wanted = {
            "agent": agent,
            "scope": scope,
            "text": f"We saw {'nothing' if thing is None else LABELS[thing]} near {words['text']}.",
            "session": session,
            "speaker": words["speaker"],
            "externalId": words["externalId"],
            "metadata": {"note": words["metadata"]},
        }
        made = await self.do("mutation($i: RememberInput!) { remember(input: $i) { id } }", i=wanted)
        self.memories[made["remember"]["id"]] = scope
        self.names[made["remember"]["id"]] = words["text"].removeprefix("word")
        return made["remember"]["id"]

    async def assert_fact(self, scope: str, evidence: Sequence[str] = (), *, skip: bool = False) -> str:
        """A fact that cites memories; returns its word. `skip`: only that is used up."""
        word = self.word("fact", f"memory:{scope}")
        if skip:
            return word
        fact = {"subject": f"urn:x:{word}", "predicate": "urn:x:said", "object": word, "scope": scope, "evidence": list(evidence)}
        made = await self.do("mutation($i: AssertFactInput!) { assertFact(input: $i) { id } }", i=fact)
        self.names[made["assertFact"]["id"]] = word.removeprefix("word")
        self.facts[word] = scope
        return word

    async def set_state(self, agent: str, key: str, *, skip: bool = False) -> None:
        """The next version of a state. `skip`: only its word is used up."""
        value = self.word("state", f"state:agent/{agent}/{key}")
        if skip:
            return
        put = "mutation($a: ID!, $k: String!, $v: JSON!) { setState(input: {agent: $a, key: $k, value: $v}) { version } }"
        await self.do(put, a=agent, k=key, v=value)
        self.states.add((agent, key))

    async def ledger_size(self) -> int:
        """How many entries the ledger has."""
        return (await self.do("{ ledger { size } }"))["ledger"]["size"]


async def import_quads(world: World, file: Path, quads: str) -> None:
    """Import N-Quads through a file."""
    file.write_text(quads, encoding="utf-8")
    start = "mutation($s: String!) { startImport(input: {source: $s}) { id } }"
    id = (await world.do(start, s=str(file)))["startImport"]["id"]
    with anyio.fail_after(60):
        while (job := (await world.do("query($i: ID!) { import(id: $i) { status error } }", i=id))["import"])["status"] == "RUNNING":
            await anyio.sleep(0.02)
    assert job["status"] == "DONE", job


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(cairn: Cairn, tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Makes worlds, each in a tenant of its own, with its graphs and agents, and nothing remembered yet."""
    transport = httpx.ASGITransport(create_app(cairn))
    async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:

        async def make(
            graphs: Sequence[str] = GRAPHS, agents: Mapping[str, str] = dict.fromkeys(AGENTS, ""), *, encrypted: bool = True
        ) -> World:
            assert cairn.services.database.keyring is not None
            cairn.services.database.keyring.sealing = encrypted
            tenant = f"test-{uuid4().hex}"
            token = await bootstrap(cairn.services.writer, tenant)
            assert token is not None
            made = World(cairn, http, tenant, token)
            if graphs:
                await import_quads(made, tmp_path / "world.nq", quads(graphs))
            for agent in AGENTS:
                goal = made.word("goal", f"memory:agent/{agent}")
                await made.rule(agent, "graph:*")
                if agent in agents:
                    register = "mutation($i: RegisterAgentInput!) { registerAgent(input: $i) { id } }"
                    await made.do(register, i={"id": agent, "name": agent.title(), "goals": [agents[agent] or goal]})
            return made

        yield make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """A world with everything in it but memories, facts and states."""
    return await make_world()

"""The demo plays, on the real app with real servers, and says what is so; also a second time, and after it was interrupted."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from cairn.api.client import Client
from cairn.api.demo import RULE, play
from cairn.api.operations import operation

pytestmark = pytest.mark.anyio

HIT = "Limpet shows high turbidity at Seal Sound"


async def played(client: Client) -> dict[str, str]:
    """What the demo prints, by the titles of its steps."""
    out = io.StringIO()
    await play(client, Console(file=out))
    text = out.getvalue()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert client.url in text.splitlines()[-2]
    titles = re.split(r"^\d+\. (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(titles[::2], titles[1::2], strict=True))


async def test_it_shows_the_whole_path(client: Client) -> None:
    steps = await played(client)
    assert '"triplesAdded": 578' in steps["Import a knowledge graph"]
    assert "https://example.org/ocean-lab/thesaurus/seagrass" in steps["Look at what was imported"]
    state = steps["Keep state"]
    assert state.index('"version": 1') < state.index('"version": 2') < state.index("CONFLICT:") < state.rindex('"version": 1')
    about = steps["See what it is about"]
    assert "Gannet Rock [20:31] -> https://example.org/ocean-lab/gannet-rock" in about
    assert re.search(r"Northern Diver \[41:55\] -> urn:cairn:entity:agent/tern:\w{8,}", about)  # keyed: the name is nowhere in the graph
    assert "eelgrass [67:75] -> https://example.org/ocean-lab/zostera-marina" in about
    assert HIT in steps["Recall"]
    assert '"entities":' in steps["Recall"]
    assert "X-Cache: l1" in steps["Ask the same again"] or "X-Cache: l2" in steps["Ask the same again"]
    assert '"size":' in steps["Look at the ledger"]


async def test_the_visitor_sees_the_memories_only_while_the_rule_stands(client: Client) -> None:
    steps = await played(client)
    assert HIT not in steps["Give somebody else a key"]
    assert HIT in steps["Change the rules"]
    assert "p, visitor, memory:agent/tern/*, read, allow" in steps["Change the rules"]
    assert HIT not in steps["Take it back"]
    assert "UNAUTHENTICATED:" in steps["Take it back"]


async def test_it_shows_no_secret(client: Client) -> None:
    made: list[str] = []

    class Listening(Client):
        def __init__(self, inner: Client) -> None:
            self.inner, self.url = inner, inner.url

        async def execute(self, query: str, variables: object = None, token: str | None = None) -> object:
            made.append(token or "")
            return await self.inner.execute(query, variables, token)

    steps = await played(Listening(client))
    secrets = set(made) - {""}
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in "".join(steps.values())]


async def test_played_again_nothing_is_doubled(client: Client) -> None:
    await played(client)
    count = 'query { memories(filter: { agent: "tern" }, first: 100) { nodes { id } } }'
    before = (await client.demand(count))["memories"]["nodes"]
    steps = await played(client)
    assert "Nothing new" in steps["Import a knowledge graph"]
    assert (await client.demand(count))["memories"]["nodes"] == before
    assert len(before) == 8


async def test_after_an_interruption_it_begins_afresh(client: Client) -> None:
    await client.demand(operation("add_rule"), {"input": RULE})
    steps = await played(client)
    assert HIT not in steps["Give somebody else a key"]
    assert '"changed": true' in steps["Change the rules"]


async def test_the_readme_shows_the_answer_that_the_demo_makes_possible(client: Client) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    (query,) = re.findall(r"^```graphql\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (answer,) = re.findall(r"^```json\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    await played(client)
    (shown,) = json.loads(answer)["data"]["recall"]["hits"]
    (hit,) = (await client.demand(query))["recall"]["hits"]
    assert hit["memory"] == shown["memory"]
    assert hit["score"] == pytest.approx(shown["score"], abs=0.2)

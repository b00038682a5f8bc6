"""Facts read out of memories by a chat endpoint: in the background, and whatever goes wrong there, the memory is kept at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from cairn.api.app import create_app
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.errors import BadInput
from cairn.learning.chat_extractor import make_chat, read_facts
from cairn.learning.extraction import Statement
from cairn.settings import Settings

from .toy_endpoint import ToyEndpoint, status

pytestmark = pytest.mark.anyio
KEY = "sk-very-secret"
REMEMBER = 'mutation($t: String!) { remember(input: {agent: "ada", text: $t}) { id mentions { entity { iri } } } }'
FACTS = "{ facts { nodes { subject { iri } predicate object scope confidence evidence { id } } } }"


def stating(*facts: tuple[str, str, str]) -> str:
    return json.dumps({"facts": [dict(zip(("subject", "predicate", "object"), fact, strict=True)) for fact in facts]})


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Client]:
    async with open_services(settings) as cairn:
        transport = httpx.ASGITransport(create_app(cairn))
        async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
            client = Client(http, "http://cairn.test/graphql", operator_key(settings.data_dir))
            await client.demand('mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
            yield client


@pytest.fixture
async def client(settings: Settings, url: str) -> AsyncIterator[Client]:
    """The client of a Cairn that extracts facts by the endpoint."""
    chat: dict[str, Any] = {"extractor": "chat", "extractor_url": url, "extractor_model": "toy", "extractor_key": SecretStr(KEY)}
    async with opened(settings.model_copy(update={**chat, "extractor_timeout": 0.5})) as client:
        yield client


async def facts_of(client: Client, count: int) -> list[dict[str, Any]]:
    """The facts there are, once there are `count`."""
    async with asyncio.timeout(30):
        while len(nodes := (await client.demand(FACTS))["facts"]["nodes"]) < count:
            await asyncio.sleep(0.05)
    return nodes


async def test_facts_are_asserted_with_the_memory_as_evidence(client: Client, toy: ToyEndpoint) -> None:
    toy.facts = stating(("Grete Holm", "lives in", "Bergen"), ("https://example.org/quay", "urn:x:built", " 1911 "))
    memory = (await client.demand(REMEMBER, {"t": "Yesterday we met Grete Holm, who lives in Bergen."}))["remember"]
    facts = sorted(await facts_of(client, 2), key=lambda fact: fact["object"])
    assert [(fact["predicate"], fact["object"]) for fact in facts] == [
        ("urn:x:built", "1911"),
        ("urn:cairn:predicate:lives-in", "Bergen"),
    ]
    assert facts[0]["subject"]["iri"] == "https://example.org/quay"
    assert facts[1]["subject"]["iri"] in {mention["entity"]["iri"] for mention in memory["mentions"]}
    assert all(fact["evidence"] == [{"id": memory["id"]}] for fact in facts)
    assert {fact["scope"] for fact in facts} == {"agent/ada"}
    assert {fact["confidence"] for fact in facts} == {0.5}
    assert toy.keys == [f"Bearer {KEY}"]


async def test_a_fact_that_is_none_does_not_cost_the_others(client: Client, toy: ToyEndpoint) -> None:
    toy.facts = stating(("Grete", "says", "\ud800"), ("Grete", "is", "well"))
    await client.demand(REMEMBER, {"t": "Grete is well."})
    assert [fact["object"] for fact in await facts_of(client, 1)] == ["well"]


@pytest.mark.parametrize(
    "nonsense",
    [
        "I am sorry, I can't.",
        "",
        "[1, 2]",
        '{"facts": 7}',
        stating(("", "", ""), ("...", "lives in", "Bergen"), ("Ada", "??", "x"), ("Ada", "says", "x" * 20_000), ("Ada", "says", "\ud800")),
        '{"facts": [1, null, {"subject": "Ada"}, {"subject": 1, "predicate": 2, "object": 3}]}',
        "[" * 50_000,
    ],
)
async def test_nonsense_costs_nothing_but_its_facts(
    client: Client, toy: ToyEndpoint, nonsense: str, caplog: pytest.LogCaptureFixture, until: Callable[..., Any]
) -> None:
    toy.facts = nonsense
    await client.demand(REMEMBER, {"t": "A private thought."})
    await until(lambda: toy.asked)
    toy.answers = [lambda _: None]
    await client.demand(REMEMBER, {"t": "Another."})
    await until(lambda: not toy.answers)
    toy.facts = stating(("Grete", "is", "well"))
    await client.demand(REMEMBER, {"t": "Grete is well."})
    assert [fact["object"] for fact in await facts_of(client, 1)] == ["well"]
    assert len((await client.demand("{ memories { nodes { id } } }"))["memories"]["nodes"]) == 3
    assert "no facts were extracted" in caplog.text
    assert "private" not in caplog.text
    assert KEY not in caplog.text


async def test_a_hanging_endpoint_delays_no_memory(client: Client, toy: ToyEndpoint, caplog: pytest.LogCaptureFixture) -> None:
    toy.hold = asyncio.Event()
    ids = [(await client.demand(REMEMBER, {"t": f"thought {number}"}))["remember"]["id"] for number in range(5)]
    nodes = (await client.demand("{ memories { nodes { id } } }"))["memories"]["nodes"]
    assert {node["id"] for node in nodes} == set(ids)
    async with asyncio.timeout(30):
        while "no answer within 0.5 seconds" not in caplog.text:
            await asyncio.sleep(0.02)
    toy.hold.set()


async def test_a_failing_endpoint_is_logged(
    client: Client, toy: ToyEndpoint, caplog: pytest.LogCaptureFixture, until: Callable[..., Any]
) -> None:
    caplog.set_level(logging.WARNING)
    toy.answers = [status(401)]
    await client.demand(REMEMBER, {"t": "thought"})
    await until(lambda: "status 401" in caplog.text)


async def test_nothing_is_extracted_unless_it_is_asked_for(settings: Settings, toy: ToyEndpoint, url: str) -> None:
    async with opened(settings.model_copy(update={"extractor_url": url, "extractor_model": "toy"})) as client:
        await client.demand(REMEMBER, {"t": "Grete lives in Bergen."})
    assert toy.asked == []


async def test_an_extractor_that_there_is_not(settings: Settings) -> None:
    with pytest.raises(BadInput, match="there is only: chat"):
        async with opened(settings.model_copy(update={"extractor": "oracle"})):
            pass
    with pytest.raises(BadInput, match="CAIRN_EXTRACTOR_URL"):
        make_chat(settings.model_copy(update={"extractor": "chat"}))


@pytest.mark.parametrize("wrapped", ["{}", "```json\n{}\n```", "```\n{}```", "  {}\n"])
def test_a_fenced_answer_is_read(wrapped: str) -> None:
    found: Sequence[Statement] = read_facts(wrapped.replace("{}", stating(("a", "b", "c"))))
    assert list(found) == [Statement("a", "b", "c")]

"""`context`: everything an agent should know, within the budget, the same each time, and nothing that its reader may not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.api.client import Client
from cairn.api.services import Cairn
from cairn.learning.context import ContextRequest, context
from cairn.learning.tokens import EstimatingTokenizer

pytestmark = pytest.mark.anyio

TURTLE = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix ex: <https://example.org/bay/> .
ex:bay a ex:Bay ; skos:prefLabel "Merrow Bay"@en, "baie de Merrow"@fr ; skos:definition "A shallow bay."@en ; ex:depth "12" .
ex:Bay skos:prefLabel "Bay"@en .
ex:quality skos:prefLabel "water quality"@en .
"""
GRAPH = "https://example.org/bay/"
QUERY = "Is the water in Merrow Bay safe?"
ASK = """query($a: ID!, $q: String!, $s: ID, $b: Int, $l: String) {
  context(agent: $a, query: $q, session: $s, tokenBudget: $b, lang: $l) { text tokens omitted items { kind source text tokens } }
}"""


async def ask(client: Client, token: str | None = None, **variables: Any) -> dict[str, Any]:
    answer = await client.execute(ASK, {"a": "ada", "q": QUERY, **variables}, token)
    assert not answer.errors, answer.errors
    return answer.data["context"]


def of(found: dict[str, Any], kind: str) -> list[str]:
    return [item["text"] for item in found["items"] if item["kind"] == kind]


async def remember(client: Client, *texts: str, **more: Any) -> list[str]:
    make = "mutation($i: [RememberInput!]!) { rememberMany(input: $i) { id } }"
    wanted = [{"agent": "ada", "text": text, "speaker": "user", **more} for text in texts]
    return [one["id"] for one in (await client.demand(make, {"i": wanted}))["rememberMany"]]


async def reader(client: Client, *rules: tuple[str, str]) -> str:
    """The key of eve, a reader for whom these rules (object, effect) hold."""
    made = await client.demand('mutation { createApiKey(input: {principal: "eve", role: "reader"}) { secret } }')
    for object, effect in rules:
        rule = {"subject": "eve", "object": object, "action": "read", "effect": effect}
        await client.demand("mutation($r: RuleInput!) { addRule(input: $r) { version } }", {"r": rule})
    return made["createApiKey"]["secret"]


@pytest.fixture
async def world(client: Client, tmp_path: Path) -> dict[str, str]:
    """Ada, her goals and states, a bay, memories, a session, and facts that hold and that do not."""
    file = tmp_path / "bay.ttl"
    file.write_text(TURTLE, encoding="utf-8")
    start = "mutation($i: StartImportInput!) { startImport(input: $i) { id } }"
    id = (await client.demand(start, {"i": {"source": str(file), "graph": GRAPH}}))["startImport"]["id"]
    with anyio.fail_after(60):
        while (await client.demand("query($i: ID!) { import(id: $i) { status } }", {"i": id}))["import"]["status"] == "RUNNING":
            await anyio.sleep(0.05)
    await client.demand('mutation { registerAgent(input: {id: "ada", name: "Ada", goals: ["keep bathers safe"]}) { id } }')
    put = 'mutation($k: String!, $v: JSON!) { setState(input: {agent: "ada", key: $k, value: $v}) { version } }'
    await client.demand(put, {"k": "pinned/plan", "v": {"step": 2, "by": "boat"}})
    await client.demand(put, {"k": "scratch", "v": "not pinned"})
    ids = await remember(client, "Merrow Bay had a red tide in May.", "The canteen serves soup.")
    turns = await remember(client, "Shall we test Merrow Bay today?", "Yes, take two samples.", session="s")
    fact = "mutation($f: AssertFactInput!) { assertFact(input: $f) { id } }"
    about = {"subject": f"{GRAPH}bay", "predicate": f"{GRAPH}quality", "scope": "public"}
    held = await client.demand(fact, {"f": {**about, "object": "poor", "validFrom": "2026-05-01T00:00:00Z"}})
    await client.demand(fact, {"f": {**about, "object": "good", "validTo": "2026-05-01T00:00:00Z"}})
    return {"tide": ids[0], "turn": turns[0], "fact": held["assertFact"]["id"]}


async def test_a_context_has_all_that_belongs_in_it(client: Client, world: dict[str, str]) -> None:
    found = await ask(client, s="s")
    assert of(found, "GOAL") == ["keep bathers safe"]
    assert of(found, "STATE") == ['plan: {"by": "boat", "step": 2}']
    assert of(found, "ENTITY") == ["Merrow Bay (Bay): definition A shallow bay.; depth 12"]
    assert of(found, "FACT") == ["Merrow Bay, water quality: poor (since 2026-05-01)"]
    assert of(found, "TURN") == ["user: Shall we test Merrow Bay today?", "user: Yes, take two samples."]
    assert any(text.endswith("user: Merrow Bay had a red tide in May.") for text in of(found, "MEMORY"))
    sources = {item["source"] for item in found["items"]}
    assert {"ada", "pinned/plan", f"{GRAPH}bay", *world.values()} <= sources
    assert not {text for text in of(found, "MEMORY") if "samples" in text or "Shall we" in text}
    assert found["omitted"] == 0
    assert found["tokens"] == EstimatingTokenizer().count(found["text"]) <= 2_000
    assert found["text"].startswith("## Goals\n- keep bathers safe\n\n## State\n- plan:")


async def test_labels_follow_the_language(client: Client, world: dict[str, str]) -> None:
    assert of(await ask(client, l="fr"), "ENTITY")[0].startswith("baie de Merrow")


async def test_the_same_graph_gives_the_same_bytes(client: Client, cairn: Cairn, world: dict[str, str]) -> None:
    services = cairn.services
    access = await services.accesses.get(services.settings.tenant, "operator")
    request = ContextRequest(agent="ada", query=QUERY, session="s", budget=150)
    several = [await context(services.database, services.embedders, services.tokenizer, access, request) for _ in range(5)]
    assert len(set(several)) == 1


@pytest.fixture
async def long(client: Client, world: dict[str, str]) -> None:
    """Sixty turns, and two very long ones, on top of the world."""
    said = [f"Turn {n}: sample {n} from the bay is {'clean' if n % 3 else 'foul, and smells'}." for n in range(60)]
    await remember(client, *said, session="s")
    await remember(client, "Very long. " * 900, "没有空格的长文本。" * 500, session="s")


@pytest.mark.usefixtures("long")
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.integers(1, 60), st.integers(1, 3_000), st.just(100_000)), st.sampled_from([QUERY, "x", "贻贝", "Turn 7?"]))
async def test_the_budget_is_never_exceeded(cairn: Cairn, budget: int, query: str) -> None:
    services = cairn.services
    access = await services.accesses.get(services.settings.tenant, "operator")
    request = ContextRequest(agent="ada", query=query, session="s", budget=budget)
    sheet = await context(services.database, services.embedders, services.tokenizer, access, request)
    assert sheet.tokens == services.tokenizer.count(sheet.text) <= budget
    assert sheet.text or budget < 20
    assert sheet.omitted > 0 or budget > 1_000
    memories = [item.source for item in sheet.items if item.kind.value in ("TURN", "MEMORY")]
    assert len(memories) == len(set(memories))
    summed = {item.source for item in sheet.items if item.kind.value == "SUMMARY"}
    assert not summed & set(memories)


async def test_a_summary_stands_for_what_a_long_session_leaves_out(client: Client, world: dict[str, str]) -> None:
    said = [f"Station {n} measured the oxygen of the water at {n} metres and found it {n % 7} high. Fine." for n in range(80)]
    ids = await remember(client, *said, session="long")
    found = await ask(client, s="long", b=600)
    turns = [item["source"] for item in found["items"] if item["kind"] == "TURN"]
    summed = [item["source"] for item in found["items"] if item["kind"] == "SUMMARY"]
    assert turns == ids[-len(turns) :]
    assert summed and not set(summed) & set(turns)
    assert summed == sorted(summed, key=ids.index)
    assert found["omitted"] > 0
    assert found["tokens"] <= 600


async def test_of_a_long_memory_its_nearest_sentences_stand(client: Client, world: dict[str, str]) -> None:
    filler = "The office printer is out of paper and nobody refills it. " * 40
    await remember(client, f"{filler}Zebra mussels were seen near the lighthouse of Kull. {filler}")
    found = await ask(client, q="Where were zebra mussels seen?", b=400)
    assert any("Zebra mussels were seen near the lighthouse of Kull." in text and len(text) < 400 for text in of(found, "MEMORY"))


async def test_what_may_not_be_read_is_not_there(client: Client, world: dict[str, str]) -> None:
    eve = await reader(client, ("memory:agent/ada", "ALLOW"), (f"graph:{GRAPH}", "DENY"))
    found = await ask(client, eve, s="s")
    assert of(found, "ENTITY") == of(found, "STATE") == of(found, "FACT") == []
    assert of(found, "GOAL") and of(found, "TURN") and of(found, "MEMORY")
    answer = await client.execute(ASK, {"a": "bob", "q": QUERY}, eve)
    assert (answer.errors or [{}])[0]["extensions"]["code"] == "NOT_FOUND"


async def test_hidden_fields_are_not_told_in_a_context(client: Client, world: dict[str, str]) -> None:
    eve = await reader(client, ("memory:agent/ada", "ALLOW"), ("field:Memory.speaker", "DENY"), ("field:Entity.label", "DENY"))
    found = await ask(client, eve, s="s")
    assert of(found, "TURN") == ["Shall we test Merrow Bay today?", "Yes, take two samples."]
    assert "user:" not in found["text"]
    assert of(found, "FACT") == ["bay, quality: poor (since 2026-05-01)"]
    assert of(found, "ENTITY") == ["bay (Bay): definition A shallow bay.; depth 12"]


@pytest.mark.parametrize(("field", "left"), [("Memory.text", []), ("Memory.session", ["MEMORY"]), ("Fact.validFrom", ["MEMORY", "TURN"])])
async def test_what_a_hidden_field_would_tell_is_left_out(client: Client, world: dict[str, str], field: str, left: list[str]) -> None:
    eve = await reader(client, ("memory:agent/ada", "ALLOW"), (f"field:{field}", "DENY"))
    found = await ask(client, eve, s="s")
    assert sorted({item["kind"] for item in found["items"]} & {"MEMORY", "TURN", "SUMMARY"}) == left
    assert ("since" in found["text"]) == (field != "Fact.validFrom")


@pytest.mark.parametrize("variables", [{"b": 0}, {"b": -5}, {"b": 100_001}, {"q": ""}, {"q": " \n"}, {"q": "x" * 10_001}])
async def test_a_bad_budget_or_query_is_refused(client: Client, world: dict[str, str], variables: dict[str, Any]) -> None:
    answer = await client.execute(ASK, {"a": "ada", "q": QUERY, **variables})
    assert (answer.errors or [{}])[0]["extensions"]["code"] == "BAD_INPUT"
    assert any(word in (answer.errors or [{}])[0]["message"] for word in ("tokenBudget", "query"))


@pytest.mark.parametrize("query", ["x", "🌊🌊", "‏مرحبا بالعالم", "\x00\x01", "水质", "a" * 9_999])
async def test_odd_queries_get_a_context(client: Client, world: dict[str, str], query: str) -> None:
    assert (await ask(client, q=query, s="no such session"))["items"]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3_000), st.text(min_size=1, max_size=30).filter(str.strip))
def test_costs_grow_with_the_budget(budget: int, query: str) -> None:
    from cairn.api.cost import page_size

    assert page_size({"tokenBudget": budget, "query": query}) == max(1, budget // 20)

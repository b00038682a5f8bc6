"""Learning from feedback, through GraphQL: models are trained, kept, pinned and rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.api.services import Cairn
from cairn.graph.models import Trained, examples, keep_model
from cairn.learning.features import NAMES
from cairn.learning.ranking import PRIOR
from cairn.learning.training import unpacked

from ..conftest import Client

pytestmark = pytest.mark.anyio

RECALL = 'query Q($q: String!) { recall(input: {agent: "ada", query: $q}) { id hits { why memory { id text } } } }'
FEEDBACK = "mutation F($r: ID!, $u: [ID!]!) { feedback(recall: $r, useful: $u) }"
MODELS = (
    "{ ranker { version pinned feedback } models { nodes { version promoted serving pinned figure championFigure heldBack examples } } }"
)


async def done(client: Client, query: str, **variables: Any) -> Any:
    answer = await client.execute(query, variables)
    assert not answer.errors, answer.errors
    return answer.data


async def trained(cairn: Cairn, champion: int, **weights: float) -> None:
    values = [weights.get(name, PRIOR[name]) for name in NAMES]
    tenant = cairn.services.settings.tenant
    kept = Trained(
        names=NAMES, weights=values, examples=80, figure=0.9, champion_figure=0.5, held_back=20, champion=champion, promote=True,
    )  # fmt: skip
    assert await keep_model(cairn.services.writer, tenant, kept)


async def test_feedback_trains_a_model_that_replaces_the_prior_and_can_be_taken_back(client: Client, cairn: Cairn) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    texts = [
        f"{bird} was seen at {place}." for bird in ("Tern", "Skua", "Dunlin", "Gannet", "Petrel") for place in ("Merrow", "the rock", "sea")
    ]
    items = [{"agent": "ada", "text": text, "importance": 1.0 if "rock" in text else 0.0} for text in texts]
    await done(client, "mutation R($i: [RememberInput!]!) { rememberMany(input: $i) { id } }", i=items)
    for number in range(60):
        bird = ("Tern", "Skua", "Dunlin", "Gannet", "Petrel")[number % 5]
        recall = (await done(client, RECALL, q=f"Tell me of {bird}, please, {number}"))["recall"]
        useful = [hit["memory"]["id"] for hit in recall["hits"] if "rock" in hit["memory"]["text"] and bird in hit["memory"]["text"]]
        await done(client, FEEDBACK, r=recall["id"], u=useful)
    await cairn.services.learner.settled()
    state = await done(client, MODELS)
    assert state["ranker"]["feedback"] == 60
    for model in state["models"]["nodes"]:
        assert model["figure"] > model["championFigure"]
        assert model["heldBack"] > 0


async def test_models_are_kept_pinned_and_rolled_back(client: Client, cairn: Cairn) -> None:
    await trained(cairn, 0, meaning=1.0)
    await trained(cairn, 1, meaning=0.9)
    assert [(m["version"], m["serving"]) for m in (await done(client, MODELS))["models"]["nodes"]] == [(2, True), (1, False)]
    assert (await done(client, "mutation { rollbackModel { version pinned } }"))["rollbackModel"] == {"version": 1, "pinned": True}
    await cairn.services.learner.train(cairn.services.settings.tenant)
    assert (await done(client, MODELS))["ranker"]["version"] == 1
    pinned = await done(client, "mutation { pinModel(version: 0) { version pinned } }")
    assert pinned["pinModel"] == {"version": 0, "pinned": True}
    unpinned = await done(client, "mutation { pinModel(version: 2, pinned: false) { version pinned } }")
    assert unpinned["pinModel"] == {"version": 2, "pinned": False}
    answer = await client.execute("mutation { pinModel(version: 99) { version } }")
    assert answer.errors[0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_rollback_that_is_repeated_with_its_key_has_one_effect(client: Client, cairn: Cairn) -> None:
    for champion in range(3):
        await trained(cairn, champion, meaning=1.0 - champion / 10)
    rollback = 'mutation { rollbackModel(idempotencyKey: "back") { version pinned } }'
    first = await done(client, rollback)
    assert first["rollbackModel"] == {"version": 2, "pinned": True}
    assert await done(client, rollback) == first
    assert (await done(client, MODELS))["ranker"]["version"] == 2
    other = await client.execute('mutation { pinModel(version: 1, idempotencyKey: "back") { version } }')
    assert other.errors[0]["extensions"]["code"] == "CONFLICT"


async def test_a_cached_recall_is_ranked_anew_when_the_model_changes(client: Client, cairn: Cairn) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    await done(client, 'mutation { remember(input: {agent: "ada", text: "The seals lie on the rocks."}) { id } }')
    before = (await done(client, RECALL, q="seals?"))["recall"]["hits"][0]["why"]["importance"]["weight"]
    await trained(cairn, 0, importance=0.44)
    after = (await done(client, RECALL, q="seals?"))["recall"]["hits"][0]["why"]["importance"]["weight"]
    assert (before, after) == (PRIOR["importance"], 0.44)


async def test_feedback_counts_at_once_for_the_same_question(client: Client) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    await done(client, 'mutation { remember(input: {agent: "ada", text: "The seals lie on the rocks."}) { id } }')
    recall = (await done(client, RECALL, q="Where do the seals lie?"))["recall"]
    assert recall["hits"][0]["why"]["asked"]["value"] == 0
    await done(client, FEEDBACK, r=recall["id"], u=[recall["hits"][0]["memory"]["id"]])
    again = (await done(client, RECALL, q="Where do the seals lie?"))["recall"]["hits"][0]["why"]
    assert again["asked"]["value"] == 1
    assert again["used"]["value"] > 0


async def test_what_a_feedback_teaches_is_what_was_known_before_it(client: Client, cairn: Cairn) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    texts = ["The seals lie on the rocks.", "The seals lie in the sun.", "A boat came by."]
    await done(
        client, "mutation R($i: [RememberInput!]!) { rememberMany(input: $i) { id } }", i=[{"agent": "ada", "text": text} for text in texts]
    )
    for _ in range(2):
        recall = (await done(client, RECALL, q="Where do the seals lie?"))["recall"]
        await done(client, FEEDBACK, r=recall["id"], u=[hit["memory"]["id"] for hit in recall["hits"] if "rocks" in hit["memory"]["text"]])
        await cairn.services.learner.settled()
    tenant = cairn.services.settings.tenant
    second, first = [unpacked(one.principal, one.example) for one in await examples(cairn.services.database, tenant, 10)]
    for name, known in (("asked", 1.0), ("used", 0.1)):
        at = NAMES.index(name)
        assert not first.values[:, at].any()
        assert second.values[second.useful[0], at] >= known


@pytest.mark.parametrize(
    "question",
    [
        "s",
        "?",
        "🦭🦭🦭",
        "‮seals‬",
        "أين الفقمات؟",
        "海豹在哪里",
        "\x00\x01",
        "a" * 10_000,
        "seals " * 1_600,
        '+*:"~^/\\(){}[]',
        "AND OR NOT",
    ],
)
async def test_any_question_gets_an_answer(client: Client, question: str) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    await done(client, 'mutation { remember(input: {agent: "ada", text: "The seals lie on the rocks. 海豹 🦭"}) { id } }')
    answer = await client.execute(RECALL, {"q": question})
    assert not answer.errors or answer.errors[0]["extensions"]["code"] == "BAD_INPUT"


@pytest.mark.parametrize("question", ["", "   ", "a" * 10_001])
async def test_what_is_no_question_is_refused(client: Client, question: str) -> None:
    answer = await client.execute(RECALL, {"q": question})
    assert answer.errors[0]["extensions"]["code"] == "BAD_INPUT"


async def test_feedback_on_what_was_never_shown_is_refused(client: Client) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    await done(client, 'mutation { remember(input: {agent: "ada", text: "The seals lie on the rocks."}) { id } }')
    recall = (await done(client, RECALL, q="seals?"))["recall"]
    for hit in ("", "no-such-memory", "' OR 1=1"):
        answer = await client.execute(FEEDBACK, {"r": recall["id"], "u": [hit]})
        assert answer.errors[0]["extensions"]["code"] == "BAD_INPUT"
    answer = await client.execute(FEEDBACK, {"r": "made up", "u": [recall["hits"][0]["memory"]["id"]]})
    assert answer.errors[0]["extensions"]["code"] == "BAD_INPUT"
    assert (await done(client, MODELS))["ranker"]["feedback"] == 0


async def test_a_memory_is_found_by_a_fact_that_rests_on_it(client: Client) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    remember = 'mutation R($t: String!) { remember(input: {agent: "ada", text: $t}) { id mentions { entity { iri } } } }'
    wren = (await done(client, remember, t="The lamp belongs to Wren."))["remember"]["mentions"][0]["entity"]["iri"]
    evidence = (await done(client, remember, t="The keys hang behind the door."))["remember"]["id"]
    fact = {"subject": wren, "predicate": "https://example.org/keeps", "object": "keys", "evidence": [evidence], "scope": "agent/ada"}
    await done(client, "mutation A($i: AssertFactInput!) { assertFact(input: $i) { id } }", i=fact)
    hits = (await done(client, RECALL, q="What of Wren?"))["recall"]["hits"]
    assert next(hit for hit in hits if hit["memory"]["id"] == evidence)["why"]["entities"]["value"] > 0


async def test_what_another_agent_asked_is_not_told(client: Client, cairn: Cairn) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    await done(client, 'mutation { remember(input: {agent: "ada", text: "The seals lie on the rocks.", scope: "public"}) { id } }')
    recall = (await done(client, RECALL, q="Where do the seals lie?"))["recall"]
    await done(client, FEEDBACK, r=recall["id"], u=[recall["hits"][0]["memory"]["id"]])
    key = await done(client, 'mutation { createApiKey(input: {principal: "rita", role: "reader"}) { secret } }')
    answer = await client.execute(RECALL, {"q": "Where do the seals lie?"}, key["createApiKey"]["secret"])
    assert answer.data["recall"]["hits"][0]["why"]["asked"]["value"] == 0

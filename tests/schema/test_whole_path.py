"""Every operation of the contract, on real servers and real data, as an agent and an administrator would call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from cairn.api.client import Client

pytestmark = pytest.mark.anyio

TURTLE = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix ex: <https://example.org/tides/> .
ex:tide a skos:Concept ; skos:prefLabel "Spring tide"@en, "Springtide"@de ; skos:altLabel "King tide"@en ; skos:related ex:moon .
ex:moon a skos:Concept ; skos:prefLabel "Moon"@en, "Mond"@de ; skos:broader ex:sky .
ex:sky a skos:Concept ; skos:prefLabel "Sky"@en .
"""
GRAPH = "https://example.org/tides"


async def done(client: Client, query: str, **variables: Any) -> dict[str, Any]:
    return await client.demand(query, variables)


async def code(client: Client, query: str, token: str | None = None, **variables: Any) -> str:
    answer = await client.execute(query, variables, token)
    assert answer.errors, f"no error, but {answer.data}"
    return answer.errors[0]["extensions"]["code"]


async def import_tides(client: Client, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "tides.ttl"
    file.write_text(TURTLE, encoding="utf-8")
    start = "mutation($i: StartImportInput!) { startImport(input: $i) { id status } }"
    id = (await done(client, start, i={"source": str(file), "graph": GRAPH}))["startImport"]["id"]
    look = "query($id: ID!) { import(id: $id) { status triplesRead triplesAdded triplesRemoved error graph finishedAt } }"
    with anyio.fail_after(60):
        while (job := (await done(client, look, id=id))["import"])["status"] == "RUNNING":
            await anyio.sleep(0.05)
    return job


async def key_for(client: Client, principal: str, role: str | None) -> str:
    make = "mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { secret } }"
    return (await done(client, make, i={"principal": principal, "role": role}))["createApiKey"]["secret"]


async def ada(client: Client) -> None:
    await done(client, 'mutation { registerAgent(input: {id: "ada", name: "Ada", goals: ["predict floods"]}) { id } }')


REMEMBER = "mutation($i: RememberInput!) { remember(input: $i) { id scope mentions { text start end entity { iri } } } }"
RECALL = 'query($q: String!) { recall(input: {agent: "ada", query: $q}) { id hits { score why memory { id text } } } }'


async def test_state_is_versioned_and_compared(client: Client) -> None:
    await ada(client)
    put = (
        'mutation($v: JSON!, $e: Int) { setState(input: {agent: "ada", key: "plan", value: $v, '
        "expectedVersion: $e}) { version recordedAt } }"
    )
    first = (await done(client, put, v={"step": 1}, e=0))["setState"]
    assert first["version"] == 1
    assert (await done(client, put, v={"step": 2}, e=1))["setState"]["version"] == 2
    assert await code(client, put, v={"step": 3}, e=1) == "CONFLICT"
    get = (
        'query($v: Int, $a: DateTime) { state(agent: "ada", key: "plan", version: $v, asOf: $a) { value '
        "version history { nodes { version } } } }"
    )
    assert (await done(client, get))["state"]["value"] == {"step": 2}
    assert (await done(client, get, v=1))["state"]["value"] == {"step": 1}
    then = (await done(client, get, a=first["recordedAt"]))["state"]
    assert then["version"] == 1
    assert [node["version"] for node in then["history"]["nodes"]] == [2, 1]


async def test_memories_link_to_imported_entities_and_are_recalled(client: Client, tmp_path: Path) -> None:
    job = await import_tides(client, tmp_path)
    assert (job["status"], job["triplesAdded"], job["triplesRemoved"]) == ("DONE", 11, 0)
    await ada(client)
    text = "The king tide last week flooded the lower quay."
    memory = (await done(client, REMEMBER, i={"agent": "ada", "text": text, "session": "s"}))["remember"]
    assert memory["scope"] == "agent/ada"
    mention = memory["mentions"][0]
    assert mention["entity"]["iri"] == "https://example.org/tides/tide"
    assert text[mention["start"] : mention["end"]] == mention["text"] == "king tide"
    await done(client, REMEMBER, i={"agent": "ada", "text": "Ordered new batteries for the buoy.", "session": "s"})
    recalled = (await done(client, RECALL, q="What did the spring tide do?"))["recall"]
    assert recalled["hits"][0]["memory"]["id"] == memory["id"]
    assert recalled["hits"][0]["why"]["entities"]["value"] > 0
    teach = "mutation($r: ID!, $u: [ID!]!) { feedback(recall: $r, useful: $u) }"
    assert (await done(client, teach, r=recalled["id"], u=[memory["id"]]))["feedback"] is True
    entity = (
        'query { entity(iri: "https://example.org/tides/tide") { label(lang: "de") memories { nodes { id } } '
        "neighbours { nodes { entity { label } } } } }"
    )
    seen = (await done(client, entity))["entity"]
    assert seen["label"] == "Springtide"
    assert [node["id"] for node in seen["memories"]["nodes"]] == [memory["id"]]
    assert "Moon" in [node["entity"]["label"] for node in seen["neighbours"]["nodes"]]


async def test_the_same_import_again_changes_nothing(client: Client, tmp_path: Path) -> None:
    await import_tides(client, tmp_path)
    before = (await done(client, "{ ledger { size } }"))["ledger"]["size"]
    again = await import_tides(client, tmp_path)
    assert (again["triplesAdded"], again["triplesRemoved"]) == (0, 0)
    after = (await done(client, "{ ledger { entries(first: 100) { nodes { target seq } } } }"))["ledger"]["entries"]["nodes"]
    assert [entry for entry in after if entry["seq"] >= before and entry["target"].startswith("graph:")] == []


async def test_paths_and_search_go_through_imported_knowledge(client: Client, tmp_path: Path) -> None:
    await import_tides(client, tmp_path)
    ways = 'query { paths(from: "https://example.org/tides/tide", to: "https://example.org/tides/sky") { length entities { label } } }'
    found = (await done(client, ways))["paths"]
    assert found[0]["length"] == 2
    assert [entity["label"] for entity in found[0]["entities"]] == ["Spring tide", "Moon", "Sky"]
    named = (await done(client, '{ entities(search: "spring tide") { nodes { iri types graphs literals { value lang } } } }'))["entities"]
    assert named["nodes"][0]["iri"] == "https://example.org/tides/tide"
    assert named["nodes"][0]["graphs"] == [GRAPH]
    graphs = (await done(client, "{ graphs { nodes { iri triples } } }"))["graphs"]["nodes"]
    assert {"iri": GRAPH, "triples": 11} in graphs


async def test_what_a_role_may_not_read_does_not_exist_until_a_rule_allows_it(client: Client) -> None:
    await ada(client)
    memory = (await done(client, REMEMBER, i={"agent": "ada", "text": "The sluice code changed."}))["remember"]
    token = await key_for(client, "rita", "reader")
    look = "query($id: ID!) { memory(id: $id) { text } memories { nodes { id } } agents { nodes { id } } }"
    nothing = {"memory": None, "memories": {"nodes": []}, "agents": {"nodes": []}}
    assert (await client.execute(look, {"id": memory["id"]}, token)).data == nothing
    assert (await client.execute(RECALL, {"q": "sluice code"}, token)).data["recall"]["hits"] == []
    rule = {"subject": "rita", "object": "memory:agent/ada/*", "action": "read", "effect": "ALLOW"}
    await done(client, "mutation($r: RuleInput!) { addRule(input: $r) { version } }", r=rule)
    allowed = await client.execute(look, {"id": memory["id"]}, token)
    assert allowed.data["memory"] == {"text": "The sluice code changed."}
    hits = (await client.execute(RECALL, {"q": "sluice code"}, token)).data["recall"]["hits"]
    assert [hit["memory"]["id"] for hit in hits] == [memory["id"]]
    why = 'query { permitted(subject: "rita", object: "memory:agent/ada", action: "read") { allowed rule } }'
    decision = (await done(client, why))["permitted"]
    assert decision["allowed"] is True
    assert "memory:agent/ada/*" in decision["rule"]
    await done(client, "mutation($r: RuleInput!) { removeRule(input: $r) { version } }", r=rule)
    assert (await client.execute(look, {"id": memory["id"]}, token)).data == nothing


async def test_a_hidden_field_is_null_and_can_not_be_searched(client: Client) -> None:
    await ada(client)
    await done(client, REMEMBER, i={"agent": "ada", "text": "Sluice gate maintenance at noon.", "scope": "public"})
    token = await key_for(client, "rita", "reader")
    rule = {"subject": "rita", "object": "field:Memory.text", "action": "read", "effect": "DENY"}
    read = "{ memories { nodes { text scope mentions { text } } } }"
    assert (await client.execute(read, token=token)).data["memories"]["nodes"][0]["text"]
    await done(client, "mutation($r: RuleInput!) { addRule(input: $r) { version } }", r=rule)
    assert (await client.execute(read, token=token)).data["memories"]["nodes"] == [{"text": None, "scope": "public", "mentions": []}]
    assert (await client.execute(RECALL, {"q": "sluice"}, token)).data["recall"]["hits"] == []


async def test_a_hidden_field_can_not_be_found_out_by_filtering(client: Client) -> None:
    await ada(client)
    await done(client, REMEMBER, i={"agent": "ada", "text": "Noon.", "scope": "public", "speaker": "Watch"})
    token = await key_for(client, "rita", "reader")
    ask = '{ memories(filter: {speaker: "Watch"}) { nodes { speaker } } }'
    assert (await client.execute(ask, token=token)).data["memories"]["nodes"] == [{"speaker": "Watch"}]
    rule = {"subject": "rita", "object": "field:Memory.speaker", "action": "read", "effect": "DENY"}
    await done(client, "mutation($r: RuleInput!) { addRule(input: $r) { version } }", r=rule)
    assert (await client.execute(ask, token=token)).data["memories"]["nodes"] == []
    why = (await client.execute(RECALL, {"q": "What did Watch say at noon?"}, token)).data["recall"]["hits"][0]["why"]
    assert why["speaker"]["value"] == 0


async def test_forgetting_and_erasing(client: Client) -> None:
    await ada(client)
    memory = (await done(client, REMEMBER, i={"agent": "ada", "text": "Secret."}))["remember"]["id"]
    assert (await done(client, "mutation($i: ID!) { forget(id: $i, erase: true) }", i=memory))["forget"] is True
    assert (await done(client, "query($i: ID!) { memory(id: $i) { text } }", i=memory))["memory"] is None
    assert await code(client, "mutation($i: ID!) { forget(id: $i) }", i=memory) == "NOT_FOUND"


async def test_facts_have_two_times(client: Client) -> None:
    say = """mutation($o: String!, $f: DateTime) { assertFact(input: {subject: "https://example.org/quay", scope: "public",
      predicate: "https://example.org/height", object: $o, validFrom: $f, functional: true}) { id recordedAt subject { iri } } }"""
    old = (await done(client, say, o="3 m", f="2020-01-01T00:00:00Z"))["assertFact"]
    assert old["subject"]["iri"] == "https://example.org/quay"
    await done(client, say, o="4 m", f="2024-01-01T00:00:00Z")
    ask = (
        'query($v: DateTime, $k: DateTime) { facts(subject: "https://example.org/quay", validAt: $v, '
        "knownAt: $k) { nodes { object validTo } } }"
    )
    assert [f["object"] for f in (await done(client, ask, v="2022-01-01T00:00:00Z"))["facts"]["nodes"]] == ["3 m"]
    assert [f["object"] for f in (await done(client, ask, v="2025-01-01T00:00:00Z"))["facts"]["nodes"]] == ["4 m"]
    then = (await done(client, ask, v="2025-01-01T00:00:00Z", k=old["recordedAt"]))["facts"]["nodes"]
    assert [f["object"] for f in then] == ["3 m"]


async def test_the_ledger_tells_of_every_change_and_proves_it(client: Client) -> None:
    await ada(client)
    ledger = (await done(client, "{ ledger { size root checkpoint verifierKey entries(first: 100) { nodes { seq operation target } } } }"))[
        "ledger"
    ]
    assert "agent:ada" in [entry["target"] for entry in ledger["entries"]["nodes"]]
    assert ledger["checkpoint"].splitlines()[1] == str(ledger["size"])
    proof = "query($s: Int!, $n: Int!) { ledger { inclusionProof(seq: $s, size: $n) consistencyProof(from: $s, to: $n) } }"
    assert (await done(client, proof, s=1, n=ledger["size"]))["ledger"]["inclusionProof"]


async def test_an_idempotency_key_has_one_effect(client: Client) -> None:
    await ada(client)
    one = {"agent": "ada", "text": "Once.", "idempotencyKey": "k-1"}
    first = (await done(client, REMEMBER, i=one))["remember"]["id"]
    assert (await done(client, REMEMBER, i=one))["remember"]["id"] == first
    assert await code(client, REMEMBER, i={**one, "text": "Twice."}) == "CONFLICT"
    assert len((await done(client, "{ memories { nodes { id } } }"))["memories"]["nodes"]) == 1


async def test_the_second_identical_query_comes_from_the_cache_and_a_write_ends_that(client: Client) -> None:
    await ada(client)
    query = "{ agents { nodes { id name } } }"
    assert (await client.execute(query)).x_cache == "miss"
    assert (await client.execute(query)).x_cache in ("l1", "l2")
    await done(client, 'mutation { registerAgent(input: {id: "bob", name: "Bob"}) { id } }')
    fresh = await client.execute(query)
    assert fresh.x_cache == "miss"
    assert [agent["id"] for agent in fresh.data["agents"]["nodes"]] == ["ada", "bob"]


async def test_round_trips_are_at_most_the_depth(client: Client, cairn: Any, tmp_path: Path) -> None:
    await import_tides(client, tmp_path)
    await ada(client)
    for number in range(10):
        await done(client, REMEMBER, i={"agent": "ada", "text": f"Spring tide number {number} and the Moon.", "session": "s"})
    database = cairn.services.database
    before = database.round_trips
    query = (
        '{ agent(id: "ada") { memories(first: 10) { nodes { agent { id } mentions { entity { neighbours { '
        "nodes { entity { label } } } } } } } } }"
    )
    data = (await client.execute(query)).data
    assert len(data["agent"]["memories"]["nodes"]) == 10
    assert database.round_trips - before <= 9  # the depth of the query


CONSOLIDATE = (
    "mutation($j: [ConsolidationJob!], $d: Boolean) { consolidate(jobs: $j, dryRun: $d) { job state found changed "
    "examples { memory other } } }"
)


async def test_memories_are_kept_in_order_by_administrators(client: Client) -> None:
    await ada(client)
    texts = [*(f"The gauge reads 4 metres and the limit is {limit}" for limit in (5, 6)), "The buoy is at 3.", "The buoy is at 3"]
    ids: list[str] = []
    for day, text in enumerate(texts, 1):
        new = {"agent": "ada", "text": text, "speaker": "ada", "scope": "public", "occurredAt": f"2023-05-0{day}T00:00:00Z"}
        ids.append((await done(client, REMEMBER, i=new))["remember"]["id"])
    dry = (await done(client, CONSOLIDATE, j=["SUPERSESSION"], d=True))["consolidate"]
    assert dry == [{"job": "SUPERSESSION", "state": "DONE", "found": 1, "changed": 0, "examples": [{"memory": ids[0], "other": ids[1]}]}]
    ran = (await done(client, CONSOLIDATE))["consolidate"]
    assert [(one["job"], one["state"]) for one in ran] == [
        (job, "DONE") for job in ("EXPIRY", "DUPLICATES", "DERIVATION", "SUPERSESSION", "STRENGTH", "REQUESTS")
    ]
    look = (
        "{ memories { nodes { id duplicateOf { memory { id } similarity reason } supersededBy { memory { id } reason similarity } "
        "derivedFrom { id } } } }"
    )
    seen = {node["id"]: node for node in (await done(client, look))["memories"]["nodes"]}
    assert seen[ids[3]]["duplicateOf"] == {"memory": {"id": ids[2]}, "similarity": 1.0, "reason": None}
    assert seen[ids[0]]["supersededBy"] == {
        "memory": {"id": ids[1]},
        "reason": "“5” became “6”, all else being the same",
        "similarity": None,
    }
    assert all(node["derivedFrom"] == [] for node in seen.values())
    token = await key_for(client, "rita", "reader")
    assert await code(client, CONSOLIDATE, token) == "FORBIDDEN"
    assert await code(client, "{ consolidation { job } }", token) == "FORBIDDEN"
    assert await code(client, "mutation { switchConsolidation(job: EXPIRY, enabled: false) { job } }", token) == "FORBIDDEN"
    rule = {"subject": "rita", "object": "field:Memory.text", "action": "read", "effect": "DENY"}
    await done(client, "mutation($r: RuleInput!) { addRule(input: $r) { version } }", r=rule)
    hidden = (await client.execute(look, token=token)).data["memories"]["nodes"]
    assert [(node["duplicateOf"], node["supersededBy"]) for node in hidden] == [(None, None)] * 4
    rule = {"subject": "rita", "object": "memory:*", "action": "admin", "effect": "ALLOW"}
    await done(client, "mutation($r: RuleInput!) { addRule(input: $r) { version } }", r=rule)
    off = "mutation { switchConsolidation(job: EXPIRY, enabled: false) { job enabled } }"
    switched = (await client.execute(off, token=token)).data["switchConsolidation"]
    assert [one["job"] for one in switched if not one["enabled"]] == ["EXPIRY"]
    assert "EXPIRY" not in [one["job"] for one in (await done(client, CONSOLIDATE))["consolidate"]]
    states = (await done(client, "{ consolidation { job state enabled finishedAt } }"))["consolidation"]
    assert all(one["state"] == "DONE" and one["finishedAt"] for one in states)


async def test_a_local_entity_is_identified_with_an_imported_one(client: Client, tmp_path: Path) -> None:
    await ada(client)
    text = "The survey of Harbour Rock is late, and Harbour Rock is far."
    mention = (await done(client, REMEMBER, i={"agent": "ada", "text": text}))["remember"]["mentions"][0]
    assert mention["text"] == "Harbour Rock"
    local = mention["entity"]["iri"]
    await import_tides(client, tmp_path)
    say = (
        'mutation($l: IRI!) { identify(local: $l, sameAs: "https://example.org/tides/moon") { neighbours { '
        "nodes { predicate entity { iri } } } } }"
    )
    links = (await done(client, say, l=local))["identify"]["neighbours"]["nodes"]
    same = {"predicate": "http://www.w3.org/2002/07/owl#sameAs", "entity": {"iri": "https://example.org/tides/moon"}}
    assert same in links

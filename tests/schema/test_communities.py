"""`communities`: found in the background, one replica at a time, and told as far as their reader may read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from cairn.api.client import Client
from cairn.api.services import Cairn
from cairn.errors import Conflict, NotFound
from cairn.graph.communities import Group, Unit, list_communities, write_set
from cairn.graph.instants import now
from cairn.graph.refreshes import LEASE, Refresh, RefreshStatus, claim, due, find_refresh, move
from cairn.graph.verification import verify
from cairn.learning.refreshing import Communities

pytestmark = pytest.mark.anyio

GRAPH = "https://example.org/bay/"
TURTLE = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix ex: <https://example.org/bay/> .
ex:bay skos:prefLabel "Merrow Bay" ; skos:related ex:tide, ex:mussel .
ex:tide skos:prefLabel "red tide" ; skos:related ex:mussel .
ex:mussel skos:prefLabel "mussel" .
ex:jazz skos:prefLabel "jazz" ; skos:related ex:sax, ex:swing . ex:sax skos:prefLabel "saxophone" ; skos:related ex:swing .
ex:swing skos:prefLabel "swing" .
"""
PUMP = ["The pump in the north tank failed.", "The north tank's pump is broken again.", "We must repair the pump of the north tank."]
LIST = """{ communities { nodes { id description size scope graph entities { iri } memories { id text } }
  pageInfo { hasNextPage endCursor } } }"""
START = "mutation { refreshCommunities { id status by } }"
LOOK = "{ communityRefresh { id status done total communities changed leftOut finishedAt error } }"


async def remember(client: Client, agent: str, *texts: str, **more: Any) -> list[str]:
    await client.demand("mutation($a: ID!, $n: String!) { registerAgent(input: {id: $a, name: $n}) { id } }", {"a": agent, "n": agent})
    make = "mutation($i: [RememberInput!]!) { rememberMany(input: $i) { id } }"
    return [one["id"] for one in (await client.demand(make, {"i": [{"agent": agent, "text": t, **more} for t in texts]}))["rememberMany"]]


async def refreshed(client: Client) -> dict[str, Any]:
    await client.demand(START)
    with anyio.fail_after(60):
        while (found := (await client.demand(LOOK))["communityRefresh"])["status"] == "RUNNING":
            await anyio.sleep(0.05)
    return found


async def listed(client: Client, token: str | None = None) -> list[dict[str, Any]]:
    answer = await client.execute(LIST, {}, token)
    assert not answer.errors, answer.errors
    return answer.data["communities"]["nodes"]


async def import_bay(client: Client, tmp_path: Path, turtle: str = TURTLE) -> None:
    file = tmp_path / "bay.ttl"
    file.write_text(turtle, encoding="utf-8")
    start = "mutation($i: StartImportInput!) { startImport(input: $i) { id } }"
    id = (await client.demand(start, {"i": {"source": str(file), "graph": GRAPH}}))["startImport"]["id"]
    with anyio.fail_after(60):
        while (await client.demand("query($i: ID!) { import(id: $i) { status } }", {"i": id}))["import"]["status"] == "RUNNING":
            await anyio.sleep(0.05)


async def reader(client: Client, *rules: tuple[str, str]) -> str:
    made = await client.demand('mutation { createApiKey(input: {principal: "eve", role: "reader"}) { secret } }')
    for object, effect in rules:
        rule = {"subject": "eve", "object": object, "action": "read", "effect": effect}
        await client.demand("mutation($r: RuleInput!) { addRule(input: $r) { version } }", {"r": rule})
    return made["createApiKey"]["secret"]


async def test_what_belongs_together_is_found_and_described(client: Client, tmp_path: Path) -> None:
    await import_bay(client, tmp_path)
    ids = await remember(client, "ada", *PUMP, "The red tide came into Merrow Bay.")
    done = await refreshed(client)
    assert (done["status"], done["error"], done["done"], done["communities"]) == ("DONE", None, done["total"], 3)
    found = await listed(client)
    pump = next(one for one in found if one["scope"] == "agent/ada")
    assert {one["id"] for one in pump["memories"]} == set(ids[:3])
    assert pump["description"] in PUMP and (pump["graph"], pump["size"], pump["entities"]) == (None, 3, [])
    bay = next(one for one in found if {"iri": f"{GRAPH}tide"} in one["entities"])
    assert {one["iri"] for one in bay["entities"]} == {f"{GRAPH}{name}" for name in ("bay", "tide", "mussel")}
    assert (bay["graph"], bay["scope"]) == (GRAPH, None)
    assert "red tide" in bay["description"] and bay["description"].endswith(": The red tide came into Merrow Bay.")
    assert [one["id"] for one in bay["memories"]] == [ids[3]]
    jazz = next(one for one in found if {"iri": f"{GRAPH}jazz"} in one["entities"])
    assert sorted(jazz["description"].split(", ")) == ["jazz", "saxophone", "swing"]


async def test_nobody_is_told_of_what_they_may_not_read(client: Client, tmp_path: Path) -> None:
    await import_bay(client, tmp_path)
    await remember(client, "ada", *PUMP, "A red tide!")
    await remember(client, "bob", *PUMP, scope="public")
    await refreshed(client)
    eve = await reader(client, (f"graph:{GRAPH}", "DENY"))
    assert [one["scope"] for one in await listed(client, eve)] == ["public"]
    await client.demand(
        'mutation { addRule(input: {subject: "eve", object: "field:Memory.text", action: "read", effect: DENY}) { version } }'
    )
    assert await listed(client, eve) == []
    remove = "mutation($r: RuleInput!) { removeRule(input: $r) { version } }"
    await client.demand(remove, {"r": {"subject": "eve", "object": f"graph:{GRAPH}", "action": "read", "effect": "DENY"}})
    found = await listed(client, eve)
    assert {one["graph"] for one in found} == {GRAPH}
    assert [one["memories"] for one in found] == [[], []]
    assert not any("!" in one["description"] for one in found)


async def test_what_another_scope_holds_does_not_change_a_community(client: Client) -> None:
    await remember(client, "bob", *PUMP, scope="public")
    await refreshed(client)
    eve = await reader(client)
    before = await listed(client, eve)
    await remember(client, "ada", *PUMP, *(f"{text} Surely." for text in PUMP))
    assert (await refreshed(client))["changed"] == 1
    assert await listed(client, eve) == before


async def test_a_cached_list_follows_changes(client: Client, tmp_path: Path) -> None:
    ids = await remember(client, "ada", *PUMP)
    assert await listed(client) == []
    await refreshed(client)
    assert [one["size"] for one in await listed(client)] == [3]
    await client.demand("mutation($i: ID!) { forget(id: $i) }", {"i": ids[0]})
    assert ids[0] not in {one["id"] for one in (await listed(client))[0]["memories"]}
    assert (await refreshed(client))["changed"] == 1
    assert await listed(client) == []
    await import_bay(client, tmp_path)
    assert (await refreshed(client))["communities"] == 2
    await import_bay(client, tmp_path, "<https://example.org/bay/x> <https://example.org/bay/y> 1 .")
    assert (await refreshed(client))["communities"] == 0
    assert await listed(client) == []
    assert (await client.demand('{ entity(iri: "https://example.org/bay/tide") { iri } }'))["entity"] is None


async def test_nothing_is_written_when_nothing_changed(client: Client) -> None:
    await remember(client, "ada", *PUMP)
    first = await refreshed(client)
    before = await listed(client)
    second = await refreshed(client)
    assert (first["changed"], second["changed"], second["communities"]) == (1, 0, 1)
    assert await listed(client) == before


async def test_pages_run_through_all(client: Client, cairn: Cairn) -> None:
    for number in range(3):
        await remember(client, "ada", *PUMP, scope=f"team/t{number}")
    await refreshed(client)
    query = "query($a: String) { communities(first: 1, after: $a) { nodes { id } pageInfo { hasNextPage endCursor } } }"
    seen: list[str] = []
    after = None
    while True:
        page = (await client.demand(query, {"a": after}))["communities"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(seen) == len(set(seen)) == 3


async def test_only_administrators_refresh(client: Client) -> None:
    eve = await reader(client)
    for query in (START, LOOK):
        answer = await client.execute(query, {}, eve)
        assert (answer.errors or [{}])[0]["extensions"]["code"] == "FORBIDDEN"


async def test_one_replica_at_a_time_until_it_is_dead(client: Client, cairn: Cairn) -> None:
    services, tenant = cairn.services, cairn.services.settings.tenant
    access = await services.accesses.get(tenant, "operator")
    ids = await remember(client, "ada", *PUMP)
    elsewhere = Refresh(tenant, "elsewhere", "operator", now())
    await claim(services.writer, elsewhere)
    here = Communities(services.database, services.writer, 0)
    with pytest.raises(Conflict):
        await here.refresh(tenant)
    answer = await client.execute(START, {})
    assert (answer.errors or [{}])[0]["extensions"]["code"] == "CONFLICT"
    dead = Refresh(tenant, "dead", "operator", now() - LEASE - timedelta(seconds=1))
    await move(services.writer, Refresh(tenant, "elsewhere", "operator", now(), status=RefreshStatus.DONE))
    await claim(services.writer, dead)
    seen = await find_refresh(services.database, access)
    assert seen is not None and seen.status is RefreshStatus.FAILED and "interrupted" in (seen.error or "")
    assert (await here.refresh(tenant)).status is RefreshStatus.DONE
    shown = await list_communities(services.database, access, 10)
    await write_set(services.writer, Unit(tenant, "agent/ada"), [Group(tuple(ids[:1]), ())], "dead", "operator")
    assert await list_communities(services.database, access, 10) == shown
    with pytest.raises(Conflict):
        await move(services.writer, dead)


async def test_a_tenant_is_due_when_it_changed(client: Client, cairn: Cairn) -> None:
    services, tenant = cairn.services, cairn.services.settings.tenant
    here = Communities(services.database, services.writer, 0)
    hour, no_time = timedelta(hours=1), timedelta(seconds=-60)
    await remember(client, "ada", *PUMP)
    assert tenant in await due(services.database, hour)
    await here.refresh(tenant)
    await here.refresh(tenant)
    assert tenant not in await due(services.database, no_time)
    await remember(client, "ada", "And another thing.")
    assert tenant in await due(services.database, no_time)
    assert tenant not in await due(services.database, hour)


async def test_an_idempotency_key_starts_one_refresh(client: Client) -> None:
    await remember(client, "ada", *PUMP)
    start = 'mutation { refreshCommunities(idempotencyKey: "k") { id } }'
    first = (await client.demand(start))["refreshCommunities"]["id"]
    with anyio.fail_after(60):
        while (await client.demand(LOOK))["communityRefresh"]["status"] == "RUNNING":
            await anyio.sleep(0.05)
    assert (await client.demand(start))["refreshCommunities"]["id"] == first


async def test_an_unknown_tenant_has_no_refresh(cairn: Cairn) -> None:
    with pytest.raises(NotFound):
        await Communities(cairn.services.database, cairn.services.writer, 0).refresh("nobody")


async def test_the_ledger_still_verifies(client: Client, cairn: Cairn, tmp_path: Path) -> None:
    await import_bay(client, tmp_path)
    await remember(client, "ada", *PUMP)
    await refreshed(client)
    await refreshed(client)
    verdict = await verify(cairn.services.database, cairn.services.settings.tenant)
    assert verdict.problem is None

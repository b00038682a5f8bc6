"""Accesses are never older than the bound, shared while nothing changed, and fail closed."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from cairn.errors import Unauthenticated, Unavailable
from cairn.graph.access import Access, Bound
from cairn.graph.database import Database
from cairn.graph.keys import make_key, store_key
from cairn.graph.statements import Statement
from cairn.graph.tenants import read_versions
from cairn.graph.writer import Writer
from cairn.policies.accesses import Accesses
from cairn.policies.administration import Administration

pytestmark = pytest.mark.anyio

_WRITE = "CYPHER 25 MATCH (t:Tenant {id: $tenant}) SET t.policyVersion = t.policyVersion + 1 CREATE (r:Rule) SET r = $rule"
_CATALOG = """CYPHER 25 MATCH (t:Tenant {id: $tenant}) SET t.catalogVersion = t.catalogVersion + 1
CREATE (:Scope {tenant: $tenant, path: $path}) CREATE (:Graph {tenant: $tenant, iri: $iri, number: $number, kind: $kind})"""


async def _run(database: Database, text: str, **parameters: object) -> None:
    async def work(transaction: object) -> None:
        await (await transaction.run(text, parameters)).consume()  # type: ignore[attr-defined]

    await database.write(work)


def _line(tenant: str, **values: object) -> dict[str, object]:
    rule = {"v0": "ada", "v1": tenant, "v2": "memory:*", "v3": "read", "v4": "allow", **values}
    return {"key": f"{tenant}-by-hand", "tenant": tenant, "ptype": "p", **rule}


async def test_an_access_is_shared_until_something_changes(accesses: Accesses, administration: Administration, admin: Access) -> None:
    first = await accesses.get(admin.tenant, "ada")
    assert await accesses.get(admin.tenant, "ada") is first
    await administration.assign_role(admin, "ada", "reader")
    second = await accesses.get(admin.tenant, "ada")
    assert second is not first
    assert second.roles == ("reader",)
    assert second.policy_version == first.policy_version + 1


async def test_a_change_made_elsewhere_holds_after_the_staleness_and_at_once_after_a_refresh(
    database: Database, administration: Administration, admin: Access
) -> None:
    elsewhere = Accesses(database, 0.2)
    patient = Accesses(database, 1.0)
    for replica in (elsewhere, patient):
        assert not (await replica.get(admin.tenant, "ada")).may("ledger", "read")
    loop = asyncio.get_running_loop()
    await administration.add_rule(admin, "ada", "ledger", "read", "allow")
    committed = loop.time()
    asked = loop.time()
    while not (await elsewhere.get(admin.tenant, "ada")).may("ledger", "read"):
        assert asked <= committed + 0.2, "an old access was given to a question asked after the bound"
        await anyio.sleep(0.01)
        asked = loop.time()
    await patient.refresh(admin.tenant)
    assert (await patient.get(admin.tenant, "ada")).may("ledger", "read")


async def test_many_requests_within_the_bound_cost_one_look(database: Database, seeded: str) -> None:
    accesses = Accesses(database, 1.0)
    before = database.round_trips
    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(accesses.get, seeded, f"agent-{number}")
    assert database.round_trips - before == 3


async def test_new_scopes_and_graphs_become_readable(database: Database, accesses: Accesses, admin: Access) -> None:
    tenant = admin.tenant
    assert admin.scopes == ()
    await _run(database, _CATALOG, tenant=tenant, path="public", iri="http://g/1", number=hash((tenant, 1)) % 2**48, kind="named")
    iri = "urn:cairn:scope:agent/ada"
    await _run(database, _CATALOG, tenant=tenant, path="agent/ada", iri=iri, number=hash((tenant, 2)) % 2**48, kind="scope")
    later = await accesses.get(tenant, "admin")
    assert later.scopes == ("agent/ada", "public")
    assert set(later.graphs) == {hash((tenant, 1)) % 2**48, hash((tenant, 2)) % 2**48}
    assert (await accesses.get(tenant, "ada")).graphs == ()
    assert later.fingerprint != admin.fingerprint


async def test_graphs_are_shared_by_all_who_read_a_scope(
    database: Database, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    tenant = admin.tenant
    first, second, third = (hash((tenant, n)) % 2**48 for n in range(3))
    await _run(database, _CATALOG, tenant=tenant, path="agent/ada", iri="http://g/1", number=first, kind="named")
    await _run(database, _CATALOG, tenant=tenant, path="team/sea", iri="http://g/2", number=second, kind="named")
    await _run(database, _CATALOG, tenant=tenant, path="public", iri="http://g/3", number=third, kind="named")
    await administration.assign_role(admin, "ada", "agent")
    await administration.assign_role(admin, "bob", "agent")
    await administration.add_rule(admin, "bob", "graph:http://g/2", "read", "deny")
    await accesses.refresh(tenant)
    assert await accesses.shared_graphs(tenant, "agent/ada") == {first, second, third}
    await administration.add_rule(admin, "bob", "memory:team/sea", "read", "allow")
    await accesses.refresh(tenant)
    assert await accesses.shared_graphs(tenant, "team/sea") == {first, third}
    await administration.add_rule(admin, "everyone", "memory:team/sea", "read", "allow")
    await accesses.refresh(tenant)
    assert await accesses.shared_graphs(tenant, "team/sea") == frozenset()
    assert await accesses.shared_graphs(tenant, "agent/ada") == {first, second, third}


async def test_narrowed_keys_and_lent_roles_read_a_scope_too(
    database: Database, writer: Writer, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    tenant = admin.tenant
    first, second = (hash((tenant, n)) % 2**48 for n in range(2))
    await _run(database, _CATALOG, tenant=tenant, path="team/sea", iri="http://g/1", number=first, kind="named")
    await _run(database, _CATALOG, tenant=tenant, path="public", iri="http://g/2", number=second, kind="named")
    for subject, pattern, effect in (("ada", "*", "allow"), ("sailor", "*", "allow"), ("landlubber", "graph:http://g/1", "deny")):
        await administration.add_rule(admin, subject, pattern, "read", effect)
    await accesses.refresh(tenant)
    assert await accesses.shared_graphs(tenant, "team/sea") == {first, second}
    lending = Accesses(database, 0.0, lendable=frozenset({"sailor", "landlubber"}))
    assert await lending.shared_graphs(tenant, "team/sea") == {second}
    bounds = (Bound("memory:team/*", "read"), Bound("graph:http://g/1", "read"))
    await store_key(writer, admin, make_key(tenant, "ada", "admin", scopes=bounds))
    assert await accesses.shared_graphs(tenant, "team/sea") == {first}


async def test_an_unknown_tenant_is_nobodys(accesses: Accesses, tenant: str) -> None:
    with pytest.raises(Unauthenticated):
        await accesses.get(tenant, "admin")
    with pytest.raises(Unauthenticated):
        await accesses.explain(tenant, "admin", "policy", "read")


async def test_one_malformed_rule_closes_the_tenant_until_it_is_mended(database: Database, accesses: Accesses, seeded: str) -> None:
    await _run(database, _WRITE, tenant=seeded, rule=_line(seeded, v4="Deny"))
    with pytest.raises(Unavailable, match="malformed"):
        await accesses.get(seeded, "admin")
    await _run(database, "CYPHER 25 MATCH (r:Rule {key: $key}) SET r.v4 = 'deny'", key=f"{seeded}-by-hand")
    assert (await accesses.get(seeded, "admin")).may("policy", "admin")


async def test_a_rule_that_became_visible_after_its_version_is_still_seen(database: Database, accesses: Accesses, seeded: str) -> None:
    assert not (await accesses.get(seeded, "ada")).may("memory:x", "read")
    await _run(database, "CYPHER 25 MATCH (t:Tenant {id: $tenant}) SET t.policyVersion = t.policyVersion + 1", tenant=seeded)
    assert not (await accesses.get(seeded, "ada")).may("memory:x", "read")
    await _run(database, "CYPHER 25 CREATE (r:Rule) SET r = $rule", rule=_line(seeded))
    assert (await accesses.get(seeded, "ada")).may("memory:x", "read")


async def test_rules_that_a_change_rests_on_were_read_twice(database: Database, accesses: Accesses, seeded: str) -> None:
    before = database.round_trips
    first = await accesses.rules(seeded)
    assert database.round_trips - before == 6
    assert await accesses.rules(seeded) is first
    assert database.round_trips - before == 7


async def test_without_neo4j_nothing_is_allowed_once_the_bound_is_over(database: Database, seeded: str) -> None:
    class Cut(Database):
        """The database, until the line is cut."""

        cut = False
        keyring = None
        closing = database.closing

        async def read(self, statement: Statement, parameters: object = None) -> list[dict[str, object]]:
            if self.cut:
                raise Unavailable("the graph database can't be reached; try again")
            return await database.read(statement, parameters)  # type: ignore[arg-type]

    line = Cut.__new__(Cut)
    patient, impatient = Accesses(line, 1.0), Accesses(line, 0.0)
    for replica in (patient, impatient):
        assert (await replica.get(seeded, "admin")).may("policy", "admin")
    line.cut = True
    with pytest.raises(Unavailable):
        await impatient.get(seeded, "admin")
    with pytest.raises(Unavailable):
        await patient.refresh(seeded)
    line.cut = False
    assert (await impatient.get(seeded, "admin")).may("policy", "admin")


async def test_versions_that_went_back_are_followed(database: Database, accesses: Accesses, seeded: str) -> None:
    await _run(database, "CYPHER 25 MATCH (t:Tenant {id: $tenant}) SET t.policyVersion = 90", tenant=seeded)
    assert (await accesses.get(seeded, "admin")).policy_version == 90
    await _run(database, "CYPHER 25 MATCH (t:Tenant {id: $tenant}) SET t.policyVersion = 3", tenant=seeded)
    assert (await accesses.get(seeded, "admin")).policy_version == 3


async def test_the_cache_generation_comes_from_the_same_look(database: Database, accesses: Accesses, seeded: str) -> None:
    before = await accesses.cache_generation(seeded)
    await _run(database, "CYPHER 25 MATCH (t:Tenant {id: $tenant}) SET t.cacheGeneration = t.cacheGeneration + 1", tenant=seeded)
    assert await accesses.cache_generation(seeded) == before + 1
    versions = await read_versions(database, seeded)
    assert versions is not None
    assert versions.cache == before + 1


async def test_only_so_many_accesses_are_kept(database: Database, seeded: str) -> None:
    accesses = Accesses(database, 1.0, size=2)
    ada = await accesses.get(seeded, "ada")
    for name in ("bob", "ada", "eve"):
        await accesses.get(seeded, name)
    assert await accesses.get(seeded, "ada") is ada
    assert len(accesses._accesses) == 2  # type: ignore[reportPrivateUsage]


async def test_explain_names_the_rule(accesses: Accesses, administration: Administration, admin: Access) -> None:
    await administration.assign_role(admin, "ada", "curator")
    decision = await accesses.explain(admin.tenant, "ada", "graph:http://g/1", "read")
    assert (decision.allowed, decision.rule) == (True, "p, reader, graph:*, read, allow")
    await administration.add_rule(admin, "curator", "graph:http://g/*", "read", "deny")
    decision = await accesses.explain(admin.tenant, "ada", "graph:http://g/1", "read")
    assert (decision.allowed, decision.rule) == (False, "p, curator, graph:http://g/*, read, deny")
    decision = await accesses.explain(admin.tenant, "nobody", "graph:http://g/1", "read")
    assert (decision.allowed, decision.rule) == (False, None)
    assert not (await accesses.explain(admin.tenant, "", "", "")).allowed

"""Changing rules: who may, what is refused, races, repeats, the ledger, and that somebody stays in charge."""

from __future__ import annotations

import anyio
import pytest

from cairn.errors import BadInput, CairnError, Conflict, Forbidden, NotFound
from cairn.graph.access import Access
from cairn.graph.database import Database
from cairn.graph.keys import make_key, store_key
from cairn.graph.rules import list_roles, load_rules
from cairn.graph.statements import Statement
from cairn.graph.writer import Writer
from cairn.policies.accesses import Accesses
from cairn.policies.administration import Administration
from cairn.policies.ruleset import RuleSet

pytestmark = pytest.mark.anyio

_LEDGER = Statement(
    "ledger",
    "entries about the rules",
    "CYPHER 25 MATCH (e:LedgerEntry {tenant: $tenant, target: 'policy'}) RETURN e.operation AS operation, e.body AS body ORDER BY e.seq",
)


async def _ledger(database: Database, tenant: str) -> list[str]:
    return [row["operation"] for row in await database.read(_LEDGER, {"tenant": tenant})]


async def test_a_rule_holds_from_the_moment_it_is_added_until_it_is_removed(
    database: Database, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    tenant = admin.tenant
    added = await administration.add_rule(admin, "ada", "memory:team/*", "write", "allow")
    assert (added.version, added.changed, added.rule) == (admin.policy_version + 1, True, "p, ada, memory:team/*, write, allow")
    assert (await accesses.get(tenant, "ada")).may("memory:team/a", "write")
    again = await administration.add_rule(admin, "ada", "memory:team/*", "write", "allow")
    assert (again.version, again.changed) == (added.version, False)
    removed = await administration.remove_rule(admin, "ada", "memory:team/*", "write", "allow")
    assert (removed.version, removed.changed) == (added.version + 1, True)
    assert not (await accesses.get(tenant, "ada")).may("memory:team/a", "write")
    assert await _ledger(database, tenant) == [
        "tenant.create",
        "policy.addRule p, ada, memory:team/*, write, allow",
        "policy.removeRule p, ada, memory:team/*, write, allow",
    ]


async def test_the_ledger_holds_the_hash_of_all_rules_before_and_after(
    database: Database, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    hashes = [(await accesses.rules(admin.tenant)).hash]
    for role in ("reader", "auditor"):
        await administration.assign_role(admin, "ada", role)
        stored = RuleSet.load(admin.tenant, 0, await load_rules(database, admin.tenant))
        hashes.append(stored.hash)
    bodies = [row["body"] for row in await database.read(_LEDGER, {"tenant": admin.tenant})]
    assert f'"after":"{hashes[0]}"' in bodies[0]
    for index in (1, 2):
        assert f'"after":"{hashes[index]}"' in bodies[index]
        assert f'"before":"{hashes[index - 1]}"' in bodies[index]


async def test_roles_are_given_and_taken(
    database: Database, writer: Writer, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    await administration.assign_role(admin, "ada", "curator")
    assert (await accesses.get(admin.tenant, "ada")).roles == ("agent", "curator", "reader")
    for name in ("admin", "ada"):
        await store_key(writer, admin, make_key(admin.tenant, name, "test"))
    await administration.add_rule(admin, "ada", "ledger", "read", "allow")
    roles = {role.name: role for role in await list_roles(database, admin)}
    assert list(roles) == ["admin", "agent", "auditor", "curator", "everyone", "reader"]
    assert roles["curator"].members == ("ada",)
    assert roles["curator"].inherits == ("agent",)
    assert roles["reader"].members == ("agent",)
    await administration.unassign_role(admin, "ada", "curator")
    assert (await accesses.get(admin.tenant, "ada")).roles == ()


@pytest.mark.parametrize("role", ["auditor", "curator", "agent", "reader"])
async def test_only_who_has_admin_on_policy_may_change_it(
    accesses: Accesses, administration: Administration, admin: Access, role: str
) -> None:
    await administration.assign_role(admin, "eve", role)
    eve = await accesses.get(admin.tenant, "eve")
    for attempt in (
        administration.add_rule(eve, "eve", "*", "*", "allow"),
        administration.remove_rule(eve, "admin", "*", "*", "allow"),
        administration.assign_role(eve, "eve", "admin"),
        administration.unassign_role(eve, "eve", role),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_bad_rules_and_unknown_roles_are_refused_and_change_nothing(
    database: Database, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    with pytest.raises(BadInput, match="did you mean deny"):
        await administration.add_rule(admin, "ada", "memory:*", "read", "Deny")
    with pytest.raises(BadInput, match="subject is missing"):
        await administration.add_rule(admin, "", "memory:*", "read", "allow")
    with pytest.raises(BadInput, match="object is missing"):
        await administration.add_rule(admin, "ada", "", "read", "allow")
    with pytest.raises(BadInput, match="known roles are admin, agent, auditor, curator, reader"):
        await administration.assign_role(admin, "ada", "wizard")
    with pytest.raises(NotFound):
        await administration.remove_rule(admin, "ada", "memory:*", "read", "deny")
    with pytest.raises(NotFound):
        await administration.unassign_role(admin, "ada", "reader")
    with pytest.raises(BadInput, match="can't be hidden"):
        await administration.add_rule(admin, "ada", "field:Memory.id", "read", "deny")
    assert (await accesses.rules(admin.tenant)).version == admin.policy_version
    assert await _ledger(database, admin.tenant) == ["tenant.create"]


async def test_a_field_that_may_be_null_can_be_hidden(accesses: Accesses, administration: Administration, admin: Access) -> None:
    await administration.add_rule(admin, "ada", "field:Memory.text", "read", "deny")
    assert (await accesses.get(admin.tenant, "ada")).hidden_fields == {"Memory.text"}
    assert (await accesses.get(admin.tenant, "bob")).hidden_fields == frozenset()


async def test_a_new_role_needs_a_rule_first(accesses: Accesses, administration: Administration, admin: Access) -> None:
    await administration.add_rule(admin, "analyst", "memory:team/*", "read", "allow")
    await administration.assign_role(admin, "ada", "analyst")
    assert (await accesses.get(admin.tenant, "ada")).may("memory:team/x", "read")


async def test_circles_and_endless_chains_of_roles_are_refused(administration: Administration, admin: Access) -> None:
    with pytest.raises(BadInput, match="circle"):
        await administration.assign_role(admin, "reader", "curator")
    with pytest.raises(BadInput, match="circle"):
        await administration.assign_role(admin, "reader", "reader")
    for number in range(9):
        await administration.add_rule(admin, f"level{number}", "memory:public", "read", "allow")
    for number in range(8):
        await administration.assign_role(admin, f"level{number}", f"level{number + 1}")
    with pytest.raises(BadInput, match="at most 8 steps"):
        await administration.assign_role(admin, "ada", "level0")
    with pytest.raises(BadInput, match="at most 8 steps"):
        await administration.assign_role(admin, "level8", "reader")
    await administration.assign_role(admin, "ada", "level1")


async def test_everyone_is_no_role_to_give(administration: Administration, admin: Access) -> None:
    with pytest.raises(BadInput, match="everyone"):
        await administration.assign_role(admin, "ada", "everyone")
    with pytest.raises(BadInput, match="everyone"):
        await administration.assign_role(admin, "everyone", "admin")


async def test_the_last_administrator_stays(writer: Writer, accesses: Accesses, administration: Administration, admin: Access) -> None:
    await store_key(writer, admin, make_key(admin.tenant, "admin", "test"))
    with pytest.raises(Conflict, match="'admin' would lose"):
        await administration.remove_rule(admin, "admin", "*", "*", "allow")
    with pytest.raises(Conflict, match="'admin' would lose"):
        await administration.add_rule(admin, "everyone", "policy", "admin", "deny")
    with pytest.raises(Conflict, match="'admin' would lose"):
        await administration.add_rule(admin, "admin", "*", "*", "deny")
    await administration.assign_role(admin, "ada", "admin")
    with pytest.raises(Conflict, match="'admin' would lose"):
        await administration.add_rule(admin, "admin", "policy", "*", "deny")
    await administration.add_rule(admin, "ada", "policy", "admin", "allow")
    await store_key(writer, admin, make_key(admin.tenant, "ada", "test"))
    await administration.remove_rule(admin, "admin", "*", "*", "allow")
    ada = await accesses.get(admin.tenant, "ada")
    with pytest.raises(Conflict, match="'ada' would lose"):
        await administration.remove_rule(ada, "ada", "policy", "admin", "allow")
    assert (await accesses.get(admin.tenant, "ada")).may("policy", "admin")


async def test_the_last_assigned_administrator_stays_even_before_there_are_keys(administration: Administration, admin: Access) -> None:
    await administration.assign_role(admin, "ada", "admin")
    await administration.assign_role(admin, "bob", "admin")
    await administration.unassign_role(admin, "bob", "admin")
    with pytest.raises(Conflict, match="'ada' would lose"):
        await administration.unassign_role(admin, "ada", "admin")


async def test_a_repeated_idempotency_key_has_one_effect(
    database: Database, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    first = await administration.add_rule(admin, "ada", "ledger", "read", "allow", "once")
    await administration.remove_rule(admin, "ada", "ledger", "read", "allow", "then")
    assert await administration.add_rule(admin, "ada", "ledger", "read", "allow", "once") == first
    assert (await administration.remove_rule(admin, "ada", "ledger", "read", "allow", "then")).changed
    assert not (await accesses.get(admin.tenant, "ada")).may("ledger", "read")
    with pytest.raises(Conflict):
        await administration.add_rule(admin, "bob", "ledger", "read", "allow", "once")
    assert len(await _ledger(database, admin.tenant)) == 3


async def test_replicas_that_change_rules_at_the_same_time_lose_nothing(
    database: Database, writer: Writer, accesses: Accesses, admin: Access
) -> None:
    replicas = [Administration(writer, Accesses(database, 0.0)) for _ in range(3)]
    async with anyio.create_task_group() as group:
        for number in range(12):
            group.start_soon(replicas[number % 3].add_rule, admin, f"ada{number}", "ledger", "read", "allow")
    assert (await accesses.rules(admin.tenant)).version == admin.policy_version + 12
    for number in range(12):
        assert (await accesses.get(admin.tenant, f"ada{number}")).may("ledger", "read")
    assert len(await _ledger(database, admin.tenant)) == 13


async def test_of_two_administrators_who_dismiss_each_other_at_once_one_stays(
    database: Database, writer: Writer, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    for name in ("ada", "bob"):
        await administration.assign_role(admin, name, "admin")
        await store_key(writer, admin, make_key(admin.tenant, name, "test"))
    replicas = [Administration(writer, Accesses(database, 0.0)) for _ in range(2)]
    outcomes: list[str] = []

    async def dismiss(replica: Administration, actor: str, other: str) -> None:
        try:
            await replica.unassign_role(await accesses.get(admin.tenant, actor), other, "admin")
            outcomes.append("done")
        except CairnError as error:
            outcomes.append(error.code)

    async with anyio.create_task_group() as group:
        group.start_soon(dismiss, replicas[0], "ada", "bob")
        group.start_soon(dismiss, replicas[1], "bob", "ada")
    assert sorted(outcomes) == ["CONFLICT", "done"]
    left = [name for name in ("ada", "bob") if (await accesses.get(admin.tenant, name)).may("policy", "admin")]
    assert len(left) == 1

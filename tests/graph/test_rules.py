"""Rules as they are stored: written only on top of the version they were decided for, listed in stable pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cairn.errors import BadInput, Forbidden, NotFound
from cairn.graph.access import Access, Decision
from cairn.graph.database import Database
from cairn.graph.keys import make_key, store_key
from cairn.graph.rules import Edit, Stale, StoredRule, apply_edit, list_roles, list_rules, load_rules, policy_hash
from cairn.graph.tenants import create_tenant, read_versions
from cairn.graph.writer import Writer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def admin(writer: Writer, tenant: str) -> Access:
    """Somebody who may do everything, in a tenant with one rule."""
    assert await create_tenant(writer, tenant, [_rule(tenant, "admin", "*", "*")])
    return Access(tenant, "admin", decide=lambda _object, _action: Decision(allowed=True))


def _rule(tenant: str, subject: str, pattern: str, action: str = "read", effect: str = "allow") -> StoredRule:
    return StoredRule("p", (subject, tenant, pattern, action, effect))


def _edit(rule: StoredRule, expected: int, *, adds: bool = True) -> Edit:
    return Edit("policy.addRule" if adds else "policy.removeRule", rule, adds, expected, policy_hash([]), policy_hash([rule.text]))


async def test_a_tenant_is_made_once_with_its_rules(database: Database, writer: Writer, admin: Access) -> None:
    assert not await create_tenant(writer, admin.tenant, [_rule(admin.tenant, "other", "*")])
    assert await load_rules(database, admin.tenant) == [("p", ("admin", admin.tenant, "*", "*", "allow"))]
    versions = await read_versions(database, admin.tenant)
    assert versions is not None
    assert (versions.policy, versions.catalog) == (1, 1)
    assert await read_versions(database, f"{admin.tenant}-none") is None


async def test_an_edit_raises_the_version_and_a_stale_one_writes_nothing(database: Database, writer: Writer, admin: Access) -> None:
    rule = _rule(admin.tenant, "ada", "memory:*")
    change = await apply_edit(writer, admin, _edit(rule, 1))
    assert (change.version, change.changed) == (2, True)
    before = await load_rules(database, admin.tenant)
    for stale in (_edit(_rule(admin.tenant, "bob", "*"), 1), _edit(rule, 1, adds=False), _edit(rule, 3, adds=False)):
        with pytest.raises(Stale):
            await apply_edit(writer, admin, stale)
    assert await load_rules(database, admin.tenant) == before
    assert (await apply_edit(writer, admin, _edit(rule, 2, adds=False))).version == 3
    assert len(await load_rules(database, admin.tenant)) == 1


async def test_a_refused_edit_raises_its_refusal_and_writes_nothing(database: Database, writer: Writer, admin: Access) -> None:
    edit = replace(_edit(_rule(admin.tenant, "ada", "memory:*"), 1), refusal=BadInput("not this one"))
    with pytest.raises(BadInput, match="not this one"):
        await apply_edit(writer, admin, edit)
    with pytest.raises(Stale):
        await apply_edit(writer, admin, replace(edit, expected=7))
    assert len(await load_rules(database, admin.tenant)) == 1
    with pytest.raises(NotFound):
        await apply_edit(writer, Access(f"{admin.tenant}-none", "admin"), edit)


async def test_rules_come_in_pages_in_order_that_hold_while_the_list_changes(database: Database, writer: Writer, tenant: str) -> None:
    rules = [
        _rule(tenant, f"p{n}", pattern, effect=effect)
        for n in range(3)
        for pattern in ("memory:*", "graph:*")
        for effect in ("deny", "allow")
    ]
    assert await create_tenant(writer, tenant, [*rules, StoredRule("g", ("ada", "p0", tenant))])
    access = Access(tenant, "admin", decide=lambda _object, _action: Decision(allowed=True))
    seen: list[str] = []
    cursor = None
    for turn in range(20):
        found = await list_rules(database, access, 2, cursor)
        seen += [rule.text for rule in found.items]
        if not found.more:
            break
        cursor = found.cursors[-1]
        if turn == 0:
            await apply_edit(writer, access, _edit(_rule(tenant, "a-before", "memory:*"), 1))
            await apply_edit(writer, access, _edit(found.items[-1], 2, adds=False))
    assert seen == sorted(rule.text for rule in rules)


async def test_reading_rules_and_roles_needs_permission(database: Database, tenant: str) -> None:
    nobody = Access(tenant, "eve")
    with pytest.raises(Forbidden):
        await list_rules(database, nobody, 10)
    with pytest.raises(Forbidden):
        await list_roles(database, nobody)


async def test_roles_are_names_with_members_or_with_rules_and_no_key(database: Database, writer: Writer, tenant: str) -> None:
    lines = [_rule(tenant, "a", "*"), _rule(tenant, "a", "memory:*"), _rule(tenant, "ada", "ledger")]
    lines += [StoredRule("g", (*pair, tenant)) for pair in (("a", "b"), ("ada", "a"), ("bob", "a"))]
    assert await create_tenant(writer, tenant, lines[:1])
    access = Access(tenant, "admin", decide=lambda _object, _action: Decision(allowed=True))
    for version, line in enumerate(lines[1:], 1):
        await apply_edit(writer, access, _edit(line, version))
    assert "ada" in {role.name for role in await list_roles(database, access)}
    for name in ("a", "ada"):
        await store_key(writer, access, make_key(tenant, name, "admin"))
    roles = await list_roles(database, access)
    assert [(role.name, role.inherits, role.members, role.rules) for role in roles] == [
        ("a", ("b",), ("ada", "bob"), 2),
        ("b", (), ("a",), 0),
    ]


async def test_a_rules_text_leaves_the_tenant_out() -> None:
    assert _rule("acme", "ada", "graph:http://a/b,c", "read", "deny").text == "p, ada, graph:http://a/b,c, read, deny"
    assert StoredRule("g", ("ada", "curator", "acme")).text == "g, ada, curator"

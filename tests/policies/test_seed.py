"""What the seeded roles may and may not do."""

from __future__ import annotations

import pytest

from cairn.graph.access import Access, Identity
from cairn.graph.tenants import Catalog
from cairn.policies.compiler import compile_access
from cairn.policies.rules import parse_assignment
from cairn.policies.ruleset import RuleSet
from cairn.policies.seed import seed, seeded_roles

CATALOG = Catalog(
    ("agent/ada", "agent/eve", "public", "team/research"), (("http://g/1", 1),), (("agent/ada", 2), ("agent/eve", 3), ("public", 4))
)


def _as(*roles: str, principal: str = "ada") -> Access:
    lines = [*seed("acme"), *(parse_assignment("acme", principal, role) for role in roles)]
    return compile_access(
        RuleSet("acme", 1, {line.text: line for line in lines}), CATALOG, Identity("acme", principal), frozenset({"Memory.text"})
    )


def test_the_seeded_roles_are_the_documented_ones() -> None:
    assert seeded_roles("acme") == {"admin", "curator", "agent", "auditor", "reader", "everyone"}


def test_a_principal_without_a_role_may_nothing() -> None:
    access = _as()
    assert (access.scopes, access.graphs, access.state_allow, access.roles) == ((), (), (), ())
    for requested in ("memory:public", "graph:http://g/1", "policy", "ledger", "key", "import", "agent:ada", "memory:agent/ada"):
        for action in ("read", "write", "delete", "admin"):
            assert not access.may(requested, action)


def test_admin_may_everything() -> None:
    access = _as("admin")
    assert access.scopes == CATALOG.scopes
    assert access.graphs == (1, 2, 3, 4)
    assert access.hidden_fields == frozenset()
    for requested in ("memory:x", "state:agent/eve/k", "graph:urn:x", "policy", "ledger", "key", "import", "agent:eve"):
        assert access.may(requested, "admin")


def test_a_reader_reads_what_is_public_and_writes_nothing() -> None:
    access = _as("reader")
    assert access.scopes == ("public",)
    assert access.graphs == (1, 4)
    assert not access.may("memory:public", "write")
    assert not access.may("graph:http://g/1", "write")


def test_a_curator_changes_knowledge_but_forgets_nothing_and_changes_no_rule() -> None:
    access = _as("curator")
    assert access.roles == ("agent", "curator", "reader")
    assert access.scopes == ("agent/ada", "public", "team/research")
    for requested in ("graph:http://g/1", "import", "memory:public", "memory:team/research", "memory:agent/ada"):
        assert access.may(requested, "write")
    for requested in ("memory:public", "memory:team/research", "graph:http://g/1"):
        assert not access.may(requested, "delete")
    assert not access.may("memory:agent/eve", "read")
    assert not access.may("import", "admin")
    assert not access.may("policy", "read")
    assert not access.may("key", "read")


@pytest.mark.parametrize("action", ["read", "write", "delete"])
def test_an_agent_has_its_own_scope_and_nobody_elses(action: str) -> None:
    access = _as("agent")
    for requested in ("memory:agent/{}", "memory:agent/{}/notes", "state:agent/{}/mood", "agent:{}"):
        assert access.may(requested.format("ada"), action)
        assert not access.may(requested.format("eve"), action)
    assert not access.may("agent:ada", "admin")
    assert access.may("memory:public", action) is (action == "read")
    assert access.scopes == ("agent/ada", "public")
    assert access.graphs == (1, 2, 4)


def test_an_auditor_sees_the_ledger_and_the_rules_and_no_memorys_text_whatever_else_it_is() -> None:
    access = _as("auditor")
    for requested in ("ledger", "policy", "key", "import"):
        assert access.may(requested, "read")
        assert not access.may(requested, "write")
        assert not access.may(requested, "admin")
    assert access.scopes == ()
    assert access.hidden_fields == {"Memory.text"}
    assert _as("auditor", "admin").hidden_fields == {"Memory.text"}


def test_only_admin_may_change_rules_or_make_keys() -> None:
    for role in seeded_roles("acme") - {"admin", "everyone"}:
        assert not any(_as(role).may(requested, action) for requested in ("policy", "key") for action in ("write", "delete", "admin"))

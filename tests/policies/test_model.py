"""The Casbin model, and the traps of pycasbin that it and the code around it must not fall into."""

from __future__ import annotations

import casbin
import pytest

from cairn.errors import BadInput
from cairn.graph.access import Identity
from cairn.graph.tenants import Catalog
from cairn.policies.compiler import compile_access
from cairn.policies.model import enforce, make_enforcer
from cairn.policies.rules import Assignment, Rule, parse_assignment, parse_rule
from cairn.policies.ruleset import RuleSet


def _set(*lines: Rule | Assignment) -> RuleSet:
    return RuleSet("acme", 1, {line.text: line for line in lines})


def test_an_empty_policy_allows_nothing_not_even_empty_strings() -> None:
    enforcer = make_enforcer([])
    access = compile_access(_set(), Catalog(), Identity("acme", ""), frozenset())
    assert not enforce(enforcer, "", "", "", "").allowed
    assert not enforce(enforcer, "acme", "ada", "policy", "read").allowed
    assert not access.may("", "")
    assert not access.may("policy", "read")


@pytest.mark.parametrize(
    ("tenant", "principal", "requested", "action"),
    [("", "root", "policy", "read"), ("acme", "", "policy", "read"), ("acme", "root", "", "read"), ("acme", "root", "policy", "")],
)
def test_an_empty_part_means_no_whatever_the_rules_say(tenant: str, principal: str, requested: str, action: str) -> None:
    rule = parse_rule("acme", "everyone", "*", "*", "allow")
    assert enforce(make_enforcer([rule]), "acme", "root", "policy", "read").allowed
    assert not enforce(make_enforcer([rule]), tenant, principal, requested, action).allowed
    if tenant:
        assert not compile_access(_set(rule), Catalog(), Identity("acme", principal)).may(requested, action)


def test_a_denial_spelt_with_a_capital_is_refused_where_casbin_would_ignore_it() -> None:
    allow = parse_rule("acme", "ada", "memory:*", "read", "allow")
    ignored = Rule("ada", "acme", "memory:secret", "read", "Deny")  # type: ignore[arg-type]
    assert enforce(make_enforcer([allow, ignored]), "acme", "ada", "memory:secret", "read").allowed
    with pytest.raises(BadInput, match="did you mean deny"):
        RuleSet.load("acme", 1, [("p", allow.stored().values), ("p", ignored.stored().values)])


def test_one_rule_that_lacks_a_field_refuses_the_whole_set_before_casbin_sees_it() -> None:
    allow = parse_rule("acme", "ada", "memory:*", "read", "allow")
    with pytest.raises(BadInput, match="effect is missing"):
        RuleSet.load("acme", 1, [("p", allow.stored().values), ("p", ("ada", "acme", "memory:x", "read"))])


def test_an_error_inside_casbin_means_no() -> None:
    enforcer = make_enforcer([parse_rule("acme", "ada", "memory:*", "read", "allow")])
    enforcer.model["p"]["p"].policy.append(["ada", "acme", "memory:x", "read"])  # type: ignore[attr-defined]
    assert not enforce(enforcer, "acme", "ada", "memory:y", "write").allowed


def test_the_role_graph_of_an_enforcer_in_use_is_untouched_while_a_new_one_is_made() -> None:
    rule, line = parse_rule("acme", "reader", "memory:*", "read", "allow"), parse_assignment("acme", "ada", "reader")
    in_use = make_enforcer([rule, line])
    answers: list[bool] = []

    class Watching(list[Rule]):
        """Asks the enforcer in use while the new one reads its rules."""

        def __iter__(self):  # type: ignore[no-untyped-def]
            answers.append(enforce(in_use, "acme", "ada", "memory:x", "read").allowed)
            return super().__iter__()

    make_enforcer(Watching([rule]))
    assert answers == [True]
    assert enforce(in_use, "acme", "ada", "memory:x", "read").allowed
    assert not enforce(make_enforcer([rule]), "acme", "ada", "memory:x", "read").allowed


def test_a_denial_with_a_wildcard_outweighs_a_permission_where_a_fast_enforcer_would_miss_it() -> None:
    allow = parse_rule("acme", "ada", "memory:team/a", "read", "allow")
    deny = parse_rule("acme", "ada", "memory:team/*", "read", "deny")
    enforcer = make_enforcer([allow, deny])
    assert not isinstance(enforcer, casbin.FastEnforcer)
    assert not enforce(enforcer, "acme", "ada", "memory:team/a", "read").allowed
    assert not compile_access(_set(allow, deny), Catalog(), Identity("acme", "ada")).may("memory:team/a", "read")


def test_rules_of_another_tenant_do_not_count() -> None:
    enforcer = make_enforcer([Rule("ada", "other", "*", "*", "allow"), Assignment("ada", "admin", "other")])
    assert not enforce(enforcer, "acme", "ada", "policy", "read").allowed

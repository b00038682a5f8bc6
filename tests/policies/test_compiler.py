"""The compiled table answers exactly as Casbin does, and everything readable agrees with it."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput
from cairn.graph.access import Access, Bound, Identity
from cairn.graph.database import Database
from cairn.graph.statements import Statement
from cairn.graph.tenants import Catalog
from cairn.policies.compiler import compile_access
from cairn.policies.model import enforce, make_enforcer
from cairn.policies.patterns import action_matches, check_pattern, object_matches
from cairn.policies.rules import EVERYONE, Assignment, Rule, parse_assignment, parse_rule
from cairn.policies.ruleset import RuleSet

PRINCIPALS = ("ada", "bob", "a.b")
ROLES = ("r0", "r1", "r2", "r3", "ada")
KINDS = ("memory", "state", "graph", "agent", "policy")


def _is_pattern(text: str) -> bool:
    try:
        return check_pattern(text) == text
    except BadInput:
        return False


_pattern_paths = st.lists(st.sampled_from(["team", "x", "ada", "a.b", "*", "{principal}", "x-{principal}"]), min_size=1, max_size=4)
_patterns = st.one_of(
    st.just("*"),
    st.sampled_from(KINDS),
    st.sampled_from(KINDS).map(lambda kind: f"{kind}:*"),
    st.builds(lambda kind, path: f"{kind}:{'/'.join(path)}", st.sampled_from(KINDS), _pattern_paths),
).filter(_is_pattern)
_object_paths = st.lists(
    st.sampled_from(["team", "x", "ada", "bob", "a.b", "aXb", "x-ada", "xy", "", "*", "{principal}"]), min_size=1, max_size=5
)
_objects = st.one_of(
    st.sampled_from([*KINDS, "", "*", ":", "fly"]),
    st.builds(lambda kind, path: f"{kind}:{'/'.join(path)}", st.sampled_from([*KINDS, "other"]), _object_paths),
)
_actions = st.sampled_from(["read", "write", "delete", "admin", "fly", "", "*"])
_effects = st.sampled_from(["allow", "allow", "deny"])
_rules = st.builds(
    lambda *fields: parse_rule("acme", *fields),
    st.sampled_from([*PRINCIPALS, *ROLES, EVERYONE]),
    _patterns,
    st.sampled_from(["read", "write", "delete", "admin", "*"]),
    _effects,
)
_assignments = st.builds(
    lambda member, role: parse_assignment("acme", member, role), st.sampled_from([*PRINCIPALS, *ROLES]), st.sampled_from(ROLES)
)
_sets = st.lists(st.one_of(_rules, _assignments), max_size=25).map(lambda lines: RuleSet("acme", 3, {line.text: line for line in lines}))
_requests = st.lists(st.tuples(st.sampled_from([*PRINCIPALS, "eve", "", "r0", "a/b"]), _objects, _actions), min_size=1, max_size=30)


def _access(rules: RuleSet, principal: str = "ada", catalog: Catalog | None = None, hideable: frozenset[str] = frozenset()) -> Access:
    return compile_access(rules, catalog or Catalog(), Identity(rules.tenant, principal), hideable)


def _rule_set(*lines: Rule | Assignment) -> RuleSet:
    return RuleSet("acme", 1, {line.text: line for line in lines})


def _allow(subject: str, pattern: str, action: str = "read") -> Rule:
    return parse_rule("acme", subject, pattern, action, "allow")


def _deny(subject: str, pattern: str, action: str = "read") -> Rule:
    return parse_rule("acme", subject, pattern, action, "deny")


def _give(member: str, role: str) -> Assignment:
    return parse_assignment("acme", member, role)


@given(_sets, _requests)
@settings(max_examples=300, deadline=None)
def test_the_table_answers_as_casbin_does_and_names_a_rule_that_decides(rules: RuleSet, requests: list[tuple[str, str, str]]) -> None:
    enforcer = make_enforcer(rules.lines.values())
    for principal, requested, action in requests:
        decision = _access(rules, principal).decide(requested, action)
        judged = enforce(enforcer, "acme", principal, requested, action)
        assert enforce(rules.enforcer_for(principal), "acme", principal, requested, action).allowed == judged.allowed
        assert decision.allowed == judged.allowed, (principal, requested, action)
        assert (decision.rule is None) == (judged.rule is None)
        if decision.rule is not None:
            line = rules.lines[decision.rule]
            assert isinstance(line, Rule)
            assert line.effect == ("allow" if decision.allowed else "deny")
            assert line.subject in {*rules.reach(principal), EVERYONE}
            assert object_matches(requested, line.object, principal)
            assert action_matches(action, line.action)


@given(_sets, st.lists(_object_paths.map("/".join), unique=True), st.sampled_from(PRINCIPALS))
@settings(max_examples=200, deadline=None)
def test_what_is_readable_is_exactly_what_may_be_read_one_by_one(rules: RuleSet, paths: list[str], principal: str) -> None:
    numbered = tuple((path, index) for index, path in enumerate(sorted(paths)))
    local = tuple((path, index + 1_000) for path, index in numbered)
    access = _access(rules, principal, Catalog(tuple(sorted(paths)), numbered, local))
    scopes = {path for path in paths if access.may(f"memory:{path}", "read")}
    assert set(access.scopes) == scopes
    named = {index for path, index in numbered if access.may(f"graph:{path}", "read")}
    assert set(access.graphs) == named | {index for path, index in local if path in scopes}
    for path in paths:
        allowed = any(re.fullmatch(p, path) for p in access.state_allow) and not any(re.fullmatch(p, path) for p in access.state_deny)
        assert allowed == access.may(f"state:{path}", "read"), path


_bounds = st.lists(st.builds(Bound, _patterns, st.sampled_from(["read", "write", "delete", "admin", "*"])), min_size=1, max_size=4)


@given(_sets, _bounds, st.lists(_object_paths.map("/".join), unique=True), _requests)
@settings(max_examples=200, deadline=None)
def test_a_narrowed_credential_may_what_its_principal_may_within_its_bounds(
    rules: RuleSet, bounds: list[Bound], paths: list[str], requests: list[tuple[str, str, str]]
) -> None:
    numbered = tuple((path, index) for index, path in enumerate(sorted(paths)))
    catalog = Catalog(tuple(sorted(paths)), numbered, tuple((path, index + 1_000) for path, index in numbered))
    whole = _access(rules, "ada", catalog)
    narrow = compile_access(rules, catalog, Identity("acme", "ada", bounds=tuple(bounds)))

    def within(requested: str, action: str) -> bool:
        return any(object_matches(requested, bound.object, "ada") and action_matches(action, bound.action) for bound in bounds)

    for _, requested, action in requests:
        assert narrow.may(requested, action) == (whole.may(requested, action) and within(requested, action)), (requested, action)
    assert set(narrow.scopes) == {path for path in whole.scopes if within(f"memory:{path}", "read")}
    assert set(narrow.graphs) <= set(whole.graphs)
    for path, index in numbered:
        assert (index in narrow.graphs) == narrow.may(f"graph:{path}", "read")
        assert (index + 1_000 in narrow.graphs) == narrow.may(f"memory:{path}", "read")
        states = any(re.fullmatch(p, path) for p in narrow.state_allow) and not any(re.fullmatch(p, path) for p in narrow.state_deny)
        assert states == narrow.may(f"state:{path}", "read"), path
    assert narrow.fingerprint != whole.fingerprint
    assert narrow.hidden_fields == whole.hidden_fields


@given(_sets, st.lists(st.sampled_from([*ROLES, "nobody", EVERYONE]), max_size=3), _requests)
@settings(max_examples=200, deadline=None)
def test_lent_roles_are_as_good_as_assigned_ones(rules: RuleSet, lent: list[str], requests: list[tuple[str, str, str]]) -> None:
    known = [role for role in lent if role in rules.roles and role != EVERYONE]
    assigned = RuleSet("acme", 3, {**rules.lines, **{line.text: line for line in (_give("eve", role) for role in known)}})
    borrower = compile_access(rules, Catalog(), Identity("acme", "eve", tuple(lent)))
    owner = compile_access(assigned, Catalog(), Identity("acme", "eve"))
    for _, requested, action in requests:
        assert borrower.may(requested, action) == owner.may(requested, action)
    assert (borrower.state_allow, borrower.state_deny, borrower.hidden_fields) == (owner.state_allow, owner.state_deny, owner.hidden_fields)


def test_callers_with_other_scopes_share_no_answers() -> None:
    rules = _rule_set(_allow("ada", "memory:*"), _allow("ada", "graph:*"))

    def fingerprint(*bounds: Bound, principal: str = "ada") -> str:
        return compile_access(rules, Catalog(), Identity("acme", principal, bounds=bounds or None)).fingerprint

    mine = Bound("memory:agent/{principal}", "read")
    prints = [fingerprint(), fingerprint(mine), fingerprint(Bound("memory:*", "read")), fingerprint(Bound("memory:*", "write"))]
    assert len(set(prints)) == 4
    assert fingerprint(mine, principal="bob") != fingerprint(mine, principal="eve")
    assert fingerprint(mine, Bound("policy", "read")) == fingerprint(Bound("policy", "read"), mine)


_READ_STATES = Statement(
    "read_states",
    "which paths Neo4j finds readable",
    "CYPHER 25 UNWIND $paths AS path RETURN any(p IN $allow WHERE path =~ p) AND none(p IN $deny WHERE path =~ p) AS readable",
)
_odd = st.text(st.sampled_from("aE1.+*?()[]{}^$|\\Q&#~-/ '\"\t\u0085é\U0001f600,"), min_size=1, max_size=6)


def _odd_rule_sets() -> st.SearchStrategy[RuleSet]:
    patterns = st.lists(st.one_of(_odd, st.sampled_from(["*", "{principal}"])), min_size=1, max_size=3).map(
        lambda s: "state:" + "/".join(s)
    )
    rule = st.builds(_allow, st.just("ada"), patterns.filter(_is_pattern)) | st.builds(_deny, st.just("ada"), patterns.filter(_is_pattern))
    return st.lists(rule, min_size=1, max_size=6).map(lambda lines: _rule_set(*lines))


_odd_segments = _odd.filter(lambda path: _is_pattern(f"state:{path}"))


@pytest.mark.anyio
@given(_odd_rule_sets(), st.lists(_odd, min_size=1, max_size=10), st.none() | st.lists(_odd_segments, min_size=1, max_size=2))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_neo4j_reads_the_expressions_for_states_as_the_table_decides(
    database: Database, rules: RuleSet, paths: list[str], narrow: list[str] | None
) -> None:
    bounds = None if narrow is None else (Bound(f"state:{'/'.join(narrow)}", "read"),)
    access = compile_access(rules, Catalog(), Identity("acme", "ada", bounds=bounds))
    written = [line.object.removeprefix("state:") for line in rules.lines.values() if isinstance(line, Rule)]
    patterned = [path.replace("*", "z").replace("{principal}", "ada") for path in written]
    asked = [*paths, *patterned, *(f"{path}/b" for path in patterned), *(f"{path}/b\u0085c" for path in patterned)]
    rows = await database.read(_READ_STATES, {"paths": asked, "allow": list(access.state_allow), "deny": list(access.state_deny)})
    assert [row["readable"] for row in rows] == [access.may(f"state:{path}", "read") for path in asked]


def test_roles_are_inherited_and_a_denial_anywhere_wins() -> None:
    rules = _rule_set(_give("ada", "lead"), _give("lead", "member"), _allow("member", "memory:team/*"), _deny("lead", "memory:team/hr/*"))
    access = _access(rules, catalog=Catalog(("public", "team", "team/a", "team/hr", "team/hr/pay")))
    assert access.roles == ("lead", "member")
    assert access.scopes == ("team", "team/a")
    assert access.decide("memory:team/hr/pay", "read").rule == "p, lead, memory:team/hr/*, read, deny"
    assert access.decide("memory:team/a", "read").rule == "p, member, memory:team/*, read, allow"
    assert access.decide("memory:public", "read").rule is None


def test_inheritance_reaches_as_far_as_casbins() -> None:
    chain = [_give(f"r{n}", f"r{n + 1}") for n in range(12)]
    rules = _rule_set(_give("ada", "r0"), *chain, *(_allow(f"r{n}", f"memory:level{n}") for n in range(13)))
    access = _access(rules)
    mine = [access.may(f"memory:level{n}", "read") for n in range(13)]
    enforcer = make_enforcer(rules.lines.values())
    assert mine == [enforce(enforcer, "acme", "ada", f"memory:level{n}", "read").allowed for n in range(13)]
    assert mine == [True] * 9 + [False] * 4


def test_the_most_specific_rule_explains() -> None:
    rules = _rule_set(_allow("ada", "*", "*"), _allow("ada", "memory:*"), _allow("ada", "memory:team/x"))
    assert _access(rules).decide("memory:team/x", "read").rule == "p, ada, memory:team/x, read, allow"
    assert _access(rules).decide("memory:team/y", "read").rule == "p, ada, memory:*, read, allow"


def test_a_principal_whose_id_holds_a_slash_has_nothing() -> None:
    rules = _rule_set(_allow("everyone", "memory:agent/{principal}/*", "*"), _allow("everyone", "*", "*"))
    access = _access(rules, "ada/x", Catalog(("agent/ada/x",), (("http://g", 1),)))
    assert (access.scopes, access.graphs, access.state_allow, access.roles) == ((), (), (), ())
    assert not access.may("memory:agent/ada/x", "read")


def test_fields_are_hidden_by_denials() -> None:
    hideable = frozenset({"Memory.text", "Memory.speaker"})
    shown = _allow("everyone", "field:*")
    rules = _rule_set(shown, _deny("auditor", "field:Memory.text"), _give("ada", "auditor"))
    assert _access(rules, "ada", hideable=hideable).hidden_fields == {"Memory.text"}
    assert _access(rules, "bob", hideable=hideable).hidden_fields == frozenset()
    assert _access(_rule_set(shown, _deny("ada", "field:*")), hideable=hideable).hidden_fields == hideable
    assert _access(_rule_set(shown, _deny("ada", "field:Agent.gone")), hideable=hideable).hidden_fields == {"Agent.gone"}
    assert _access(_rule_set(), hideable=hideable).hidden_fields == hideable


def test_scope_graphs_follow_the_memory_scope_and_not_the_permission_on_graphs() -> None:
    catalog = Catalog(("agent/bob", "public"), (("http://g", 1),), (("agent/bob", 7), ("public", 8)))
    access = _access(_rule_set(_allow("ada", "graph:*"), _allow("ada", "memory:public")), catalog=catalog)
    assert access.graphs == (1, 8)


def test_fingerprints_are_equal_exactly_when_answers_are() -> None:
    role = [_allow("reader", "memory:public/*"), _give("ada", "reader"), _give("bob", "reader")]
    catalog = Catalog(("agent/ada", "agent/bob", "public"))

    def prints(rules: RuleSet, seen: Catalog = catalog) -> list[str]:
        return [_access(rules, name, seen).fingerprint for name in ("ada", "bob")]

    shared = prints(_rule_set(*role))
    assert shared[0] == shared[1]
    assert prints(_rule_set(*role).plus(_give("eve", "reader"))) == shared
    own = prints(_rule_set(*role, _allow("everyone", "memory:agent/{principal}/*")))
    assert len({*own, *shared}) == 3
    named = prints(_rule_set(*role, _allow("ada", "ledger")))
    assert named[0] != shared[0]
    assert named[1] == shared[1]
    assert prints(_rule_set(*role), Catalog((*catalog.scopes, "public/new")))[0] != shared[0]


@given(_sets, st.lists(st.one_of(_rules, _assignments), max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_set_that_was_changed_step_by_step_is_the_set_made_at_once(rules: RuleSet, lines: list[Rule | Assignment]) -> None:
    changed = rules
    for principal in PRINCIPALS:
        _access(changed, principal)
    for line in lines:
        changed = changed.minus(line) if line.text in changed.lines else changed.plus(line)
    fresh = RuleSet("acme", changed.version, changed.lines)
    assert changed.version == rules.version + len(lines)
    assert changed.hash == fresh.hash
    for principal in (*PRINCIPALS, "r0"):
        assert _access(changed, principal) == _access(fresh, principal)


@pytest.mark.parametrize(("pattern", "count"), [("team/*", 3), ("team", 1), ("team/*/b", 1), ("team/*/*", 2), ("*", 9)])
def test_neighbours_in_the_order_of_scopes_are_not_taken_for_children(pattern: str, count: int) -> None:
    scopes = ("tea", "team", "team-a", "team.a", "team/a", "team/a/b", "team0", "team:a", "teams")
    access = _access(_rule_set(_allow("ada", f"memory:{pattern}")), catalog=Catalog(scopes))
    assert access.scopes == tuple(scope for scope in scopes if access.may(f"memory:{scope}", "read"))
    assert len(access.scopes) == count

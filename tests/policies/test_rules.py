"""Rules and assignments as values: what is refused, and that nothing incomplete gets through."""

from __future__ import annotations

import pytest

from cairn.errors import BadInput
from cairn.policies.rules import Assignment, Rule, is_principal, parse_assignment, parse_rule, parse_stored


def test_a_rule_reads_as_it_is_written() -> None:
    rule = parse_rule("acme", "curator", "graph:*", "read", "allow")
    assert rule == Rule("curator", "acme", "graph:*", "read", "allow")
    assert rule.text == rule.stored().text == "p, curator, graph:*, read, allow"
    assert rule.stored().values == ("curator", "acme", "graph:*", "read", "allow")


def test_an_assignment_reads_as_it_is_written() -> None:
    line = parse_assignment("acme", "ada", "curator")
    assert line == Assignment("ada", "curator", "acme")
    assert line.text == line.stored().text == "g, ada, curator"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (("", "memory:*", "read", "allow"), "subject is missing"),
        (("ada", "", "read", "allow"), "object is missing"),
        (("ada", "memory:*", "", "allow"), "action is missing"),
        (("ada", "memory:*", "read", ""), "effect is missing"),
        (("ada", "memory:*", "read", "Deny"), "did you mean deny"),
        (("ada", "memory:*", "read", "DENY "), "did you mean deny"),
        (("ada", "memory:*", "read", "forbid"), "allow or deny"),
        (("ada", "memory:*", "Read", "allow"), "did you mean read"),
        (("ada", "memory:*", "fly", "allow"), "action must be"),
        (("a/b", "memory:*", "read", "allow"), "subject"),
        (("*", "memory:*", "read", "allow"), "subject"),
        (("ada\x00", "memory:*", "read", "allow"), "subject"),
        (("a" * 201, "memory:*", "read", "allow"), "subject"),
        (("ada", "nothing:*", "read", "allow"), "kind"),
    ],
)
def test_a_bad_rule_is_refused_by_the_field_at_fault(fields: tuple[str, str, str, str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_rule("acme", *fields)


@pytest.mark.parametrize(
    ("ptype", "values", "says"),
    [
        ("p", ("ada", "acme", "memory:*", "read"), "effect is missing"),
        ("p", ("ada", "acme", "memory:*"), "action is missing"),
        ("p", (), "subject is missing"),
        ("p", ("ada", "acme", None, "read", "allow"), "object is missing"),
        ("p", ("ada", "acme", 7, "read", "allow"), "must be text"),
        ("p", ("ada", "acme", "memory:*", "read", "Deny"), "did you mean deny"),
        ("p", ("ada", "acme", "memory:*", "read", "allow", "more"), "6 fields"),
        ("p", ("ada", "other", "memory:*", "read", "allow"), "another tenant"),
        ("g", ("ada", "curator"), "tenant is missing"),
        ("g", ("ada", "curator", "other"), "another tenant"),
        ("g", ("everyone", "admin", "acme"), "everyone"),
        ("g", ("ada", "everyone", "acme"), "everyone"),
        ("g2", ("ada", "curator", "acme"), "type p or g"),
    ],
)
def test_a_bad_stored_line_is_refused(ptype: str, values: tuple[object, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_stored("acme", ptype, values)


@pytest.mark.parametrize(("name", "expected"), [("ada", True), ("a@b.c", True), ("", False), ("a/b", False), ("*", False), ("a b", False)])
def test_only_one_segment_can_be_a_principal(name: str, expected: bool) -> None:
    assert is_principal(name) is expected

"""What a pattern covers, and which patterns a rule may hold."""

from __future__ import annotations

import pytest

from cairn.errors import BadInput
from cairn.graph.access import Identity
from cairn.graph.tenants import Catalog
from cairn.policies.compiler import compile_access
from cairn.policies.patterns import action_matches, check_pattern, object_matches
from cairn.policies.rules import parse_rule
from cairn.policies.ruleset import RuleSet


@pytest.mark.parametrize(
    ("pattern", "requested", "expected"),
    [
        ("memory:team/research", "memory:team/research", True),
        ("memory:team/research", "memory:team/research/x", False),
        ("memory:team/research/*", "memory:team/research", True),
        ("memory:team/research/*", "memory:team/research/x", True),
        ("memory:team/research/*", "memory:team/research/x/y", True),
        ("memory:team/research/*", "memory:team/researchers", False),
        ("memory:team/research/*", "memory:team", False),
        ("memory:*", "memory:public", True),
        ("memory:*", "memory", True),
        ("memory:*", "memoryx:public", False),
        ("policy:*", "policy", True),
        ("policy", "policy", True),
        ("policy", "policy:x", False),
        ("*", "anything at all", True),
        ("memory:team/*/notes", "memory:team/a/notes", True),
        ("memory:team/*/notes", "memory:team/a/b/notes", False),
        ("memory:team/*/notes", "memory:team//notes", False),
        ("memory:*/notes", "memory:a/notes", True),
        ("memory:*/notes", "memory:notes", False),
        ("memory:*/notes/*", "memory:a/notes", True),
        ("memory:*/notes/*", "memory:a/notes/deep/er", True),
        ("memory:agent/{principal}/*", "memory:agent/ada", True),
        ("memory:agent/{principal}/*", "memory:agent/ada/x", True),
        ("memory:agent/{principal}/*", "memory:agent/bob", False),
        ("memory:agent/{principal}/*", "memory:agent/{principal}", False),
        ("agent:{principal}", "agent:ada", True),
        ("graph:http://example.org/*", "graph:http://example.org/a?b=c", True),
        ("graph:http://example.org/*", "graph:http://example.organic/a", False),
        ("graph:http://*/data", "graph:http://example.org/data", True),
        ("graph:http://a.b/c", "graph:http://aXb/c", False),
        ("state:agent/ada/mood", "memory:agent/ada/mood", False),
    ],
)
def test_a_pattern_covers_what_it_says(pattern: str, requested: str, expected: bool) -> None:
    assert object_matches(requested, pattern, "ada") is expected
    rule = parse_rule("acme", "ada", pattern, "read", "allow")
    access = compile_access(RuleSet("acme", 1, {rule.text: rule}), Catalog(), Identity("acme", "ada"))
    assert access.may(requested, "read") is expected


@pytest.mark.parametrize(
    ("action", "covered"),
    [
        ("read", {"read"}),
        ("write", {"write"}),
        ("delete", {"delete"}),
        ("admin", {"read", "write", "delete", "admin"}),
        ("*", {"read", "write", "delete", "admin"}),
    ],
)
def test_admin_and_the_star_cover_every_action_and_nothing_unknown(action: str, covered: set[str]) -> None:
    asked = ("read", "write", "delete", "admin", "*", "", "Read", "fly")
    assert {requested for requested in asked if action_matches(requested, action)} == covered


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "memory:*",
        "memory:team/*",
        "memory:agent/{principal}/*",
        "memory:*/notes",
        "state:agent/{principal}/my key, with (marks)",
        "graph:http://example.org/a?b=c#d",
        "graph:urn:example:x",
        "field:Memory.text",
        "field:*",
        "policy",
        "policy:*",
        "agent:{principal}",
    ],
)
def test_good_patterns_are_taken(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "1 to 2000 characters"),
        ("memory:" + "x" * 2_000, "1 to 2000 characters"),
        ("memory:a\nb", "control character"),
        (" memory:a", "white space"),
        ("memry:a", "begin with a kind"),
        ("memory", "lacks a path"),
        ("memory:", "lacks a path"),
        ("policy/*", "begin with a kind"),
        ("policy:x", "may not have a path"),
        ("memory:team/re*", "whole segment"),
        ("memory:**", "whole segment"),
        ("memory:team//x", "scope"),
        ("memory:/team", "scope"),
        ("memory:team/{user}", "braces"),
        ("agent:a/b", "agent's id"),
        ("field:text", "field:Type.name"),
        ("field:Memory.*", "whole segment"),
        ("graph:http://a b/", "IRI"),
        ("graph:<http://a/>", "IRI"),
        ("memory:a\ud800", "control character"),
    ],
)
def test_malformed_patterns_are_refused_with_a_reason(pattern: str, says: str) -> None:
    with pytest.raises(BadInput, match=says.replace("*", r"\*")):
        check_pattern(pattern)

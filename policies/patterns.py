"""Objects, actions and the patterns that cover them.

An object is a kind, such as `policy`, or a kind and a path, such as `memory:team/research`. In a rule's pattern

* `*` covers everything and `kind:*` everything of that kind;
* a trailing `/*` covers what stands before it and everything below;
* a `*` elsewhere stands for one path segment that is not empty;
* `{principal}` stands for the id of whoever asks.

`object_matches` and `action_matches` are what the Casbin model calls: they say what a pattern means. `expression` says it as a
regular expression for Neo4j, `policies/grants.py` as a tree for fast checks. Tests hold the three together.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ..errors import BadInput
from ..graph.names import check_id, check_name, check_scope

ACTIONS = ("read", "write", "delete", "admin")
EVERYTHING = "*"
PRINCIPAL = "{principal}"
LONGEST = 2_000
BARE = ("community", "encryption", "import", "key", "ledger", "model", "policy")
"""Kinds whose object is the kind alone."""
WITH_PATH = ("agent", "field", "graph", "memory", "state")
"""Kinds whose objects have a path."""

_FIELD = re.compile(r"[A-Za-z]\w*\.[A-Za-z]\w*")


def object_matches(requested: str, pattern: str, principal: str) -> bool:
    """Whether `pattern`, in a rule, covers the object `requested` when `principal` asks."""
    if pattern == EVERYTHING:
        return True
    kind, colon, path = pattern.partition(":")
    asked_kind, asked_colon, asked_path = requested.partition(":")
    if asked_kind != kind:
        return False
    if path == EVERYTHING:
        return True
    if EVERYTHING not in path:
        return colon == asked_colon and asked_path == path.replace(PRINCIPAL, principal)
    return bool(asked_colon) and _compiled(path, principal).fullmatch(asked_path) is not None


def action_matches(requested: str, action: str) -> bool:
    """Whether `action`, in a rule, covers the action `requested`: `*` and `admin` cover all four, in permissions and denials alike."""
    return requested in ACTIONS and (action == requested or action in {EVERYTHING, "admin"})


def expression(path: str, principal: str) -> str:
    """A regular expression that matches, in full, exactly what a pattern's `path` covers. Python and Java read it alike."""
    if path == EVERYTHING:
        return "(?s:.*)"
    *above, last = path.split("/")
    if last != EVERYTHING:
        return "/".join(_segment(segment, principal) for segment in (*above, last))
    return "/".join(_segment(segment, principal) for segment in above) + "(?s:/.*)?"


def _segment(segment: str, principal: str) -> str:
    return "[^/]+" if segment == EVERYTHING else re.escape(segment.replace(PRINCIPAL, principal))


@lru_cache(maxsize=16_384)
def _compiled(path: str, principal: str) -> re.Pattern[str]:
    return re.compile(expression(path, principal))


def check_pattern(pattern: str) -> str:
    """`pattern` when a rule may hold it. Raises BadInput that says what is wrong with it and how to write it."""
    check_name("a rule's object", pattern, LONGEST)
    if pattern == EVERYTHING:
        return pattern
    kind, colon, path = pattern.partition(":")
    if kind not in BARE and kind not in WITH_PATH:
        raise BadInput(f"a rule's object {pattern!r} must begin with a kind it knows: {', '.join(sorted((*BARE, *WITH_PATH)))}")
    if colon and path == EVERYTHING:
        return pattern
    if kind in BARE:
        if colon or path:
            raise BadInput(f"a rule's object {pattern!r} may not have a path; write {kind!r}")
        return pattern
    if not path:
        raise BadInput(f"a rule's object {pattern!r} lacks a path; write '{kind}:*' for every {kind}")
    _check_path(pattern, kind, path)
    return pattern


def _check_path(pattern: str, kind: str, path: str) -> None:
    if any(EVERYTHING in segment and segment != EVERYTHING for segment in path.split("/")):
        raise BadInput(f"in a rule's object {pattern!r} a * must stand for a whole segment between slashes, such as team/*/notes or team/*")
    rest = path.replace(PRINCIPAL, "x")
    if "{" in rest or "}" in rest:
        raise BadInput(f"in a rule's object {pattern!r} braces may only stand around {PRINCIPAL}")
    plain = rest.replace(EVERYTHING, "x")
    if kind == "memory":
        check_scope(plain)
    elif kind == "agent":
        check_id("an agent's id in a rule's object", plain)
    elif kind == "field" and not _FIELD.fullmatch(path):
        raise BadInput(f"a rule's object {pattern!r} must name a field as field:Type.name, such as field:Memory.text, or be field:*")
    elif kind == "graph" and any(character.isspace() or character in '<>"\\^`|' for character in plain):
        raise BadInput(f"a rule's object {pattern!r} must hold an IRI; without < > \" \\ ^ ` | and white space")

"""The rules that a new tenant begins with, from `policies/seed.csv`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from .rules import Assignment, Rule, parse_assignment, parse_rule


def parse_seed(tenant: str, text: str) -> tuple[Rule | Assignment, ...]:
    """The lines of a seed. Raises BadInput for a malformed one."""
    lines: list[Rule | Assignment] = []
    for line in text.splitlines():
        ptype, *values = (field.strip() for field in line.split(" #")[0].split(","))
        if ptype.startswith("#") or not ptype:
            continue
        lines.append(parse_assignment(tenant, *values) if ptype == "g" else parse_rule(tenant, *values))
    return tuple(lines)


@cache
def _text() -> str:
    return (files("cairn.policies") / "seed.csv").read_text(encoding="utf-8")


def seeded_roles(tenant: str) -> frozenset[str]:
    """The names of the roles that a new tenant begins with, `everyone` among them."""
    return frozenset(line.subject for line in seed(tenant) if isinstance(line, Rule))


def seed(tenant: str) -> tuple[Rule | Assignment, ...]:
    """The rules and assignments that a new tenant begins with."""
    return parse_seed(tenant, _text())

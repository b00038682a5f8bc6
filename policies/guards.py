"""What must hold when rules change: roles exist and form no circle, only fields that can be hidden are, and somebody stays in charge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import BadInput, Conflict
from .compiler import Table
from .patterns import EVERYTHING, action_matches, object_matches
from .rules import EVERYONE, VOUCHED, Assignment, Rule
from .ruleset import MAX_HOPS, Line, RuleSet


def check_addition(rules: RuleSet, line: Line, hideable: frozenset[str]) -> None:
    """Raise BadInput when `line` must not be added to `rules`."""
    if isinstance(line, Assignment):
        _check_role(rules, line)
        _check_inheritance(rules, line)
    else:
        _check_field(line, hideable)


def _check_role(rules: RuleSet, line: Assignment) -> None:
    if line.role.startswith(VOUCHED):
        raise BadInput(f"{line.role!r} can't be a role; names that begin with {VOUCHED!r} are principals of identity providers")
    if line.role not in rules.roles:
        known = sorted(rules.roles - {EVERYONE})
        names = ", ".join(known[:50]) + (", ..." if len(known) > 50 else "")
        raise BadInput(f"there is no role {line.role!r}; known roles are {names}; to make a new one, add a rule for it first")


def _check_inheritance(rules: RuleSet, line: Assignment) -> None:
    if line.member in rules.reach(line.role):
        raise BadInput(f"{line.role!r} has the role {line.member!r} already, so giving it the other way round would make a circle")
    after = rules.plus(line)
    below = {line.member}
    while True:
        wider = below | {member for member, roles in after.roles_of.items() if not below.isdisjoint(roles)}
        if wider == below:
            break
        below = wider
    if any(_depth(after, member) > MAX_HOPS - 1 for member in below):
        raise BadInput(f"roles may inherit over at most {MAX_HOPS - 1} steps, and this would make more of them")


def _depth(rules: RuleSet, name: str) -> int:
    """How many steps the longest chain of roles above `name` has, as far as it matters."""
    depth, frontier = 0, {name}
    while depth <= MAX_HOPS:
        frontier = {role for member in frontier for role in rules.roles_of.get(member, ())}
        if not frontier:
            break
        depth += 1
    return depth


def _check_field(rule: Rule, hideable: frozenset[str]) -> None:
    kind, _, path = rule.object.partition(":")
    if kind == "field" and rule.effect == "deny" and path != EVERYTHING and path not in hideable:
        names = ", ".join(sorted(hideable)) or "none"
        raise BadInput(f"{path} can't be hidden, since it may never be null; fields that can be are {names}")


def concerns_administration(line: Line) -> bool:
    """Whether adding or removing `line` can change who may administer the policy."""
    if isinstance(line, Assignment):
        return True
    return action_matches("admin", line.action) and object_matches("policy", line.object, line.subject)


def check_somebody_stays(before: RuleSet, after: RuleSet, keyed: Iterable[str]) -> None:
    """Raise Conflict when nobody would be left who may administer the policy. `keyed`: principals with an API key that works.

    Principals without a key count too as long as none with a key was in charge before.
    """
    keyed = sorted(set(keyed))
    for candidates in (keyed, _unkeyed(before, keyed)):
        if any(_in_charge(after, candidates)):
            return
        last = next(_in_charge(before, candidates), None)
        if last is not None:
            raise Conflict(f"{last!r} would lose `admin` on `policy`, and nobody else has it; give it to somebody else first")


def _unkeyed(rules: RuleSet, keyed: list[str]) -> list[str]:
    """Members that are no roles themselves: principals, as far as rules can tell."""
    return sorted(rules.roles_of.keys() - rules.assigned - set(keyed) - {name for name in rules.roles_of if rules.grants(name).rules})


def _in_charge(rules: RuleSet, candidates: Iterable[str]) -> Iterator[str]:
    return (name for name in candidates if Table(rules, name).decide("policy", "admin").allowed)

"""All rules of one tenant at one version: validated as a whole, immutable, with what is derived from them kept beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..graph.rules import policy_hash
from .grants import Grants
from .model import Enforcer, make_enforcer
from .rules import EVERYONE, Assignment, Rule, parse_stored

MAX_HOPS = 9
"""Casbin follows inheritance this many steps; so do we, and refuse to write longer chains."""
_NO_GRANTS = Grants(())
Line = Rule | Assignment


class RuleSet:
    """The rules of `tenant` at `version`. Immutable: `plus` and `minus` give new ones.

    `lines`: every rule and assignment by its text. `roles_of`: what each member was assigned, one step. `assigned`: every role
    that has a member.
    """

    def __init__(self, tenant: str, version: int, lines: Mapping[str, Line], grants: Mapping[str, Grants] | None = None) -> None:
        self.tenant = tenant
        self.version = version
        self.lines = MappingProxyType(dict(lines))
        roles: dict[str, list[str]] = {}
        rules: dict[str, list[Rule]] = {}
        for line in lines.values():
            if isinstance(line, Assignment):
                roles.setdefault(line.member, []).append(line.role)
            else:
                rules.setdefault(line.subject, []).append(line)
        self.roles_of: Mapping[str, Sequence[str]] = roles
        self.assigned = frozenset(role for assigned in roles.values() for role in assigned)
        self._rules = rules
        self._grants = dict(grants or {})

    @classmethod
    def load(cls, tenant: str, version: int, stored: Iterable[tuple[str, Sequence[object]]], previous: RuleSet | None = None) -> RuleSet:
        """The set of these stored lines. Raises BadInput when a single one is malformed: half a policy is none.

        Lines that `previous` holds too were validated already. Trees over the rules are made here, so that no first check waits for
        them, but for subjects whose rules are those of `previous`.
        """
        known: dict[tuple[object, ...], Line] = {}
        if previous is not None:
            known = {line.stored().values: line for line in previous.lines.values()}
        lines: dict[str, Line] = {}
        for ptype, values in stored:
            line = known.get(tuple(values)) or parse_stored(tenant, ptype, values)
            lines[line.text] = line
        found = cls(tenant, version, lines)
        for subject, rules in found._rules.items():
            same = previous is not None and previous._rules.get(subject) == rules
            found._grants[subject] = previous.grants(subject) if previous is not None and same else Grants(rules)
        return found

    def plus(self, line: Line) -> RuleSet:
        """The next version, with `line` as well."""
        return self._next({**self.lines, line.text: line}, line)

    def minus(self, line: Line) -> RuleSet:
        """The next version, without `line`."""
        return self._next({text: other for text, other in self.lines.items() if text != line.text}, line)

    def _next(self, lines: Mapping[str, Line], changed: Line) -> RuleSet:
        kept = dict(self._grants)
        if isinstance(changed, Rule):
            kept.pop(changed.subject, None)
        return RuleSet(self.tenant, self.version + 1, lines, kept)

    @property
    def hash(self) -> str:
        """What the ledger holds for `policy` when these rules stand."""
        return policy_hash(self.lines)

    @property
    def roles(self) -> frozenset[str]:
        """Names that can be assigned: those with rules, and those that somebody was assigned."""
        return self.assigned | self._rules.keys()

    def reach(self, name: str, lent: Sequence[str] = ()) -> tuple[str, ...]:
        """`name` itself, and every role that it has, directly, by being `lent` it, or through others, nearest first."""
        frontier = [role for role in (*self.roles_of.get(name, ()), *lent) if role != name]
        reached = dict.fromkeys((name, *frontier))
        for _ in range(MAX_HOPS - 1):
            frontier = [role for member in frontier for role in self.roles_of.get(member, ()) if role not in reached]
            reached.update(dict.fromkeys(frontier))
        return tuple(reached)

    def grants(self, subject: str) -> Grants:
        """The rules that name `subject`."""
        found = self._grants.get(subject)
        if found is None:
            rules = self._rules.get(subject)
            if rules is None:
                return _NO_GRANTS
            found = self._grants[subject] = Grants(rules)
        return found

    def enforcer_for(self, principal: str) -> Enforcer:
        """Casbin over those of the rules that can matter to `principal`: with them it answers as with all, and much sooner."""
        reached = self.reach(principal)
        rules = [rule for subject in {*reached, EVERYONE} for rule in self.grants(subject).rules]
        return make_enforcer([*rules, *(Assignment(name, role, self.tenant) for name in reached for role in self.roles_of.get(name, ()))])

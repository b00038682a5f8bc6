"""Rules and role assignments as values, and what one must look like.

Casbin takes anything: it ignores a rule whose effect is `Deny`, and a rule that lacks a field makes every later check fail.
So each is validated here before Casbin or the compiler sees it, when it is written and again when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from ..errors import BadInput
from ..graph.names import check_id
from ..graph.rules import StoredRule
from .patterns import ACTIONS, EVERYTHING, check_pattern

EVERYONE = "everyone"
"""The subject whose rules hold for every principal of the tenant."""
ADMIN = "admin"
"""The role that may do everything, and the first principal, which has that role by its name."""
VOUCHED = "oidc:"
"""How principals begin whom an identity provider vouches for, `oidc:<provider>:<subject>`. No API key and no role is so named."""
Effect = Literal["allow", "deny"]
_RULE_FIELDS = ("subject", "tenant", "object", "action", "effect")
_ASSIGNMENT_FIELDS = ("member", "role", "tenant")


@dataclass(frozen=True, slots=True)
class Rule:
    """`subject`, a principal or role, may (`allow`) or may not (`deny`) do `action` to the objects that `object` covers."""

    subject: str
    tenant: str
    object: str
    action: str
    effect: Effect

    @property
    def text(self) -> str:
        """The rule as people read it: `p, curator, graph:*, read, allow`. Within a tenant no two rules have the same."""
        return f"p, {self.subject}, {self.object}, {self.action}, {self.effect}"

    def stored(self) -> StoredRule:
        """The rule as it is stored."""
        return StoredRule("p", (self.subject, self.tenant, self.object, self.action, self.effect))


@dataclass(frozen=True, slots=True)
class Assignment:
    """`member`, a principal or role, has everything that `role` has."""

    member: str
    role: str
    tenant: str

    @property
    def text(self) -> str:
        """The assignment as people read it: `g, ada, curator`."""
        return f"g, {self.member}, {self.role}"

    def stored(self) -> StoredRule:
        """The assignment as it is stored."""
        return StoredRule("g", (self.member, self.role, self.tenant))


def is_principal(name: str) -> bool:
    """Whether `name` can be a principal's id. One with a slash, say, would make `{principal}` reach into another's scope."""
    try:
        return check_id("a principal's id", name) == name
    except BadInput:
        return False


def parse_rule(tenant: str, subject: str, object: str, action: str, effect: str) -> Rule:
    """The rule with these fields. Raises BadInput that names the field at fault and what it may be."""
    _complete(_RULE_FIELDS, (subject, tenant, object, action, effect))
    check_id("a rule's subject", subject)
    check_pattern(object)
    if action != EVERYTHING and action not in ACTIONS:
        raise BadInput(f"a rule's action must be {', '.join(ACTIONS)} or *, not {_short(action)}{_meant(action, ACTIONS)}")
    if effect not in {"allow", "deny"}:
        raise BadInput(f"a rule's effect must be allow or deny, not {_short(effect)}{_meant(effect, ('allow', 'deny'))}")
    return Rule(subject, tenant, object, action, cast("Effect", effect))


def parse_assignment(tenant: str, member: str, role: str) -> Assignment:
    """The assignment of `role` to `member`. Raises BadInput that names the field at fault."""
    _complete(_ASSIGNMENT_FIELDS, (member, role, tenant))
    check_id("a role's member", member)
    check_id("a role's name", role)
    if EVERYONE in {member, role}:
        raise BadInput(f"{EVERYONE!r} can't be assigned or given a role; its rules hold for every principal, so write a rule for it")
    return Assignment(member, role, tenant)


def parse_stored(tenant: str, ptype: str, values: Sequence[object]) -> Rule | Assignment:
    """What a stored line means. Raises BadInput for one that lacks a field, has one too many or belongs to another tenant."""
    fields = {"p": _RULE_FIELDS, "g": _ASSIGNMENT_FIELDS}.get(ptype)
    if fields is None:
        raise BadInput(f"a stored rule must be of type p or g, not {_short(ptype)}")
    _complete(fields, values)
    line = dict(zip(fields, cast("Sequence[str]", values), strict=True))
    if line["tenant"] != tenant:
        raise BadInput(f"a stored rule of tenant {tenant!r} names another tenant")
    if ptype == "g":
        return parse_assignment(tenant, line["member"], line["role"])
    return parse_rule(tenant, line["subject"], line["object"], line["action"], line["effect"])


def _complete(fields: Sequence[str], values: Sequence[object]) -> None:
    if len(values) > len(fields):
        raise BadInput(f"a rule has {len(values)} fields; it must have {len(fields)}: {', '.join(fields)}")
    for index, field in enumerate(fields):
        value = values[index] if index < len(values) else None
        if value is None or value == "":
            raise BadInput(f"a rule's {field} is missing; a rule has {', '.join(fields)}")
        if not isinstance(value, str):
            raise BadInput(f"a rule's {field} must be text, not {type(value).__name__}")


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:40]}...")


def _meant(value: str, choices: Sequence[str]) -> str:
    guess = value.strip().lower()
    return f"; did you mean {guess}?" if guess in choices else ""

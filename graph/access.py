"""`Access`: what one principal may do in one tenant, compiled from the Casbin rules.

Every verb that reads takes an `Access` and hands its scopes and graphs to the query as parameters, so that permission is a
filter inside the statement, never a check afterwards. The compiler lives in `policies`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import Forbidden


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is allowed, and the rule that decided (None: no rule matched, so no)."""

    allowed: bool
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One scope of a credential: the credential reaches what `object`, a pattern as in a rule, covers, for `action`."""

    object: str
    action: str

    @property
    def text(self) -> str:
        """As people read and write it: `memory:team/* read`."""
        return f"{self.object} {self.action}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a credential stands for.

    `roles`: roles that it lends to its principal besides those that the rules assign. `bounds`: it may do what its principal may,
    as far as one of these reaches; None: all of it.
    """

    tenant: str
    principal: str
    roles: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] | None = None


def _nothing(_object: str, _action: str) -> Decision:
    return Decision(allowed=False)


@dataclass(frozen=True, slots=True)
class Access:
    """One principal's compiled permissions at one policy version. Immutable; made anew when a rule, scope or graph changes.

    `scopes`: memory scopes the principal may read (`agent/ada`, `team/research`, `public`).
    `graphs`: numbers of the named graphs the principal may read, scope graphs of local entities included.
    `state_allow`, `state_deny`: regular expressions over `<scope>/<key>` that a readable state matches / must not match.
    `hidden_fields`: `Type.field` names that the principal may not read.
    `fingerprint`: hash of the effective grants; equal fingerprints give equal answers (for operations that don't name the principal).
    `lent`, `bounds`: what the caller's credential adds and takes away, as in its `Identity`; all of the above heeds them.
    `decide`: the exact decision table for single checks: Casbin's `enforce`, and within the bounds.
    """

    tenant: str
    principal: str
    roles: tuple[str, ...] = ()
    policy_version: int = 0
    fingerprint: str = ""
    scopes: tuple[str, ...] = ()
    graphs: tuple[int, ...] = ()
    state_allow: tuple[str, ...] = ()
    state_deny: tuple[str, ...] = ()
    hidden_fields: frozenset[str] = frozenset()
    lent: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] | None = None
    decide: Callable[[str, str], Decision] = field(default=_nothing, repr=False, compare=False)

    @property
    def identity(self) -> Identity:
        """Whose permissions these are, to ask for them anew."""
        return Identity(self.tenant, self.principal, self.lent, self.bounds)

    @property
    def narrowed(self) -> bool:
        """Whether the credential reaches less than its principal may do."""
        return self.bounds is not None

    def may(self, obj: str, action: str) -> bool:
        """Whether the principal may do `action` to `obj` (for example `memory:team/research`, `write`)."""
        return self.decide(obj, action).allowed

    def require(self, obj: str, action: str) -> None:
        """Raise `Forbidden` unless the principal may do `action` to `obj`."""
        if not self.may(obj, action):
            way_out = "the key has scopes, so look at those too" if self.narrowed else "ask an administrator for a rule that allows it"
            raise Forbidden(f"{self.principal} may not {action} {obj}; {way_out}")

"""The scopes of a credential: how far it reaches into what its principal may do.

A scope is written like a rule, as an object pattern and an action, and can only take away. Fields are left out: they are hidden by
denials, so what a credential may reach it sees as its principal does.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadInput
from ..graph.access import Bound, Identity
from .patterns import ACTIONS, EVERYTHING, PRINCIPAL, action_matches, check_pattern, expression, object_matches

MOST = 50
"""Scopes that one credential may have."""
_END = r"(?![\s\S])"
"""Where the text ends, to Python and Java alike."""


def parse_bounds(wanted: Sequence[tuple[str, str]] | None) -> tuple[Bound, ...] | None:
    """The bounds of these (object, action); None for None. Raises BadInput that says what is wrong with one."""
    if wanted is None:
        return None
    if not 1 <= len(wanted) <= MOST:
        raise BadInput(f"give 1 to {MOST} scopes, or none at all for a key that may do all that its principal may")
    return tuple(dict.fromkeys(_parse(object, action) for object, action in wanted))


def _parse(object: str, action: str) -> Bound:
    check_pattern(object)
    if object.partition(":")[0] == "field":
        raise BadInput(f"a scope can't be about fields, such as {object!r}; hide them by a rule that denies")
    if action != EVERYTHING and action not in ACTIONS:
        raise BadInput(f"a scope's action must be {', '.join(ACTIONS)} or *, not {action[:40]!r}")
    return Bound(object, action)


class Bounds:
    """The bounds of one identity. Without any, everything lies within.

    `texts`: what they say, in order, for a fingerprint. `states_outside`: regular expressions over `<scope>/<key>` for the states that
    may not be read on their account.
    """

    def __init__(self, identity: Identity) -> None:
        self._bounds = identity.bounds
        self._principal = identity.principal
        self.texts = None if self._bounds is None else sorted(bound.text.replace(PRINCIPAL, self._principal) for bound in self._bounds)
        self.states_outside = () if self._bounds is None else self._outside(self._bounds)

    def cover(self, requested: str, action: str) -> bool:
        """Whether `action` on the object `requested` lies within."""
        if self._bounds is None or requested.startswith("field:"):
            return True
        return any(
            action_matches(action, bound.action) and object_matches(requested, bound.object, self._principal) for bound in self._bounds
        )

    def within(self, kind: str, names: Sequence[str]) -> tuple[str, ...]:
        """Those of `names`, paths, whose object `kind:<path>` lies within for reading."""
        return tuple(name for name in names if self.cover(f"{kind}:{name}", "read"))

    def _outside(self, bounds: Sequence[Bound]) -> tuple[str, ...]:
        reading = [bound.object for bound in bounds if action_matches("read", bound.action)]
        if EVERYTHING in reading:
            return ()
        paths = [path for kind, _, path in (object.partition(":") for object in reading) if kind == "state" and path]
        inside = "|".join(sorted({expression(path, self._principal) for path in paths}))
        return (f"(?!(?:{inside}){_END})(?s:.*)",) if paths else ("(?s:.*)",)

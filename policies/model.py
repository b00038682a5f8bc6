"""The Casbin model and enforcers over it: what the rules mean. The compiled table is held to their answers.

An enforcer is made anew for each version of the rules and never loaded again: `load_policy` of a live one empties its role graph
while it works. Casbin's `FastEnforcer` is not used, since it looks rules up by equality and so misses denials with wildcards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Protocol, cast

import casbin
from casbin.model import Model
from casbin.persist import Adapter

from ..graph.access import Decision
from ..graph.rules import StoredRule
from .patterns import ACTIONS, action_matches, object_matches
from .rules import Assignment, Rule, is_principal

log = logging.getLogger("cairn.policies")
_MODEL = (files("cairn.policies") / "model.conf").read_text(encoding="utf-8")


class Enforcer(Protocol):
    """The part of a Casbin enforcer that is used here."""

    def enforce_ex(self, *request: str) -> tuple[bool, list[str]]: ...


class _Lines(Adapter):
    """Hands validated lines to Casbin as lists, in one go; Casbin's own `add_policy` compares each with all before it."""

    def __init__(self, lines: Iterable[Rule | Assignment]) -> None:
        self._lines = [line.stored() for line in lines]

    def load_policy(self, model: Any) -> None:
        for line in self._lines:
            model[line.ptype][line.ptype].policy.append(list(line.values))


def complete(subject: str, tenant: str, object: str, action: str) -> bool:
    """Whether a request can be answered with yes at all: no part is empty, the subject is an id and the action is known."""
    return bool(tenant) and bool(object) and action in ACTIONS and is_principal(subject)


def make_enforcer(lines: Iterable[Rule | Assignment]) -> Enforcer:
    """A Casbin enforcer over these rules, ready to answer. It only reads from then on."""
    model = cast("Any", Model())
    model.load_model_from_text(_MODEL)
    enforcer = cast("Any", casbin.Enforcer(model))
    for function in (complete, action_matches, object_matches):
        enforcer.add_function(function.__name__, function)
    enforcer.set_adapter(_Lines(lines))
    enforcer.load_policy()
    return enforcer


def enforce(enforcer: Enforcer, tenant: str, principal: str, object: str, action: str) -> Decision:
    """Casbin's answer, and a rule that led to it. Any error means no."""
    try:
        allowed, line = enforcer.enforce_ex(principal, tenant, object, action)
    except Exception:
        log.exception("Casbin failed; the answer is no")
        return Decision(allowed=False)
    return Decision(allowed is True, StoredRule("p", tuple(line)).text if line else None)

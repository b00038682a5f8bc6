"""Changing the rules: decided on the rules as they stand, written only if they still stand, in force here when the verb returns."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from ..errors import CairnError, NotFound
from ..graph.access import Access
from ..graph.changes import Idempotency, idempotency
from ..graph.keys import principals_with_keys
from ..graph.rules import Edit, PolicyChange, Stale, apply_edit
from ..graph.writer import Writer
from .accesses import Accesses
from .guards import check_addition, check_somebody_stays, concerns_administration
from .rules import parse_assignment, parse_rule
from .ruleset import Line, RuleSet

_ATTEMPTS = 8


class Administration:
    """The verbs that change rules and roles. Every one raises Forbidden without `admin` on `policy`, BadInput for what can't be a
    rule, Conflict when nobody would be left in charge, and takes effect on this replica before it returns.

    Adding what is there already changes nothing and says so. An idempotency key makes repeats safe.
    """

    def __init__(self, writer: Writer, accesses: Accesses) -> None:
        self._writer = writer
        self._accesses = accesses
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def add_rule(
        self, access: Access, subject: str, object: str, action: str, effect: str, idempotency_key: str | None = None
    ) -> PolicyChange:
        """Let (`allow`) or forbid (`deny`) `subject` to do `action` to what `object` covers."""
        rule = parse_rule(access.tenant, subject, object, action, effect)
        return await self._change(access, "policy.addRule", rule, True, idempotency_key)

    async def remove_rule(
        self, access: Access, subject: str, object: str, action: str, effect: str, idempotency_key: str | None = None
    ) -> PolicyChange:
        """Take a rule back. Raises NotFound when there is none exactly like it."""
        rule = parse_rule(access.tenant, subject, object, action, effect)
        return await self._change(access, "policy.removeRule", rule, False, idempotency_key)

    async def assign_role(self, access: Access, principal: str, role: str, idempotency_key: str | None = None) -> PolicyChange:
        """Give `principal`, or a role, everything that `role` has. Raises BadInput for an unknown role and for a circle."""
        return await self._change(access, "policy.assignRole", parse_assignment(access.tenant, principal, role), True, idempotency_key)

    async def unassign_role(self, access: Access, principal: str, role: str, idempotency_key: str | None = None) -> PolicyChange:
        """Take a role back. Raises NotFound when it was not assigned to `principal` itself."""
        return await self._change(access, "policy.unassignRole", parse_assignment(access.tenant, principal, role), False, idempotency_key)

    async def _change(self, access: Access, operation: str, line: Line, adds: bool, idempotency_key: str | None) -> PolicyChange:
        access.require("policy", "admin")
        once = idempotency(access.tenant, access.principal, operation, idempotency_key, line.text)
        async with self._locks.setdefault(access.tenant, asyncio.Lock()):
            for _ in range(_ATTEMPTS - 1):
                try:
                    return await self._attempt(access, operation, line, adds, once)
                except Stale:
                    continue
            return await self._attempt(access, operation, line, adds, once)

    async def _attempt(self, access: Access, operation: str, line: Line, adds: bool, once: Idempotency | None) -> PolicyChange:
        rules = await self._accesses.rules(access.tenant)
        effective = (line.text in rules.lines) != adds
        after = (rules.plus(line) if adds else rules.minus(line)) if effective else rules
        refusal = await self._refusal(rules, after, line, adds)
        edit = Edit(operation, line.stored(), adds, rules.version, rules.hash, after.hash, effective, refusal)
        change = await apply_edit(self._writer, access, edit, once)
        if change.changed and change.version == after.version:
            self._accesses.adopt(after)
        return change

    async def _refusal(self, rules: RuleSet, after: RuleSet, line: Line, adds: bool) -> CairnError | None:
        if after is rules:
            return None if adds else NotFound(f"there is no `{line.text}` to take back; look at the list of rules and roles")
        try:
            if adds:
                check_addition(rules, line, self._accesses.hideable)
            if concerns_administration(line):
                check_somebody_stays(rules, after, await principals_with_keys(self._accesses.database, rules.tenant))
        except CairnError as error:
            return error
        return None

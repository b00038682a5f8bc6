"""Rules as they are stored: Casbin's `p` and `g` lines as nodes, changed one at a time, each change raising the tenant's policy version.

What a rule means, and which changes are wise, is decided in `policies`: an `Edit` comes from there, made for one policy version,
and takes effect only if that version still stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from ..errors import CairnError, Conflict, NotFound
from . import tags
from .access import Access
from .changes import Change, Entry, Idempotency, Results, Settled, Step, content_hash
from .database import Database, Row
from .pages import Page, check_first, decode, encode, page
from .statements import load
from .writer import Writer

_CYPHER = load("rules")
_FIELDS = ("v0", "v1", "v2", "v3", "v4")


class Stale(Conflict):
    """The rules changed since the edit was made; read them again, decide again, and try again."""


@dataclass(frozen=True, slots=True)
class StoredRule:
    """One line of a Casbin policy: `p` with subject, tenant, object, action, effect, or `g` with member, role, tenant."""

    ptype: Literal["p", "g"]
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        """The line as people read it, without the tenant. Within a tenant no two rules have the same."""
        tenant = 1 if self.ptype == "p" else 2
        return ", ".join((self.ptype, *self.values[:tenant], *self.values[tenant + 1 :]))

    def properties(self, tenant: str) -> Row:
        """The properties of its node."""
        key = content_hash([tenant, self.ptype, *self.values])[:32]
        return {"key": key, "tenant": tenant, "ptype": self.ptype, **dict(zip(_FIELDS, self.values, strict=False))}


@dataclass(frozen=True, slots=True)
class Role:
    """A name with rules or members: what it inherits and who was assigned it, in order, and how many rules name it."""

    name: str
    inherits: tuple[str, ...]
    members: tuple[str, ...]
    rules: int


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one rule, made for the rules at version `expected`.

    `refusal`: why, at that version, it must not be done. `effective`: whether it changes anything. `before` and `after` are
    `policy_hash` of all rules of the tenant.
    """

    operation: str
    rule: StoredRule
    adds: bool
    expected: int
    before: str
    after: str
    effective: bool = True
    refusal: CairnError | None = None


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What an edit came to: the policy version from which it holds, whether anything changed, and the rule's text."""

    version: int
    changed: bool
    rule: str


def policy_hash(texts: Iterable[str]) -> str:
    """SHA-256, in hex, over the rules' texts in order, a line each: what the ledger holds for `policy`."""
    return sha256("\n".join(sorted(texts)).encode("utf-8")).hexdigest()


async def load_rules(database: Database, tenant: str) -> list[tuple[str, tuple[Any, ...]]]:
    """Every rule of the tenant as (ptype, values) just as it is stored, missing values at the end cut off: not yet validated."""
    return [_stored(row) for row in await database.read(_CYPHER["rules_load"], {"tenant": tenant})]


def _stored(row: Row) -> tuple[str, tuple[Any, ...]]:
    values = [row[name] for name in _FIELDS]
    while values and values[-1] is None:
        values.pop()
    return row["ptype"], tuple(values)


async def list_rules(database: Database, access: Access, first: int, after: str | None = None) -> Page[StoredRule]:
    """Rules in the order of subject, object, action, effect. Raises Forbidden without `read` on `policy`."""
    access.require("policy", "read")
    check_first(first)
    position = decode(after, str, str, str, str)
    tags.collect(f"{access.tenant}/policy")
    parameters: Row = {"tenant": access.tenant, "after": list(position) if position else None, "limit": first + 1}
    rows = await database.read(_CYPHER["rules_list"], parameters)
    found = [StoredRule(row["ptype"], tuple(row["values"])) for row in rows]
    return page(found, first, lambda rule: encode(rule.values[0], *rule.values[2:]))


async def list_roles(database: Database, access: Access) -> tuple[Role, ...]:
    """Every role, in the order of their names. Raises Forbidden without `read` on `policy`.

    A role is a name that somebody was assigned, or that the tenant began with, or that rules name and that nobody with an API key has.
    """
    access.require("policy", "read")
    tags.collect(f"{access.tenant}/policy", f"{access.tenant}/keys")
    rows = await database.read(_CYPHER["roles_list"], {"tenant": access.tenant})
    rules = {row["subject"]: row["rules"] for row in rows if row["ptype"] == "p"}
    edges = {(row["subject"], row["role"]) for row in rows if row["ptype"] == "g"}
    principals = {row["subject"] for row in rows if row["isPrincipal"]}
    names = {role for _, role in edges} | (rules.keys() - principals)
    return tuple(
        Role(
            name,
            tuple(sorted(role for member, role in edges if member == name)),
            tuple(sorted(member for member, role in edges if role == name)),
            rules.get(name, 0),
        )
        for name in sorted(names)
    )


async def apply_edit(writer: Writer, access: Access, edit: Edit, once: Idempotency | None = None) -> PolicyChange:
    """Commit the edit, with its ledger entry and the tenant's next policy version in the same transaction.

    Raises Stale when other rules stand by now, NotFound for an unknown tenant, and the edit's own refusal.
    """
    row: Row = {"tenant": access.tenant, "expected": edit.expected, "rule": edit.rule.properties(access.tenant)}
    writes = edit.effective and edit.refusal is None
    statement = _CYPHER["policy_version" if not writes else "rule_add" if edit.adds else "rule_remove"]

    def check(rows: object) -> None:
        if not rows:
            raise NotFound("there is no such tenant")

    def settle(results: Results) -> Settled:
        version = results[1][0]["version"] if results[1] else None
        if version != edit.expected + writes:
            raise Stale("the rules were changed by somebody else at the same time; look at them and try again")
        if edit.refusal is not None:
            raise edit.refusal
        answer = {"version": version, "changed": writes, "rule": edit.rule.text}
        if not writes:
            return Settled(answer, ())
        entry = Entry(f"{edit.operation} {edit.rule.text}", "policy", edit.before, edit.after)
        return Settled(answer, (entry,))

    answer = await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["policy_lock"], (row,)), Step(statement, (row,))),
            check=check,
            settle=settle,
            conflicts=frozenset({"policy"}),
            tags=frozenset({f"{access.tenant}/policy"}),
            idempotency=once,
        )
    )
    return PolicyChange(answer["version"], answer["changed"], answer["rule"])

"""Access: `me`, `roles`, `rules`, `permitted`, and the mutations that edit rules."""

from __future__ import annotations

from enum import Enum

import strawberry

from ..graph import rules as verbs
from ..graph import tags
from .connections import Connection, connect
from .context import Info


@strawberry.type(description="Who you are.")
class Principal:
    id: strawberry.ID = strawberry.field(description="The principal's id.")
    tenant: str = strawberry.field(description="The tenant it belongs to.")
    roles: list[str] = strawberry.field(description="The roles it has, inherited ones included.")


@strawberry.type(description="A role: a name for a set of rules, given to principals.")
class Role:
    name: str = strawberry.field(description="Its name.")
    inherits: list[str] = strawberry.field(description="The roles whose rules it has as well.")
    members: list[str] = strawberry.field(description="The principals that have it directly.")


@strawberry.enum(description="What a rule does. A denial overrides every permission.")
class Effect(Enum):
    ALLOW = "allow"
    DENY = "deny"


@strawberry.type(description="One rule of access.")
class Rule:
    subject: str = strawberry.field(description="A role or a principal.")
    object: str = strawberry.field(description="What it is about, such as memory:team/research/*.")
    action: str = strawberry.field(description="read, write, delete, admin, or * for all.")
    effect: Effect = strawberry.field(description="Whether it allows or denies.")


@strawberry.input(description="One rule of access.")
class RuleInput:
    subject: str = strawberry.field(description="A role or a principal.")
    object: str = strawberry.field(description="What it is about, such as memory:team/research/*.")
    action: str = strawberry.field(description="read, write, delete, admin, or * for all.")
    effect: Effect = strawberry.field(default=Effect.ALLOW, description="Whether it allows or denies.")


@strawberry.type(description="What a change of the rules came to.")
class PolicyChange:
    version: int = strawberry.field(description="The version of the rules now; every replica follows within a second.")
    changed: bool = strawberry.field(description="Whether there was anything to change.")
    rule: str = strawberry.field(description="The rule, as Casbin writes it.")


@strawberry.type(description="An answer to a question of access.")
class Decision:
    allowed: bool = strawberry.field(description="Whether it is allowed.")
    rule: str | None = strawberry.field(description="The rule that decided; null when none matched, so the answer is no.")


def _rule(stored: verbs.StoredRule) -> Rule:
    subject, _tenant, object, action, effect = stored.values
    return Rule(subject=subject, object=object, action=action, effect=Effect(effect))


def _change(change: verbs.PolicyChange) -> PolicyChange:
    return PolicyChange(version=change.version, changed=change.changed, rule=change.rule)


@strawberry.type
class PolicyQuery:
    @strawberry.field(description="Who you are.")
    def me(self, info: Info) -> Principal:
        access = info.context.access
        return Principal(id=strawberry.ID(access.principal), tenant=access.tenant, roles=list(access.roles))

    @strawberry.field(description="Every role. Needs `read` on `policy`.")
    async def roles(self, info: Info) -> list[Role]:
        found = await verbs.list_roles(info.context.database, info.context.access)
        return [Role(name=role.name, inherits=list(role.inherits), members=list(role.members)) for role in found]

    @strawberry.field(description="Every rule. Needs `read` on `policy`.")
    async def rules(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[Rule]:
        first = 20 if first is None else first
        return connect(await verbs.list_rules(info.context.database, info.context.access, first, after), _rule, after)

    @strawberry.field(description="Whether you (or, with `read` on `policy`, another subject) may do something, and the rule that decides.")
    async def permitted(self, info: Info, object: str, action: str, subject: str | None = None) -> Decision:
        access = info.context.access
        tags.collect(f"{access.tenant}/policy")
        if subject is None or subject == access.principal:
            decision = access.decide(object, action)
        else:
            access.require("policy", "read")
            decision = await info.context.services.accesses.explain(access.tenant, subject, object, action)
        return Decision(allowed=decision.allowed, rule=decision.rule)


@strawberry.type
class PolicyMutation:
    @strawberry.mutation(description="Add a rule. Needs `admin` on `policy`.")
    async def add_rule(self, info: Info, input: RuleInput, idempotency_key: str | None = None) -> PolicyChange:
        context = info.context
        change = await context.services.administration.add_rule(
            context.access, input.subject, input.object, input.action, input.effect.value, idempotency_key
        )
        return _change(change)

    @strawberry.mutation(description="Take a rule back. Needs `admin` on `policy`.")
    async def remove_rule(self, info: Info, input: RuleInput, idempotency_key: str | None = None) -> PolicyChange:
        context = info.context
        change = await context.services.administration.remove_rule(
            context.access, input.subject, input.object, input.action, input.effect.value, idempotency_key
        )
        return _change(change)

    @strawberry.mutation(description="Give a principal, or a role, all that a role may do. Needs `admin` on `policy`.")
    async def assign_role(self, info: Info, principal: str, role: str, idempotency_key: str | None = None) -> PolicyChange:
        context = info.context
        return _change(await context.services.administration.assign_role(context.access, principal, role, idempotency_key))

    @strawberry.mutation(description="Take a role back. Needs `admin` on `policy`.")
    async def unassign_role(self, info: Info, principal: str, role: str, idempotency_key: str | None = None) -> PolicyChange:
        context = info.context
        return _change(await context.services.administration.unassign_role(context.access, principal, role, idempotency_key))

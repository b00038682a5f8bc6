"""Credentials: `apiKeys`, `createApiKey`, `revokeApiKey`, and `revokeToken` for those of identity providers."""

from __future__ import annotations

from datetime import datetime

import strawberry

from ..graph import keys as verbs
from ..policies import keys as policy_verbs
from ..policies.revocations import end_tokens
from .connections import Connection, connect
from .context import Info


@strawberry.type(description="A part of what a principal may do, to which a key is narrowed.")
class KeyScope:
    object: str = strawberry.field(description="What it is about, a pattern as in a rule, such as memory:team/research/*.")
    action: str = strawberry.field(description="read, write, delete, admin, or * for all.")


@strawberry.type(description="A credential of a principal.")
class ApiKey:
    id: strawberry.ID = strawberry.field(description="Its id, the public part of the key.")
    principal: str = strawberry.field(description="Whom it stands for; for an agent, the agent's id.")
    secret: str | None = strawberry.field(description="The whole key. Told once, when it is made; only a hash of it is kept.")
    created_at: datetime = strawberry.field(description="When it was made.")
    created_by: str = strawberry.field(description="The principal that made it.")
    expires_at: datetime | None = strawberry.field(description="When it ends by itself.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, give or take a minute.")
    scopes: list[KeyScope] | None = strawberry.field(description="What it is narrowed to; null when it may do all that its principal may.")


def _key(key: verbs.ApiKey, secret: str | None = None) -> ApiKey:
    return ApiKey(
        id=strawberry.ID(key.id),
        principal=key.principal,
        secret=secret,
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        scopes=None if key.scopes is None else [KeyScope(object=scope.object, action=scope.action) for scope in key.scopes],
    )


@strawberry.input(description="A part of what a principal may do.")
class KeyScopeInput:
    object: str = strawberry.field(description="What it is about, a pattern as in a rule, such as memory:team/research/*.")
    action: str = strawberry.field(description="read, write, delete, admin, or * for all.")


@strawberry.input(description="A credential to make.")
class CreateApiKeyInput:
    principal: str = strawberry.field(description="Whom it stands for; for an agent, the agent's id.")
    role: str | None = strawberry.field(default=None, description="A role that the principal gets with it.")
    expires_at: datetime | None = strawberry.field(default=None, description="When it shall end by itself.")
    scopes: list[KeyScopeInput] | None = strawberry.field(
        default=None, description="Narrows the key: of what its principal may do, it may do what one of these covers."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Repeating the call with the same key makes no second one; the secret is not told again."
    )


@strawberry.input(description="Tokens of an identity provider to refuse: one, by its `jti`, or all of a subject's.")
class RevokeTokenInput:
    provider: str = strawberry.field(description="The provider's name in CAIRN_OIDC.")
    jti: str | None = strawberry.field(default=None, description="The `jti` of one token.")
    subject: str | None = strawberry.field(default=None, description="The `sub` whose tokens shall end.")
    issued_before: datetime | None = strawberry.field(
        default=None, description="With a subject: those end that were issued then or earlier; now when left out."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="Makes repeats safe.")


@strawberry.type
class KeyQuery:
    @strawberry.field(description="API keys, without their secrets. Needs `read` on `key`; without it you see your own.")
    async def api_keys(
        self, info: Info, principal: str | None = None, first: int | None = 20, after: str | None = None
    ) -> Connection[ApiKey]:
        first = 20 if first is None else first
        page = await verbs.list_keys(info.context.database, info.context.access, first, after, principal)
        return connect(page, _key, after)


@strawberry.type
class KeyMutation:
    @strawberry.mutation(description="Make an API key. Needs `admin` on `key`, and on `policy` when a role is given.")
    async def create_api_key(self, info: Info, input: CreateApiKeyInput) -> ApiKey:
        context = info.context
        new = await policy_verbs.create_key(
            context.writer,
            context.services.accesses,
            context.access,
            input.principal,
            input.role,
            input.expires_at,
            input.idempotency_key,
            None if input.scopes is None else [(scope.object, scope.action) for scope in input.scopes],
        )
        return _key(new.key, new.token)

    @strawberry.mutation(description="Revoke an API key: every replica refuses it within a second. False when it was revoked before.")
    async def revoke_api_key(self, info: Info, id: strawberry.ID, idempotency_key: str | None = None) -> bool:
        context = info.context
        return await policy_verbs.end_key(context.writer, context.services.accesses, context.access, id, idempotency_key)

    @strawberry.mutation(
        description="Refuse tokens of an identity provider before they expire: every replica does within a second. "
        "Needs `admin` on `key`, except for your own subject. False when it changed nothing."
    )
    async def revoke_token(self, info: Info, input: RevokeTokenInput) -> bool:
        context = info.context
        return await end_tokens(
            context.writer,
            context.services.settings.oidc,
            context.access,
            input.provider,
            input.jti,
            input.subject,
            input.issued_before,
            input.idempotency_key,
        )

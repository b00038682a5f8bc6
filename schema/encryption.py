"""Encryption at rest: `encryption`, `setEncryption`, `rotateTenantKey`, `rotateMasterKey`, `retireMasterKeys`, `eraseSubject`."""

from __future__ import annotations

from datetime import datetime

import strawberry

from ..errors import BadInput, Forbidden
from ..graph import encryption as verbs
from ..graph.erasing import erase_agent, erase_person
from .context import Context, Info


@strawberry.type(description="How your tenant's data is encrypted at rest.")
class Encryption:
    enabled: bool = strawberry.field(description="Whether new values are encrypted.")
    searchable: bool = strawberry.field(description="Whether words are stored as keyed hashes and embeddings turned by a secret rotation.")
    key: str | None = strawberry.field(description="The id of the tenant's key; null before its first use.")
    master_key: str | None = strawberry.field(description="The id of the master key that wraps it.")
    rotated_at: datetime | None = strawberry.field(description="When the tenant's key was made.")
    subjects: int = strawberry.field(description="How many keys of agents and persons there are, destroyed ones included.")


@strawberry.type(description="How much of a subject was erased.")
class Erased:
    memories: int = strawberry.field(description="Memories that were destroyed.")
    states: int = strawberry.field(description="States, with all their versions.")
    facts: int = strawberry.field(description="Facts.")
    feedback: int = strawberry.field(description="Feedback on recalls.")


@strawberry.type
class EncryptionQuery:
    @strawberry.field(description="How your tenant's data is encrypted. Needs `read` on `encryption`.")
    async def encryption(self, info: Info) -> Encryption:
        return await _standing(info.context)


@strawberry.type
class EncryptionMutation:
    @strawberry.mutation(
        description="Turn encryption of new values on or off for your tenant; what was written before stays as it is. Needs `admin` on "
        "`encryption`."
    )
    async def set_encryption(self, info: Info, enabled: bool) -> Encryption:
        await verbs.set_encryption(info.context.services.writer, info.context.access, enabled=enabled)
        return await _standing(info.context)

    @strawberry.mutation(
        description="Put a new key in the place of your tenant's, while everything goes on. Needs `admin` on `encryption`."
    )
    async def rotate_tenant_key(self, info: Info) -> Encryption:
        await verbs.rotate_tenant(info.context.services.writer, info.context.access)
        return await _standing(info.context)

    @strawberry.mutation(
        description="Have a new master key wrap the keys of all tenants; answers how many. The old one stays until retireMasterKeys. Needs "
        "`admin` on `encryption` in the tenant that this Cairn was set up with."
    )
    async def rotate_master_key(self, info: Info) -> int:
        _require_own(info.context)
        return await verbs.rotate_master(info.context.services.writer, info.context.access)

    @strawberry.mutation(
        description="Forget the master keys of before; answers how many tenants' keys had still to be wrapped by the present one. Needs "
        "what rotateMasterKey needs."
    )
    async def retire_master_keys(self, info: Info) -> int:
        _require_own(info.context)
        return await verbs.retire_master(info.context.services.writer, info.context.access)

    @strawberry.mutation(
        description="Destroy all data of an agent, or of a person whom memories name as metadata.subject: keys, values, words, vectors. It "
        "can't be undone. Needs `admin` on `encryption`."
    )
    async def erase_subject(self, info: Info, agent: strawberry.ID | None = None, person: str | None = None) -> Erased:
        if (agent is None) == (person is None):
            raise BadInput("say whose data shall be erased: an agent's or a person's")
        writer, access = info.context.services.writer, info.context.access
        found = await erase_agent(writer, access, str(agent)) if person is None else await erase_person(writer, access, person)
        return Erased(memories=found.memories, states=found.states, facts=found.facts, feedback=found.feedback)


def _require_own(context: Context) -> None:
    if context.access.tenant != context.services.settings.tenant:
        raise Forbidden("the master key is all tenants'; only an administrator of the tenant that this Cairn was set up with may rotate it")


async def _standing(context: Context) -> Encryption:
    found = await verbs.standing(context.database, context.access)
    return Encryption(
        enabled=found.enabled, searchable=found.searchable, key=found.key, master_key=found.master, rotated_at=found.rotated_at,
        subjects=found.subjects,
    )  # fmt: skip

"""The ledger: `ledger`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from ..graph import ledger as verbs
from .connections import Connection, connect
from .context import Info


@strawberry.type(description="One change of one object, as it was hashed into the log.")
class LedgerEntry:
    seq: int = strawberry.field(description="Its place in the log, from 0.")
    at: datetime = strawberry.field(description="When it was written.")
    actor: str = strawberry.field(description="The principal that made the change.")
    request: str | None = strawberry.field(description="The request it came with.")
    operation: str = strawberry.field(description="What was done, such as state.set.")
    target: str = strawberry.field(description="The object that changed.")
    before: str | None = strawberry.field(description="Hash of the object before; null when it did not exist.")
    after: str | None = strawberry.field(description="Hash of the object after; null when it is gone.")
    policy_version: int = strawberry.field(description="The version of the rules that allowed it.")
    leaf: str = strawberry.field(description="Its leaf hash in the Merkle tree, hex.")


def _entry(entry: verbs.LedgerEntry) -> LedgerEntry:
    return LedgerEntry(
        seq=entry.seq, at=entry.at, actor=entry.actor, request=entry.request, operation=entry.operation, target=entry.target,
        before=entry.before, after=entry.after, policy_version=entry.policy_version, leaf=entry.leaf,
    )  # fmt: skip


@strawberry.type(description="The tamper-evident log of every change: an RFC 6962 Merkle tree over its entries.")
class Ledger:
    size: int = strawberry.field(description="How many entries it has.")
    root: str = strawberry.field(description="The Merkle root over them, hex.")

    @strawberry.field(description="Size and root as a signed checkpoint (C2SP tlog-checkpoint, Ed25519).")
    def checkpoint(self, info: Info) -> str:
        stands = verbs.Head(self.size, bytes.fromhex(self.root))
        return verbs.sign_checkpoint(info.context.services.signer, info.context.access.tenant, stands)

    @strawberry.field(description="The public key that checkpoints are signed with (C2SP signed-note verifier key).")
    def verifier_key(self, info: Info) -> str:
        return info.context.services.signer.verifier_key(verbs.origin(info.context.access.tenant))

    @strawberry.field(description="The entries, oldest first.")
    async def entries(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[LedgerEntry]:
        first = 20 if first is None else first
        return connect(await verbs.list_entries(info.context.database, info.context.access, first, after), _entry, after)

    @strawberry.field(description="Hashes that prove that an entry is in the tree of a size (RFC 9162 2.1.3), hex.")
    async def inclusion_proof(self, info: Info, seq: int, size: int | None = None) -> list[str]:
        return await verbs.inclusion_proof(info.context.database, info.context.access, seq, size)

    @strawberry.field(name="consistencyProof", description="Hashes that prove that one tree extends another (RFC 9162 2.1.4), hex.")
    async def consistency_proof(self, info: Info, from_: Annotated[int, strawberry.argument(name="from")], to: int) -> list[str]:
        return await verbs.consistency_proof(info.context.database, info.context.access, from_, to)


@strawberry.type
class LedgerQuery:
    @strawberry.field(description="The ledger of your tenant. Needs `read` on `ledger`.")
    async def ledger(self, info: Info) -> Ledger:
        head = await verbs.head(info.context.database, info.context.access)
        return Ledger(size=head.size, root=head.root.hex())

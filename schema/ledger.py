"""The ledger: `ledger`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from ..graph import ledger as verbs
from ..graph.checkpoints import StoredCheckpoint, list_checkpoints
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


@strawberry.type(description="A signed checkpoint of the ledger, as it is kept.")
class LedgerCheckpoint:
    size: int = strawberry.field(description="How many entries it covers.")
    root: str = strawberry.field(description="The Merkle root over them, hex.")
    at: datetime = strawberry.field(description="When it was signed.")
    note: str = strawberry.field(
        description="The signed note, with the cosignatures of witnesses (C2SP tlog-checkpoint, tlog-cosignature)."
    )
    witnesses: list[str] = strawberry.field(description="The names of the witnesses that cosigned it.")
    witnessed: bool = strawberry.field(description="Whether as many cosigned it as CAIRN_WITNESS_QUORUM asks for.")


def _checkpoint(one: StoredCheckpoint, quorum: int | None) -> LedgerCheckpoint:
    witnessed = quorum is not None and len(one.witnesses) >= quorum
    return LedgerCheckpoint(
        size=one.size, root=one.root, at=one.at, note=one.note, witnesses=list(one.witnesses), witnessed=witnessed
    )  # fmt: skip


@strawberry.type(description="The tamper-evident log of every change: an RFC 6962 Merkle tree over its entries.")
class Ledger:
    size: int = strawberry.field(description="How many entries it has.")
    root: str = strawberry.field(description="The Merkle root over them, hex.")

    @strawberry.field(description="Size and root as a signed checkpoint (C2SP tlog-checkpoint, Ed25519).")
    async def checkpoint(self, info: Info) -> str:
        stands = verbs.Head(self.size, bytes.fromhex(self.root))
        return await info.context.services.notary.sign(info.context.access.tenant, stands)

    @strawberry.field(description="Checkpoints that were signed and kept, within a second of each change; the newest first.")
    async def checkpoints(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[LedgerCheckpoint]:
        first = 20 if first is None else first
        settings = info.context.services.settings
        quorum = settings.witness_quorum if settings.witnesses else None
        found = await list_checkpoints(info.context.database, info.context.access, first, after)
        return connect(found, lambda one: _checkpoint(one, quorum), after)

    @strawberry.field(description="The public key that checkpoints are signed with (C2SP signed-note verifier key).")
    def verifier_key(self, info: Info) -> str:
        return info.context.services.notary.verifier_key(info.context.access.tenant)

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


@strawberry.type
class LedgerMutation:
    @strawberry.mutation(description="Go on signing from the ledger as it stands, for after a restore. Needs `admin` on `ledger`.")
    async def accept_ledger(self, info: Info) -> Ledger:
        head = await info.context.services.notary.accept(info.context.writer, info.context.access)
        return Ledger(size=head.size, root=head.root.hex())

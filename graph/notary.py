"""The notary: signs checkpoints of ledgers, and never one that does not extend every checkpoint it signed before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from ..errors import CairnError, Conflict
from .access import Access
from .changes import Change, Entry, Settled
from .database import Database
from .ledger import Head, origin, read_head
from .merkle import verify_consistency
from .pledges import Move, Pledges
from .signing import Checkpoint, Signer
from .tiles import prove_consistency
from .writer import Writer

log = logging.getLogger("cairn.ledger")
_TRIES = 5
_AT_ONCE = 8


class Notary:
    """One signer with its memory. Each signature is remembered on the disk before it leaves."""

    def __init__(self, database: Database, signer: Signer, pledges: Pledges) -> None:
        self._database = database
        self._signer = signer
        self._pledges = pledges
        self._limit = asyncio.Semaphore(_AT_ONCE)

    def verifier_key(self, tenant: str) -> str:
        """The public key of a tenant's checkpoints."""
        return self._signer.verifier_key(origin(tenant))

    async def pledged(self) -> dict[str, Head]:
        """What was signed last, by tenant. Raises Unavailable when it can't be told."""
        return await asyncio.to_thread(self._pledges.read)

    async def sign(self, tenant: str, stands: Head) -> str:
        """`stands` as a signed checkpoint.

        Raises Conflict when it does not extend what was signed before, or what was signed before does not extend it, Unavailable when
        what was signed can't be remembered.
        """
        signed = (await self.sign_all({tenant: stands}))[tenant]
        if isinstance(signed, CairnError):
            raise signed
        return signed

    async def sign_all(self, heads: Mapping[str, Head]) -> dict[str, str | CairnError]:
        """For several tenants what `sign` gives or raises, with one write to the disk."""
        signed: dict[str, str | CairnError] = {}
        left = dict(heads)
        for _ in range(_TRIES):
            pledges = await self.pledged()
            tenants = list(left)
            errors = await asyncio.gather(*(self._check(tenant, left[tenant], pledges.get(tenant)) for tenant in tenants))
            signed.update({tenant: error for tenant, error in zip(tenants, errors, strict=True) if error is not None})
            left = {tenant: head for tenant, head in left.items() if tenant not in signed}
            moves = {tenant: Move(pledges.get(tenant), head) for tenant, head in left.items() if _moves(pledges.get(tenant), head)}
            moved = await asyncio.to_thread(self._pledges.move, moves) if moves else set[str]()
            done = {tenant for tenant in left if tenant in moved or tenant not in moves}
            signed.update({tenant: self._note(tenant, left[tenant]) for tenant in done})
            left = {tenant: head for tenant, head in left.items() if tenant not in done}
            if not left:
                break
        signed.update({tenant: Conflict("another process signs this ledger all the time; try again") for tenant in left})
        return signed

    async def accept(self, writer: Writer, access: Access) -> Head:
        """Take the ledger as it stands for the one to go on from, whatever was signed before; where it stands then.

        For after a restore of an older backup. The ledger gets an entry that says so. Raises Forbidden without `admin` on `ledger`.
        """
        access.require("ledger", "admin")
        before = (await self.pledged()).get(access.tenant)
        stood = await read_head(self._database, access.tenant)
        entry = Entry("ledger.accept", "ledger", before and before.root.hex(), stood.root.hex())
        change = Change(tenant=access.tenant, actor=access.principal, steps=(), settle=lambda _: Settled(None, (entry,)))
        await writer.apply(change)
        stands = await read_head(self._database, access.tenant)
        if not await asyncio.to_thread(self._pledges.move, {access.tenant: Move(before, stands)}):
            raise Conflict("another process signed this ledger meanwhile; try again")
        log.warning("tenant %s: an administrator accepted the ledger as it stands, at %d entries", access.tenant, stands.size)
        return stands

    def _note(self, tenant: str, stands: Head) -> str:
        name = origin(tenant)
        return self._signer.sign(name, Checkpoint(name, stands.size, stands.root).text)

    async def _check(self, tenant: str, stands: Head, pledge: Head | None) -> CairnError | None:
        """Why `stands` must not be signed after `pledge`; None when it may."""
        if pledge is None or pledge.size == 0:
            return None
        try:
            async with self._limit:
                return await self._compare(tenant, stands, pledge)
        except CairnError as error:
            return error

    async def _compare(self, tenant: str, stands: Head, pledge: Head) -> CairnError | None:
        older, newer = sorted((stands, pledge), key=lambda head: head.size)
        if older is stands and older.size < newer.size:
            size = (await read_head(self._database, tenant)).size
            if size < pledge.size or older.size == 0:
                return Conflict(f"{_refused(tenant)} has {size} entries, but {pledge.size} were signed: it was rolled back. {_WHAT_TO_DO}")
        proof = await prove_consistency(self._database, tenant, older.size, newer.size) if older.size < newer.size else []
        if verify_consistency(older.size, older.root, newer.size, newer.root, proof):
            return None
        return Conflict(f"{_refused(tenant)} does not extend the {pledge.size} entries that were signed: it was rewritten. {_WHAT_TO_DO}")


_WHAT_TO_DO = (
    "Nothing is signed until that is put right. If you restored a backup, and know what happened, `cairn ledger accept` goes on from here"
)


def _refused(tenant: str) -> str:
    return f"the ledger of tenant {tenant}"


def _moves(pledge: Head | None, stands: Head) -> bool:
    return pledge is None or stands.size > pledge.size

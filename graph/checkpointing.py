"""Checkpointing: within a second of a change the ledger's head is signed, kept, and shown to witnesses and anchors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from ..errors import CairnError, Unavailable
from .checkpoints import read_due, read_last, store
from .database import Database
from .ledger import Head
from .notary import Notary
from .writer import Writer

log = logging.getLogger("cairn.ledger")
_INTERVAL_SECONDS = 0.5
_SWEEP_SECONDS = 60.0

Told = Callable[[str, Head, str], None]
"""Hears of a new checkpoint: tenant, what was signed, the note. It must not wait for anything."""


class Checkpointer:
    """Signs what this process wrote; run `work` as a task. What it can't sign is logged, and writing goes on."""

    def __init__(self, database: Database, writer: Writer, notary: Notary, tenants: Sequence[str] = (), told: Sequence[Told] = ()) -> None:
        self._database = database
        self._writer = writer
        self._notary = notary
        self._tenants = tenants
        self._told = told
        self._refused: dict[str, str] = {}

    async def work(self) -> None:
        """Sign until cancelled. Now and then also what an earlier process wrote and did not come to sign."""
        swept: float | None = None
        while True:
            try:
                if swept is None or time.monotonic() - swept >= _SWEEP_SECONDS:
                    tenants = {*self._tenants, *await self._notary.pledged()}
                    self._writer.grown |= tenants
                    if swept is None:
                        await self._remind(sorted(tenants))
                    swept = time.monotonic()
                await self.sign_grown()
            except CairnError as error:
                log.warning("checkpoints could not be signed (%s); the next turn tries again", error.message)
            except Exception:
                log.exception("checkpoints could not be signed, by a defect; the next turn tries again")
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def close(self) -> None:
        """Sign what is left; for when `work` has ended and the writer has not."""
        try:
            await self.sign_grown()
        except CairnError as error:
            log.warning("the last checkpoints could not be signed (%s); the next start makes up for it", error.message)

    async def _remind(self, tenants: Sequence[str]) -> None:
        """Tell again of the last checkpoints, which an earlier process may not have come to show."""
        if self._told:
            for tenant, stands, note in await read_last(self._database, tenants):
                for told in self._told:
                    told(tenant, stands, note)

    async def sign_grown(self) -> None:
        """Sign and keep the heads of all ledgers that grew since the last time. Raises what Neo4j does; the next time makes up for it."""
        grown, self._writer.grown = self._writer.grown, set()
        if not grown:
            return
        try:
            heads = await read_due(self._database, sorted(grown))
            signed = await self._notary.sign_all(heads)
            notes = {tenant: note for tenant, note in signed.items() if isinstance(note, str)}
            await asyncio.gather(*(store(self._writer, tenant, heads[tenant], note) for tenant, note in notes.items()))
        except BaseException:
            self._writer.grown |= grown
            raise
        errors = {tenant: error for tenant, error in signed.items() if isinstance(error, CairnError)}
        self._writer.grown |= {tenant for tenant, error in errors.items() if isinstance(error, Unavailable)}
        self._complain(errors)
        for tenant, note in notes.items():
            for told in self._told:
                told(tenant, heads[tenant], note)

    def _complain(self, errors: dict[str, CairnError]) -> None:
        """Log each refusal once, until it is another or over."""
        now = {tenant: type(error).__name__ for tenant, error in errors.items()}
        for tenant, error in errors.items():
            if self._refused.get(tenant) != now[tenant]:
                log.error("no checkpoint of tenant %s is signed: %s", tenant, error.message)
        self._refused = now

"""Changing the embedder: memories are embedded again in the background, while recall goes on with the vectors there are.

The pass goes over all memories by tenant and id and is remembered in the graph with each batch, so that it goes on where it stopped,
in this process or another. When it is through, one property is changed and recall uses the new vectors, everywhere and at once; then
the old ones are taken away. One process at a time does this, under a lease.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from ..errors import BadInput, CairnError, Conflict
from ..graph import vectors as verbs
from ..graph.database import Database
from ..graph.vectors import Model, Slots, Stored, Vectors
from ..graph.writer import Writer
from .embedders import Embedders
from .embedding import embed

log = logging.getLogger("cairn.learning")
_BATCH = 500
_POLL_SECONDS = 5.0
_LONGEST_PAUSE = 60.0
_GRACE_SECONDS = 5.0
"""After the switch the old vectors stay this long: another replica may search them for another second, by what it read before."""

Listener = Callable[[Slots], Awaitable[None]]


class Reembedder:
    """Brings the stored vectors in line with the configured embedder: run `work` as a task. `listeners` hear of every batch.

    It begins a change only if, when this process started, another embedder's vectors served: of two replicas with different settings
    the one that was started later has its way, and they do not quarrel.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        embedders: Embedders,
        *,
        batch: int = _BATCH,
        poll: float = _POLL_SECONDS,
        grace: float = _GRACE_SECONDS,
    ) -> None:
        self.listeners: list[Listener] = []
        self._database = database
        self._writer = writer
        self._embedders = embedders
        self._batch, self._poll, self._grace = batch, poll, grace
        self._holder = secrets.token_hex(8)
        self._may_begin = True
        self._told = -1

    @property
    def _wanted(self) -> Model:
        return Model(self._embedders.configured.name, self._embedders.configured.dimensions)

    async def work(self) -> None:
        """Do what there is to do, look for more every few seconds, until cancelled. After failures it waits longer and longer."""
        pause = self._poll
        while True:
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                await self.step()
                pause = self._poll
            except Conflict:
                log.info("another replica goes on with embedding the memories")
            except CairnError as error:
                log.warning("embedding the memories is interrupted (%s); it goes on soon", error.message)
            except Exception:
                log.exception("embedding the memories failed; it is tried again")
            await asyncio.sleep(pause)

    async def step(self) -> Slots:
        """Go from where the vectors stand to where they should, as far as this process can; return where they stand then.

        Raises Conflict when another process took over, Unavailable when the embedder or the graph does not answer.
        """
        slots = await self._embedders.slots(fresh=True)
        if slots.phase == "steady" and slots.serving == self._wanted:
            self._may_begin = False
        if not self._has_work(slots):
            await self._mend(slots)
            return slots
        async with self._leased() as held:
            slots = held or slots
            while held is not None and self._has_work(slots):
                slots = await self._forward(slots)
        await self._mend(slots)
        return slots

    def _has_work(self, slots: Slots) -> bool:
        match slots.phase:
            case "steady":
                return self._may_begin and slots.serving != self._wanted
            case "filling":
                return self._may_begin or slots.filling == self._wanted
            case "emptying":
                return True

    async def _forward(self, slots: Slots) -> Slots:
        """One phase further."""
        match slots.phase:
            case "steady":
                log.info("memories have vectors of %s; embedding them with %s begins", slots.serving.name, self._wanted.name)
                slots = await verbs.begin(self._database, self._holder, slots, self._wanted)
            case "filling" if slots.filling == self._wanted:
                await self._fill(slots)
                slots = await verbs.switch(self._database, self._holder, slots)
                log.info("recall uses the vectors of %s now", slots.serving.name)
            case "filling":
                slots = await verbs.abandon(self._database, self._holder, slots)
            case "emptying":
                await asyncio.sleep(self._grace)
                await self._empty(slots)
                slots = await verbs.end(self._database, self._holder, slots)
                self._may_begin = self._may_begin and slots.serving != self._wanted
        await self._embedders.slots(fresh=True)
        await self._tell(slots)
        return slots

    async def _fill(self, slots: Slots) -> None:
        async for reached, memories in self._passing(slots):
            await verbs.fill(self._writer, self._holder, reached, await self._vectors(memories))
            await self._tell(reached)

    async def _empty(self, slots: Slots) -> None:
        async for reached, memories in self._passing(slots):
            await verbs.empty(self._writer, self._holder, reached, memories)

    async def _passing(self, slots: Slots) -> AsyncGenerator[tuple[Slots, list[Stored]]]:
        """Every memory from where the pass stands on, in batches, each with where the pass stands when it is done."""
        while True:
            memories = await verbs.pending(self._database, slots, self._batch) if slots.tenant else []
            if memories:
                slots = replace(slots, after=memories[-1].id, done=slots.done + len(memories))
                yield slots, memories
                continue
            tenant = await verbs.next_tenant(self._database, slots.tenant)
            if tenant is None:
                return
            slots = replace(slots, tenant=tenant, after="")

    async def _vectors(self, memories: Sequence[Stored]) -> dict[str, Vectors]:
        """The configured embedder's vectors by memory id. A text that it refuses goes without; recall finds it by its words."""
        embedder = self._embedders.configured
        said = [memory for memory in memories if memory.text]
        try:
            found = await embed(embedder, [memory.text or "" for memory in said])
        except BadInput as error:
            if len(said) > 1:
                middle = len(said) // 2
                return {**await self._vectors(said[:middle]), **await self._vectors(said[middle:])}
            log.warning("memory %s gets no vector: %s", said[0].id, error.message)
            return {}
        return {memory.id: {embedder.name: vector} for memory, vector in zip(said, found, strict=True)}

    async def _mend(self, slots: Slots) -> None:
        """Embed what was written without all its vectors, as by a replica that does not have this embedder."""
        if self._wanted not in slots.models:
            return
        while memories := await verbs.unembedded(self._database, self._batch):
            found = await self._vectors(memories)
            for tenant in dict.fromkeys(memory.tenant for memory in memories):
                mended = {memory.id: found.get(memory.id, {}) for memory in memories if memory.tenant == tenant}
                await verbs.mend(self._writer, tenant, mended)

    @asynccontextmanager
    async def _leased(self) -> AsyncGenerator[Slots | None]:
        """Where the vectors stand, while this is the one process that changes them; None when another is."""
        slots = await verbs.take_lease(self._database, self._holder)
        if slots is None:
            yield None
            return
        renewing = asyncio.create_task(self._renew(), name="cairn-vectors-lease")
        try:
            yield slots
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await verbs.release(self._database, self._holder)

    async def _renew(self) -> None:
        """Keep the lease. When it is lost, the next batch is refused."""
        while True:
            await asyncio.sleep(verbs.LEASE_SECONDS / 3)
            try:
                await verbs.take_lease(self._database, self._holder)
            except CairnError as error:
                log.warning("the lease on the vectors could not be renewed (%s)", error.code)

    async def _tell(self, slots: Slots) -> None:
        tenth = 10 * slots.done // max(slots.total, 1)
        if slots.phase == "filling" and tenth != self._told:
            log.info("embedded %d of about %d memories with %s", slots.done, slots.total, self._wanted.name)
        self._told = tenth
        for listener in self.listeners:
            await listener(slots)

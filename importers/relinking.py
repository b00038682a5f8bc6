"""Linking old memories again after an import, in the background, and identifying local entities that a graph now knows.

Guarantee: an identification tells no reader of a scope of a graph that this reader may not read; links are only added or made
surer, never taken away; a memory is linked to what the agent that remembered it may read; a pass that was interrupted goes on where
it stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from ..errors import CairnError
from ..graph.access import Access
from ..graph.database import Database
from ..graph.locals import Unidentified, identify_found, unidentified
from ..graph.mentions import Mention
from ..graph.relinking import Pending, Standing, additions, finish, pending, standing, unfinished, write_batch
from ..graph.writer import Writer
from .gazetteer import Gazetteer, pattern_of
from .linking import Linker
from .ranking import called

log = logging.getLogger("cairn.linking")
AccessFor = Callable[[str, str], Awaitable[Access]]
"""What gives the `Access` of a principal: tenant and principal id go in. For one that is unknown it gives an empty `Access`."""

SharedGraphs = Callable[[str, str, Sequence[str]], Awaitable[frozenset[int]]]
"""What gives the numbers of the graphs that every reader of a scope may read: tenant, scope, and principals to think of, go in."""

_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RelinkProgress:
    """How far a pass has come: memories done of those there are, mentions added, local entities identified, and whether it is over."""

    tenant: str
    done: int
    total: int
    linked: int
    identified: int
    finished: bool


Listener = Callable[[RelinkProgress], Awaitable[None]]


class Relinker:
    """Runs passes over tenants' memories, one after the other. `listeners` hear of every batch.

    Add `request` to the listeners of the linker's gazetteers, and run `work` as a task.
    """

    def __init__(
        self, database: Database, writer: Writer, linker: Linker, access_for: AccessFor, shared: SharedGraphs, batch: int = 500
    ) -> None:
        self.listeners: list[Listener] = []
        self._database = database
        self._writer = writer
        self._linker = linker
        self._access_for = access_for
        self._shared = shared
        self._batch = batch
        self._wanted = asyncio.Queue[str]()

    def request(self, tenant: str) -> None:
        """Ask for a pass over the tenant's memories. Asking again before it begins makes no second one."""
        self._wanted.put_nowait(tenant)

    async def work(self) -> None:
        """Do what was requested, and what was interrupted before, until cancelled."""
        waiting = dict.fromkeys(await self._interrupted())
        while True:
            while not waiting or not self._wanted.empty():
                waiting[await self._wanted.get()] = None
            tenant = next(iter(waiting))
            del waiting[tenant]
            try:
                await self.relink(tenant)
            except CairnError as error:
                log.warning("linking the memories of tenant %s again failed (%s); it goes on soon", tenant, error.code)
                await asyncio.sleep(_RETRY_SECONDS)
                waiting[tenant] = None

    async def relink(self, tenant: str) -> RelinkProgress:
        """One pass over the tenant's memories, from where an interrupted one stopped; then local entities are identified."""
        await self._linker.gazetteers.refreshed(tenant)
        reached = await standing(self._database, tenant)
        while batch := await pending(self._database, tenant, reached.after, self._batch):
            added = await additions(self._database, await self._found(tenant, batch))
            count = sum(len(mentions) for mentions in added.values())
            done = reached.done + len(batch)
            reached = Standing(batch[-1].id, done, max(reached.total, done), reached.linked + count)
            await write_batch(self._writer, tenant, {memory.id: memory.scope for memory in batch}, added, reached)
            await self._tell(tenant, reached)
        identified = await self._identify(tenant)
        await finish(self._writer, tenant)
        return await self._tell(tenant, replace(reached, total=reached.done), identified, finished=True)

    async def _interrupted(self) -> list[str]:
        try:
            return await unfinished(self._database)
        except CairnError as error:
            log.warning("interrupted passes over old memories could not be read (%s)", error.code)
            return []

    async def _found(self, tenant: str, batch: Sequence[Pending]) -> dict[str, list[Mention]]:
        """What the memories mention, each looked at with the rights of the agent that remembered it."""
        found: dict[str, list[Mention]] = {}
        for agent, scope in dict.fromkeys((memory.agent, memory.scope) for memory in batch):
            access = await self._access_for(tenant, agent)
            here = [memory for memory in batch if (memory.agent, memory.scope) == (agent, scope)]
            linked = await self._linker.link([memory.text for memory in here], access, scope, [memory.speaker for memory in here])
            found.update((memory.id, mentions) for memory, mentions in zip(here, linked, strict=True))
        return found

    async def _identify(self, tenant: str) -> int:
        """Link local entities to the one entity of a graph that has their name, where all who may read the scope may read that graph."""
        gazetteer = (await self._linker.gazetteers.current(tenant)).gazetteer
        count, after = 0, ""
        while batch := await unidentified(self._database, tenant, after, self._batch):
            after = batch[-1].key
            for entity in batch:
                iri = await self._identity(tenant, gazetteer, entity)
                if iri is not None:
                    await identify_found(self._writer, self._database, tenant, entity.iri, iri)
                    count += 1
        return count

    async def _identity(self, tenant: str, gazetteer: Gazetteer, entity: Unidentified) -> str | None:
        pattern = pattern_of(entity.name)
        labels = [label for label in gazetteer.labels(pattern) if label.graph > 0] if pattern else []
        if not labels or not entity.agents:
            return None
        shared = await self._shared(tenant, entity.scope, entity.agents)
        named = called(entity.name, [label for label in labels if label.graph in shared])
        return named[0].iri if len(named) == 1 else None

    async def _tell(self, tenant: str, reached: Standing, identified: int = 0, *, finished: bool = False) -> RelinkProgress:
        progress = RelinkProgress(tenant, reached.done, reached.total, reached.linked, identified, finished)
        for listener in self.listeners:
            await listener(progress)
        return progress

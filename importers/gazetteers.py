"""Gazetteers: one a tenant, built and kept current in the background while texts are linked.

Named graphs are read when they are new or their properties changed; a scope's local names when a text of that scope comes. Who asks
for a gazetteer that is being built waits a moment, then gets what there is; whoever listens is told once it is complete.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..errors import CairnError
from ..graph.database import Database
from ..graph.labels import Label, graph_labels, graph_marks
from ..graph.locals import scope_graph
from .gazetteer import Gazetteer

log = logging.getLogger("cairn.linking")
Listener = Callable[[str], None]

_MOST_SCOPES = 1_000


@dataclass(slots=True)
class _Scope:
    """A scope's local names: the number under which the gazetteer has them, the digest they were read at, and when."""

    number: int
    digest: str = ""
    checked: float = float("-inf")


@dataclass(slots=True)
class _Tenant:
    """`behind`: names are known to be missing. `again`: the graphs must be looked at (once more). `tell`: listeners must hear of it.

    `digests`: of each graph, as its names were read. `moving`: of graphs that looked different last time, as they looked then.
    """

    gazetteer: Gazetteer = field(default_factory=Gazetteer)
    version: int = 0
    behind: bool = True
    again: bool = False
    tell: bool = False
    error: CairnError | None = None
    checked: float = float("-inf")
    task: asyncio.Task[None] | None = None
    digests: dict[int, str] = field(default_factory=dict[int, str])
    moving: dict[int, str] = field(default_factory=dict[int, str])
    scopes: OrderedDict[str, _Scope] = field(default_factory=OrderedDict[str, _Scope])


@dataclass(frozen=True, slots=True)
class Current:
    """A tenant's gazetteer as it stands. `own`: the number, below zero, of the names local to the scope that was asked for.

    `version` changes when a named graph does.
    """

    gazetteer: Gazetteer
    own: int | None
    version: int


class Gazetteers:
    """Every tenant's gazetteer. Use it on one event loop.

    `patience`: seconds to wait for a gazetteer that is being built. `interval`: seconds after which the graphs are looked at again,
    to see what other replicas imported. `listeners` are told a tenant whose memories may have missed names: after `invalidate`,
    and after texts were linked while names were still being read.
    """

    def __init__(self, database: Database, *, patience: float = 1.0, interval: float = 5.0) -> None:
        self.listeners: list[Listener] = []
        self._database = database
        self._patience = patience
        self._interval = interval
        self._tenants = defaultdict[str, _Tenant](_Tenant)
        self._numbers = 0

    async def current(self, tenant: str, scope: str | None = None) -> Current:
        """The tenant's gazetteer, with the local names of `scope`."""
        kept = self._tenants[tenant]
        if kept.behind or time.monotonic() - kept.checked > self._interval:
            task = self._started(tenant, kept)
            if kept.behind:
                await asyncio.wait({task}, timeout=self._patience)
                kept.tell = kept.tell or kept.behind
        own = None if scope is None else await self._own(tenant, kept, scope)
        return Current(kept.gazetteer, own, kept.version)

    def invalidate(self, tenant: str) -> None:
        """Say that graphs of the tenant changed: they are read again now, and listeners are told afterwards."""
        kept = self._tenants[tenant]
        kept.behind = kept.again = kept.tell = True
        self._started(tenant, kept)

    async def refreshed(self, tenant: str) -> None:
        """Wait until the gazetteer holds what the graphs held when this was called. Raises Unavailable when they can't be read."""
        kept = self._tenants[tenant]
        kept.behind = kept.again = True
        await asyncio.wait({self._started(tenant, kept)})
        if kept.error is not None:
            raise kept.error

    async def close(self) -> None:
        """Stop building."""
        tasks = [kept.task for kept in self._tenants.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _started(self, tenant: str, kept: _Tenant) -> asyncio.Task[None]:
        if kept.task is None or kept.task.done():
            kept.again = True
            kept.task = asyncio.create_task(self._refresh(tenant, kept), name=f"cairn-gazetteer-{tenant}")
        return kept.task

    async def _refresh(self, tenant: str, kept: _Tenant) -> None:
        while kept.again:
            kept.again = False
            try:
                await self._read_graphs(tenant, kept)
            except CairnError as error:
                kept.error = error
                log.warning("the names of tenant %s could not be read; the next text tries again", tenant)
                return
            kept.checked = time.monotonic()
        kept.behind, kept.error = False, None
        if kept.tell:
            kept.tell = False
            for listener in self.listeners:
                listener(tenant)

    async def _read_graphs(self, tenant: str, kept: _Tenant) -> None:
        marks = await graph_marks(self._database, tenant, "")
        for number in kept.digests.keys() - marks.keys():
            await asyncio.to_thread(kept.gazetteer.replace, number, ())
            del kept.digests[number]
            kept.version += 1
        for number, mark in marks.items():
            if kept.digests.get(number) == mark.digest:
                continue
            if kept.behind or kept.moving.get(number) == mark.digest:
                await asyncio.to_thread(kept.gazetteer.replace, number, await self._labels(number))
                kept.digests[number] = mark.digest
                kept.moving.pop(number, None)
                kept.version += 1
            else:  # an import elsewhere is perhaps under way: wait until the graph stands still
                kept.moving[number] = mark.digest
        if kept.gazetteer.is_cluttered():
            kept.gazetteer = await asyncio.to_thread(kept.gazetteer.tidied)

    async def _labels(self, graph: int) -> list[Label]:
        return [label async for page in graph_labels(self._database, graph) for label in page]

    async def _own(self, tenant: str, kept: _Tenant, scope: str) -> int:
        """The number of the scope's own names, which are read when they are new here or may have changed."""
        if scope not in kept.scopes:
            self._numbers -= 1
            kept.scopes[scope] = _Scope(self._numbers)
            if len(kept.scopes) > _MOST_SCOPES:
                _, oldest = kept.scopes.popitem(last=False)
                kept.gazetteer.replace(oldest.number, ())
        own = kept.scopes[scope]
        kept.scopes.move_to_end(scope)
        if time.monotonic() - own.checked > self._interval:
            own.checked = time.monotonic()
            marks = await graph_marks(self._database, tenant, scope_graph(scope))
            mark = next((mark for mark in marks.values() if mark.own), None)
            if mark is not None and mark.digest != own.digest:
                labels = [replace(label, graph=own.number) for label in await self._labels(mark.number)]
                await asyncio.to_thread(kept.gazetteer.replace, own.number, labels)
                own.digest = mark.digest
        return own.number

"""Keeping communities up to date: in the background, one replica at a time, and when an administrator asks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from ..errors import CairnError, Conflict
from ..graph.access import Access
from ..graph.changes import idempotency
from ..graph.communities import Group, Known, Unit, digest, known_sets, links_of, names_in, texts_of, write_set
from ..graph.database import Database
from ..graph.instants import now
from ..graph.names import new_id
from ..graph.refreshes import CAIRN, Refresh, RefreshStatus, claim, due, find_refresh, move
from ..graph.tenants import read_catalog
from ..graph.writer import Writer
from .communities import groups, near_texts

log = logging.getLogger("cairn.learning")


_BEAT_SECONDS = 15.0


class _Work:
    """A refresh at work here. `now`: how it stands."""

    def __init__(self, started: Refresh) -> None:
        self.now = started


class Communities:
    """Refreshes tenants' communities. Run `work` as a task, and `close` it at the end. `interval` is in seconds; 0: only when asked."""

    def __init__(self, database: Database, writer: Writer, interval: float) -> None:
        self._database = database
        self._writer = writer
        self._interval = interval
        self._tasks: set[asyncio.Task[Refresh]] = set()

    async def work(self) -> None:
        """Now and then refresh what changed, until cancelled. Replicas don't look at the same moment."""
        while self._interval > 0:
            await asyncio.sleep(self._interval * random.uniform(0.5, 1.0))  # noqa: S311 -- spreads work, guards nothing
            try:
                for tenant in await due(self._database, timedelta(seconds=self._interval)):
                    await self._refresh_if_free(tenant)
            except CairnError as error:
                log.warning("communities could not be refreshed (%s); the next turn tries again", error.code)

    async def start(self, access: Access, idempotency_key: str | None = None) -> Refresh:
        """Begin a refresh of the caller's tenant in the background and return it, RUNNING.

        Raises Forbidden without `admin` on `community`, Conflict while another is at work. What comes to light later is in its `error`.
        """
        access.require("community", "admin")
        new = Refresh(access.tenant, new_id(), access.principal, now())
        once = idempotency(access.tenant, access.principal, "refreshCommunities", idempotency_key, [])
        if await claim(self._writer, new, once) == new.holder:
            task = asyncio.create_task(self._run(new), name=f"communities-{new.holder}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return new
        return await find_refresh(self._database, access) or new

    async def refresh(self, tenant: str) -> Refresh:
        """Refresh a tenant's communities now. Raises Conflict while another refresh is at work, NotFound for an unknown tenant."""
        new = Refresh(tenant, new_id(), CAIRN, now())
        await claim(self._writer, new)
        return await self._run(new)

    async def close(self) -> None:
        """Stop the refreshes that are at work here; they are taken for dead after a minute."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _refresh_if_free(self, tenant: str) -> None:
        try:
            await self.refresh(tenant)
        except Conflict:
            log.debug("another replica refreshes the communities of tenant %s", tenant)

    async def _run(self, started: Refresh) -> Refresh:
        """Do it to its end and record that, whatever it is."""
        work = _Work(started)
        beating = asyncio.create_task(self._beat(work), name=f"communities-alive-{started.holder}")
        try:
            await self._units(work)
            work.now = replace(work.now, status=RefreshStatus.DONE, finished_at=now())
        except CairnError as error:
            log.warning("refreshing the communities of tenant %s failed (%s)", started.tenant, error.code)
            work.now = replace(work.now, status=RefreshStatus.FAILED, finished_at=now(), error=str(error))
        except Exception:
            log.exception("refreshing the communities of tenant %s failed by a defect", started.tenant)
            defect = "it failed; the details are in the log"
            work.now = replace(work.now, status=RefreshStatus.FAILED, finished_at=now(), error=defect)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        try:
            await move(self._writer, work.now)
        except CairnError as error:
            log.warning("how refreshing the communities of tenant %s ended could not be recorded (%s)", started.tenant, error.code)
        return work.now

    async def _beat(self, work: _Work) -> None:
        """Say now and then that the refresh lives. One that was taken for dead finds out when it wants to show what it made."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            await move(self._writer, work.now)

    async def _units(self, work: _Work) -> None:
        """Every scope and graph in turn."""
        tenant = work.now.tenant
        catalog = await read_catalog(self._database, tenant)
        own = dict(catalog.scope_graphs)
        known = await known_sets(self._database, tenant)
        units = [Unit(tenant, scope, own.get(scope)) for scope in catalog.scopes]
        units += [Unit(tenant, None, number) for _, number in catalog.graphs]
        there = {unit.key for unit in units}
        gone = [found.unit for key, found in sorted(known.items()) if key not in there]
        work.now = replace(work.now, total=len(units) + len(gone))
        for unit in units:
            await self._unit(work, unit, known, await self._grouped(unit))
        for unit in gone:
            await self._unit(work, unit, known, [])

    async def _unit(self, work: _Work, unit: Unit, known: Mapping[str, Known], found: Sequence[Group] | None) -> None:
        """Write a unit's communities, unless they are what they were."""
        made = found or ()
        is_new = digest(made) != (known[unit.key].digest if unit.key in known else digest(()))
        if is_new:
            await write_set(self._writer, unit, made, work.now.holder, work.now.by)
        one = work.now
        work.now = replace(
            one,
            done=one.done + 1,
            communities=one.communities + len(made),
            changed=one.changed + is_new,
            left_out=one.left_out + (found is None),
        )
        await move(self._writer, work.now)

    async def _grouped(self, unit: Unit) -> list[Group] | None:
        """What belongs together in a unit; None when it is too large to tell."""
        if not unit.is_scope:
            links = await links_of(self._database, unit)
            return None if links is None else await asyncio.to_thread(groups, [(*link, 1.0) for link in links], frozenset[str]())
        texts = await texts_of(self._database, unit)
        names = await names_in(self._database, unit) if unit.graph is not None else []
        memories = frozenset(id for id, _ in texts) | frozenset(memory for memory, _, _ in names)
        return await asyncio.to_thread(lambda: groups([*near_texts(texts), *names], memories))

"""The one writer: every change of the graph goes through it, many callers' changes in one transaction (group commit).

Guarantees: a change and its ledger entries commit together or not at all; a caller is answered after the commit and after the
query cache was told; an idempotency key has one effect, also when the outcome of a commit was unknown; a change that is refused
or that fails leaves nothing behind and does not disturb the others of its batch.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from neo4j import AsyncManagedTransaction

from ..errors import Unavailable
from .changes import Change, Event
from .closing import Heads, close_batch
from .database import Database, Row, run
from .instants import now
from .keyring import SHARED, index_for, sealer_for
from .lanes import Lanes
from .statements import load
from .waves import Caller, Refused, as_cairn_error, run_wave, waves

log = logging.getLogger("cairn.writer")
_CYPHER = load("writer")
_PAUSE = 0.25
ATTEMPT_SECONDS = 15.0
"""What one attempt to commit a batch may take; a batch takes a fraction of a second where nothing is wrong."""
LARGE_SECONDS = 300.0
"""The same for a change that goes alone, such as a batch of an import."""
LANES = 2
"""Batches under way at once, each of other tenants: while Neo4j works for one, this process works for the other."""


class Invalidator(Protocol):
    """What tells the query cache. `begin` runs before the commit, `done` after it; each answers False when the cache was not reached."""

    async def begin(self, tags: frozenset[str]) -> bool: ...
    async def done(self, tags: frozenset[str]) -> bool | None: ...


class NoCache:
    """An `Invalidator` for when there is no cache."""

    async def begin(self, tags: frozenset[str]) -> bool:  # noqa: ARG002
        return True

    async def done(self, tags: frozenset[str]) -> None:
        pass


Listener = Callable[[Sequence[Event]], Awaitable[None]]


class Writer:
    """Commits changes to one database. Make it with `open_writer`."""

    def __init__(
        self,
        database: Database,
        invalidator: Invalidator | None = None,
        *,
        batch: int = 512,
        patience: float = 60.0,
        attempt: float = ATTEMPT_SECONDS,
    ) -> None:
        self.database = database
        self.invalidator: Invalidator = invalidator or NoCache()
        self.listeners: list[Listener] = []
        self.grown: set[str] = set()
        """Tenants whose ledgers grew; whoever signs checkpoints takes them out."""
        self._batch = batch
        self._patience = patience
        self._attempt = attempt
        self._lanes: Lanes[Caller] = Lanes(LANES, room=20_000)
        self._heads = Heads()
        self._free: dict[str, list[str]] = {}
        self._closing = False

    @property
    def batch(self) -> int:
        """Rows of the largest step after which a batch takes no more callers in; it may be changed at any time."""
        return self._batch

    @batch.setter
    def batch(self, rows: int) -> None:
        self._batch = rows

    async def apply(self, change: Change) -> Any:
        """Commit `change`, together with others that wait, and return its answer.

        Raises what `settle` or `check` raised, Conflict when its idempotency key came with another input before, Unavailable
        when Neo4j does not come back in time.
        """
        if self._closing:
            raise Unavailable("Cairn is shutting down; try again")
        caller = await self._caller(change)
        if not self._lanes.put(change.tenant, caller, _size(caller)):
            raise Unavailable("more changes wait than Neo4j takes; try again in a moment")
        return await caller.future

    async def apply_alone(self, change: Change, lane: str) -> Any:
        """Commit a large change in a transaction of its own, without holding up the queue. `lane` names its kind, for the log."""
        caller = await self._caller(change)
        free = self._free.setdefault(lane, [])
        name = free.pop() if free else f"{lane}-{secrets.token_hex(8)}"
        try:
            await self._commit([caller], name, LARGE_SECONDS)
        finally:
            free.append(name)
        return caller.future.result()

    async def _caller(self, change: Change) -> Caller:
        """A change that waits; what is kept of its idempotency key tells nothing of its input."""
        caller = Caller(change, asyncio.get_running_loop().create_future())
        if (once := change.idempotency) is not None:
            index = await index_for(self, change.tenant)
            caller.change = replace(change, idempotency=replace(once, input_hash=index.digest("input", once.input_hash)))
            caller.sealer = await sealer_for(self, change.tenant, SHARED)
        return caller

    async def work(self) -> None:
        """Commit batches until cancelled. Each lane has one under way at a time; callers that come meanwhile form its next."""
        async with asyncio.TaskGroup() as group:
            for lane in range(len(self._lanes)):
                group.create_task(self._work(lane), name=f"cairn-writer-{lane}")

    async def _work(self, lane: int) -> None:
        name = f"queue-{secrets.token_hex(8)}"
        while True:
            callers = await self._lanes.take(lane, self._batch)
            await self._commit(callers, name)
            self._lanes.finish(lane, [caller.change.tenant for caller in callers])

    async def close(self) -> None:
        """Refuse new changes and wait for those that were accepted."""
        self._closing = True
        await self._lanes.join()

    async def _commit(self, callers: list[Caller], name: str, seconds: float | None = None) -> None:
        tags = frozenset[str]().union(*({*caller.change.tags, f"{caller.change.tenant}/ledger"} for caller in callers))
        try:
            told = await self.invalidator.begin(tags)
            await self._transact(callers, name, seconds or self._attempt, told=told)
            self.grown.update(caller.change.tenant for caller in callers if caller.settled is not None and caller.settled.entries)
        except Refused as refused:
            others = [caller for caller in callers if caller not in refused.callers]
            if others:
                await self._commit(others, name, seconds)
            callers = refused.callers
        except Unavailable as error:
            for caller in callers:
                caller.error = error
        except Exception as error:
            log.warning("a batch of %d changes failed", len(callers), exc_info=True)
            if len(callers) > 1:
                await self._halves(callers, name)
                return
            callers[0].error = as_cairn_error(error)
        finally:
            await self._invalidated(tags, sorted({caller.change.tenant for caller in callers}))
        await self._tell(callers)
        for caller in callers:
            _answer(caller)

    async def _halves(self, callers: list[Caller], name: str) -> None:
        """Commit both halves of a batch apart, so that in the end what can't be committed stands alone."""
        middle = len(callers) // 2
        await self._commit(callers[:middle], name)
        await self._commit(callers[middle:], name)

    async def _invalidated(self, tags: frozenset[str], tenants: list[str]) -> None:
        """Tell the cache that the change is committed; where it can't be told any more, tell every replica through the graph."""

        async def generation(transaction: AsyncManagedTransaction) -> None:
            await run(transaction, _CYPHER["cache_generations"], {"tenants": tenants})

        try:
            if await self.invalidator.done(tags) is False:
                await self.database.write(generation, self._attempt)
                await self.invalidator.done(tags)
        except Exception:
            log.exception("the query cache could not be told that a change was committed")

    async def _tell(self, callers: list[Caller]) -> None:
        events = [event for caller in callers if caller.error is None for event in caller.events]
        if not events:
            return
        for listener in self.listeners:
            try:
                await listener(events)
            except Exception:
                log.exception("a listener of the writer failed")

    async def _transact(self, callers: list[Caller], name: str, seconds: float, *, told: bool) -> None:
        """Commit. When the connection breaks at the commit, the next attempt finds out, behind the lock, whether it took place.

        Before a commit is asked for, the mark is held (`close_batch`); so a first attempt has nothing to find out.
        """
        batch = secrets.token_hex(16)
        moved: Sequence[Row] = ()
        first = True

        async def attempt(transaction: AsyncManagedTransaction) -> None:
            nonlocal moved, first
            if not first:
                mark = {"writer": name, "batch": batch, "at": now()}
                if (await run(transaction, _CYPHER["batch_committed"], mark))[0]["committed"]:
                    return
            first = False
            for caller in callers:
                caller.reset()
            for wave in waves(callers):
                await run_wave(transaction, wave, self.database)
            moved = await close_batch(transaction, callers, self._heads, name, batch)
            if not told:
                tenants = sorted({caller.change.tenant for caller in callers})
                await run(transaction, _CYPHER["cache_generations"], {"tenants": tenants})

        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                await self.database.write(attempt, seconds)
                self._heads.keep(moved)
                return
            except Unavailable:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(_PAUSE)


@asynccontextmanager
async def open_writer(
    database: Database, invalidator: Invalidator | None = None, *, attempt: float = ATTEMPT_SECONDS
) -> AsyncGenerator[Writer]:
    """A `Writer` that works until the block ends, however it ends; changes that it accepted are committed first."""
    writer = Writer(database, invalidator, attempt=attempt)
    task = asyncio.create_task(writer.work(), name="cairn-writer")
    try:
        yield writer
    finally:
        await writer.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _size(caller: Caller) -> int:
    return max((len(step.rows) for step in caller.change.steps), default=1)


def _answer(caller: Caller) -> None:
    if caller.future.done():
        return
    if caller.error is not None:
        caller.future.set_exception(caller.error)
    else:
        caller.future.set_result(caller.answer)

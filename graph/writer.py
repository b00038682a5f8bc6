"""The one writer: every change of the graph goes through it, many callers' changes in one transaction (group commit).

Guarantees: a change and its ledger entries commit together or not at all; a caller is answered after the commit and after the
query cache was told; an idempotency key has one effect, also when the outcome of a commit was unknown; a change that is refused
or that fails leaves nothing behind and does not disturb the others of its batch.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from neo4j import AsyncManagedTransaction

from ..errors import CairnError, Conflict, Internal, Unavailable
from .changes import Change, Event, Settled
from .database import Database, Row, run
from .keyring import SHARED, Sealer, index_for, sealer_for
from .ledger import append
from .sealing import opened
from .statements import Statement, load

log = logging.getLogger("cairn.writer")
_CYPHER = load("writer")
_PAUSE = 0.25
ATTEMPT_SECONDS = 15.0
"""What one attempt to commit a batch may take; a batch takes a fraction of a second where nothing is wrong."""
LARGE_SECONDS = 300.0
"""The same for a change that goes alone, such as a batch of an import."""


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


def _no_results() -> list[list[Row]]:
    return []


@dataclass(slots=True, eq=False)
class _Caller:
    change: Change
    future: asyncio.Future[Any]
    answer: Any = None
    answered: bool = False
    error: CairnError | None = None
    refused: bool = False
    events: tuple[Event, ...] = ()
    settled: Settled | None = None
    results: list[list[Row]] = field(default_factory=_no_results)
    sealer: Sealer = field(default_factory=Sealer)

    def reset(self) -> None:
        self.answer, self.answered, self.error, self.refused = None, False, None, False
        self.events, self.settled, self.results = (), None, []


class _Refused(Exception):
    """These callers' changes failed after their statements ran: the transaction must not commit with them."""

    def __init__(self, callers: list[_Caller]) -> None:
        super().__init__(f"{len(callers)} changes failed after their statements ran")
        self.callers = callers


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
        self._queue: asyncio.Queue[_Caller] = asyncio.Queue(maxsize=20_000)
        self._lanes: dict[str, list[str]] = {}
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
        try:
            self._queue.put_nowait(caller)
        except asyncio.QueueFull:
            raise Unavailable("more changes wait than Neo4j takes; try again in a moment") from None
        return await caller.future

    async def apply_alone(self, change: Change, lane: str) -> Any:
        """Commit a large change in a transaction of its own, without holding up the queue. `lane` names its kind, for the log."""
        caller = await self._caller(change)
        free = self._lanes.setdefault(lane, [])
        name = free.pop() if free else f"{lane}-{secrets.token_hex(8)}"
        try:
            await self._commit([caller], name, LARGE_SECONDS)
        finally:
            free.append(name)
        return caller.future.result()

    async def _caller(self, change: Change) -> _Caller:
        """A change that waits; what is kept of its idempotency key tells nothing of its input."""
        caller = _Caller(change, asyncio.get_running_loop().create_future())
        if (once := change.idempotency) is not None:
            index = await index_for(self, change.tenant)
            caller.change = replace(change, idempotency=replace(once, input_hash=index.digest("input", once.input_hash)))
            caller.sealer = await sealer_for(self, change.tenant, SHARED)
        return caller

    async def work(self) -> None:
        """Commit batches until cancelled. One batch is under way at a time; callers that come meanwhile form the next."""
        name = f"queue-{secrets.token_hex(8)}"
        while True:
            callers = [await self._queue.get()]
            rows = _size(callers[0])
            while rows < self._batch and not self._queue.empty():
                callers.append(self._queue.get_nowait())
                rows += _size(callers[-1])
            await self._commit(callers, name)
            for _ in callers:
                self._queue.task_done()

    async def close(self) -> None:
        """Refuse new changes and wait for those that were accepted."""
        self._closing = True
        await self._queue.join()

    async def _commit(self, callers: list[_Caller], name: str, seconds: float | None = None) -> None:
        tags = frozenset[str]().union(*({*caller.change.tags, f"{caller.change.tenant}/ledger"} for caller in callers))
        try:
            told = await self.invalidator.begin(tags)
            await self._transact(callers, name, seconds or self._attempt, told=told)
            self.grown.update(caller.change.tenant for caller in callers if caller.settled is not None and caller.settled.entries)
        except _Refused as refused:
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
            callers[0].error = _as_cairn_error(error)
        finally:
            await self._invalidated(tags, sorted({caller.change.tenant for caller in callers}))
        await self._tell(callers)
        for caller in callers:
            _answer(caller)

    async def _halves(self, callers: list[_Caller], name: str) -> None:
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

    async def _tell(self, callers: list[_Caller]) -> None:
        events = [event for caller in callers if caller.error is None for event in caller.events]
        if not events:
            return
        for listener in self.listeners:
            try:
                await listener(events)
            except Exception:
                log.exception("a listener of the writer failed")

    async def _transact(self, callers: list[_Caller], name: str, seconds: float, *, told: bool) -> None:
        """Commit. When the connection breaks at the commit, the next attempt finds out, behind the lock, whether it took place."""
        batch = secrets.token_hex(16)

        async def attempt(transaction: AsyncManagedTransaction) -> None:
            mark = {"writer": name, "batch": batch, "at": datetime.now(UTC)}
            if (await run(transaction, _CYPHER["batch_mark"], mark))[0]["committed"]:
                return
            for caller in callers:
                caller.reset()
            for wave in _waves(callers):
                await _run_wave(transaction, wave, self.database)
            await _append_ledger(transaction, callers, name)
            if not told:
                tenants = sorted({caller.change.tenant for caller in callers})
                await run(transaction, _CYPHER["cache_generations"], {"tenants": tenants})

        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                await self.database.write(attempt, seconds)
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


def _size(caller: _Caller) -> int:
    return max((len(step.rows) for step in caller.change.steps), default=1)


def _answer(caller: _Caller) -> None:
    if caller.future.done():
        return
    if caller.error is not None:
        caller.future.set_exception(caller.error)
    else:
        caller.future.set_result(caller.answer)


def _as_cairn_error(error: Exception) -> CairnError:
    if isinstance(error, CairnError):
        return error
    return Internal("the change failed; the details are in the log")


def _waves(callers: Iterable[_Caller]) -> list[list[_Caller]]:
    """Callers in waves within which no two touch the same thing; order among conflicting callers is kept."""
    waves: list[list[_Caller]] = []
    latest: dict[str, int] = {}
    for caller in callers:
        change = caller.change
        names = {f"{change.tenant}\0{name}" for name in change.conflicts}
        if change.idempotency is not None:
            names.add(f"\0{change.idempotency.key}")
        wave = max((latest.get(name, -1) for name in names), default=-1) + 1
        latest.update(dict.fromkeys(names, wave))
        while len(waves) <= wave:
            waves.append([])
        waves[wave].append(caller)
    return waves


async def _run_wave(transaction: AsyncManagedTransaction, wave: Sequence[_Caller], database: Database) -> None:
    await _find_answers(transaction, wave, database)
    depth = max((len(caller.change.steps) for caller in wave), default=0)
    for index in range(depth):
        active = [caller for caller in wave if caller.error is None and not caller.answered and index < len(caller.change.steps)]
        await _run_step(transaction, active, index)
        if index == 0:
            for caller in active:
                _guard(caller, _check)
    for caller in wave:
        if caller.error is None and not caller.answered:
            _guard(caller, _settle)
            caller.refused = caller.error is not None and any(step.rows for step in caller.change.steps)
    refused = [caller for caller in wave if caller.refused]
    if refused:
        raise _Refused(refused)
    await _store_answers(transaction, wave)


def _guard(caller: _Caller, action: Callable[[_Caller], None]) -> None:
    try:
        action(caller)
    except CairnError as error:
        caller.error = error
    except Exception as error:
        log.exception("a change failed by a defect")
        caller.error = _as_cairn_error(error)


def _check(caller: _Caller) -> None:
    if caller.change.check is not None:
        caller.change.check(caller.results[0])


def _settle(caller: _Caller) -> None:
    settled = caller.change.settle(caller.results)
    caller.settled, caller.answer, caller.events = settled, settled.answer, settled.events


async def _run_step(transaction: AsyncManagedTransaction, callers: Sequence[_Caller], index: int) -> None:
    """Run step `index` of every caller, callers with the same statement together."""
    groups: dict[Statement, list[_Caller]] = {}
    for caller in callers:
        groups.setdefault(caller.change.steps[index].statement, []).append(caller)
    for statement, group in groups.items():
        rows: list[Row] = []
        owners: list[_Caller] = []
        for caller in group:
            caller.results.append([])
            for row in caller.change.steps[index].rows:
                rows.append({**row, "i": len(rows)})
                owners.append(caller)
        if rows:
            for result in await run(transaction, statement, {"rows": rows}):
                owner: int = result["i"]
                owners[owner].results[index].append(result)


async def _find_answers(transaction: AsyncManagedTransaction, wave: Sequence[_Caller], database: Database) -> None:
    keyed = {caller.change.idempotency.key: caller for caller in wave if caller.change.idempotency is not None}
    if not keyed:
        return
    for row in await database.keyed(await run(transaction, _CYPHER["requests_find"], {"keys": list(keyed)})):
        caller = keyed[row["key"]]
        if caller.change.idempotency is not None and row["input"] == caller.change.idempotency.input_hash:
            answer = opened(row["answer"], "Request", row["key"], "answer", caller.change.tenant)
            caller.answer, caller.answered = json.loads(answer or "null"), True
        else:
            caller.error = Conflict("this idempotencyKey was used before with another input; use a new key for a new request")


async def _store_answers(transaction: AsyncManagedTransaction, wave: Sequence[_Caller]) -> None:
    rows = [
        {
            "key": caller.change.idempotency.key,
            "tenant": caller.change.tenant,
            "input": caller.change.idempotency.input_hash,
            "answer": caller.sealer.seal(json.dumps(caller.answer), "Request", caller.change.idempotency.key, "answer"),
            "at": datetime.now(UTC),
        }
        for caller in wave
        if caller.change.idempotency is not None and caller.settled is not None
    ]
    if rows:
        await run(transaction, _CYPHER["requests_store"], {"rows": rows})


async def _append_ledger(transaction: AsyncManagedTransaction, callers: Sequence[_Caller], name: str) -> None:
    lines = [(c.change, entry) for c in callers if c.settled is not None and c.error is None for entry in c.settled.entries]
    if not lines:
        return
    tenants = sorted({change.tenant for change, _ in lines})
    heads = await run(transaction, _CYPHER["heads_lock"], {"tenants": tenants, "writer": name})
    at = datetime.now(UTC)
    entries, moved = append(heads, lines, at)
    await run(transaction, _CYPHER["entries_append"], {"rows": entries, "at": at})
    await run(transaction, _CYPHER["heads_move"], {"rows": moved, "at": at})

"""The one writer: every change of the graph goes through it, many callers' changes in one transaction (group commit).

Guarantees: a change and its ledger entries commit together or not at all; a caller is answered after the commit and after the
query cache was told; an idempotency key has one effect, also when the outcome of a commit was unknown; a change that is refused
does not disturb the others of its batch.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from neo4j import AsyncManagedTransaction

from ..errors import CairnError, Conflict, Internal, Unavailable
from .changes import Change, Event, Settled
from .database import Database, Row, run
from .ledger import append
from .statements import load

log = logging.getLogger("cairn.writer")
_CYPHER = load("writer")


class Invalidator(Protocol):
    """What tells the query cache. `begin` runs before the commit and answers whether the cache was reached, `done` after it."""

    async def begin(self, tags: frozenset[str]) -> bool: ...
    async def done(self, tags: frozenset[str]) -> None: ...


class NoCache:
    """An `Invalidator` for when there is no cache."""

    async def begin(self, tags: frozenset[str]) -> bool:  # noqa: ARG002
        return True

    async def done(self, tags: frozenset[str]) -> None:
        pass


Listener = Callable[[Sequence[Event]], Awaitable[None]]


def _no_results() -> list[list[Row]]:
    return []


@dataclass(slots=True)
class _Caller:
    change: Change
    future: asyncio.Future[Any]
    answer: Any = None
    error: CairnError | None = None
    events: tuple[Event, ...] = ()
    settled: Settled | None = None
    results: list[list[Row]] = field(default_factory=_no_results)

    def reset(self) -> None:
        self.answer, self.error, self.settled, self.events, self.results = None, None, None, (), []


class Writer:
    """Commits changes to one database. Make it with `open_writer`."""

    def __init__(self, database: Database, invalidator: Invalidator | None = None, *, batch: int = 512, patience: float = 60.0) -> None:
        self.database = database
        self.invalidator: Invalidator = invalidator or NoCache()
        self.listeners: list[Listener] = []
        self._batch = batch
        self._patience = patience
        self._queue: asyncio.Queue[_Caller] = asyncio.Queue(maxsize=20_000)
        self._closing = False

    async def apply(self, change: Change) -> Any:
        """Commit `change`, together with others that wait, and return its answer.

        Raises what `settle` or `check` raised, Conflict when its idempotency key came with another input before, Unavailable
        when Neo4j does not come back in time.
        """
        if self._closing:
            raise Unavailable("Cairn is shutting down; try again")
        caller = _Caller(change, asyncio.get_running_loop().create_future())
        await self._queue.put(caller)
        return await caller.future

    async def apply_alone(self, change: Change, lane: str) -> Any:
        """Commit a large change in a transaction of its own, without holding up the queue. `lane` names its kind, for the log."""
        caller = _Caller(change, asyncio.get_running_loop().create_future())
        await self._commit([caller], f"{lane}-{secrets.token_hex(8)}")
        return caller.future.result()

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

    async def _commit(self, callers: list[_Caller], name: str) -> None:
        tags = frozenset[str]().union(*(caller.change.tags for caller in callers))
        told = await self.invalidator.begin(tags)
        try:
            await self._transact(callers, name, told=told)
        except CairnError as error:
            if len(callers) > 1 and not isinstance(error, Unavailable):
                await self._bisect(callers, name, error)
                return
            for caller in callers:
                caller.error = error
        except Exception:
            log.exception("a batch of changes failed")
            for caller in callers:
                caller.error = Internal("the change failed; the details are in the log")
        finally:
            await self.invalidator.done(tags)
        await self._tell(callers)
        for caller in callers:
            _answer(caller)

    async def _bisect(self, callers: list[_Caller], name: str, error: CairnError) -> None:
        log.warning("a batch of %d changes failed (%s); committing its halves apart", len(callers), error.code)
        middle = len(callers) // 2
        await self._commit(callers[:middle], name)
        await self._commit(callers[middle:], name)

    async def _tell(self, callers: list[_Caller]) -> None:
        events = [event for caller in callers if caller.error is None for event in caller.events]
        if not events:
            return
        for listener in self.listeners:
            try:
                await listener(events)
            except Exception:
                log.exception("a listener of the writer failed")

    async def _transact(self, callers: list[_Caller], name: str, *, told: bool) -> None:
        """Commit, and find out what happened when the connection broke at the commit."""
        batch = secrets.token_hex(16)

        async def attempt(transaction: AsyncManagedTransaction) -> None:
            for caller in callers:
                caller.reset()
            for wave in _waves(callers):
                await _run_wave(transaction, wave)
            await _append_ledger(transaction, callers, name)
            if not told:
                tenants = sorted({caller.change.tenant for caller in callers})
                await run(transaction, _CYPHER["cache_generations"], {"tenants": tenants})
            await run(transaction, _CYPHER["batch_mark"], {"writer": name, "batch": batch, "at": datetime.now(UTC)})

        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                await self.database.write(attempt)
                return
            except Unavailable:
                if await self._committed(name, batch, deadline):
                    return
                if asyncio.get_running_loop().time() > deadline:
                    raise

    async def _committed(self, name: str, batch: str, deadline: float) -> bool:
        """Whether the batch is in the graph; waits for Neo4j to come back, until the deadline."""
        while asyncio.get_running_loop().time() < deadline:
            try:
                rows = await self.database.read(_CYPHER["batch_find"], {"writer": name})
                return bool(rows) and rows[0]["batch"] == batch
            except Unavailable:
                await asyncio.sleep(0.25)
        return False


@asynccontextmanager
async def open_writer(database: Database, invalidator: Invalidator | None = None) -> AsyncGenerator[Writer]:
    """A `Writer` that works until the block ends; changes that it accepted are committed first."""
    writer = Writer(database, invalidator)
    task = asyncio.create_task(writer.work(), name="cairn-writer")
    try:
        yield writer
        await writer.close()
    finally:
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


async def _run_wave(transaction: AsyncManagedTransaction, wave: Sequence[_Caller]) -> None:
    await _find_answers(transaction, wave)
    depth = max((len(caller.change.steps) for caller in wave), default=0)
    for index in range(depth):
        active = [c for c in wave if c.error is None and c.settled is None and c.answer is None and index < len(c.change.steps)]
        await _run_step(transaction, active, index)
        if index == 0:
            for caller in active:
                _guard(caller, _check)
    for caller in wave:
        if caller.error is None and caller.answer is None:
            _guard(caller, _settle)
    await _store_answers(transaction, wave)


def _guard(caller: _Caller, action: Callable[[_Caller], None]) -> None:
    try:
        action(caller)
    except CairnError as error:
        caller.error = error


def _check(caller: _Caller) -> None:
    if caller.change.check is not None:
        caller.change.check(caller.results[0])


def _settle(caller: _Caller) -> None:
    settled = caller.change.settle(caller.results)
    caller.settled, caller.answer, caller.events = settled, settled.answer, settled.events


async def _run_step(transaction: AsyncManagedTransaction, callers: Sequence[_Caller], index: int) -> None:
    """Run step `index` of every caller, callers with the same statement together."""
    groups: dict[str, list[_Caller]] = {}
    for caller in callers:
        groups.setdefault(caller.change.steps[index].statement.name, []).append(caller)
    for group in groups.values():
        rows: list[Row] = []
        owners: list[_Caller] = []
        for caller in group:
            caller.results.append([])
            for row in caller.change.steps[index].rows:
                rows.append({**row, "i": len(rows)})
                owners.append(caller)
        if rows:
            for result in await run(transaction, group[0].change.steps[index].statement, {"rows": rows}):
                owners[result["i"]].results[index].append(result)


async def _find_answers(transaction: AsyncManagedTransaction, wave: Sequence[_Caller]) -> None:
    keyed = {caller.change.idempotency.key: caller for caller in wave if caller.change.idempotency is not None}
    if not keyed:
        return
    for row in await run(transaction, _CYPHER["requests_find"], {"keys": list(keyed)}):
        caller = keyed[row["key"]]
        if caller.change.idempotency is not None and row["input"] == caller.change.idempotency.input_hash:
            caller.answer = json.loads(row["answer"])
        else:
            caller.error = Conflict("this idempotencyKey was used before with another input; use a new key for a new request")


async def _store_answers(transaction: AsyncManagedTransaction, wave: Sequence[_Caller]) -> None:
    rows = [
        {
            "key": caller.change.idempotency.key,
            "tenant": caller.change.tenant,
            "input": caller.change.idempotency.input_hash,
            "answer": json.dumps(caller.answer),
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
    entries, moved = append(heads, lines, datetime.now(UTC))
    await run(transaction, _CYPHER["entries_append"], {"rows": entries})
    await run(transaction, _CYPHER["heads_move"], {"rows": moved})

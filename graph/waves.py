"""Waves: what a batch of callers does within its transaction, one wave after the other, and what becomes of each caller.

Within a wave no two changes touch the same thing, so that a statement runs once for all of them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from neo4j import AsyncManagedTransaction

from ..errors import CairnError, Conflict, Internal
from .changes import Change, Event, Settled
from .database import Database, Row, run
from .keyring import Sealer
from .sealing import opened
from .statements import Statement, load

log = logging.getLogger("cairn.writer")
_CYPHER = load("waves")


def _no_results() -> list[list[Row]]:
    return []


@dataclass(slots=True, eq=False)
class Caller:
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


class Refused(Exception):
    """These callers' changes failed after their statements ran: the transaction must not commit with them."""

    def __init__(self, callers: list[Caller]) -> None:
        super().__init__(f"{len(callers)} changes failed after their statements ran")
        self.callers = callers


def as_cairn_error(error: Exception) -> CairnError:
    if isinstance(error, CairnError):
        return error
    return Internal("the change failed; the details are in the log")


def waves(callers: Iterable[Caller]) -> list[list[Caller]]:
    """Callers in waves within which no two touch the same thing; order among conflicting callers is kept."""
    found: list[list[Caller]] = []
    latest: dict[str, int] = {}
    for caller in callers:
        change = caller.change
        names = {f"{change.tenant}\0{name}" for name in change.conflicts}
        if change.idempotency is not None:
            names.add(f"\0{change.idempotency.key}")
        wave = max((latest.get(name, -1) for name in names), default=-1) + 1
        latest.update(dict.fromkeys(names, wave))
        while len(found) <= wave:
            found.append([])
        found[wave].append(caller)
    return found


async def run_wave(transaction: AsyncManagedTransaction, wave: Sequence[Caller], database: Database) -> None:
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
        raise Refused(refused)
    await _store_answers(transaction, wave)


def _guard(caller: Caller, action: Callable[[Caller], None]) -> None:
    try:
        action(caller)
    except CairnError as error:
        caller.error = error
    except Exception as error:
        log.exception("a change failed by a defect")
        caller.error = as_cairn_error(error)


def _check(caller: Caller) -> None:
    if caller.change.check is not None:
        caller.change.check(caller.results[0])


def _settle(caller: Caller) -> None:
    settled = caller.change.settle(caller.results)
    caller.settled, caller.answer, caller.events = settled, settled.answer, settled.events


async def _run_step(transaction: AsyncManagedTransaction, callers: Sequence[Caller], index: int) -> None:
    """Run step `index` of every caller, callers with the same statement together."""
    groups: dict[Statement, list[Caller]] = {}
    for caller in callers:
        groups.setdefault(caller.change.steps[index].statement, []).append(caller)
    for statement, group in groups.items():
        rows: list[Row] = []
        owners: list[Caller] = []
        for caller in group:
            caller.results.append([])
            for row in caller.change.steps[index].rows:
                rows.append({**row, "i": len(rows)})
                owners.append(caller)
        if rows:
            for record in await run(transaction, statement, {"rows": rows}):
                answers: list[Row] = record.get("rows") or ([record] if "i" in record else [])
                for result in answers:
                    owner: int = result["i"]
                    owners[owner].results[index].append(result)


async def _find_answers(transaction: AsyncManagedTransaction, wave: Sequence[Caller], database: Database) -> None:
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


async def _store_answers(transaction: AsyncManagedTransaction, wave: Sequence[Caller]) -> None:
    rows = [
        {
            "key": caller.change.idempotency.key,
            "tenant": caller.change.tenant,
            "input": caller.change.idempotency.input_hash,
            "answer": caller.sealer.seal(json.dumps(caller.answer), "Request", caller.change.idempotency.key, "answer"),
        }
        for caller in wave
        if caller.change.idempotency is not None and caller.settled is not None
    ]
    if rows:
        await run(transaction, _CYPHER["requests_store"], {"rows": rows, "at": datetime.now(UTC)})

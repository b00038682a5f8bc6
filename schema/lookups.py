"""Look-ups of many requests at once: what callers with the same permissions ask for in the same moment is one statement.

Guarantees: only look-ups under one and the same `Access` value, that is of one principal at one policy version, are asked together; a
look-up is never answered by a statement that began before it was asked for; what an answer depends on (`graph.tags`) is told to
whoever asked; one that fails by itself fails no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from ..errors import CairnError, TooCostly, Unavailable
from ..graph.access import Access
from ..graph.deadlines import ending, until
from ..graph.tags import collecting

Batch: TypeAlias = Callable[[Access, list[Any]], Awaitable[Mapping[Any, Any]]]
_AT_ONCE = 2
"""Statements of one look-up that run at a time; what is asked for meanwhile goes together when one of them ends."""
_LARGEST = 500


@dataclass(frozen=True, slots=True)
class Found:
    """What was found under a key (None: nothing), the tags that this depends on, and the instant until which it is true."""

    value: Any
    tags: tuple[str, ...]
    until: datetime | None


@dataclass(slots=True)
class _Queue:
    """What waits to be looked up. `deadline`: when the last who waits has no more time; None: never."""

    access: Access
    batch: Batch
    noun: str | None
    waiting: dict[Any, asyncio.Future[Found]] = field(default_factory=dict[Any, "asyncio.Future[Found]"])
    deadline: float | None = 0.0
    due: bool = False
    running: int = 0


class Lookups:
    """The look-ups of one process."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self, name: Hashable, key: Any, access: Access, batch: Batch, noun: str | None = None) -> asyncio.Future[Found]:
        """Look `key` up with whatever else is asked for under `name`, which must tell apart look-ups with other arguments.

        With a `noun`, a tag `<tenant>/<noun>/<key>` concerns that key alone. Whoever waits for the future shields it.
        """
        place = (name, id(access))
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = _Queue(access, batch, noun)
        future = queue.waiting.get(key)
        if future is None:
            future = queue.waiting[key] = asyncio.get_running_loop().create_future()
            future.add_done_callback(_seen)
        mine = ending()
        queue.deadline = None if mine is None or queue.deadline is None else max(queue.deadline, mine)
        self._schedule(place, queue)
        return future

    def _schedule(self, place: Hashable, queue: _Queue) -> None:
        if not queue.due and queue.running < _AT_ONCE:
            queue.due = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._start, place, queue)  # after what the resolvers of this level begin in turn

    def _start(self, place: Hashable, queue: _Queue) -> None:
        taken = dict(list(queue.waiting.items())[:_LARGEST])
        for key in taken:
            del queue.waiting[key]
        queue.due = False
        queue.running += 1
        deadline = queue.deadline
        if not queue.waiting:
            queue.deadline = 0.0
        task = asyncio.get_running_loop().create_task(self._run(place, queue, taken, deadline), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, place: Hashable, queue: _Queue, taken: dict[Any, asyncio.Future[Found]], deadline: float | None) -> None:
        try:
            with until(deadline):
                await _answer(queue, taken)
        finally:
            for future in taken.values():
                future.cancel()  # those that got no answer, because this process ends
            queue.running -= 1
            if queue.waiting:
                self._schedule(place, queue)
            elif not queue.running and not queue.due:
                self._queues.pop(place, None)


async def _answer(queue: _Queue, taken: dict[Any, asyncio.Future[Found]]) -> None:
    """Look all up that was taken; each by itself when one of several is at fault."""
    try:
        with collecting() as tags:
            values = await queue.batch(queue.access, list(taken))
    except Exception as error:  # noqa: BLE001 -- it is raised to those who wait
        if len(taken) > 1 and isinstance(error, CairnError) and not isinstance(error, (Unavailable, TooCostly)):
            for key, future in taken.items():
                await _answer(queue, {key: future})
            return
        for future in taken.values():
            _settle(future, error)
        return
    own = {key: f"{queue.access.tenant}/{queue.noun}/{key}" for key in taken if queue.noun is not None}
    common = tags.difference(own.values())
    for key, future in taken.items():
        _settle(future, Found(values.get(key), (*common, *({own[key]} & tags if key in own else ())), tags.until))


def _settle(future: asyncio.Future[Found], outcome: Found | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _seen(future: asyncio.Future[Found]) -> None:
    """An error that nobody waits for any more is no news."""
    if not future.cancelled():
        future.exception()

"""Single flight: many who want the same thing at the same time share one attempt, its result and its failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, MutableSequence
from typing import Any, Generic, TypeVar

from ..errors import Unavailable
from .tasks import end

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
PATIENCE_SECONDS = 10.0

Closing = MutableSequence[Callable[[], Awaitable[None]]]
"""What is called, last first, before something that was used closes."""


class Flights(Generic[K, T]):
    """Attempts under way, by what they are for. An attempt goes on when a caller is cancelled, for the others' sake.

    It ends after `patience` seconds with Unavailable, so that a connection that died silently does not keep everybody waiting, and at
    the latest when what it uses closes: a driver gives who comes after that a connection which nobody closes.
    """

    def __init__(self, closing: Closing, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        closing.append(self.close)
        self._under_way: dict[K, asyncio.Task[T]] = {}

    def join(self, key: K, attempt: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        """The result of the attempt for `key` that is under way, or of a new one: of one that is over nobody is told any more, so that
        who finds its result too old and asks again waits for a new one.
        """
        return asyncio.shield(self.start(key, attempt))

    def start(self, key: K, attempt: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """The attempt for `key` that is under way, or a new one, for who does not wait for it."""
        task = self._under_way.get(key)
        if task is None or task.done():
            task = self._under_way[key] = asyncio.create_task(self._bounded(attempt))
            task.add_done_callback(lambda done: self._land(key, done))
        return task

    async def close(self) -> None:
        """End every attempt. Who waits for one is cancelled."""
        await end(*self._under_way.values())

    async def _bounded(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await attempt()
        except TimeoutError:
            raise Unavailable("the graph database does not answer; try again in a moment") from None

    def _land(self, key: K, task: asyncio.Task[T]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()

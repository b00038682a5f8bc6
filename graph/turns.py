"""How many may do something at a time: a number that may be changed while some do it and others wait."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class Turns:
    """`most` at a time; the others wait, first come first served. `async with turns:` takes one turn.

    Guarantees: a turn that was given up while waiting is nobody's; after `most` was raised as many go on as there is room for, after it
    was lowered nobody begins until there is.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def most(self) -> int:
        """How many may go at a time, at least 1."""
        return self._most

    @most.setter
    def most(self, value: int) -> None:
        self._most = max(1, value)
        self._pass_on()

    async def __aenter__(self) -> None:
        """Take a turn, or wait for it."""
        if self._taken < self._most:
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came at the moment that it was given up
                self._leave()
            else:
                turn.cancel()
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End the turn."""
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting and self._taken < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)

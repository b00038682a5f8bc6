"""Keeps a process from taking on more than it can do: so many requests at a time, so many more in line, and the rest come again later.

Guarantees: a request that is turned away was not begun; it is told so at once, or after `patience` seconds in line, with 503 and
Retry-After. What tells how the process does is always answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Unavailable
from .encoding import encode
from .errors import present, wrap
from .request_ids import request_id

_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
_BUSY = "Cairn has more requests than it can answer now, and did not begin this one; try again in a moment"


class Overload:
    """ASGI middleware. `most` requests run at a time, `line` more wait, each for up to `patience` seconds, first come first served.

    A stream of events counts until it begins: how many of those there may be is limited elsewhere.
    """

    def __init__(self, app: ASGIApp, most: int, line: int, patience: float) -> None:
        self._app = app
        self._free = most
        self._line = line
        self._patience = patience
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through, or turn it away."""
        if scope["type"] != "http" or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        if not await self._enter():
            await _turn_away(scope, send)
            return
        held = True

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                self._leave()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and _streams(message):
                leave()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            leave()

    async def _enter(self) -> bool:
        if self._free:
            self._free -= 1
            return True
        if len(self._waiting) >= self._line:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # its turn came at the moment that it was given up
                self._leave()
            else:
                with suppress(ValueError):
                    self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _streams(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"])


async def _turn_away(scope: Scope, send: Send) -> None:
    error = present(wrap(Unavailable(_BUSY)), request_id(scope))
    body = encode({"errors": [error.formatted]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})

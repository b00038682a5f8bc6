"""Reads request bodies: never more than the limit, never for longer than the deadline."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Receive

from ..errors import BadInput, TooCostly

DRAIN_FACTOR = 16
_DRAIN_SECONDS = 10.0


class BodyTooLarge(TooCostly):
    """A body of more bytes than the limit."""


class Disconnected(Exception):
    """The client went away before its body was complete."""


class Body:
    """The body of one request, of at most `most` bytes, which may take `seconds` to arrive."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._complete = False

    async def read(self) -> bytes:
        """All of it. Raises BodyTooLarge, BadInput when it takes too long, and Disconnected."""
        try:
            async with asyncio.timeout(self._seconds):
                chunk = await self._next()
                if self._complete and len(chunk) <= self._most:
                    return chunk
                content = bytearray(chunk)
                while not self._complete and len(content) <= self._most:
                    content += await self._next()
        except TimeoutError:
            raise BadInput(f"the body took longer than {self._seconds:g} seconds to arrive") from None
        if len(content) > self._most:
            raise BodyTooLarge(f"the body has more than {self._most} bytes; send less at a time")
        return bytes(content)

    async def drain(self) -> None:
        """Read on for some seconds and throw away, so that a client that is still sending gets to see the answer."""
        size = 0
        with suppress(TimeoutError, Disconnected):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._complete and size <= self._most * DRAIN_FACTOR:
                    size += len(await self._next())

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self._complete = not message.get("more_body", False)
        return message.get("body", b"")

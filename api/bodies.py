"""Reads request bodies: never more than the limit, never for longer than the deadline."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Receive

from ..errors import BadInput, TooCostly

_DRAIN_FACTOR = 16
_DRAIN_SECONDS = 10.0


class BodyTooLarge(TooCostly):
    """A body of more bytes than the limit."""


class Disconnected(Exception):
    """The client went away before its body was complete."""


async def read_body(receive: Receive, declared: str | None, most: int, seconds: float) -> bytes:
    """The body, of at most `most` bytes. `declared` is the Content-Length header.

    Raises BodyTooLarge, after reading on for a while so that the client gets to see the answer, BadInput when the body takes
    longer than `seconds`, and Disconnected.
    """
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body") and len(message["body"]) <= most:
                return message["body"]
            chunks: list[bytes] = []
            size = 0
            while True:
                if message["type"] == "http.disconnect":
                    raise Disconnected
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > most or (declared is not None and declared.isdecimal() and int(declared) > most):
                    break
                if not message.get("more_body"):
                    return b"".join(chunks)
                message = await receive()
    except TimeoutError:
        raise BadInput(f"the body took longer than {seconds:g} seconds to arrive") from None
    if message.get("more_body"):
        await drain(receive, most * _DRAIN_FACTOR)
    raise BodyTooLarge(f"the body has more than {most} bytes; send less at a time")


async def drain(receive: Receive, most: int) -> None:
    """Read on and throw away, up to `most` bytes and for some seconds, so that the client reads the answer before it gives up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            size = 0
            while size <= most:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return

"""What a connection may cost before and beside any request: slow heads and bodies, endless heads, clients that never read.

uvicorn's protocols, with what they leave open bounded; a reverse proxy may do the same again in front.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from ..settings import Settings
from .bodies import DRAIN_FACTOR

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers, and of what is no body after them."""
_OVERHEAD = 1024 * 1024
_LAST_WORDS = 2.0
_MOST_PIECES = 1_000


@dataclass(slots=True)
class Bounds:
    """The bounds of one process's connections, in seconds and bytes. `waiting`: connections whose request has not come, oldest first.

    `head`: until a request's head is there; `message`: until its body is; `stall`: how long a client may take nothing of its answer.
    """

    most: int = 4_000
    head: float = 15.0
    message: float = 60.0
    stall: float = 30.0
    bytes: int = 64 * 1024 * 1024
    waiting: OrderedDict[asyncio.Transport, None] = field(default_factory=OrderedDict[asyncio.Transport, None])

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """The bounds that an administrator set."""
        size = settings.max_body_bytes * DRAIN_FACTOR + MAX_HEAD + _OVERHEAD
        return cls(settings.max_connections, message=settings.request_timeout + 30.0, bytes=size)


class Config(uvicorn.Config):
    """How uvicorn serves, with bounds for its connections."""

    bounds: Bounds


class _Stall:
    """Cuts a client off that takes nothing for too long."""

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self.end()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._transport.abort)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HTTP(HttpToolsProtocol):
    """HTTP/1.1. Works with a `Config` of this module.

    A connection is closed when a head or a body does not come in time or is too large, and when its client does not read. When there
    are too many connections, the one that has waited longest for a request goes; when none waits, the new one does.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a connection in, if there is room for it."""
        super().connection_made(transport)
        self.bounds = cast("Config", self.config).bounds
        self._stall = _Stall(transport, self.bounds.stall)
        self._timer: asyncio.TimerHandle | None = None
        self._size = self._quiet = 0
        self._wait(self.bounds.head)
        self.bounds.waiting[transport] = None
        if len(self.connections) > self.bounds.most:
            self.bounds.waiting.popitem(last=False)[0].abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._stall.end()
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless too much came that is no body, or too much in all."""
        self._size += len(data)
        self._quiet += len(data)
        super().data_received(data)
        if self._quiet > MAX_HEAD or self._size > self.bounds.bytes:
            self._refuse("The request is too large.")

    def on_message_begin(self) -> None:
        """A request begins: its head has so long."""
        super().on_message_begin()
        self._wait(self.bounds.head)

    def on_headers_complete(self) -> None:
        """The head is whole: the body has so long."""
        assert self.parser is not None
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise ValueError("another version of HTTP")
        self._wait(self.bounds.message)
        self.bounds.waiting.pop(self.transport, None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._quiet = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._size = self._quiet = 0
        self._arrived()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """From here on it is a WebSocket."""
        self._size = self._quiet = 0
        self._arrived()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self._stall.begin()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client took what waited."""
        self._stall.end()
        super().resume_writing()

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._refuse, "The request did not come in time.")

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.bounds.waiting.pop(self.transport, None)

    def _refuse(self, why: str) -> None:
        """Say why, where nothing was said yet, and close, whether the client listens or not."""
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete:
            self.send_400_response(why)
            self.loop.call_later(_LAST_WORDS, self.transport.abort)
        else:
            self.transport.abort()


class WebSocket(WebSocketsSansIOProtocol):
    """WebSockets. A client that takes nothing for too long, or answers no ping, is cut off; what it sends meanwhile is not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        super().connection_made(transport)
        self._stall = _Stall(self.transport, cast("Config", self.config).bounds.stall)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._stall.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not keep up: read no more from it, for each ping of its own asks for an answer."""
        self._stall.begin()
        self.transport.pause_reading()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client took what waited."""
        self._stall.end()
        if not self.read_paused:
            self.transport.resume_reading()
        super().resume_writing()

    def handle_cont(self, event: Frame) -> None:
        """A further piece of a message, which may not come in too many."""
        if len(self.frames) >= _MOST_PIECES:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
        elif not self.close_sent:
            super().handle_cont(event)

    def keepalive_timeout(self) -> None:
        """No answer to a ping: close, and do not wait for what can't be sent."""
        super().keepalive_timeout()
        self._stall.begin()

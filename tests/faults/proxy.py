"""A TCP proxy that misbehaves on request: it stands in front of a real Neo4j or Redis and makes the network between them a bad one."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from ..listening import listening

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER, no time: closing sends RST instead of FIN


@dataclass(frozen=True)
class Fault:
    """What goes wrong, with every connection, old and new, while it is set.

    `delay`: seconds each piece of a reply is late. `rate`: bytes a second that replies come at. `refuse`: connections are closed as
    soon as they open. `silent`: what is sent is swallowed in both directions, and connections that lost something stay dead for ever,
    as when a firewall forgot them (half-open). `lose_replies`: requests arrive, and the connection is reset before their reply.
    `cut_after`: the connection is reset after so many bytes of replies.
    """

    delay: float = 0.0
    rate: float | None = None
    refuse: bool = False
    silent: bool = False
    lose_replies: bool = False
    cut_after: int | None = None


FINE = Fault()


class Proxy:
    """A proxy to one server. Set `fault`, and call `reset` to break the connections that there are. Made by `open_proxy`."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self.lines: set[_Line] = set()
        self.fault = FINE
        self.port = 0
        self.opened = 0

    @property
    def url(self) -> str:
        """The server's address, by way of the proxy."""
        _, at, _ = self._upstream.netloc.rpartition("@")
        user = self._upstream.netloc.rpartition("@")[0]
        scheme = "redis" if self._upstream.scheme == "unix" else self._upstream.scheme
        path = "/0" if self._upstream.scheme == "unix" else self._upstream.path
        return urlunsplit((scheme, f"{user}{at}127.0.0.1:{self.port}", path, "", ""))

    @property
    def connections(self) -> int:
        """How many connections the clients hold open now."""
        return sum(line.held for line in self.lines)

    def reset(self) -> None:
        """Break every connection with a TCP reset."""
        for line in list(self.lines):
            line.reset()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        self.opened += 1
        if self.fault.refuse:
            _abort(writer)
            return
        line = _Line(self, writer)
        self.lines.add(line)
        try:
            await line.carry(reader, await self._connect())
        finally:
            self.lines.discard(line)
            line.reset()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream.scheme == "unix":
            return await asyncio.open_unix_connection(unquote(self._upstream.path))
        return await asyncio.open_connection(self._upstream.hostname, self._upstream.port)


class _Line:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._writers = [writer]
        self._dead = False
        self._ended = asyncio.Event()
        self._replied = 0
        self.held = True

    async def carry(self, reader: asyncio.StreamReader, server: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._writers.append(server[1])
        pumps = [
            asyncio.create_task(self._pump(reader, server[1], reply=False)),
            asyncio.create_task(self._pump(server[0], self._writers[0], reply=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, reply: bool) -> None:
        while chunk := await _read(source):
            fault = self._proxy.fault
            self._dead = self._dead or fault.silent
            if self._dead:
                continue
            if reply:
                if fault.lose_replies:
                    return
                await asyncio.sleep(fault.delay + (len(chunk) / fault.rate if fault.rate else 0))
                self._replied += len(chunk)
                if fault.cut_after is not None and self._replied > fault.cut_after:
                    return
            sink.write(chunk)
            await sink.drain()
        self.held = self.held and reply
        if self._dead:  # nobody hears that the other side hung up
            await self._ended.wait()

    def reset(self) -> None:
        """Break it, for both sides."""
        self._ended.set()
        for writer in self._writers:
            _abort(writer)


async def _read(source: asyncio.StreamReader) -> bytes:
    try:
        return await source.read(_CHUNK)
    except ConnectionError:
        return b""


def _abort(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def open_proxy(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy to the server at `upstream` (bolt://, redis://, unix://), on a loopback port of its own until the block ends."""
    proxy = Proxy(upstream)
    async with listening(proxy.accept) as proxy.port:
        yield proxy

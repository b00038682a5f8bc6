"""Parses a document in a process of its own, with little memory, so that no document can harm or stall the server.

pyoxigraph can be made to run out of memory or stack by a document written for it; then only that process ends. It also keeps the
parser's work off the event loop and on another core: it prepares the next subjects while the last ones are being written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from .. import errors
from ..errors import CairnError, Internal, MalformedRDF, TooCostly
from ..graph.rdf import Subject
from .documents import Read, Request
from .parser import HEADER, frame
from .sources import Source

log = logging.getLogger("cairn.importers")
MEMORY = 640 * 1024 * 1024
"""Address space of the parsing process, in bytes."""
_AHEAD = 4 * 1024 * 1024
_FROM_PARSER = (MalformedRDF, TooCostly)

Report = Callable[[int, int], None]


class _GaveUp(MalformedRDF):
    """The process ended without an answer."""


class Parsing:
    """A document that is being parsed. Call `read`, then `subjects`, each once."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self._process = process
        self._out = process.stdout

    async def read(self, report: Report) -> Read:
        """Wait until the whole document was read; `report` hears of bytes and statements meanwhile.

        Raises MalformedRDF with line and column, TooCostly for a document beyond the limits.
        """
        while True:
            kind, content = await self._frame()
            if kind == b"R":
                return Read(**content)
            report(*content)

    async def subjects(self) -> AsyncIterator[list[tuple[int, Subject]]]:
        """Some subjects at a time, each with the number of its graph, in the order of graph and key."""
        while True:
            kind, content = await self._frame()
            if kind == b"Z":
                return
            yield [(graph, Subject(*rest)) for graph, *rest in content]

    async def _frame(self) -> tuple[bytes, Any]:
        try:
            kind, length = HEADER.unpack(await self._out.readexactly(HEADER.size))
            content = orjson.loads(await self._out.readexactly(length))
        except asyncio.IncompleteReadError:
            raise _gave_up(await self._process.wait()) from None
        if kind == b"E":
            raise _error(content)
        return kind, content


@dataclass(frozen=True, slots=True)
class _Parser:
    """A process that waits for a document, and our end of the socket that is its standard input."""

    process: asyncio.subprocess.Process
    socket: socket.socket

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        self.kill()
        await self.process.wait()
        self.socket.close()


class Parsers:
    """Starts parsing processes, one a document, and keeps one ready when `warm` was called. Temporary files go to `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spare: _Parser | None = None
        self._closed = False

    async def warm(self) -> None:
        """Have a process ready, so that the next document need not wait for one."""
        if self._spare is not None or self._closed:
            return
        made = await self._start()
        if self._spare is None and not self._closed:
            self._spare = made
        else:  # another job was quicker, or the end came
            await made.end()

    async def close(self) -> None:
        """End the process that was ready."""
        self._closed = True
        spare, self._spare = self._spare, None
        if spare is not None:
            await spare.end()

    @asynccontextmanager
    async def parsing(self, request: Request, source: Source) -> AsyncGenerator[Parsing]:
        """Start parsing `source`. The process ends with this block."""
        parser, self._spare = self._spare, None
        if parser is None or parser.process.returncode is not None:
            parser = await self._start()
        feeding = asyncio.create_task(_feed(parser, request, source))
        try:
            yield Parsing(parser.process)
        except _GaveUp:
            (failed,) = await asyncio.gather(feeding, return_exceptions=True)
            if failed is not None:
                raise failed from None
            raise
        finally:
            parser.kill()
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await parser.end()

    async def _start(self) -> _Parser:
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as stack:
            stack.enter_context(ours)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "cairn.importers.parser",
                str(MEMORY),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_AHEAD,
                env={**os.environ, "TMPDIR": str(self._folder), "SQLITE_TMPDIR": str(self._folder)},
            )
            stack.pop_all()
        return _Parser(process, ours)


async def _feed(parser: _Parser, request: Request, source: Source) -> None:
    """Pass the request and the document. A failure of the source ends the document early, and is raised instead of what that causes."""
    header = frame(b"Q", asdict(request))
    try:
        if source.file is not None:
            socket.send_fds(parser.socket, [header], [source.file.fileno()])
            return
        parser.socket.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(parser.socket, header)
        async for chunk in source.chunks or _nothing():
            await loop.sock_sendall(parser.socket, chunk)
        parser.socket.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        return
    except BaseException:
        parser.kill()
        raise


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk


def _error(content: dict[str, Any]) -> CairnError:
    kind = getattr(errors, content["code"])
    if kind is MalformedRDF:
        return MalformedRDF(content["message"], content["line"], content["column"])
    if kind in _FROM_PARSER:
        return kind(content["message"])
    log.error("the parser failed: %s", content["message"])
    return Internal("the parser failed; the details are in the log")


def _gave_up(code: int) -> _GaveUp:
    log.warning("the parsing process ended with %d", code)
    return _GaveUp("the parser gave up: something in the document is nested too deeply or is too large to be read safely")

"""Parses a document in a process of its own, with little memory, so that no document can harm or stall the server.

pyoxigraph can be made to run out of memory or stack by a document written for it; then only that process ends. It also keeps the
parser's work off the event loop and on another core: it prepares the next subjects while the last ones are being written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from .. import errors
from ..errors import CairnError, Internal, MalformedRDF, TooCostly
from ..graph.rdf import Subject
from .documents import Read, Request
from .parser import HEADER
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


@asynccontextmanager
async def parsing(request: Request, source: Source, folder: Path) -> AsyncGenerator[Parsing]:
    """Start parsing `source`. Temporary files go to `folder`. The process ends with this block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "cairn.importers.parser",
        orjson.dumps(asdict(request)).decode(),
        str(MEMORY),
        stdin=source.file if source.file is not None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_AHEAD,
        env={**os.environ, "TMPDIR": str(folder), "SQLITE_TMPDIR": str(folder)},
    )
    feeding = asyncio.create_task(_feed(process, source))
    try:
        parse = Parsing(process)
        yield parse
    except _GaveUp:
        (failed,) = await asyncio.gather(feeding, return_exceptions=True)
        if failed is not None:
            raise failed from None
        raise
    finally:
        feeding.cancel()
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.gather(feeding, process.wait(), return_exceptions=True)


async def _feed(process: asyncio.subprocess.Process, source: Source) -> None:
    """Pass a source that is no file to the process. A failure of the source ends the document early and is raised instead of that."""
    if process.stdin is None or source.chunks is None:
        return
    try:
        async for chunk in source.chunks:
            process.stdin.write(chunk)
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return
    except BaseException:
        process.kill()
        raise
    finally:
        process.stdin.close()


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

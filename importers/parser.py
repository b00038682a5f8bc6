"""The process that parses a document and answers in frames: see `sandbox`, which starts it.

A frame is a letter, the length of what follows (4 bytes, big-endian), and JSON: `Q` the `Request`, with the document behind it or
as a file descriptor beside it; `P` [bytes, statements] read so far; `R` the `Read`,
once, when the document is whole; `S` some subjects; `E` an error, which ends the answer; `Z` the end.
"""

from __future__ import annotations

import gc
import os
import socket
import struct
import sys
import time
import traceback
from contextlib import closing
from dataclasses import asdict
from typing import Any, BinaryIO, cast

import orjson

from ..errors import CairnError, MalformedRDF
from .documents import Document, Request

HEADER = struct.Struct(">cI")
_PROGRESS_SECONDS = 0.2
_STATEMENTS = 2_000
NICE = 10
"""Who asks comes before what is imported, where there are not cores enough for both."""


class Answer:
    """Frames to the process that asked."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._told = time.monotonic()

    def send(self, kind: bytes, content: Any) -> None:
        """Send one frame at once."""
        self._out.write(frame(kind, content))
        self._out.flush()

    def progress(self, count: int, triples: int) -> None:
        """Send how much was read, a few times a second."""
        if time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            self.send(b"P", [count, triples])


def answer(document: Document, out: Answer) -> None:
    """Read the document and send all of it. Errors become a frame."""
    try:
        out.send(b"R", asdict(document.read(out.progress)))
        some: list[list[Any]] = []
        size = 0
        for graph, found in document.subjects():
            some.append([graph, found.key, found.iri, found.literals, found.links, found.terms, found.hash])
            size += found.size
            if size >= _STATEMENTS:
                out.send(b"S", some)
                some, size = [], 0
        out.send(b"S", some)
        out.send(b"Z", None)
    except CairnError as error:
        line, column = (error.line, error.column) if isinstance(error, MalformedRDF) else (None, None)
        out.send(b"E", {"code": type(error).__name__, "message": error.message, "line": line, "column": column})
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 whatever it is goes to the log of the process that asked
        out.send(b"E", {"code": "Internal", "message": traceback.format_exc(), "line": None, "column": None})


def confine(memory: int) -> None:
    """Let this process have `memory` bytes of address space and leave no core dump, so that a bomb harms nobody else."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def frame(kind: bytes, content: Any) -> bytes:
    """One frame."""
    body = orjson.dumps(content)
    return HEADER.pack(kind, len(body)) + body


def ask(asked: socket.socket) -> tuple[Request, BinaryIO] | None:
    """Wait for a request and its document: a file that came with it, or else what follows. None when nobody will ask any more."""
    head, files, _, _ = socket.recv_fds(asked, HEADER.size, 1)
    if not head:
        return None
    stream = cast("BinaryIO", asked.makefile("rb", buffering=0))
    head += _exactly(stream, HEADER.size - len(head))
    request = Request(**orjson.loads(_exactly(stream, HEADER.unpack(head)[1])))
    return request, cast("BinaryIO", open(files[0], "rb", buffering=0)) if files else stream


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = b""
    while len(found) < count and (more := stream.read(count - len(found))):
        found += more
    return found


def main() -> None:
    """Answer one request that comes over standard input, a socket. The argument is the address space to get by with."""
    confine(int(sys.argv[1]))
    os.nice(NICE)
    gc.disable()  # nothing here makes cycles, and looking for them costs a tenth of the time
    with socket.socket(fileno=0) as asked:
        asking = ask(asked)
        if asking is not None:
            with asking[1] as raw, closing(Document(raw, asking[0])) as document:
                answer(document, Answer(sys.stdout.buffer))


if __name__ == "__main__":
    main()

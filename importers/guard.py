"""What stands between a file from anywhere and the parser: decompression, and checks that the parser leaves out.

pyoxigraph reads in constant memory as long as statements keep coming. The guard refuses what would break that: a literal or a
nesting without end, and XML entities that multiply. It also checks RDF/XML with expat, because pyoxigraph accepts a truncated
document and names no line there.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO
from xml.parsers import expat

from ..errors import MalformedRDF

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 64 * 1024
_ESCAPED = 6
"""A byte of a literal takes at most this many bytes of the file, as `\\u0041`."""
_SLACK = 1024 * 1024
_HEAD = 64
_FREE = 64 * 1024 * 1024
_ARCHIVES = ((b"PK\x03", "zip"), (b"BZh", "bzip2"), (b"\x28\xb5\x2f", "zstd"), (b"\xfd7z", "xz"))
_RATIO = 200
"""Beyond so many bytes, gzip may make at most so many of each: RDF shrinks to a tenth or a fiftieth, a bomb to a thousandth."""
_ENTITY_CHARACTERS = 1024
_DEEPEST = 1_000
_REFERENCE = re.compile(r"&([^#;&][^;&]*);")


class Counted(io.RawIOBase):
    """A source's bytes as they came: counted, and hashed with SHA-256."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.count = 0
        self.sum = sha256()

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer from the source."""
        view = memoryview(buffer)
        data = self._raw.read(len(view))
        view[: len(data)] = data
        self.count += len(data)
        self.sum.update(data)
        return len(data)


class _Gunzipped(io.RawIOBase):
    """The plain bytes of a gzip file, until they are too many for what it holds."""

    def __init__(self, source: Counted, buffered: io.BufferedReader[Counted]) -> None:
        self._source = source
        self._plain = gzip.GzipFile(fileobj=buffered)
        self._count = 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer. Raises MalformedRDF for a bomb."""
        view = memoryview(buffer)
        data = self._plain.read1(len(view))
        view[: len(data)] = data
        self._count += len(data)
        if self._count > _FREE and self._count > _RATIO * self._source.count:
            raise MalformedRDF(f"the gzip file grows to more than {_RATIO} times its size; unzip it first if it is meant to")
        return len(data)


def decompressed(source: Counted) -> io.BufferedIOBase:
    """The source's plain bytes, ungzipped when they begin as gzip does, without a UTF-8 byte order mark.

    Raises MalformedRDF for UTF-16, for other archives and for damaged gzip.
    """
    buffered = io.BufferedReader(source, _CHUNK)
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        buffered = io.BufferedReader(_Gunzipped(source, buffered), _CHUNK)
    with _gzip_errors((1, 1)):
        start = buffered.peek(3)[:3]
    if start == b"\xef\xbb\xbf":
        buffered.read(3)
    elif start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise MalformedRDF("the file is in UTF-16; convert it to UTF-8", 1, 1)
    elif archive := next((name for sign, name in _ARCHIVES if start.startswith(sign)), None):
        raise MalformedRDF(f"the file is a {archive} archive; of archives only gzip is read", 1, 1)
    return buffered


@contextmanager
def _gzip_errors(position: tuple[int, int]) -> Generator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MalformedRDF(f"the gzip file is damaged or cut short: {error}", *position) from None


class Guard:
    """Hands a source to the parser. Who takes the statements sets `gap` to 0 at each: bytes that were read since the last one.

    `head` is how the plain text begins, `error` what stopped the reading, for the parser may wrap it. With `stop` a read ends
    after that byte at the latest, so that the parser's own errors are found where they stand.
    """

    def __init__(self, source: io.BufferedIOBase, max_literal: int, stop: bytes | None = None) -> None:
        self.gap = 0
        self.head = b""
        self.error: MalformedRDF | None = None
        self._source = source
        self._most = max_literal * _ESCAPED + _SLACK
        self._stop = stop
        self._line, self._column = 1, 1
        self._buffer, self._at = b"", 0

    @property
    def position(self) -> tuple[int, int]:
        """Line and column that were reached, where the parser does not tell."""
        return self._line, self._column

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; empty at the end. Raises MalformedRDF when too much passed without a statement, and for damaged gzip."""
        try:
            with _gzip_errors(self.position):
                data = self._next(size if size > 0 else _CHUNK)
            self._check(data)
        except MalformedRDF as error:
            self.error = error
            raise
        return data

    def _next(self, size: int) -> bytes:
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._source.read1(_CHUNK), 0
            self.head = self.head or self._buffer[:_HEAD]
        end = self._at + size
        if self._stop:
            end = self._buffer.find(self._stop, self._at, end) + 1 or end
        data = self._buffer[self._at : end]
        self._at += len(data)
        return data

    def _check(self, data: bytes) -> None:
        lines = data.count(b"\n")
        self._line += lines
        self._column = len(data) - data.rfind(b"\n") if lines else self._column + len(data)
        self._measure(len(data))

    def _measure(self, read: int) -> None:
        self.gap += read
        if self.gap > self._most:
            what = f"no statement ended within {self._most} bytes: a literal is too long, or something is nested without end"
            raise MalformedRDF(what, *self.position)


class XmlGuard(Guard):
    """A guard for RDF/XML: well-formedness up to the last byte, with line and column; no external and no multiplying entities."""

    def __init__(self, source: io.BufferedIOBase, max_literal: int) -> None:
        super().__init__(source, max_literal, b">")
        self._expat = expat.ParserCreate()
        self._expat.EntityDeclHandler = self._declared
        self._expat.StartElementHandler = self._began
        self._expat.EndElementHandler = self._ended
        self._depth = 0
        self._entities: dict[str, int] = {}
        self._longest = 1

    def _check(self, data: bytes) -> None:
        try:
            self._expat.Parse(data, not data)
        except expat.ExpatError as error:
            raise MalformedRDF(f"not well-formed XML: {expat.errors.messages[error.code]}", error.lineno, error.offset + 1) from None
        self._line, self._column = self._expat.CurrentLineNumber, self._expat.CurrentColumnNumber + 1
        self._measure(len(data) + data.count(b"&") * (self._longest - 1))

    def _began(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 -- expat passes them
        self._depth += 1
        if self._depth > _DEEPEST:
            at = self._expat.CurrentLineNumber, self._expat.CurrentColumnNumber + 1
            raise MalformedRDF(f"XML elements are nested more than {_DEEPEST} deep", *at)

    def _ended(self, name: str) -> None:  # noqa: ARG002
        self._depth -= 1

    def _declared(
        self, name: str, parameter: int, value: str | None, base: str | None, system: str | None, public: str | None, notation: str | None
    ) -> None:
        at = self._expat.CurrentLineNumber, self._expat.CurrentColumnNumber + 1
        if parameter or value is None or system or public or base or notation:
            raise MalformedRDF(f"the XML entity {name!r} is external or a parameter entity; neither is read", *at)
        length = len(value) + sum(self._entities.get(inner, 1) for inner in _REFERENCE.findall(value))
        if length > _ENTITY_CHARACTERS:
            raise MalformedRDF(f"the XML entity {name!r} stands for more than {_ENTITY_CHARACTERS} characters", *at)
        self._entities.setdefault(name, length)
        self._longest = max(self._longest, length)

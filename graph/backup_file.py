"""The file that a backup is: gzipped JSON lines between a header and a trailer, by which a cut-off or altered file is known.

    {"cairn-backup":1,"cairn":"0.1.0","at":"2026-08-01T12:00:00+00:00","migrations":["0001_core"],"nodes":2,"relationships":1}
    ["n",<its number in this file>,[<labels>],{<properties>}]
    ["r",<number of its start>,<number of its end>,<type>,{<properties>}]
    {"nodes":2,"relationships":1,"sha256":"<of all lines before this one>"}

Properties are as in `property_values`. The digest finds damage; it does not keep away who can write the file: encryption of the whole
file (`sealed_file`) does, and the ledger.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from ..errors import BadInput
from .sealed_file import FileKey, OpeningFile, SealingFile

__all__ = ["Counts", "Header", "Lines", "read_lines", "whole", "written"]

FORMAT = 1
_CHUNK = 1 << 18
_HEADER_BYTES = 1 << 20
_LEVEL = 5  # of zlib


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a database or its backup holds; Cairn's notes about migrations are not counted."""

    nodes: int = 0
    relationships: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says of itself: Cairn's version, the instant, the migrations its database had, and how much it holds."""

    cairn: str
    at: str
    migrations: tuple[str, ...]
    counts: Counts


class Lines:
    """The lines of a backup that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = sha256()
        self._waiting = bytearray()

    def header(self, header: Header) -> None:
        """The first line."""
        counts = {"nodes": header.counts.nodes, "relationships": header.counts.relationships}
        self._line({"cairn-backup": FORMAT, "cairn": header.cairn, "at": header.at, "migrations": header.migrations, **counts})

    def node(self, number: int, labels: Sequence[str], properties: dict[str, Any]) -> None:
        """A node under a number of its own, with encoded properties."""
        self._line(["n", number, labels, properties])

    def relationship(self, start: int, end: int, type: str, properties: dict[str, Any]) -> None:
        """A relationship between two nodes by their numbers, with encoded properties."""
        self._line(["r", start, end, type, properties])

    def trailer(self, counts: Counts) -> None:
        """The last line, without which the file counts as cut off."""
        self._flush()
        self._line({"nodes": counts.nodes, "relationships": counts.relationships, "sha256": self._sum.hexdigest()})
        self._flush()

    def _line(self, value: Any) -> None:
        self._waiting += orjson.dumps(value) + b"\n"
        if len(self._waiting) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        self._sum.update(self._waiting)
        self._file.write(self._waiting)
        self._waiting.clear()


@contextmanager
def written(file: Path, key: FileKey | None = None) -> Generator[Lines]:
    """A backup to be written, mode 0600, encrypted where there is a key. It stands under its name only when the block ended well.

    Raises BadInput when it can't be written.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
            with (
                _above(raw, key) as sealing,
                gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=sealing, mtime=0) as zipped,
            ):
                yield Lines(cast("BinaryIO", zipped))
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(file)
    except OSError as error:
        raise BadInput(f"{file} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def whole(file: Path, key: FileKey | None = None) -> Header:
    """The header of a backup, once every line of it was read and nothing is missing or altered. Raises BadInput otherwise."""
    lines = read_lines(file, key)
    header = next(lines)
    assert isinstance(header, Header)
    for _ in lines:
        pass
    return header


def read_lines(file: Path, key: FileKey | None = None) -> Generator[Header | list[Any]]:
    """The header of a backup, then its nodes and relationships as they stand there, in constant memory. `key` is an encrypted one's.

    Raises BadInput, at the end at the latest, when the file is not a backup of Cairn, was cut off, or was altered.
    """
    try:
        with file.open("rb") as raw, gzip.GzipFile(fileobj=_below(file, raw, key), mode="rb") as zipped:
            lines = cast("BinaryIO", zipped)
            first = lines.readline(_HEADER_BYTES)
            header = _header(file, first)
            yield header
            yield from _body(file, lines, first, header)
    except gzip.BadGzipFile as error:
        raise (_foreign(file) if "Not a gzipped file" in str(error) else _damaged(file, "altered")) from error
    except EOFError as error:
        raise _damaged(file, "cut off") from error
    except (zlib.error, orjson.JSONDecodeError, LookupError, TypeError) as error:
        raise _damaged(file, "altered") from error
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error


@contextmanager
def _above(raw: BinaryIO, key: FileKey | None) -> Generator[BinaryIO]:
    if key is None:
        yield raw
        return
    with closing(SealingFile(raw, key)) as sealing:
        yield cast("BinaryIO", sealing)


def _below(file: Path, raw: BinaryIO, key: FileKey | None) -> BinaryIO:
    return raw if key is None else cast("BinaryIO", io.BufferedReader(OpeningFile(raw, key, file), _CHUNK))


def _header(file: Path, line: bytes) -> Header:
    if not line.startswith(b'{"cairn-backup":') or not line.endswith(b"\n"):
        raise _foreign(file)
    found = orjson.loads(line)
    if found["cairn-backup"] != FORMAT:
        raise BadInput(f"{file} was made by another version of Cairn, {found['cairn']}; restore it with that one")
    return Header(found["cairn"], found["at"], tuple(found["migrations"]), Counts(found["nodes"], found["relationships"]))


def _body(file: Path, lines: BinaryIO, first: bytes, header: Header) -> Generator[list[Any]]:
    digest = sha256(first)
    counts = {b'["n"': 0, b'["r"': 0}
    for line in lines:
        kind = line[:4]
        if kind in counts:
            digest.update(line)
            counts[kind] += 1
            yield orjson.loads(line)
            continue
        trailer = orjson.loads(line)
        seen = Counts(*counts.values())
        if seen != header.counts or Counts(trailer["nodes"], trailer["relationships"]) != seen or trailer["sha256"] != digest.hexdigest():
            raise _damaged(file, "altered")
        if lines.read(1):
            raise _damaged(file, "altered: something was added at its end")
        return
    raise _damaged(file, "cut off")


def _foreign(file: Path) -> BadInput:
    return BadInput(f"{file} is not a backup of Cairn; `cairn backup` makes one")


def _damaged(file: Path, how: str) -> BadInput:
    return BadInput(f"{file} is not as `cairn backup` wrote it: it was {how}. Use another copy or another backup")

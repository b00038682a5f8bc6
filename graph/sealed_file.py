"""A file encrypted as a whole, in segments, so that it is written and read as a stream and any change to it is noticed.

    cairn-sealed 1\\n
    {"key":{...}}\\n                      how the file's key is wrapped: by a master key, or by a passphrase through scrypt (RFC 7914)
    segments of 65,536 bytes and a tag of 16, the last one shorter or equal

AES-256-GCM under a random key of the file's own. The nonce counts the segments and says which is the last, so that none can be dropped,
added or moved (the STREAM construction: Hoang, Reyhanitabar, Rogaway and Vizar 2015); both first lines are authenticated with each.
"""

from __future__ import annotations

import io
import json
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ..errors import BadInput, Unavailable
from .master import MasterKey, unwrap, wrap
from .sealing import KEY_BYTES

MAGIC = b"cairn-sealed 1\n"
_SEGMENT = 65_536
_TAG = 16
_LONGEST_HEAD = 65_536
_CONTEXT = b"cairn file key"
_SCRYPT = {"n": 2**17, "r": 8, "p": 1}
_MOST_SCRYPT = 2**20
_SHORTEST = 12


@dataclass(frozen=True, slots=True)
class FileKey:
    """A file's key and the two lines that say how it is wrapped."""

    key: bytes = field(repr=False)
    head: bytes


async def by_master(master: MasterKey) -> FileKey:
    """A new key, wrapped by the master key."""
    key = secrets.token_bytes(KEY_BYTES)
    id, wrapped = await master.wrap(key, _CONTEXT)
    return _file_key(key, {"master": id, "wrapped": _text(wrapped)})


def by_passphrase(phrase: str) -> FileKey:
    """A new key, wrapped by a passphrase. It takes a second. Raises BadInput for one of fewer than 12 characters."""
    if len(phrase) < _SHORTEST:
        raise BadInput(f"the passphrase must have at least {_SHORTEST} characters; a long random one is best")
    key, salt = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(16)
    wrapped = wrap(_stretched(phrase, salt, _SCRYPT), key, _CONTEXT)
    return _file_key(key, {"scrypt": _SCRYPT, "salt": _text(salt), "wrapped": _text(wrapped)})


def is_sealed(file: Path) -> bool:
    """Whether the file is encrypted. Raises BadInput when it can't be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error


async def file_key(file: Path, master: MasterKey | None, phrase: str | None) -> FileKey:
    """The key of an encrypted file. Raises BadInput when what it needs was not given or is not right."""
    head, wrapping = _head(file)
    wrapped = b64decode(wrapping["wrapped"])
    if "scrypt" in wrapping:
        if phrase is None:
            raise BadInput(f"{file} is encrypted by a passphrase; name the file that holds it with --passphrase-file")
        key = _stretched(phrase, b64decode(wrapping["salt"]), wrapping["scrypt"])
        try:
            return FileKey(unwrap(key, wrapped, _CONTEXT), head)
        except Unavailable:
            raise BadInput(f"this is not the passphrase of {file}, or the file was altered") from None
    if master is None:
        raise BadInput(f"{file} is encrypted by the master key {wrapping['master']}, which is not here")
    return FileKey(await master.unwrap(wrapping["master"], wrapped, _CONTEXT), head)


class SealingFile(io.RawIOBase):
    """Encrypts what is written into it. Closing it ends the file, not what is below."""

    def __init__(self, below: BinaryIO, key: FileKey) -> None:
        self._below = below
        self._cipher = AESGCM(key.key)
        self._head = key.head
        self._waiting = bytearray()
        self._number = 0
        below.write(key.head)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any, /) -> int:
        """Take in some bytes."""
        self._waiting += data
        while len(self._waiting) > _SEGMENT:
            self._segment(bytes(self._waiting[:_SEGMENT]), last=False)
            del self._waiting[:_SEGMENT]
        return len(data)

    def close(self) -> None:
        """Write the last segment."""
        if not self.closed:
            self._segment(bytes(self._waiting), last=True)
            self._waiting.clear()
        super().close()

    def _segment(self, plain: bytes, *, last: bool) -> None:
        self._below.write(self._cipher.encrypt(_nonce(self._number, last=last), plain, self._head))
        self._number += 1


class OpeningFile(io.RawIOBase):
    """Decrypts what is read from it. Raises BadInput at the first segment that is not as it was written, and where the last is missing."""

    def __init__(self, below: BinaryIO, key: FileKey, file: Path) -> None:
        self._below = below
        self._cipher = AESGCM(key.key)
        self._head = key.head
        self._file = file
        self._plain = b""
        self._next = b""
        self._number = 0
        self._ended = False
        if below.read(len(key.head)) != key.head:
            raise self._damaged()
        self._next = below.read(_SEGMENT + _TAG)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Some bytes; none at the end."""
        while not self._plain and not self._ended:
            segment, self._next = self._next, self._below.read(_SEGMENT + _TAG)
            self._ended = not self._next
            try:
                self._plain = self._cipher.decrypt(_nonce(self._number, last=self._ended), segment, self._head)
            except (InvalidTag, ValueError):
                raise self._damaged() from None
            self._number += 1
        part = self._plain[: len(buffer)]
        buffer[: len(part)] = part
        self._plain = self._plain[len(part) :]
        return len(part)

    def _damaged(self) -> BadInput:
        return BadInput(f"{self._file} is not as it was written: it was altered or cut off. Use another copy or another backup")


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _file_key(key: bytes, wrapping: dict[str, Any]) -> FileKey:
    return FileKey(key, MAGIC + json.dumps({"key": wrapping}, separators=(",", ":")).encode() + b"\n")


def _head(file: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        with file.open("rb") as opened:
            magic, line = opened.readline(_LONGEST_HEAD), opened.readline(_LONGEST_HEAD)
        wrapping: dict[str, Any] = json.loads(line)["key"]
        if magic != MAGIC or not ({"master", "wrapped"} <= wrapping.keys() or {"scrypt", "salt", "wrapped"} <= wrapping.keys()):
            raise ValueError
        if "scrypt" in wrapping and not (
            0 < wrapping["scrypt"]["n"] * wrapping["scrypt"]["r"] * wrapping["scrypt"]["p"] <= 8 * _MOST_SCRYPT
        ):
            raise ValueError
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError):
        raise BadInput(f"{file} is not an encrypted file of Cairn's, or its beginning was altered") from None
    return magic + line, wrapping


def _stretched(phrase: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=cost["n"], r=cost["r"], p=cost["p"]).derive(phrase.encode("utf-8"))


def _text(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")

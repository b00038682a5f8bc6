"""The master key, which wraps the tenants' keys: in a file of the data directory, or wherever a plugin keeps it."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import Unavailable
from .data_dir import create_private, write_private
from .sealing import KEY_BYTES

_NONCE = 12


class MasterKey(Protocol):
    """What wraps keys. `id` names the key that `wrap` uses now; `unwrap` knows earlier ones by their ids as well.

    `context` is authenticated with the key: what was wrapped for one context must not unwrap for another. Raises Unavailable when it
    can't be done.
    """

    @property
    def id(self) -> str: ...
    async def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]:
        """The id of the key that wrapped, which is the one in use, and what it made."""
        ...

    async def unwrap(self, id: str, wrapped: bytes, context: bytes) -> bytes: ...
    async def rotate(self) -> None:
        """Have `wrap` use a new key from now on. Earlier ones stay until `retire`."""
        ...

    async def retire(self) -> None:
        """Forget all keys but the one that `wrap` uses: nothing is wrapped by them any more."""
        ...


class FileMasterKey:
    """Master keys in a file, one a line in base64, the one in use first."""

    def __init__(self, file: Path, keys: Sequence[bytes]) -> None:
        self._file = file
        self._keys = {_id(key): key for key in keys}
        self._current = _id(keys[0])

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the key in use."""
        return self._current

    async def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]:
        """`key` under the key in use, which another process may have put into the file."""
        self._load()
        return self._current, wrap(self._keys[self._current], key, context)

    async def unwrap(self, id: str, wrapped: bytes, context: bytes) -> bytes:
        """What was wrapped by the key `id`; looked for in the file again when another process rotated it."""
        if id not in self._keys:
            self._load()
        if id not in self._keys:
            raise Unavailable(f"the master key {id} is not in {self._file}; restore that file from where you keep a copy of it")
        return unwrap(self._keys[id], wrapped, context)

    def _load(self) -> None:
        keys = _read(self._file)
        self._keys |= {_id(key): key for key in keys}
        self._current = _id(keys[0])

    async def rotate(self) -> None:
        """Put a new key before the others, in the file first."""
        new = secrets.token_bytes(KEY_BYTES)
        _write(self._file, [new, *_read(self._file)])
        self._keys[_id(new)] = new
        self._current = _id(new)

    async def retire(self) -> None:
        """Keep the key in use only."""
        _write(self._file, [self._keys[self._current]])
        self._keys = {self._current: self._keys[self._current]}


def open_master_key(file: Path) -> FileMasterKey:
    """The master keys in `file`, which is made with mode 0600 at first use; safe when two processes do so at once.

    Raises Unavailable when the file can't be read or made, or others can read it, or it holds no key.
    """
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            create_private(file, _text([secrets.token_bytes(KEY_BYTES)]))
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise Unavailable(f"{file} can be read by other users of this machine; take that away with chmod 600")
        return FileMasterKey(file, _read(file))
    except OSError as error:
        raise Unavailable(f"the master key {file} can't be used: {error.strerror}") from error


def wrap(key: bytes, secret: bytes, context: bytes) -> bytes:
    """`secret` under `key` by AES-256-GCM, a random nonce before it."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, context)


def unwrap(key: bytes, wrapped: bytes, context: bytes) -> bytes:
    """What `wrap` wrapped. Raises Unavailable when it was altered, or wrapped by another key or for another context."""
    try:
        return AESGCM(key).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], context)
    except (InvalidTag, ValueError):
        raise Unavailable("a key of this tenant does not unwrap: it was altered, or wrapped by another master key") from None


def _id(key: bytes) -> str:
    return sha256(b"cairn master key\0" + key).hexdigest()[:16]


def _read(file: Path) -> list[bytes]:
    try:
        keys = [base64.b64decode(line, validate=True) for line in file.read_text("ascii").split()]
    except (ValueError, binascii.Error):
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise Unavailable(f"{file} does not hold master keys, one a line of 32 bytes in base64; restore it from where you keep a copy")
    return keys


def _write(file: Path, keys: Sequence[bytes]) -> None:
    write_private(file, _text(keys))


def _text(keys: Sequence[bytes]) -> str:
    return "".join(base64.b64encode(key).decode("ascii") + "\n" for key in keys)

"""Sealing: single values under AES-256-GCM, each bound to the place it stands at.

A sealed value is bytes in Neo4j, where a plain one is text, so that nothing a caller sends can pass for one:

    "cairn" and the version (6 bytes) | key id (16 bytes) | nonce (12 random bytes) | ciphertext and tag (16 bytes)

Its associated data are the version, tenant, label, id and property it was sealed for, and the key's id, each length-prefixed: moved to
another property, node or tenant it does not open. Source: NIST SP 800-38D (GCM; random 96-bit nonces, at most 2^32 a key).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import BadInput, Internal, Unavailable

KEY_BYTES = 32
ID_BYTES = 16
_VERSION = b"cairn\x01"
_NONCE = 12
_HEADER = len(_VERSION) + ID_BYTES + _NONCE
_TAG = 16

Stored: TypeAlias = "str | bytes | Sealed | None"
"""A value as it stands in the graph: plain text, or sealed."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key that values of one tenant are sealed with. `id` is 32 hex digits."""

    tenant: str
    id: str
    cipher: AESGCM = field(repr=False, compare=False)

    def seal(self, text: str, label: str, id: str, name: str) -> bytes:
        """`text` for the property `name` of the node `id` with that label. Raises BadInput for text that is no Unicode."""
        try:
            plain = text.encode("utf-8")
        except UnicodeEncodeError:
            raise BadInput("a value in the request is not one the graph database can hold") from None
        nonce = secrets.token_bytes(_NONCE)
        return b"".join((_VERSION, bytes.fromhex(self.id), nonce, self.cipher.encrypt(nonce, plain, place(self, label, id, name))))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value that came out of the graph, with its key where the reader has it. `destroyed`: nobody has it any more."""

    raw: bytes
    key: DataKey | None = field(default=None, repr=False)
    destroyed: bool = False


def place(key: DataKey, label: str, id: str, name: str) -> bytes:
    """The associated data of a value: where it belongs."""
    parts = [part.encode("utf-8", "surrogatepass") for part in (key.tenant, label, id, name, key.id)]
    return _VERSION + b"".join(len(part).to_bytes(4) + part for part in parts)


def key_id(raw: bytes) -> str | None:
    """The id of the key that a value was sealed with; None for what is no sealed value."""
    if len(raw) < _HEADER + _TAG or raw[: len(_VERSION)] != _VERSION:
        return None
    return raw[len(_VERSION) : len(_VERSION) + ID_BYTES].hex()


def opened(value: Stored, label: str, id: str, name: str, tenant: str | None = None) -> str | None:
    """The text of a stored value: of a plain one itself; None where its key was destroyed.

    `tenant`, where given, is whose the value must be. Raises Unavailable when the key can't be had, Internal when the value was
    altered or sealed for another place.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        raise Internal("a sealed value was read without its key")
    if value.destroyed:
        return None
    if value.key is None:
        raise Unavailable("a value is encrypted under a key that this Cairn does not have; see docs/security/encryption.md")
    if tenant is not None and value.key.tenant != tenant:
        raise _altered(label, name)
    nonce = value.raw[_HEADER - _NONCE : _HEADER]
    try:
        return value.key.cipher.decrypt(nonce, value.raw[_HEADER:], place(value.key, label, id, name)).decode("utf-8")
    except (InvalidTag, UnicodeDecodeError):
        raise _altered(label, name) from None


def as_stored(value: Stored) -> str | dict[str, str] | None:
    """A value as it is hashed for the ledger: a plain one itself, of a sealed one the bytes in hex in an object, which no text is."""
    if value is None or isinstance(value, str):
        return value
    return {"sealed": (value.raw if isinstance(value, Sealed) else value).hex()}


def find_sealed(value: Any) -> Iterator[bytes]:
    """Every sealed value in what a statement answered, however deep in lists and maps."""
    kind = type(cast("object", value))
    if kind is bytes:
        if key_id(value) is not None:
            yield value
    elif kind is list:
        for item in cast("list[Any]", value):
            if type(item) in _NESTING:
                yield from find_sealed(item)
    elif kind is dict:
        for item in cast("dict[str, Any]", value).values():
            if type(item) in _NESTING:
                yield from find_sealed(item)


_NESTING = frozenset({bytes, list, dict})


def with_keys(value: Any, keys: dict[bytes, Sealed]) -> Any:
    """What a statement answered, its sealed values replaced by `keys`."""
    kind = type(cast("object", value))
    if kind is bytes:
        return keys.get(value, value)
    if kind is list:
        return [with_keys(item, keys) if type(item) in _NESTING else item for item in cast("list[Any]", value)]
    if kind is dict:
        return {name: with_keys(item, keys) if type(item) in _NESTING else item for name, item in cast("dict[str, Any]", value).items()}
    return value


def wanted_keys(values: Iterable[bytes]) -> set[str]:
    """The ids of the keys that sealed values need."""
    return {id for raw in values if (id := key_id(raw)) is not None}


def _altered(label: str, name: str) -> Internal:
    return Internal(f"the encrypted {name} of a {label} does not open: it was altered, or moved from elsewhere; `cairn verify` says more")

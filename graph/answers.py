"""Answers as they are kept outside Neo4j, in Redis: sealed under keys that last a day, out of the tenant's secret, or signed."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from hashlib import blake2b
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .searchable import derive

_NONCE = 12
_TAG = 16
_DAY = 86_400
_DAY_BYTES = 4
_KEPT = 2


class Answers(Protocol):
    """Keeps answers where others may write. What `open` gives was kept by `seal` under the same name and the same secret."""

    def seal(self, name: str, body: bytes) -> bytes:
        """An answer as it is to be kept under a name."""
        ...

    def open(self, name: str, kept: bytes) -> bytes | None:
        """The answer; None when it is not one that was kept so, under this name."""
        ...


class SignedAnswers:
    """Leaves answers readable, as those of a tenant that does not encrypt, with a keyed hash (BLAKE2b) before them."""

    def __init__(self, secret: bytes = b"") -> None:
        self._secret = secret

    def seal(self, name: str, body: bytes) -> bytes:
        return self._tag(name, body) + body

    def open(self, name: str, kept: bytes) -> bytes | None:
        body = kept[_TAG:]
        return body if hmac.compare_digest(kept[:_TAG], self._tag(name, body)) else None

    def _tag(self, name: str, body: bytes) -> bytes:
        encoded = name.encode("utf-8")
        return blake2b(len(encoded).to_bytes(4) + encoded + body, key=self._secret, digest_size=_TAG).digest()


class SealedAnswers:
    """Seals answers under a secret of 32 bytes: AES-256-GCM, a random nonce each, a key a day, the name authenticated with them."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._days: OrderedDict[bytes, AESGCM] = OrderedDict()

    def seal(self, name: str, body: bytes) -> bytes:
        day = int(time.time() // _DAY).to_bytes(_DAY_BYTES)
        nonce = secrets.token_bytes(_NONCE)
        return day + nonce + self._cipher(day).encrypt(nonce, body, name.encode("utf-8"))

    def open(self, name: str, kept: bytes) -> bytes | None:
        start = _DAY_BYTES + _NONCE
        try:
            return self._cipher(kept[:_DAY_BYTES]).decrypt(kept[_DAY_BYTES:start], kept[start:], name.encode("utf-8"))
        except (InvalidTag, ValueError):
            return None

    def _cipher(self, day: bytes) -> AESGCM:
        cipher = self._days.get(day)
        if cipher is None:
            cipher = self._days[day] = AESGCM(derive(self._secret, f"answers {day.hex()}"))
            while len(self._days) > _KEPT:
                self._days.popitem(last=False)
        return cipher


PLAIN_ANSWERS = SignedAnswers()
"""For where there is no secret: what was altered by accident is refused, and nothing else."""

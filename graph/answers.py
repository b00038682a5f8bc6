"""Answers as they are kept outside Neo4j, in Redis: sealed under keys that last a day, out of the tenant's secret."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .searchable import derive

_NONCE = 12
_DAY = 86_400
_DAY_BYTES = 4
_KEPT = 2


class Answers:
    """Leaves answers as they are: those of a tenant that does not encrypt."""

    def seal(self, name: str, body: bytes) -> bytes:  # noqa: ARG002
        """An answer as it is to be kept under a name."""
        return body

    def open(self, name: str, kept: bytes) -> bytes | None:  # noqa: ARG002
        """The answer; None when it is not one that was kept so, under this name."""
        return kept


class SealedAnswers(Answers):
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


PLAIN_ANSWERS = Answers()

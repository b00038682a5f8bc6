"""An answer as it is kept: its bytes ready to send, and for how long and under which conditions."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import blake2b

_FORM = b"\x01"
_HEAD = struct.Struct("<ddd")
_WORTH = 1_024
_MOST_AT_ONCE = 262_144
_LEVEL = 1


@dataclass(slots=True)
class Stored:
    """One answer. `life`: seconds for which it was kept at first; `until`: when it ends being true by itself, by the calendar's clock.

    `swr`: seconds for which it may be given after it became stale, while a new one is computed.
    """

    body: bytes
    life: float
    until: float | None = None
    swr: float = 0.0
    _tag: bytes | None = field(default=None, repr=False, compare=False)
    _zipped: bytes | None = field(default=None, repr=False, compare=False)
    heads: dict[Hashable, list[tuple[bytes, bytes]]] = field(default_factory=dict[Hashable, list[tuple[bytes, bytes]]], compare=False)
    """Headers that its transport made for it, by what they depend on, to be sent again."""

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.body) + len(self._zipped or b"")

    @property
    def tag(self) -> bytes:
        """Its entity tag."""
        if self._tag is None:
            self._tag = tag_of(self.body)
        return self._tag

    @property
    def zipped(self) -> bytes | None:
        """It compressed as `gzip`, made at the first call; None when that is not worth it."""
        if self._zipped is None:
            self._zipped = b""
            if _WORTH <= len(self.body) <= _MOST_AT_ONCE:
                compressor = zlib.compressobj(_LEVEL, wbits=31)
                zipped = compressor.compress(self.body) + compressor.flush()
                self._zipped = zipped if len(zipped) < len(self.body) else b""
        return self._zipped or None

    def pack(self) -> bytes:
        """As it is kept outside this process."""
        return _FORM + _HEAD.pack(self.life, self.until or 0.0, self.swr) + self.body


def tag_of(body: bytes) -> bytes:
    """The entity tag of these bytes (RFC 9110, 8.8.3), a weak one: compressed or not, they say the same."""
    return b'W/"%s"' % blake2b(body, digest_size=16).hexdigest().encode("ascii")


def holds(asked: bytes, tag: bytes) -> bool:
    """Whether an If-None-Match asks for nothing but what is not this."""
    return asked.strip() == b"*" or any(part.strip().removeprefix(b"W/") == tag.removeprefix(b"W/") for part in asked.split(b","))


def unpack(packed: bytes) -> Stored | None:
    """What `pack` made; None when it is of another form."""
    start = 1 + _HEAD.size
    if packed[:1] != _FORM or len(packed) < start:
        return None
    life, until, swr = _HEAD.unpack(packed[1:start])
    return Stored(packed[start:], life, until or None, swr)

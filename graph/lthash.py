"""LtHash: a hash of a set that can be kept up to date while members come and go.

Each member is expanded to 1,024 numbers of 16 bits, and the set's state is their sum, number by number, modulo 2**16. Finding two
different sets with one state is as hard as a lattice problem (Bellare and Micciancio 1997; parameters of Lewi, Kim, Maykov and
Weis, "Securing Update Propagation with Homomorphic Hashing", 2019, section 4). A plain sum or XOR of SHA-256 values would not be safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256, shake_128

import numpy as np
from numpy.typing import NDArray

from ..errors import Internal

LANES = 1024
_BYTES = 2 * LANES
_SLICE = 512


class SetHash:
    """The state of a set of byte strings. Guarantee: it depends on the members alone, not on the order of what was done."""

    def __init__(self, state: bytes | None = None) -> None:
        if state is not None and len(state) != _BYTES:
            raise Internal(f"the state of a set hash has {_BYTES} bytes, not {len(state)}")
        self._sum: NDArray[np.uint16] = np.zeros(LANES, np.uint16) if state is None else np.frombuffer(state, "<u2").astype(np.uint16)

    def add(self, members: Iterable[bytes]) -> None:
        """Put in members that were not in the set."""
        self._sum += _total(members)

    def remove(self, members: Iterable[bytes]) -> None:
        """Take out members that were in the set."""
        self._sum -= _total(members)

    def state(self) -> bytes:
        """The state, from which a `SetHash` can go on."""
        return self._sum.astype("<u2").tobytes()

    def digest(self) -> str:
        """SHA-256, in hex, over the state."""
        return sha256(self.state()).hexdigest()


def _total(members: Iterable[bytes]) -> NDArray[np.uint16]:
    total = np.zeros(LANES, np.uint16)
    pending: list[bytes] = []
    for member in members:
        pending.append(shake_128(member).digest(_BYTES))
        if len(pending) == _SLICE:
            total += _sum(pending)
            pending.clear()
    return total + _sum(pending) if pending else total


def _sum(expanded: list[bytes]) -> NDArray[np.uint16]:
    return np.frombuffer(b"".join(expanded), "<u2").reshape(-1, LANES).sum(axis=0, dtype=np.uint16)

"""The query cache's first level: answers in this process, in front of those in Redis.

Guarantees: an answer is found only while everything that Redis was told of by then has been heard here, or would be waited for by
whoever told it; so it is never older than what Redis would give. Own writes count at once. Memory is bounded. The protocol is argued
in `docs/decisions/0015-the-hot-path.md`.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from .s3fifo import S3FIFO
from .stored import Stored

SLOTS = 65_536
_OVERHEAD = 700
"""Bytes of memory that an answer takes besides its own: measured, its name and its place included."""
_clock = partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
"""Seconds that no calendar changes and that go on while the machine sleeps."""


@dataclass(slots=True)
class Kept:
    """An answer here. `epoch`: when it was last known to be true; `slots`: what it depends on; `ends`: when it is dropped, on the clock.

    `seen`: the number of changes that it was last held against. `stale`: since when it is known not to be true any more.
    """

    stored: Stored
    epoch: int
    slots: array[int]
    ends: float
    seen: int = -1
    stale: float | None = None


class Near:
    """Answers in this process, of at most `most` bytes together.

    `trust`: seconds for which this process may go on believing that it heard everything after it last made sure of it.
    """

    def __init__(self, most: int, trust: float = 0.5, clock: Callable[[], float] = _clock) -> None:
        self.trust = trust
        self.clock = clock
        self._kept: S3FIFO[str, Kept] = S3FIFO(most)
        self._moved = array("Q", bytes(8 * SLOTS))
        self._changes = 0
        self._until = float("-inf")
        self.generation = ""
        self.epoch = 0
        """The epoch up to which everything was heard."""

    @property
    def trusted(self) -> bool:
        """Whether answers are given from here now."""
        return self.clock() < self._until

    @property
    def size(self) -> int:
        """Bytes that are taken."""
        return self._kept.size

    def __len__(self) -> int:
        return len(self._kept)

    def resize(self, most: int) -> None:
        """Take at most so many bytes from now on; 0 for none."""
        self._kept.resize(most)

    def get(self, key: str) -> Kept | None:
        """The answer under `key`, if it is true now."""
        kept = self.find(key)
        return kept if kept is not None and kept.stale is None else None

    def find(self, key: str) -> Kept | None:
        """The answer under `key`: true, or `stale` and within the time for which its operation allows that."""
        now = self.clock()
        if now >= self._until:
            return None
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.seen != self._changes and kept.stale is None:
            kept.seen = self._changes
            if not self._untouched(kept.epoch, kept.slots):
                kept.stale = now
        if kept.stale is None and now >= kept.ends:
            kept.stale = kept.ends
        if kept.stale is None and kept.stored.until is not None and kept.stored.until <= time.time():
            kept.stale = now
        if kept.stale is not None and now >= kept.stale + kept.stored.swr:
            self._kept.drop(key)
            return None
        return kept

    def put(self, key: str, stored: Stored, slots: Iterable[int], life: float, generation: str, epoch: int) -> Kept:
        """Keep an answer that Redis vouched for at (generation, epoch), for `life` seconds, unless it may be untrue by what was heard."""
        now = self.clock()
        kept = Kept(stored, epoch, array("H", slots), now + life)
        if now < self._until and generation == self.generation and self._untouched(epoch, kept.slots):
            self._kept.put(key, kept, size_of(kept))
        return kept

    def grew(self, key: str, kept: Kept) -> None:
        """Count an answer anew that got another form."""
        if self._kept.get(key) is kept:
            self._kept.put(key, kept, size_of(kept))

    def touched(self, generation: str, epoch: int, slots: Iterable[int]) -> None:
        """Hear that what depends on these slots is stale from `epoch` on."""
        if generation != self.generation:
            self.doubt()
            return
        for slot in slots:
            self._moved[slot] = max(self._moved[slot], epoch)
        self.epoch = max(self.epoch, epoch)
        self._changes += 1

    def believe(self, generation: str, epoch: int, since: float, *, anew: bool) -> None:
        """Hear that everything up to `epoch` was heard, by a question that was asked at `since`. `anew`: from here on only."""
        if anew or generation != self.generation:
            self.doubt()
            self.generation = generation
            self._moved = array("Q", [epoch]) * SLOTS
            self.epoch = epoch
        self.epoch = max(self.epoch, epoch)
        self._until = since + self.trust

    def doubt(self) -> None:
        """Give nothing any more until it is sure again that everything is heard, and nothing that is here now."""
        self._until = float("-inf")
        self._kept.clear()
        self.generation = ""

    def _untouched(self, epoch: int, slots: array[int]) -> bool:
        return not slots or max(map(self._moved.__getitem__, slots)) <= epoch


def size_of(kept: Kept) -> int:
    """Bytes of memory that an answer takes."""
    return _OVERHEAD + kept.stored.size + 2 * len(kept.slots)

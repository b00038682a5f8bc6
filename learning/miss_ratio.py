"""How often a cache of any size would miss, from a sample of what is asked of it: SHARDS.

Waldspurger, Park, Garthwaite and Ahmad, "Efficient MRC construction with SHARDS", FAST 2015, with a fixed number of ghosts and the
correction of its section 4.2 (SHARDS_adj). Only names whose hash falls below a threshold are followed, by their distances in a
least-recently-used stack, in bytes, which are scaled up by how few they are. When they become too many the threshold falls, so that what
ghosts cost is bounded, whatever is asked for. The curve is that of LRU, which better policies only fall below; for caches of fewer entries
than some fifty sampled ones stand for it is coarse.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from math import ceil

MODULUS = 1 << 24


@dataclass(frozen=True, slots=True)
class Curve:
    """The part of what is asked for that a cache of so many bytes misses: from `sizes[i]` on it is `ratios[i]`, below the first it is 1.

    `asked`: how many requests it was made from.
    """

    sizes: Sequence[int]
    ratios: Sequence[float]
    asked: float

    def miss_ratio(self, size: float) -> float:
        """The part that a cache of `size` bytes misses, 0 to 1."""
        place = bisect_right(self.sizes, size) - 1
        return self.ratios[place] if place >= 0 else 1.0

    def enough(self, low: int, high: int, worth: float) -> int:
        """The size from `low` to `high` that costs least, where a megabyte costs as much as missing the part `worth` of all requests.

        What lies behind a plateau is taken into account: a cliff may be worth going to at once.
        """
        sizes = [low, *(size for size in self.sizes if low < size <= high)]
        return min(sizes, key=lambda size: (self.miss_ratio(size) + worth * size / 1e6, size))


class Ghosts:
    """Follows a sample of at most `most` names of what is asked for, some 300 bytes each; `grain` bytes is how finely the curve is kept,
    up to `grain * buckets`. Sampling begins with the part `rate` of all names and falls as it must.
    """

    def __init__(self, most: int = 2_048, grain: int = 65_536, buckets: int = 4_096, rate: float = 1.0) -> None:
        self._most = most
        self._grain = grain
        self._threshold = max(1, int(MODULUS * rate))
        self._stack = _Stack(4 * most)
        self._by_hash: list[tuple[int, int]] = []
        self._hits = [0.0] * buckets
        self._counted = self._asked = 0.0

    def __len__(self) -> int:
        return len(self._stack)

    def ask(self, name: int, size: int, *, stale: bool = False) -> None:
        """Take in a request for what `name`, a uniform hash of 64 bits, stands for: `size` bytes; when `stale`, a miss in any cache."""
        self._asked += 1
        place = name % MODULUS
        if place >= self._threshold:
            return
        rate = self._threshold / MODULUS
        above = self._stack.renew(name, size)
        self._counted += 1 / rate
        if above is None:
            heappush(self._by_hash, (-place, name))
        elif not stale:
            bucket = max(0, ceil((above / rate + size) / self._grain) - 1)
            if bucket < len(self._hits):
                self._hits[bucket] += 1 / rate
        while len(self._stack) > self._most:
            self._narrow()

    def fade(self, part: float) -> None:
        """Let what was counted so far weigh only `part` of what it does, so that the curve follows what is asked for now."""
        self._hits = [hits * part for hits in self._hits]
        self._counted *= part
        self._asked *= part

    def curve(self) -> Curve:
        """The curve of what was asked for. Nothing asked for: no cache spares anything."""
        if not self._asked:
            return Curve((), (), 0.0)
        adjusted = [self._hits[0] + self._asked - self._counted, *self._hits[1:]]
        ratios = [min(1.0, max(0.0, 1.0 - hits / self._asked)) for hits in accumulate(adjusted)]
        kept = [place for place in range(len(ratios)) if place == 0 or ratios[place] != ratios[place - 1]]
        return Curve([(place + 1) * self._grain for place in kept], [ratios[place] for place in kept], self._asked)

    def _narrow(self) -> None:
        """Lower the threshold to the highest hash that is followed, and follow those no more that are not below it."""
        self._threshold = -self._by_hash[0][0]
        while self._by_hash and -self._by_hash[0][0] >= self._threshold:
            self._stack.drop(heappop(self._by_hash)[1])


class _Stack:
    """Names by when they were last asked for, with sizes; how many bytes lie above one is told in logarithmic time (Fenwick 1994)."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._places: dict[int, tuple[int, int]] = {}
        self._sums = [0] * (room + 1)
        self._next = 1
        self._total = 0

    def __len__(self) -> int:
        return len(self._places)

    def renew(self, name: int, size: int) -> int | None:
        """Put a name on top; the bytes that lay above it, None when it is new."""
        above = self.drop(name)
        if self._next > self._room:
            self._compact()
        self._places[name] = (self._next, size)
        self._add(self._next, size)
        self._next += 1
        self._total += size
        return above

    def drop(self, name: int) -> int | None:
        """Take a name out; the bytes that lay above it, None when it was not there."""
        known = self._places.pop(name, None)
        if known is None:
            return None
        place, size = known
        above = self._total - self._sum(place)
        self._add(place, -size)
        self._total -= size
        return above

    def _add(self, place: int, size: int) -> None:
        while place <= self._room:
            self._sums[place] += size
            place += place & -place

    def _sum(self, place: int) -> int:
        total = 0
        while place:
            total += self._sums[place]
            place &= place - 1
        return total

    def _compact(self) -> None:
        """Move all down to the first places, in their order."""
        ordered = sorted(self._places.items(), key=lambda one: one[1][0])
        self._sums = [0] * (self._room + 1)
        self._places = {}
        for place, (name, (_, size)) in enumerate(ordered, 1):
            self._places[name] = (place, size)
            self._add(place, size)
        self._next = len(ordered) + 1

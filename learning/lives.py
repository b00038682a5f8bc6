"""For how long an answer is worth keeping: from how often what it depends on changes, and how often it is asked for.

The cache is never stale, whatever the life of its entries; what a life that is too long costs is memory for what nobody will be given any
more. A rate of change is estimated as in Cho and Garcia-Molina, "Estimating frequency of change", ACM TOIT 3(3), 2003: by the likelihood of
what looks at irregular intervals found.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import expm1, log

_LOOKS = 64
_FEW = 8
_OPERATIONS = 512
_SHORTEST = 1e-6
_SLOWEST, _FASTEST = 1e-9, 1e6


def change_rate(looks: Iterable[tuple[float, bool]]) -> float:
    """Changes a second, most likely, when each look says how many seconds after the one before it came and whether something had changed.

    Half a change is added on each side, so that it is neither 0 nor endless. 0 without looks.
    """
    looks = [(max(seconds, _SHORTEST), was) for seconds, was in looks]
    changed = [(seconds, 1.0) for seconds, was in looks if was]
    same = sum(seconds for seconds, was in looks if not was)
    count = len(changed)
    mean = (sum(seconds for seconds, _ in changed) + same) / max(1, count) if count else same
    if mean <= 0:
        return 0.0
    changed.append((mean, 0.5))
    same += 0.5 * mean
    low, high = _SLOWEST, _FASTEST
    for _ in range(60):
        middle = (low * high) ** 0.5
        found = sum(weight * seconds / expm1(min(700.0, middle * seconds)) for seconds, weight in changed)
        low, high = (middle, high) if found > same else (low, middle)
    return (low * high) ** 0.5


def life(changes: float, reads: float, size: float, price: float, low: float, high: float) -> float:
    """Seconds for which an answer of `size` bytes is worth keeping, `low` to `high`, at so many changes and reads a second.

    A hit is worth 1, a byte costs `price` a second. At age t an answer still holds with probability exp(-changes * t): it is kept until
    what the next second may bring falls to what it costs.
    """
    value, cost = reads, price * size
    if value <= cost:
        return low
    if cost <= 0 or changes <= 0:
        return high
    return min(high, max(low, log(value / cost) / changes))


@dataclass(slots=True)
class _Operation:
    """What was seen of one operation's answers: when each of a few was last asked for, and what looks at them found."""

    looks: deque[tuple[float, bool]] = field(default_factory=lambda: deque[tuple[float, bool]](maxlen=_LOOKS))
    seen: OrderedDict[int, float] = field(default_factory=OrderedDict[int, float])
    size: float = 0.0
    life: float | None = None


class Lives:
    """The lives of the answers of each operation, `low` to `high` seconds, from what is seen of them here. Bounded in memory.

    `price`: what a byte costs a second, in hits. By default an answer of 10 kB must be asked for every ten minutes to be worth keeping.
    """

    def __init__(self, low: float, high: float, price: float = 1 / (10_000 * 600)) -> None:
        self.low, self.high, self._price = low, high, price
        self._operations: OrderedDict[str, _Operation] = OrderedDict()

    def life(self, operation: str) -> float:
        """How long to keep an answer of this operation; the longest while little is known of it."""
        known = self._operations.get(operation)
        return self.high if known is None or known.life is None else known.life

    def look(self, operation: str, name: int, at: float, size: float, *, found: bool) -> None:
        """Take note that the answer called `name` was asked for at `at` (seconds), and whether the cache had it."""
        known = self._operations.setdefault(operation, _Operation())
        self._operations.move_to_end(operation)
        if len(self._operations) > _OPERATIONS:
            self._operations.popitem(last=False)
        last = known.seen.pop(name, None)
        known.seen[name] = at
        if len(known.seen) > _LOOKS:
            known.seen.popitem(last=False)
        known.size += (size - known.size) / (len(known.looks) + 1)
        if last is not None and at > last and (found or at - last < self.life(operation)):  # else it may have gone by its age
            known.looks.append((at - last, not found))
            known.life = self._worked_out(known, at)

    def _worked_out(self, known: _Operation, at: float) -> float | None:
        if len(known.looks) < _FEW:
            return None
        waited = sum(seconds for seconds, _ in known.looks) + sum(max(0.0, at - last) for last in known.seen.values())
        reads = len(known.looks) / max(waited, 1e-9)
        return life(change_rate(known.looks), reads, known.size, self._price, self.low, self.high)

"""What is measured while knobs stand: how long operations took by class, beside the limits of their classes, read now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from .knobs import Reading

_FEWEST = 20
"""A percentile of fewer operations would say nothing."""
_MOST = 20_000


@dataclass(slots=True)
class _Class:
    limit: float
    count: int = 0
    total: float = 0.0
    latest: list[float] = field(default_factory=list[float])


class Figures:
    """Operations of the classes in `limits`, whose 95th percentiles shall stay below so many seconds.

    The score of a reading is the limit over the mean latency, over all operations, each by the limit of its class: what a fixed crowd of
    callers gets done rises and falls with it (Little's law), and it does not depend on how many there are in the way throughput does.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._classes = {name: _Class(limit) for name, limit in limits.items()}
        self._checks: dict[str, float] = {}
        self.strains: dict[str, float] = {}
        """For each class, and each check, how far from its limit (1) it was when it was last read."""

    @property
    def names(self) -> list[str]:
        """The classes."""
        return list(self._classes)

    def note(self, name: str, seconds: float) -> None:
        """Take in an operation. One of a class without a limit counts for nothing."""
        found = self._classes.get(name)
        if found is not None and found.count < _MOST:
            found.count += 1
            found.total += seconds
            found.latest.append(seconds)

    def check(self, name: str, strain: float) -> None:
        """Take in something else that has a limit, 1 being it: the next reading is not better than that."""
        self._checks[name] = max(strain, self._checks.get(name, 0.0))

    def read(self) -> Reading | None:
        """What was measured since the last reading; None, and go on, while that is not enough.

        A class with few operations is judged once there are enough of them for a percentile, whatever readings that takes.
        """
        classes = self._classes.values()
        count = sum(one.count for one in classes)
        if count < _FEWEST:
            return None
        relative = sum(one.total / one.limit for one in classes) / count
        strains = dict(self._checks)
        for name, one in self._classes.items():
            if len(one.latest) >= _FEWEST:
                strains[name] = percentile(one.latest, 0.95) / one.limit
                one.latest = []
            one.count, one.total = 0, 0.0
        self.strains.update(strains)
        self._checks = {}
        return Reading(1 / max(relative, 1e-9), max(strains.values(), default=0.0))


def percentile(values: list[float], part: float) -> float:
    """The value that the part `part` of all does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, ceil(part * len(ordered)) - 1)]

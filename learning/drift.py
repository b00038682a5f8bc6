"""Drift: whether recall has become worse than it was, by the Page-Hinkley test (Page 1954) over the reciprocal ranks of feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 0.05
"""A fall of the mean by less is not looked at."""
THRESHOLD = 5.0
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the latest values lie below the mean of all, added up, and the place of the value at which that became too much."""

    level: float
    place: int | None


def drift(values: Sequence[float]) -> Drift:
    """Look for a fall in values between 0 and 1, the oldest first."""
    mean = total = highest = 0.0
    found: int | None = None
    for count, value in enumerate(values, 1):
        mean += (value - mean) / count
        total += value - mean + TOLERANCE
        highest = max(highest, total)
        if found is None and count >= _FEWEST and highest - total > THRESHOLD:
            found = count - 1
    return Drift(highest - total, found)

"""Whether one run of readings is better than another, however noisy both are: Mann and Whitney's rank-sum test (1947).

Ranks ask for no distribution, and an outlier weighs no more than any other reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from math import erf, sqrt
from statistics import median

SURE = 0.02
"""A difference that chance alone would make more often than this is none."""


class Verdict(Enum):
    """How new readings are beside old ones."""

    BETTER = "better"
    SAME = "the same"
    WORSE = "worse"


def compare(old: Sequence[float], new: Sequence[float], least: float, sure: float = SURE) -> Verdict:
    """Whether `new` is better than `old` (higher is better), beyond chance and by at least the part `least` of the old median.

    Both need some eight readings for anything but SAME.
    """
    change = gain(old, new)
    if change >= least and chance(old, new) <= sure:
        return Verdict.BETTER
    if change <= -least and chance(new, old) <= sure:
        return Verdict.WORSE
    return Verdict.SAME


def gain(old: Sequence[float], new: Sequence[float]) -> float:
    """By which part of itself the median of `old` must grow to be that of `new`; negative when it must fall, 0 without readings."""
    if not old or not new:
        return 0.0
    before, after = median(old), median(new)
    return (after - before) / max(abs(before), 1e-12)


def chance(low: Sequence[float], high: Sequence[float]) -> float:
    """How often readings of one kind would differ by so much in favour of `high` (one-sided), 0 to 1; 1 without readings.

    The normal approximation with correction for ties and continuity, good from some five readings a side on.
    """
    n, m = len(low), len(high)
    if not n or not m:
        return 1.0
    ranks, ties = _ranks([*low, *high])
    wins = sum(ranks[n:]) - m * (m + 1) / 2
    total = n + m
    spread = sqrt(max(0.0, n * m / 12 * (total + 1 - ties / (total * (total - 1)))))
    if spread == 0.0:
        return 1.0
    return 0.5 * (1.0 - erf((wins - n * m / 2 - 0.5) / spread / sqrt(2.0)))


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """The rank of each value, equal ones sharing the mean of theirs, and the sum of t^3 - t over the sizes of ties."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, begin = [0.0] * len(values), 0.0, 0
    while begin < len(order):
        end = begin
        while end < len(order) and values[order[end]] == values[order[begin]]:
            end += 1
        for place in order[begin:end]:
            ranks[place] = (begin + 1 + end) / 2
        ties += (end - begin) ** 3 - (end - begin)
        begin = end
    return ranks, ties

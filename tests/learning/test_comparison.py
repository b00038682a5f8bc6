"""Comparing readings by rank, beside scipy's test."""

from __future__ import annotations

from math import isclose
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from cairn.learning.comparison import Verdict, chance, compare

READINGS = st.lists(st.integers(-20, 20).map(float), min_size=5, max_size=25)


@given(READINGS, READINGS)
def test_chance_is_that_of_the_rank_sum_test(low: list[float], high: list[float]) -> None:
    if len({*low, *high}) > 1:
        known = mannwhitneyu(high, low, alternative="greater", method="asymptotic").pvalue
        assert isclose(chance(low, high), known, abs_tol=1e-9)


@given(READINGS)
def test_readings_are_no_better_than_themselves(some: list[float]) -> None:
    assert compare(some, some, 0.0) is Verdict.SAME


@given(READINGS, READINGS)
def test_what_is_better_one_way_is_worse_the_other(one: list[float], other: list[float]) -> None:
    if compare(one, other, 0.0) is Verdict.BETTER:
        assert compare(other, one, 0.0) is Verdict.WORSE


def test_noise_alone_is_seldom_taken_for_a_difference() -> None:
    random = Random(5)
    verdicts = [compare(*([random.lognormvariate(0, 0.3) for _ in range(10)] for _ in range(2)), 0.01) for _ in range(2_000)]
    assert sum(verdict is not Verdict.SAME for verdict in verdicts) < 2_000 * 0.05


def test_no_readings_say_nothing() -> None:
    assert compare([], [1.0], 0.0) is Verdict.SAME
    assert compare([1.0], [], 0.0) is Verdict.SAME

"""Readings of what operations took."""

from __future__ import annotations

import pytest

from cairn.learning.figures import Figures, percentile


def test_a_reading_waits_for_enough_and_then_begins_anew() -> None:
    figures = Figures({"read": 0.1})
    for _ in range(19):
        figures.note("read", 0.05)
        figures.note("what has no limit", 9.0)
    assert figures.read() is None
    figures.note("read", 0.05)
    reading = figures.read()
    assert reading is not None
    assert reading.score == pytest.approx(2)
    assert reading.strain == pytest.approx(0.5)
    assert figures.read() is None


def test_the_worst_class_and_the_worst_check_count() -> None:
    figures = Figures({"read": 0.1, "write": 1.0})
    for _ in range(40):
        figures.note("read", 0.05)
        figures.note("write", 2.0)
    figures.check("found", 1.5)
    reading = figures.read()
    assert reading is not None
    assert reading.broken
    assert figures.strains == pytest.approx({"read": 0.5, "write": 2.0, "found": 1.5})
    assert reading.merit == pytest.approx(-2)


def test_a_rare_class_is_judged_once_there_is_enough_of_it() -> None:
    figures = Figures({"read": 0.1, "write": 0.1})
    for _ in range(2):
        for _ in range(30):
            figures.note("read", 0.01)
        for _ in range(10):
            figures.note("write", 0.5)
        reading = figures.read()
        assert reading is not None
    assert reading is not None
    assert reading.strain == pytest.approx(5)


def test_the_percentile_is_by_nearest_rank() -> None:
    assert percentile([float(number) for number in range(1, 101)], 0.95) == 95
    assert percentile([7.0], 0.95) == 7

"""Strength: fades with time, never above importance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cairn.learning.strength import strength

MAY = datetime(2023, 5, 1, tzinfo=UTC)


def test_a_half_life_halves_it() -> None:
    assert [strength(0.8, MAY, MAY + timedelta(days=days), 30) for days in (0, 30, 60)] == [0.8, 0.4, 0.2]


@given(st.floats(0, 1), st.integers(-10, 3_000), st.integers(0, 3_000), st.floats(0.01, 1_000))
def test_it_never_grows_by_waiting(importance: float, days: int, more: int, half_life: float) -> None:
    now = strength(importance, MAY, MAY + timedelta(days=days), half_life)
    assert strength(importance, MAY, MAY + timedelta(days=days + more), half_life) <= now <= importance + 0.005

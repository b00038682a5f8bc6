"""How long answers are kept, from what is seen of them."""

from __future__ import annotations

from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.learning.lives import Lives, change_rate, life

RATES = st.floats(0, 100)


@pytest.mark.parametrize("rate", [0.01, 0.2, 3.0])
@pytest.mark.parametrize("every", [0.5, 5.0])
def test_a_rate_of_change_is_found_from_irregular_looks(rate: float, every: float) -> None:
    random = Random(4)
    looks: list[tuple[float, bool]] = []
    for _ in range(3_000):
        seconds = random.expovariate(1 / every)
        looks.append((seconds, random.random() > exp(-rate * seconds)))
    assert change_rate(looks) == pytest.approx(rate, rel=0.2)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=64))
def test_a_rate_is_a_number_whatever_was_seen(looks: list[tuple[float, bool]]) -> None:
    assert 0 <= change_rate(looks) <= 1e6


@given(RATES, RATES, st.floats(0, 1e6), st.floats(0, 1e-3))
def test_a_life_is_within_its_bounds(changes: float, reads: float, size: float, price: float) -> None:
    assert 1 <= life(changes, reads, size, price, 1, 300) <= 300


@given(RATES, RATES, st.floats(0, 1e6), st.floats(0, 1e-3), st.floats(0, 10))
def test_more_changes_shorten_a_life_and_more_reads_lengthen_it(
    changes: float, reads: float, size: float, price: float, more: float
) -> None:
    this = life(changes, reads, size, price, 1, 300)
    assert life(changes + more, reads, size, price, 1, 300) <= this
    assert life(changes, reads + more, size, price, 1, 300) >= this


def watched(change: float, gap: float, size: float = 1_000.0) -> float:
    """The life of an operation whose one answer changes at a rate and is asked for about every `gap` seconds."""
    lives, random, at = Lives(5, 300), Random(2), 0.0
    for _ in range(200):
        seconds = random.expovariate(1 / gap)
        at += seconds
        lives.look("op", 1, at, size, found=random.random() < exp(-change * seconds))
    return lives.life("op")


def test_what_changes_often_or_is_seldom_asked_for_is_kept_more_shortly() -> None:
    assert watched(change=0.0, gap=2) == 300
    assert watched(change=0.5, gap=2) < 60
    assert watched(change=0.5, gap=2, size=100_000) < watched(change=0.5, gap=2)
    assert watched(change=0.0, gap=200, size=1_000_000) == 5


def test_little_known_operations_are_kept_longest_and_memory_is_bounded() -> None:
    lives = Lives(5, 300)
    for number in range(2_000):
        lives.look(f"op{number}", number, float(number), 10.0, found=False)
        lives.look("busy", number, float(number), 10.0, found=False)
    assert lives.life("never seen") == 300
    assert len(lives._operations) <= 512  # pyright: ignore[reportPrivateUsage]

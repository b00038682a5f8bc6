"""The sampled curve beside exact distances in an LRU stack."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.learning.miss_ratio import Curve, Ghosts

KB = 1_000


def name_of(number: int) -> int:
    return int.from_bytes(blake2b(str(number).encode(), digest_size=8).digest())


def exact(asked: list[tuple[int, int]], size: int) -> float:
    """How often an LRU cache of `size` bytes misses, by being one."""
    kept: OrderedDict[int, int] = OrderedDict()
    held = misses = 0
    for number, bytes_ in asked:
        if number in kept:
            kept.move_to_end(number)
            continue
        misses += 1
        kept[number] = bytes_
        held += bytes_
        while held > size:
            held -= kept.popitem(last=False)[1]
    return misses / len(asked)


def zipf(count: int, names: int, seed: int = 3) -> list[tuple[int, int]]:
    random = Random(seed)
    weights = [1 / (rank + 1) ** 0.9 for rank in range(names)]
    sizes = [random.randrange(1, 9) * KB for _ in range(names)]
    return [(number, sizes[number]) for number in random.choices(range(names), weights, k=count)]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=120), st.integers(1, 14))
def test_without_sampling_it_is_exact(asked: list[int], most: int) -> None:
    ghosts = Ghosts(most=64, grain=1)
    for number in asked:
        ghosts.ask(name_of(number), 1)
    assert ghosts.curve().miss_ratio(most + 0.5) == pytest.approx(exact([(number, 1) for number in asked], most))


def test_a_small_sample_comes_near_the_exact_curve() -> None:
    asked = zipf(150_000, 30_000)
    ghosts = Ghosts(most=1_000, grain=64 * KB)
    for number, size in asked:
        ghosts.ask(name_of(number), size)
    curve = ghosts.curve()
    assert len(ghosts) <= 1_000
    for size in (4_000 * KB, 16_000 * KB, 40_000 * KB, 80_000 * KB):
        assert curve.miss_ratio(size) == pytest.approx(exact(asked, size), abs=0.04)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 10**7), st.booleans()), max_size=200), st.integers(1, 8))
def test_a_curve_never_rises_and_ghosts_are_bounded(asked: list[tuple[int, int, bool]], most: int) -> None:
    ghosts = Ghosts(most=most)
    for name, size, stale in asked:
        ghosts.ask(name, size, stale=stale)
        assert len(ghosts) <= most
    ratios = ghosts.curve().ratios
    assert all(0 <= ratio <= 1 for ratio in ratios)
    assert list(ratios) == sorted(ratios, reverse=True)


def test_what_changed_meanwhile_is_a_miss_at_any_size() -> None:
    ghosts = Ghosts(grain=KB)
    for _ in range(100):
        ghosts.ask(name_of(1), KB, stale=True)
    assert ghosts.curve().miss_ratio(10**9) == 1.0


def test_it_follows_what_is_asked_for_now() -> None:
    ghosts = Ghosts(most=4_000, grain=KB)
    for number in list(range(2_000)) * 3:
        ghosts.ask(name_of(number), KB)
    assert ghosts.curve().miss_ratio(500 * KB) > 0.9
    for _ in range(60):
        ghosts.fade(0.8)
        for number in list(range(100)) * 3:
            ghosts.ask(name_of(number), KB)
    assert ghosts.curve().miss_ratio(500 * KB) < 0.1


def test_enough_weighs_bytes_and_sees_behind_a_plateau() -> None:
    cliff = Curve([1_000_000, 50_000_000], [0.9, 0.1], 1_000)
    assert cliff.enough(1_000_000, 10**9, worth=0.001) == 50_000_000
    assert cliff.enough(1_000_000, 10**9, worth=0.1) == 1_000_000
    assert cliff.enough(1_000_000, 20_000_000, worth=0.001) == 1_000_000
    assert Ghosts().curve().enough(5, 10, worth=0.1) == 5

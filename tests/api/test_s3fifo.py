"""The cache in memory: never more bytes than allowed, never another's value, and what is asked for again stays."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cairn.api.s3fifo import S3FIFO

NAMES = st.integers(0, 30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.integers(0, 60)),
        st.tuples(st.just("get"), NAMES),
        st.tuples(st.just("drop"), NAMES),
        st.tuples(st.just("resize"), st.integers(0, 200)),
        st.tuples(st.just("clear")),
    ),
    max_size=200,
)


@given(STEPS)
def test_it_holds_what_was_put_last_within_its_bytes(steps: list[tuple[Any, ...]]) -> None:
    cache, truth = S3FIFO[int, tuple[int, int]](100), dict[int, tuple[int, int]]()
    for number, (verb, *arguments) in enumerate(steps):
        if verb == "put":
            name, size = arguments
            truth[name] = (number, size)
            assert cache.put(name, (number, size), size) == (name in cache)
        elif verb == "get":
            assert cache.get(arguments[0]) in (None, truth.get(arguments[0]))
        else:
            getattr(cache, verb)(*arguments)
        here = {name: cache.get(name) for name in list(truth) if name in cache}
        assert len(here) == len(cache)
        assert all(truth[name] == value for name, value in here.items())
        assert cache.size == sum(size for _, size in filter(None, here.values())) <= cache.most
    cache.clear()
    assert (len(cache), cache.size) == (0, 0)


def test_everything_fits_until_it_does_not() -> None:
    cache = S3FIFO[int, int](1_000)
    for name in range(100):
        assert cache.put(name, name, 10)
    assert [cache.get(name) for name in range(100)] == list(range(100))
    assert not cache.put(0, 0, 251)
    assert 0 not in cache


def test_what_is_asked_for_again_survives_a_million_names_that_are_not() -> None:
    cache, choice = S3FIFO[int, int](100_000), random.Random(1)
    hits = asked = 0
    for name in range(1_000_000):
        cache.put(-1 - name, name, 100)
        if name % 4 == 0:
            hot = choice.randrange(200)
            asked += 1
            if cache.get(hot) is None:
                cache.put(hot, hot, 100)
            else:
                hits += 1
    assert cache.size <= 100_000
    assert hits / asked > 0.95


def test_names_that_left_are_remembered_no_more_than_values_are_kept() -> None:
    cache = S3FIFO[int, int](1_000)
    for name in range(10_000):
        cache.put(name, name, 10)
    assert len(cache._left) <= len(cache) <= 100


def test_one_that_comes_back_soon_is_kept_longer_than_newcomers() -> None:
    cache = S3FIFO[str, int](100)
    for name in "abcdefghijkl":
        cache.put(name, 1, 10)
    assert "a" not in cache
    cache.put("a", 2, 10)
    for name in "mnopqrs":
        cache.put(name, 1, 10)
    assert cache.get("a") == 2

"""Grouping: what is joined closely comes together, the same each time, in whatever order it is told."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.learning.communities import SMALLEST, Edge, groups, near_texts
from cairn.learning.embedding import WordLlamaEmbedder

EMBEDDER = WordLlamaEmbedder()
NODES = [f"n{number:02}" for number in range(12)]
EDGES = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES), st.floats(0.1, 1.0)), max_size=40)


def clique(*nodes: str) -> list[Edge]:
    return [(one, other, 1.0) for one, other in combinations(nodes, 2)]


def test_two_circles_of_friends_are_two_communities() -> None:
    edges = [*clique("a", "b", "c", "d"), *clique("v", "w", "x", "y", "z"), ("d", "v", 0.2)]
    found = groups(edges, frozenset("abvw"))
    assert [set(one.memories) | set(one.resources) for one in found] == [set("vwxyz"), set("abcd")]
    assert found[0].memories == ("v", "w") and found[1].resources == ("c", "d")


@settings(deadline=None)
@given(EDGES, st.randoms(use_true_random=False), st.frozensets(st.sampled_from(NODES)))
def test_the_order_and_direction_of_edges_do_not_matter(edges: list[Edge], random: object, memories: frozenset[str]) -> None:
    assert hasattr(random, "shuffle")
    others = [(other, one, weight) if number % 2 else (one, other, weight) for number, (one, other, weight) in enumerate(edges)]
    distinct = {frozenset(edge[:2]) for edge in edges}
    random.shuffle(others)
    if len(distinct) == len(edges):  # sums of several weights hang on their order in the last bits
        assert groups(edges, memories) == groups(others, memories)
    assert groups(edges, memories) == groups(edges, memories)


@settings(deadline=None)
@given(EDGES, st.frozensets(st.sampled_from(NODES)))
def test_each_node_is_in_one_community_at_most_and_each_is_large_enough(edges: list[Edge], memories: frozenset[str]) -> None:
    found = groups(edges, memories)
    members = [node for one in found for node in (*one.memories, *one.resources)]
    assert len(members) == len(set(members))
    assert all(one.size >= SMALLEST and set(one.memories) <= memories and not set(one.resources) & memories for one in found)
    assert [one.size for one in found] == sorted((one.size for one in found), reverse=True)


def test_texts_about_the_same_are_near() -> None:
    texts = {"a": "The pump in the north tank failed.", "b": "The north tank's pump is broken.", "c": "My sister likes jazz."}
    near = near_texts(list(zip(texts, EMBEDDER.embed(list(texts.values())), strict=True)))
    assert {frozenset(edge[:2]) for edge in near} == {frozenset("ab")}
    assert all(0 < weight <= 1 for _, _, weight in near)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1_500])
def test_any_number_of_texts_can_be_compared(count: int) -> None:
    texts = [(f"{number:04}", [math.cos(number), math.sin(number)]) for number in range(count)]
    near = near_texts(texts)
    assert near == near_texts(texts[::-1])
    assert all(one != other for one, other, _ in near)
    assert not any(math.isnan(weight) for _, _, weight in near)

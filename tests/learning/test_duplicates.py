"""Near duplicates: found whatever the order, and only where the same is said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.learning.duplicates import THRESHOLD, Said, origins, shingles, similarity
from cairn.learning.phrasing import LONGEST, wording

LONG = "yesterday evening we walked along the river with both dogs and talked about the garden that we want to plant"


def said(id: str, text: str, *, lasting: bool = True, speaker: str | None = None) -> Said:
    return Said(id, text, f"{speaker} {text}", ("EPISODIC", "TEXT", speaker), lasting)


def same(one: str, other: str) -> bool:
    return "2" in origins([said("1", one), said("2", other)])


def test_a_word_more_in_a_long_text_makes_no_difference() -> None:
    assert same(LONG, f"{LONG} again")
    assert same(LONG, LONG.replace("river", "stream"))
    assert not same(LONG, LONG.replace("river", "road").replace("dogs", "children").replace("plant", "sell"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{LONG} with 5 friends", f"{LONG} with 6 friends"),
        (f"{LONG} with Anna", f"{LONG} with Bert"),
        (f"{LONG} when Anna thanked Bert", f"{LONG} when Bert thanked Anna"),
        (LONG, LONG.replace("want", "do not want")),
        (f"{LONG} and the light is on", f"{LONG} and the light is off"),
        (LONG, f"{LONG}?"),
        ("Yes", "No"),
        ("???", "!!!"),
    ],
)
def test_other_values_signs_and_questions_say_something_else(one: str, other: str) -> None:
    assert not same(one, other)


def test_what_is_very_long_is_compared_exactly_only() -> None:
    text = "word " * LONGEST
    assert same(text, text)
    assert not same(text, f"{text} more")


def test_what_will_expire_is_never_the_first() -> None:
    found = origins([said("1", LONG, lasting=False), said("2", LONG), said("3", f"{LONG} again", lasting=False)])
    assert {id: origin.first for id, origin in found.items()} == {"1": "2", "3": "2"}
    assert origins([said("1", LONG, lasting=False), said("2", LONG, lasting=False)]) == {}


WORDS = st.sampled_from(LONG.split())
MANY = st.lists(st.tuples(st.lists(WORDS, min_size=1, max_size=18).map(" ".join) | st.just(LONG), st.booleans()), max_size=30)


@settings(deadline=None)
@given(MANY, st.randoms(use_true_random=False))
def test_the_order_does_not_matter_and_firsts_are_first(many: list[tuple[str, bool]], order: random.Random) -> None:
    all_said = [said(f"{n:03}", text, lasting=lasting) for n, (text, lasting) in enumerate(many)]
    found = origins(all_said)
    shuffled = list(all_said)
    order.shuffle(shuffled)
    assert origins(shuffled) == found
    by_id = {one.id: one for one in all_said}
    assert not set(found) & {origin.first for origin in found.values()}
    for id, origin in found.items():
        first = by_id[origin.first]
        assert first.lasting and (first.id < id or not by_id[id].lasting)
        exact = similarity(shingles(wording(first.text).words), shingles(wording(by_id[id].text).words))
        assert exact >= THRESHOLD
        assert origin.similarity == pytest.approx(exact, abs=1e-4)


@settings(deadline=None)
@given(MANY)
def test_exact_repetitions_are_always_found(many: list[tuple[str, bool]]) -> None:
    found = origins([said(f"{n:03}", text) for n, (text, _) in enumerate(many)])
    texts = [text for text, _ in many]
    for n, text in enumerate(texts):
        if text in texts[:n]:
            assert f"{n:03}" in found


def test_banding_finds_what_is_near() -> None:
    order, missed = random.Random(1), 0
    for _ in range(300):
        words = ["".join(order.choices("abcdefgh", k=6)) for _ in range(30)]
        other = [*words[:14], "another", *words[15:]]
        missed += not same(" ".join(words), " ".join(other))
    assert missed == 0

"""Supersession: which statements take the place of which, and, more important, which do not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.learning.supersession import Statement, successions

MAY = datetime(2023, 5, 1, tzinfo=UTC)


def stated(id: str, text: str, day: int = 0, speaker: str | None = "ada") -> Statement:
    return Statement(id, text, speaker, MAY + timedelta(days=day))


def newer_of(*texts: str) -> dict[str, str]:
    found = successions([stated(str(day), text, day) for day, text in enumerate(texts)])
    return {older: one.newer for older, one in found.items()}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("My sister lives in Rome.", "My sister now lives in Oslo"),
        ("The rent is 500 euros.", "The rent is now 650 euros!"),
        ("I have two cats", "I have three cats"),
        ("The next meeting is on Monday at 10:00", "The next meeting is on Tuesday at 10:00"),
        ("I'm 41", "I’m 42"),
        ("Our teacher is Anna Lind", "Our teacher is Bert Moe"),
        ("My flight to Rome leaves at 9 and is number 12", "My flight to Rome leaves at 9 and is number 14"),
        ("Die Miete ist 500 Euro", "Die Miete ist jetzt 650 Euro"),
        ("房租是 500", "房租是 650"),
        ("My sister lives in Rome.", "Good news! My sister now lives in Oslo. Is that not far? We miss her"),
    ],
)
def test_another_value_of_the_same_later(older: str, newer: str) -> None:
    assert newer_of(older, newer) == {"0": "1"}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("I visited Rome", "I visited Oslo"),  # an event
        ("Anna lives in Rome", "Bert lives in Rome"),  # of another
        ("My friend Anna lives in Rome", "My friend Bert lives in Oslo"),
        ("My sister lives in Rome", "My sister lives in Rome"),
        ("My sister lives in Rome", "My brother lives in Oslo"),
        ("My sister is not in Rome", "My sister is in Oslo"),
        ("Is my sister in Rome?", "Is my sister in Oslo?"),
        ("I have a dog named Rex", "I have a dog named Ben"),  # may have both
        ("There is a bakery in Rome", "There is a bakery in Oslo"),
        ("She is from Rome", "She is from Oslo"),  # who?
        ("It is 5 o'clock", "It is 6 o'clock"),
        ("The temperature today is 20", "The temperature today is 22"),
        ("My sister is visiting Rome", "My sister is visiting Oslo"),
        ("My sister lives in Rome. She likes it", "My sister lives in Oslo. She likes it"),  # the older one says more
        ("My meeting is at 5 with Anna", "My meeting is at 6 with Bert"),  # another one
        ("Rome is the capital", "Oslo is the capital"),
        ("", ""),
    ],
)
def test_what_does_not_take_the_place_of_another(older: str, newer: str) -> None:
    assert newer_of(older, newer) == {}


def test_neither_speaker_nor_instant_may_be_in_doubt() -> None:
    rome, oslo = "My sister lives in Rome", "My sister lives in Oslo"
    assert successions([stated("0", rome, speaker="ada"), stated("1", oslo, 1, speaker="bob")]) == {}
    assert successions([stated("0", rome, speaker=None), stated("1", oslo, 1, speaker=None)]) == {}
    assert successions([stated("0", rome), stated("1", oslo)]) == {}
    assert successions([stated("0", "The rent is 5", speaker=None), stated("1", "The rent is 6", 1, speaker=None)]).keys() == {"0"}


def test_values_may_come_back() -> None:
    assert newer_of("The rent is 5", "The rent is 5", "The rent is 6", "The rent is 5") == {"0": "2", "1": "2", "2": "3"}


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.sampled_from(["rent", "fee"])), max_size=25),
    st.randoms(use_true_random=False),
)
def test_each_is_followed_by_the_next_that_says_otherwise(many: list[tuple[int, int, str]], order: random.Random) -> None:
    all_stated = [(stated(f"{n:02}", f"The {what} is {value}", day), value, what) for n, (value, day, what) in enumerate(many)]
    shuffled = [one for one, _, _ in all_stated]
    order.shuffle(shuffled)
    found = successions(shuffled)
    for one, value, what in all_stated:
        later = [
            (other.occurred_at, other.id)
            for other, other_value, other_what in all_stated
            if other_what == what and other_value != value and other.occurred_at > one.occurred_at
        ]
        assert (found[one.id].newer if one.id in found else None) == (min(later)[1] if later else None)

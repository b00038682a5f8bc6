"""Wording: what of a text is a value, and what frame is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.learning.phrasing import LONGEST, sentences, wording


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("We met Anna Lind in Rome", ("anna lind", "rome")),
        ("The flight leaves on May 4, 2024 at 10:30", ("may 4 2024", "10:30")),
        ("It costs $5.50 or 7€", ("$5.50", "7€")),
        ("I think I’m in two choirs", ("two",)),
        ("Rome. Oslo! Bern", ()),
        ("会议是 3 点", ("3",)),
        ("", ()),
    ],
)
def test_values_are_numbers_and_names_within_a_sentence(text: str, values: tuple[str, ...]) -> None:
    assert wording(text).values == values


def test_the_frame_is_what_is_left() -> None:
    worded = wording("My sister now lives in Oslo, not in Rome.")
    assert worded.frame == ("my", "sister", "lives", "in", None, "not", "in", None)
    assert (worded.signs, worded.sentences, worded.question) == (("in", "not", "in"), 1, False)


def test_sentences_are_counted_and_questions_seen() -> None:
    assert wording("One. Another! A third").sentences == 3
    assert wording("Version 1.5 is out").sentences == 1
    assert wording("He came. Did he?").question
    assert not wording("He came.").question


def test_sentences_are_cut_where_they_end() -> None:
    assert [one.strip() for one in sentences("It is 5.5 m. Really?! Yes\nno 会议。是 ...")] == [
        "It is 5.5 m.", "Really?!", "Yes", "no 会议。", "是 ...",
    ]  # fmt: skip


@given(st.text(max_size=200))
def test_cutting_into_sentences_counts_as_reading_does(text: str) -> None:
    assert sum(wording(sentence).sentences for sentence in sentences(text)) == wording(text).sentences


@given(st.text(max_size=200))
def test_any_text_is_read_and_case_and_space_make_no_other_words(text: str) -> None:
    worded = wording(text)
    assert len([word for word in worded.frame if word is None]) == len(worded.values)
    assert wording(f"  {text}  ").words == worded.words


def test_a_text_beyond_all_bounds_is_read_at_its_beginning() -> None:
    assert len(wording("a " * LONGEST).words) == LONGEST // 2

"""The form of questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.graph.traits import NAME, NUMBER, TIME
from cairn.learning.forms import form

NOW = datetime(2026, 6, 17, 15, tzinfo=UTC)


def day(month: int, number: int, year: int = 2026) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "start", "length"),
    [
        ("Who did we meet on May 3, 2024?", day(5, 3, 2024), 1),
        ("What happened yesterday?", day(6, 16), 1),
        ("What happened last week?", day(6, 8), 7),
        ("What did we count last May?", day(5, 1), 31),
        ("What did we write in 2021?", day(1, 1, 2021), 365),
    ],
)
def test_the_time_that_a_question_names(question: str, start: datetime, length: int) -> None:
    assert form(question, NOW).within == (start, start + timedelta(days=length))


@pytest.mark.parametrize("question", ["When may I go?", "What is salt marsh?", "What is 5 plus 3?", "", "99999999999999999999 years ago"])
def test_no_time_is_made_up(question: str) -> None:
    assert form(question, NOW).within is None


def test_what_an_answer_would_hold() -> None:
    assert dict(form("When did it happen?", NOW).wanted).keys() == {TIME}
    assert dict(form("How many seals were there?", NOW).wanted).keys() == {NUMBER}
    assert dict(form("Who saw it?", NOW).wanted).keys() == {NAME}
    assert form("Tell me of the seals", NOW).wanted == ()
    assert form("Where did I live before?", NOW).past
    assert not form("Where do I live?", NOW).past


@settings(deadline=None)
@given(st.text(max_size=120))
def test_any_text_has_a_form(question: str) -> None:
    within = form(question, NOW).within
    assert within is None or within[0] < within[1]

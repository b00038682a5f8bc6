"""The estimate of tokens: nothing for nothing, no less for more text, and near to what a real vocabulary gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.learning.tokens import EstimatingTokenizer

COUNT = EstimatingTokenizer().count


def test_an_empty_text_has_no_tokens() -> None:
    assert COUNT("") == COUNT("   ") == 0


@given(st.text(), st.text())
def test_texts_apart_have_at_least_the_tokens_of_the_texts_together(one: str, other: str) -> None:
    assert max(COUNT(one), COUNT(other)) <= COUNT(one + other) <= COUNT(one) + COUNT(other)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("the red tide", 3), ("internationalisation", 4), ("12345", 2), ("赤潮", 2), ("wait!?", 3), ("a\nb", 3), ("Ключ", 2)],
)
def test_what_counts(text: str, tokens: int) -> None:
    assert COUNT(text) == tokens

"""Words: cut without regard to context, with offsets into the text as it came."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.importers.words import apart, is_shouted, key, keys, starts_sentence, words

TEXTS = st.text(max_size=120) | st.text(st.sampled_from("Ab é\u0301.,-'’&+ \n東京ई¨½"), max_size=40)


@given(TEXTS)
def test_words_stand_in_order_where_they_say(text: str) -> None:
    end = 0
    for word in words(text):
        assert end <= word.start < word.end <= len(text)
        assert word.key == key(text[word.start : word.end])
        assert word.key
        assert not any(character.isspace() for character in word.key)
        end = word.end


@given(st.lists(st.sampled_from(["Ada", "C++", "naïve", "U.S.", "東京", "co-op", "R&D", "ships"]), min_size=1, max_size=4), TEXTS, TEXTS)
def test_a_name_is_cut_alike_alone_and_in_a_text(parts: list[str], before: str, after: str) -> None:
    name = " ".join(parts)
    alone = [word.key for word in words(name)]
    inside = [word.key for word in words(f"{before} {name} {after}")]
    assert any(inside[i : i + len(alone)] == alone for i in range(len(inside)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Teachers", "teacher"),
        ("universities", "University"),
        ("Café", "CAFE"),
        ("co-operation", "co operation"),
        ("Acme Inc.", "acme inc"),
    ],
)
def test_spellings_that_meet(one: str, other: str) -> None:
    assert keys(one) == keys(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C", "C++"), ("news", "new"), ("bus", "bu"), ("class", "clas"), ("Paris, France", "Paris France"), ("R&D", "R D")]
)
def test_spellings_that_do_not(one: str, other: str) -> None:
    assert keys(one) != keys(other)


def test_where_sentences_start() -> None:
    text = 'Ada met Dr. Brown. Then she said: "Hello, J. Smith!"\nGood'
    starts = [text[w.start : w.end] for w in words(text) if text[w.start].isupper() and starts_sentence(text, w.start)]
    assert starts == ["Ada", "Then", "Hello", "Good"]


def test_shouting() -> None:
    assert is_shouted("IT WAS GREAT!")
    assert not is_shouted("IT was great")
    assert not is_shouted("NASA")
    assert not is_shouted("東京 大阪 京都")


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6))))
def test_spans_apart_never_overlap_and_keep_the_best(raw: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in raw]
    chosen = apart(spans, lambda span: span, 30)
    assert chosen == sorted(chosen)
    assert all(one[1] <= other[0] for one, other in pairwise(chosen))
    assert not spans or spans[0] in chosen
    for span in spans:
        assert span in chosen or any(span[0] < other[1] and other[0] < span[1] for other in chosen)

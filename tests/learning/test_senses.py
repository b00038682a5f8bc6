"""Senses: words like those of a question, and where it points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.learning.embedding import WordLlamaEmbedder
from cairn.learning.senses import NOTHING, Meant, Senses, spelled


@pytest.fixture(scope="module")
def senses() -> Senses:
    return Senses(WordLlamaEmbedder())


def test_a_word_stands_for_words_like_it(senses: Senses) -> None:
    sense = senses.of("What does she like about painting?")["paint"]
    near = dict(zip(sense.terms, sense.nearness, strict=True))
    assert near["artist"] > 0.4
    assert "boat" not in near


def test_what_stands_for_a_question_is_no_word_of_it(senses: Senses) -> None:
    like = Meant(senses.of("Which artist is painting?")).like(3)
    terms = [term for term, _ in like]
    assert len(terms) == 3
    assert "paint" not in terms
    assert "artist" not in terms
    assert [weight for _, weight in like] == sorted((weight for _, weight in like), reverse=True)
    assert Meant(senses.of("painting")).like(-1) == []


def test_words_are_those_of_the_question_that_say_something() -> None:
    assert spelled("What did the PAINTERS paint?") == {"painter": "painters", "paint": "paint"}
    assert set(spelled("海鸥吃鱼")) >= {"海鸥", "鱼"}
    assert spelled("") == {}


def test_a_long_question_is_looked_up_as_far_as_is_quick(senses: Senses) -> None:
    assert len(senses.of(" ".join(f"word{n}" for n in range(1_000)))) == 64


def test_rare_words_tell_where_a_question_points(senses: Senses) -> None:
    words = senses.of("seal boat")
    meant = Meant(words, comparable=True)
    for weights, nearest in (([1.0, 0.0], "seal"), ([0.0, 1.0], "boat")):
        direction = meant.pointing(["seal", "boat"], np.array(weights))
        assert direction == pytest.approx(words[nearest].direction)


def test_with_vectors_of_another_embedder_the_question_points_as_a_whole(senses: Senses) -> None:
    meant = Meant(senses.of("seal"), comparable=False, direction=(0.6, 0.8))
    assert meant.pointing(["seal"], np.array([1.0])) == pytest.approx([0.6, 0.8])
    assert len(NOTHING.pointing(["seal"], np.array([1.0]))) == 0


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_question_has_finite_senses(senses: Senses, question: str) -> None:
    for sense in senses.of(question).values():
        assert np.isfinite(sense.direction).all()
        assert len(sense.terms) == len(sense.nearness)
        assert all(0 < nearness < 1.001 for nearness in sense.nearness)
        assert math.isclose(float(np.linalg.norm(sense.direction)), 1.0, rel_tol=1e-4)

"""Searching what is encrypted: words and vectors are hidden, and compare as they did."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cairn.graph.searchable import PLAIN, TOKEN, KeyedIndex, derive, rotation

INDEX = KeyedIndex(b"\x07" * 32)


@given(st.text(), st.text())
def test_equal_words_and_only_they_have_equal_tokens(one: str, other: str) -> None:
    assert (INDEX.token(one) == INDEX.token(other)) == (one == other)


@given(st.text())
def test_a_token_is_a_term_for_lucene(word: str) -> None:
    token = INDEX.token(word)
    assert len(token) == TOKEN
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_tokens_are_a_secrets_own() -> None:
    assert INDEX.token("stone") != KeyedIndex(b"\x08" * 32).token("stone")
    assert INDEX.token("stone") == KeyedIndex(b"\x07" * 32).token("stone") == "smm26ml4vt"


def test_many_words_do_not_collide() -> None:
    words = [f"word {number}" for number in range(200_000)]
    assert len(set(INDEX.tokens(words))) == len(words)


def test_digests_of_different_purposes_differ() -> None:
    assert INDEX.digest("speaker", "ada") != INDEX.digest("externalId", "ada")


@pytest.mark.parametrize("dimensions", [1, 2, 3, 64, 256, 384])
def test_a_rotation_is_orthogonal_and_the_same_again(dimensions: int) -> None:
    matrix = rotation(b"\x01" * 32, dimensions)
    assert np.allclose(matrix @ matrix.T, np.eye(dimensions), atol=1e-12)
    assert np.array_equal(matrix, rotation(b"\x01" * 32, dimensions))
    if dimensions > 2:
        assert not np.allclose(np.abs(matrix), np.abs(rotation(b"\x02" * 32, dimensions)), atol=0.1)


@hypothesis_settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_rotation_keeps_cosines(seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(8, 256))
    turned = np.asarray(INDEX.rotate(vectors.tolist()))
    assert np.allclose(vectors @ vectors.T, turned @ turned.T, atol=1e-10)
    assert float(np.max(np.abs(np.sum(vectors * turned, axis=1) / np.sum(vectors * vectors, axis=1)))) < 0.5, "it hides them"


def test_without_encryption_all_stays() -> None:
    assert PLAIN.token("stone") == "stone"
    assert PLAIN.rotate([[1.0, 2.0]]) == [[1.0, 2.0]]
    assert PLAIN.digest("any", "hash") == "hash"


def test_derived_keys_differ_by_purpose() -> None:
    secret = secrets.token_bytes(32)
    assert len({derive(secret, purpose) for purpose in ("words", "digests", "rotation")}) == 3

"""Embeddings: unit vectors that depend on their text alone, from a model that comes in a wheel."""

from __future__ import annotations

import logging
import math
import socket
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.learning.embedding import MAX_CHARACTERS, WordLlamaEmbedder, embed

SHARED = WordLlamaEmbedder()


@pytest.fixture
def embedder() -> WordLlamaEmbedder:
    """The default embedder; the tests share its model."""
    return SHARED


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), max_size=8))
def test_each_text_gets_a_unit_vector(texts: list[str]) -> None:
    vectors = SHARED.embed(texts)
    assert len(vectors) == len(texts)
    for vector in vectors:
        assert len(vector) == SHARED.dimensions
        assert math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-5)


def test_a_vector_does_not_depend_on_its_batch(embedder: WordLlamaEmbedder) -> None:
    texts = ["", "a cat", "word " * 3_000, "ein längerer Satz über das Wetter", "猫", "a cat", "x" * 90_000, " "]
    together = embedder.embed(texts)
    assert together == [embedder.embed([text])[0] for text in texts]
    assert together[1] == together[5]


def test_near_meanings_are_nearer(embedder: WordLlamaEmbedder) -> None:
    question, near, far = embedder.embed(["Where is my dog?", "The puppy is in the garden.", "Interest rates rose by a quarter point."])
    assert cosine(question, near) > cosine(question, far) + 0.1


def test_only_the_beginning_of_a_long_text_counts(embedder: WordLlamaEmbedder) -> None:
    beginning = ("river " * MAX_CHARACTERS)[:MAX_CHARACTERS]
    assert embedder.embed([beginning]) == embedder.embed([beginning + "bank " * 100])


def test_loading_leaves_logging_alone_and_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = (list(logging.getLogger().handlers), logging.getLogger().level)
    fresh = WordLlamaEmbedder()
    assert not fresh.ready
    fresh.load()
    assert fresh.ready
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == before


def test_threads_share_one_model() -> None:
    fresh = WordLlamaEmbedder()
    found: list[list[list[float]]] = []
    workers = [threading.Thread(target=lambda: found.append(fresh.embed(["one", "two"]))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    assert all(one == found[0] for one in found)


@pytest.mark.anyio
async def test_the_event_loop_embeds_the_same(embedder: WordLlamaEmbedder) -> None:
    long = ["a sentence about harbours. " * 20] * 30
    assert await embed(embedder, ["a", "b"]) == embedder.embed(["a", "b"])
    assert await embed(embedder, long) == embedder.embed(long)

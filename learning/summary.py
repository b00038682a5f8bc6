"""Extractive summaries: the sentences of texts that say most of what the texts say, unchanged.

Sentences are ranked by LexRank (Erkan and Radev, Journal of Artificial Intelligence Research 22, 2004) over the cosines of their
embeddings: a sentence counts that is like many that count. What is chosen must differ from what was chosen before. Equal texts give
equal summaries.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .embedding import Embedder

MAX_SENTENCES = 600
"""Of more sentences the last are looked at: the matrix of their cosines takes 1.4 MB."""

_MAX_CHARACTERS = 20_000
_SHORTEST = 3
_ALIKE = 0.3
"""Sentences with a lower cosine than this don't count for each other."""
_SAME = 0.9
"""A sentence this near to one that was chosen says nothing new."""
_DAMPING = 0.15
_PATIENCE = 50
"""When so many sentences did not fit, no room is left worth speaking of."""
_STEPS = 30
_UNSPACED_END = re.compile(r"(?<=[。！？｡])(?=\S)")
_splitting = Lock()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence: the number of the text that it is from, its own number there, its words."""

    source: int
    number: int
    text: str


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order, white space within them made single spaces. Of a very long text the beginning."""
    with _splitting:
        found = [str(span) for span in _splitter()(text[:_MAX_CHARACTERS]).sents]
    parts = (" ".join(part.split()) for sentence in found for part in _UNSPACED_END.split(sentence))
    return [part for part in parts if part]


async def summary(embedder: Embedder, texts: Sequence[str], fits: Callable[[Sentence], bool], towards: str | None = None) -> list[Sentence]:
    """The sentences that sum `texts` up, in their order. `fits` is asked about each, the best first, and takes it by answering True.

    `towards`: what the reader wants to know; sentences near to it count for more. Runs in a thread but for `fits`.
    """
    ranked = await asyncio.to_thread(_ranked, embedder, texts, towards)
    chosen: list[int] = []
    refused = 0
    for place in ranked.order:
        if refused == _PATIENCE:
            break
        if any(ranked.cosines[place, other] > _SAME for other in chosen):
            continue
        if fits(ranked.sentences[place]):
            chosen.append(place)
        else:
            refused += 1
    return [ranked.sentences[place] for place in sorted(chosen)]


@dataclass(frozen=True, slots=True)
class _Ranked:
    sentences: list[Sentence]
    order: list[int]
    cosines: NDArray[np.float32]


def _ranked(embedder: Embedder, texts: Sequence[str], towards: str | None) -> _Ranked:
    found = [Sentence(source, number, one) for source, text in enumerate(texts) for number, one in enumerate(sentences(text))]
    found = [one for one in found if _says_something(one.text)][-MAX_SENTENCES:]
    if not found:
        return _Ranked([], [], np.zeros((0, 0), dtype=np.float32))
    vectors = np.asarray(embedder.embed([one.text for one in found]), dtype=np.float32)
    cosines = vectors @ vectors.T
    scores = _centrality(cosines)
    if towards is not None:
        asked = np.asarray(embedder.embed([towards])[0], dtype=np.float32)
        scores = scores * np.maximum(vectors @ asked, 0.05)
    rounded = [round(float(score), 9) for score in scores / scores.max()]  # so that the order never hangs on the last bits of a sum
    return _Ranked(found, sorted(range(len(found)), key=lambda place: (-rounded[place], place)), cosines)


def _centrality(cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    """LexRank: the stationary share of a walk from sentence to like sentence that now and then begins anew anywhere."""
    weights = np.where(cosines >= _ALIKE, cosines, 0.0).astype(np.float64)
    np.fill_diagonal(weights, 0.0)
    weights[weights.sum(axis=1) == 0] = 1.0  # from a sentence like no other the walk goes anywhere
    steps = weights / weights.sum(axis=1, keepdims=True)
    scores = np.full(len(weights), 1.0 / len(weights))
    for _ in range(_STEPS):
        scores = _DAMPING / len(weights) + (1.0 - _DAMPING) * (scores @ steps)
    return scores


def _says_something(sentence: str) -> bool:
    return len(sentence.split()) >= _SHORTEST or bool(_UNSPACED_END.search(f"{sentence} .")) or not sentence.isascii()


@cache
def _splitter() -> Callable[[str], Any]:
    import spacy

    splitter = spacy.blank("xx")
    splitter.add_pipe("sentencizer")
    return cast("Callable[[str], Any]", splitter)

"""Senses: which words mean nearly the same, told by the token vectors that come inside the `wordllama` wheel.

A question's word stands for words like it (`near`), and the question as a whole for the direction in which its rare words point
(`directions`). All of it is worked out from the question's side: a memory's words may be keyed, so that nothing tells which they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..graph.analysis import STOP_WORDS, name_words, terms
from .embedding import WordLlamaEmbedder, unit_vectors
from .words import Vector

_LEAST = 0.35
"""The least cosine at which a word stands for another."""
_MOST = 40
_SHORTEST = 2
_REMEMBERED = 20_000
_WORDS = 64
"""Words of a question that are looked up: one that was never seen takes a millisecond."""


@dataclass(frozen=True, slots=True)
class Sense:
    """What a word of a question means: where it points, and terms that stand for it with how well (0 to 1)."""

    direction: NDArray[np.float32]
    terms: tuple[str, ...]
    nearness: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Meant:
    """A question's words by their terms, and whether vectors of memories can be compared with their directions. If not, `direction` is
    where the question as a whole points; of no numbers where nothing is to be compared.
    """

    words: Mapping[str, Sense] = field(default_factory=dict[str, Sense])
    comparable: bool = False
    direction: tuple[float, ...] = ()

    def like(self, most: int) -> list[tuple[str, float]]:
        """Terms that stand for one of the question's and are none of them, with how well; at most so many, the best."""
        found: dict[str, float] = {}
        for sense in self.words.values():
            for term, nearness in zip(sense.terms, sense.nearness, strict=True):
                if term not in self.words:
                    found[term] = max(nearness, found.get(term, 0.0))
        return sorted(found.items(), key=lambda one: (-one[1], one[0]))[: max(0, most)]

    def pointing(self, terms: Sequence[str], weights: Vector) -> NDArray[np.float32]:
        """Where the question points when its terms count by `weights`."""
        known = [at for at, term in enumerate(terms) if term in self.words]
        if not self.comparable or not known:
            return np.asarray(self.direction, dtype=np.float32)
        return weights[known].astype(np.float32) @ np.array([self.words[terms[at]].direction for at in known])


NOTHING = Meant()


class Senses:
    """The words of the model's vocabulary by their terms. Making it loads the model: a second, and some 20 MB are kept."""

    def __init__(self, embedder: WordLlamaEmbedder) -> None:
        known: dict[str, list[int]] = {}
        words, vectors = embedder.vocabulary()
        for at, word in enumerate(words):
            if len(word) >= _SHORTEST and word not in STOP_WORDS:
                for term in terms(word)[:1]:
                    known.setdefault(term, []).append(at)
        self._embedder = embedder
        self._terms = list(known)
        self._directions = unit_vectors(np.array([vectors[rows].mean(axis=0) for rows in known.values()]))
        self._sense = lru_cache(_REMEMBERED)(self._looked_up)

    def of(self, question: str) -> dict[str, Sense]:
        """What the first words of a question mean, by their terms. Each word is looked up once and remembered."""
        return {term: self._sense(word) for term, word in islice(spelled(question).items(), _WORDS)}

    def _looked_up(self, word: str) -> Sense:
        direction = np.asarray(self._embedder.embed([word])[0], dtype=np.float32)
        nearness = self._directions @ direction
        best = np.argpartition(-nearness, min(_MOST, len(nearness) - 1))[:_MOST]
        near: list[int] = [at for at in best.tolist() if nearness[at] >= _LEAST]
        return Sense(direction, tuple([self._terms[at] for at in near]), tuple([float(nearness[at]) for at in near]))


def spelled(question: str) -> dict[str, str]:
    """The words of a question that say something, as it spells them, by their terms; a term of unspaced scripts is a word itself."""
    found: dict[str, str] = {}
    for word in name_words(question):
        parts = terms(word)
        if word not in STOP_WORDS:
            for part in parts:
                found.setdefault(part, word if len(parts) == 1 else part)
    return found

"""The words of some candidates, counted and weighed.

A word's weight is how rare it is among the candidates, not in the whole index: there a tenant's other agents, and other tenants,
would have a say, and a name that everybody in a conversation bears would count as rare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..graph.profiles import Hashes, hashed

Vector = NDArray[np.float64]

_K1, _B = 1.2, 0.75
PASSAGE = 60
"""Terms in a passage; passages overlap by half."""


class Words:
    """How often each of `terms` stands in each of `texts` (their words' hashes). One empty text is put behind them."""

    def __init__(self, texts: Sequence[Hashes], terms: Sequence[str]) -> None:
        self._terms = terms
        self._texts = texts
        self._sought = hashed(terms)
        self.lengths = np.array([*map(len, texts), 0], dtype=np.float64)
        self.counts = np.vstack([_counted(texts, self._sought), np.zeros(len(terms))])
        self.rarity = rarity((self.counts > 0).sum(axis=0), len(texts))

    @property
    def terms(self) -> Sequence[str]:
        """The terms that are counted."""
        return self._terms

    def scores(self) -> Vector:
        """Each text's BM25."""
        return self._bm25(self.counts[:-1], self.lengths[:-1])

    def with_neighbours(self, before: NDArray[np.intp], after: NDArray[np.intp]) -> Vector:
        """BM25 of each text together with those at the given places, -1 for none."""
        counts = self.counts[:-1] + self.counts[before] + self.counts[after]
        return self._bm25(counts, self.lengths[:-1] + self.lengths[before] + self.lengths[after])

    def of_passages(self) -> Vector:
        """The BM25 of each text's best passage; of the whole where that is no longer than a passage."""
        short = np.flatnonzero(self.lengths[:-1] <= PASSAGE)
        rows, parts = list[int](), list[Hashes]()
        for row in np.flatnonzero(self.lengths[:-1] > PASSAGE).tolist():
            words = self._texts[row]
            for start in range(0, len(words) - PASSAGE // 2, PASSAGE // 2):
                rows.append(row)
                parts.append(words[start : start + PASSAGE])
        places = np.concatenate([short, np.array(rows, dtype=np.intp)])
        counts = np.vstack([self.counts[short], _counted(parts, self._sought)])
        lengths = np.concatenate([self.lengths[short], np.array([len(part) for part in parts], dtype=np.float64)])
        best = np.zeros(len(self._texts))
        if len(places):
            np.maximum.at(best, places, self._bm25(counts, lengths))
        return best

    def coverage(self) -> Vector:
        """The share of the terms, by their rarity, that each text has."""
        total = float(self.rarity.sum()) or 1.0
        return (self.counts[:-1] > 0) @ self.rarity / total

    def kin(self, others: Sequence[tuple[str, int, float]]) -> Vector:
        """How near each text comes to each term: 1 where it has it, else the most of those of `others` (a word, the place of a term that
        it stands for, and how well) that it has. A row of zeros is put behind them.
        """
        near = np.minimum(self.counts, 1.0)
        if others and self._texts:
            known = sorted({word for word, _, _ in others})
            values = np.zeros((len(known), len(self._terms)))
            rows = {word: row for row, word in enumerate(known)}
            for word, term, value in others:
                values[rows[word], term] = max(values[rows[word], term], value)
            owners, places = _found(self._texts, hashed(known))
            np.maximum.at(near, owners, values[places])
        return near

    def rare(self) -> dict[str, float]:
        """The rarity of each term."""
        return dict(zip(self._terms, self.rarity.tolist(), strict=True))

    def _bm25(self, counts: Vector, lengths: Vector) -> Vector:
        """BM25 (Robertson and Zaragoza 2009), lengths relative to their mean."""
        norm = _K1 * (1 - _B + _B * lengths / (float(lengths.mean()) if lengths.any() else 1.0))
        return (counts / (counts + norm[:, None] + 1e-12)) @ self.rarity


def _counted(texts: Sequence[Hashes], sought: Hashes) -> Vector:
    """How often each of `sought` stands in each of `texts`."""
    counts = np.zeros((len(texts), len(sought)))
    if texts and len(sought):
        np.add.at(counts, _found(texts, sought), 1.0)
    return counts


def _found(texts: Sequence[Hashes], sought: Hashes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each time that one of `sought` stands in one of `texts`: the text's place and the word's."""
    words = np.concatenate(texts)
    order = np.argsort(sought)
    places = order[np.minimum(np.searchsorted(sought, words, sorter=order), len(sought) - 1)]
    hits = np.flatnonzero(sought[places] == words)
    owners = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    return owners[hits], places[hits]


def rarity(having: NDArray[np.intp], of: int) -> Vector:
    """BM25's inverse document frequency of words that `having` of `of` texts have."""
    return np.log1p((of - having + 0.5) / (having + 0.5))


def standardised(values: Vector) -> Vector:
    """z-scores; all zero where the values do not differ."""
    deviation = float(values.std()) if len(values) else 0.0
    return np.zeros_like(values) if deviation < 1e-9 else (values - values.mean()) / deviation


def by_rank(values: Vector, first: float = 3.0) -> Vector:
    """1 for the highest, falling with the rank: `first / (first + rank)`. Equal values share the better rank; nothing gets 0."""
    order = np.sort(-values)
    ranks = np.searchsorted(order, -values, side="left")
    return np.where(values > 0, first / (first + ranks), 0.0)

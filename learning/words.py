"""The words of some candidates, counted and weighed.

A word's weight is how rare it is among the candidates, not in the whole index: there a tenant's other agents, and other tenants,
would have a say, and a name that everybody in a conversation bears would count as rare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_K1, _B = 1.2, 0.75
PASSAGE = 60
"""Terms in a passage; passages overlap by half."""


class Words:
    """How often each of `terms` stands in each of `texts` (terms joined by spaces). One empty text is put behind them."""

    def __init__(self, texts: Sequence[str], terms: Sequence[str]) -> None:
        self._terms = terms
        self._texts = texts
        self.counts = np.vstack([_counted(texts, terms), np.zeros(len(terms))])
        self.lengths = np.array([*(text.count(" ") + 1 if text else 0 for text in texts), 0], dtype=np.float64)
        self.rarity = rarity((self.counts > 0).sum(axis=0), len(texts))

    def scores(self) -> Vector:
        """Each text's BM25."""
        return self._bm25(self.counts[:-1], self.lengths[:-1])

    def with_neighbours(self, before: NDArray[np.intp], after: NDArray[np.intp]) -> Vector:
        """BM25 of each text together with those at the given places, -1 for none."""
        counts = self.counts[:-1] + self.counts[before] + self.counts[after]
        return self._bm25(counts, self.lengths[:-1] + self.lengths[before] + self.lengths[after])

    def of_passages(self) -> Vector:
        """The BM25 of each text's best passage; of the whole where that is no longer than a passage."""
        long = np.flatnonzero(self.lengths[:-1] > PASSAGE)
        rows, parts = list[int](), list[list[str]]()
        for row in long.tolist():
            words = self._texts[row].split()
            for start in range(0, len(words) - PASSAGE // 2, PASSAGE // 2):
                rows.append(row)
                parts.append(words[start : start + PASSAGE])
        short = np.flatnonzero(self.lengths[:-1] <= PASSAGE)
        places = np.concatenate([short, np.array(rows, dtype=np.intp)])
        counts = np.vstack([self.counts[short], _counted([" ".join(part) for part in parts], self._terms)])
        lengths = np.concatenate([self.lengths[short], np.array([len(part) for part in parts], dtype=np.float64)])
        best = np.zeros(len(self._texts))
        if len(places):
            np.maximum.at(best, places, self._bm25(counts, lengths))
        return best

    def coverage(self) -> Vector:
        """The share of the terms, by their rarity, that each text has."""
        total = float(self.rarity.sum()) or 1.0
        return (self.counts[:-1] > 0) @ self.rarity / total

    def rare(self) -> dict[str, float]:
        """The rarity of each term."""
        return dict(zip(self._terms, self.rarity.tolist(), strict=True))

    def _bm25(self, counts: Vector, lengths: Vector) -> Vector:
        """BM25 (Robertson and Zaragoza 2009), lengths relative to their mean."""
        norm = _K1 * (1 - _B + _B * lengths / (float(lengths.mean()) if lengths.any() else 1.0))
        return (counts / (counts + norm[:, None] + 1e-12)) @ self.rarity


def _counted(texts: Sequence[str], terms: Sequence[str]) -> Vector:
    """How often each of `terms` stands in each of `texts`. One search through all of them for each term: most texts have few."""
    whole = f" {'  '.join(texts)} "
    ends = np.cumsum([len(text) + 2 for text in texts])
    counts = np.zeros((len(texts), len(terms)))
    for column, term in enumerate(terms):
        found, sought, step = list[int](), f" {term} ", len(term) + 1
        at = whole.find(sought)
        while at >= 0:
            found.append(at)
            at = whole.find(sought, at + step)
        if found:
            counts[:, column] = np.bincount(np.searchsorted(ends, found, side="right"), minlength=len(texts))
    return counts


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

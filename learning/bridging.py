"""The second hop: memories whose heading is named by a memory that was found, together with the question.

"Who mothered the emperor who conquered it?" finds what tells of the conquest; that names Claudius; the memory headed "Claudius" has
no word of the question. Headings are what ties one text to another: names guessed inside texts add little (see `docs/recall.md`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..graph.search import Candidate
from .words import Vector, rarity

FIRST = 5
"""Memories found first that bridges start from."""
_WORDS = 60
"""Words of each that are looked for in headings, the rarest first."""
_NEW = 3.0


def steps(found: Sequence[Candidate], order: Sequence[int], asked: frozenset[str]) -> tuple[str, ...]:
    """The words of the first memories, without those of the question, that headings are searched for; of equally rare ones those that
    come first, so that it makes no difference whether words are keyed.
    """
    having = Counter(word for one in found for word in set(one.terms.split()))
    words: dict[str, None] = {}
    for at in order[:FIRST]:
        new = sorted(dict.fromkeys(word for word in found[at].terms.split() if word not in asked), key=lambda word: having[word])
        words.update(dict.fromkeys(new[:_WORDS]))
    return tuple(words)


def bridge(found: Sequence[Candidate], first: Sequence[Candidate], scores: Sequence[float], asked: frozenset[str]) -> Vector:
    """For each of `found` how well a bridge reaches it from one of the `first` memories, which scored `scores`: 0 to 1.

    That is the share of its heading, by rarity and squared, which the question and that memory have together, times what the memory
    adds to the question, times how well it scored beside the best.
    """
    having = Counter(word for one in found for word in set(one.terms.split()))
    best = scores[0] if scores and scores[0] > 0 else 1.0
    values = np.zeros(len(found))
    texts = [frozenset(one.terms.split()) for one in first]
    for at, one in enumerate(found):
        heading = frozenset(one.heading.split())
        if not heading:
            continue
        rare = rarity(np.array([having[word] for word in heading], dtype=np.intp), len(found))
        weights = dict(zip(heading, rare.tolist(), strict=True))
        total = math.fsum(weights.values())
        for start, text, score in zip(first, texts, scores, strict=True):
            new = (heading & text) - asked
            if start.id == one.id or not new or score <= 0 or not total:
                continue
            covered = math.fsum(weights[word] for word in heading & (text | asked)) / total
            added = math.fsum(weights[word] for word in new) / total
            values[at] = max(values[at], min(1.0, score / best) * covered**2 * min(1.0, _NEW * added))
    return values

"""The ranker: a weight for each feature, their weighted sum, and why.

A model is linear with weights of at least 0, so that what speaks for a memory never counts against it, and everybody can read why a
memory came where it came. `PRIOR` was trained on conversations and passages with known answers, listwise (ListNet's top-one
probability, Cao et al. 2007, over all candidates), and judged on conversations left out: models trained against picked hard negatives
did not carry over to other texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..graph.database import Database
from ..graph.models import serving
from ..graph.search import Candidate
from .features import NAMES
from .words import Vector

PRIOR = MappingProxyType({
    "terms": 0.45, "context": 0.1, "reply": 0.35, "passage": 0.8, "coverage": 0.1, "kin": 0.3, "meaning": 0.15, "nearby": 0.25,
    "gist": 0.3, "topic": 0.35, "beside": 0.25, "around": 0.2, "speaker": 2.8, "about": 2.4, "bridge": 3.5, "entities": 1.0,
    "answer": 2.4, "statement": 0.6, "time": 2.0, "session": 0.2, "goals": 0.3, "importance": 0.2, "recency": 0.1, "used": 0.2,
    "asked": 1.0, "current": 2.0, "length": 0.2,
})  # fmt: skip
"""The weights before anything was learned."""

_SAME = 0.9
_FEW = 4


@dataclass(frozen=True, slots=True)
class Model:
    """Weights in the order of `NAMES`. `version` 0 is the prior."""

    weights: tuple[float, ...] = tuple(PRIOR[name] for name in NAMES)
    version: int = 0

    def scores(self, values: Vector) -> Vector:
        """The score of each row of features."""
        return np.round(values @ np.array(self.weights), 9)


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's part in a score: its value, its weight, and its share of the sum of all parts' sizes (0 to 1)."""

    value: float
    weight: float
    share: float


async def champion(database: Database, tenant: str) -> Model:
    """The model that ranks for a tenant: the last one that was better than the one before, or what an administrator chose."""
    return ranker(await serving(database, tenant))


def ranker(served: tuple[int, Mapping[str, float]] | None) -> Model:
    """The model of a version and its weights by feature; the prior for None. A feature that there was not then weighs as in the prior."""
    if served is None:
        return Model()
    version, weights = served
    return Model(tuple(weights.get(name, PRIOR[name]) for name in NAMES), version)


def order(found: Sequence[Candidate], scores: Vector) -> list[int]:
    """Places of the candidates, best first; equal scores by age, then id, so that equal questions get equal answers."""
    ids = sorted(range(len(found)), key=lambda at: found[at].id)
    ages = np.array([-one.occurred for one in found], dtype=np.int64)
    return np.array(ids, dtype=np.intp)[np.lexsort((ages[ids], -scores[ids]))].tolist()


def reasons(model: Model, values: Sequence[float]) -> dict[str, Reason]:
    """Why a candidate with these features scored as it did."""
    parts = {name: (value, weight) for name, value, weight in zip(NAMES, values, model.weights, strict=True)}
    size = sum(abs(value * weight) for value, weight in parts.values()) or 1.0
    return {
        name: Reason(round(value, 6), round(weight, 6), round(abs(value * weight) / size, 6)) for name, (value, weight) in parts.items()
    }


def distinct(found: Sequence[Candidate], ranked: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """The first `limit` places whose memories say different things, each with how many nearly equal ones it stands for.

    Nearly equal: said by the same speaker, and nine tenths of their different words the same (Jaccard).
    """
    kept: list[tuple[int, frozenset[str], int]] = []
    for at in ranked:
        one = found[at]
        words = frozenset(one.terms.split())
        twin = next((i for i, (other, theirs, _) in enumerate(kept) if _alike(one, words, found[other], theirs)), None)
        if twin is not None:
            other, theirs, count = kept[twin]
            kept[twin] = (other, theirs, count + 1)
        elif len(kept) == limit:
            break
        else:
            kept.append((at, words, 0))
    return [(at, count) for at, _, count in kept]


def _alike(one: Candidate, words: frozenset[str], other: Candidate, theirs: frozenset[str]) -> bool:
    if one.speaker != other.speaker or len(words) < _FEW:
        return False
    shared = len(words & theirs)
    return shared >= _SAME * (len(words) + len(theirs) - shared)

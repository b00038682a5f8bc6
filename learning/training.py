"""Training the ranker on feedback: listwise, near the prior, and within bounds that no single teacher can push.

The loss of one feedback is the cross-entropy between its useful hits and the softmax of the scores of all hits shown (ListNet's
top-one probability, Cao et al. 2007). What was shown first is used more for that alone: a useful hit counts by the inverse of the
chance that its place is looked at (inverse propensity, Joachims, Swaminathan and Schnabel 2017), at most `MOST_PROPENSITY` times.

Guarantees: without feedback the model is the prior; weights stay within a factor of `FACTOR` of it; all feedback of one principal
together counts like at most `MOST_OF_ONE` feedbacks; the same feedback gives the same model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .features import NAMES
from .ranking import PRIOR
from .words import Vector

FACTOR = 3.0
MOST_OF_ONE = 200
MOST_PROPENSITY = 3.0
_ANCHOR = 40.0
"""How many feedbacks the prior is worth."""
_STEPS = 60
_RATE = 0.05
_HOLD_BACK = 5
MIN_EXAMPLES = 20
MARGIN = 0.005
"""How much better than the champion a candidate must be, in mean reciprocal rank on feedback that it has not seen."""


@dataclass(frozen=True, slots=True)
class Example:
    """The features of the hits that were shown, in their order, and the places of the useful ones; given by `principal`."""

    principal: str
    values: Vector
    useful: tuple[int, ...]

    def packed(self) -> str:
        """As text, to be kept in the graph."""
        return json.dumps({"names": NAMES, "values": np.round(self.values, 5).tolist(), "useful": self.useful}, separators=(",", ":"))


def unpacked(principal: str, text: str) -> Example:
    """What `packed` wrote; features that there were not then are zero."""
    stored = json.loads(text)
    values = np.zeros((len(stored["values"]), len(NAMES)))
    for column, name in enumerate(stored["names"]):
        if name in NAMES:
            values[:, NAMES.index(name)] = [row[column] for row in stored["values"]]
    return Example(principal, values, tuple(stored["useful"]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A candidate model and how it and the champion did on the feedback held back: mean reciprocal rank of the first useful hit."""

    weights: tuple[float, ...]
    examples: int
    held_back: int
    figure: float
    champion_figure: float

    @property
    def better(self) -> bool:
        """Whether the candidate is to replace the champion."""
        return self.figure >= self.champion_figure + MARGIN


def train(examples: Sequence[Example], champion: Sequence[float]) -> Outcome | None:
    """Train on examples, the oldest first; every fifth is held back to judge by. None where there are too few to say anything."""
    if len(examples) < MIN_EXAMPLES:
        return None
    held = [one for place, one in enumerate(reversed(examples)) if place % _HOLD_BACK == 0]
    seen = [one for place, one in enumerate(reversed(examples)) if place % _HOLD_BACK]
    weights = fitted(seen)
    return Outcome(tuple(weights.tolist()), len(seen), len(held), reciprocal(held, weights), reciprocal(held, np.array(champion)))


def fitted(examples: Sequence[Example]) -> Vector:
    """The weights that explain the examples best, near the prior: Adam (Kingma and Ba 2015) within the bounds."""
    prior = np.array([PRIOR[name] for name in NAMES])
    weights, mean, square = prior.copy(), np.zeros_like(prior), np.zeros_like(prior)
    given = Counter(one.principal for one in examples)
    counts = np.array([min(1.0, MOST_OF_ONE / given[one.principal]) for one in examples])
    low, high = prior / FACTOR, prior * FACTOR
    targets = [_target(one) for one in examples]
    for step in range(1, _STEPS + 1):
        slope = _ANCHOR * (weights - prior) / np.maximum(prior, 0.1) ** 2
        for one, target, count in zip(examples, targets, counts.tolist(), strict=True):
            slope += count * ((_softmax(one.values @ weights) - target) @ one.values)
        slope /= counts.sum() + _ANCHOR
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        weights = weights - _RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        weights = np.clip(weights, low, high)
    return weights


def reciprocal(examples: Sequence[Example], weights: Vector) -> float:
    """The mean reciprocal rank of the first useful hit when `weights` rank what was shown; ties by the order shown."""
    return float(np.mean([_reciprocal(one, weights) for one in examples])) if examples else 0.0


def _reciprocal(one: Example, weights: Vector) -> float:
    order = np.argsort(-(one.values @ weights), kind="stable").tolist()
    return 1.0 / (1 + min(order.index(place) for place in one.useful))


def _target(one: Example) -> Vector:
    """The useful hits' parts of the truth, those that are hard to see counted more."""
    target = np.zeros(len(one.values))
    for place in one.useful:
        target[place] = min(MOST_PROPENSITY, (place + 1) ** 0.5)
    return target / target.sum()


def _softmax(scores: Vector) -> Vector:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()

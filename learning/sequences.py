"""What follows what: counts of symbols after contexts of several kinds, mixed by weights that are learned online.

Each context (the last one, two or three symbols; the last ones without people's turns; the set of the last four; the first one of the
session; ...) keeps counts of what followed it. A candidate's score is the sum over the contexts of how much likelier it is after the
context than in general, each times its weight, and of a few plain features; the softmax of the scores is its probability, and the
weights follow the gradient of the logarithm of what really came (logistic mixing of context models: Mahoney 2005, Mattern 2012;
AdaGrad: Duchi et al. 2011). How likely it is that none of the candidates comes is learned apart, so that probabilities mean what they say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

import numpy as np
import numpy.typing as npt

from .operations import TURN, symbol

CONTEXTS = ("1", "2", "3", "spoken 1", "spoken 2", "spoken 3", "set", "skip", "first", "course", "place", "since", "agent", "kind")
FEATURES = ("popular", *CONTEXTS, "seen", "again", "back", "near", "near popular", "shape", "relation")
_START = {"popular": 0.6, "shape": 0.5, "relation": 0.3} | dict.fromkeys(CONTEXTS, 0.25)
_SIGNED = frozenset({"seen", "again", "back", "near"})
_FLOOR = np.array([-np.inf if name in _SIGNED else 0.0 for name in FEATURES])
_SIGNS = 6
_PRIOR = 0.4
"""How many times a symbol's general probability counts before a context has seen anything."""
_RATE = 0.1
_WIDEST = 20
_LATELY = 12
_POPULAR = symbol("popular")

Matrix = npt.NDArray[np.float64]


class Counts:
    """Counts of symbols after contexts, at most `most` of them: past that all are halved and the smallest forgotten."""

    def __init__(self, most: int = 50_000) -> None:
        self.most = most
        self.after: dict[int, dict[int, float]] = {}
        self.totals: dict[int, float] = {}
        self.size = 0

    def add(self, context: int, what: int, count: float = 1.0) -> None:
        """`what` followed `context`."""
        table = self.after.setdefault(context, {})
        self.size += what not in table
        table[what] = table.get(what, 0.0) + count
        self.totals[context] = self.totals.get(context, 0.0) + count
        if self.size > self.most:
            self.halve()

    def halve(self) -> None:
        """Forget half of everything: counts halve until a fifth of the room is free."""
        while self.size > self.most * 0.8:
            self.after = {
                context: kept
                for context, table in self.after.items()
                if (kept := {what: count / 2 for what, count in table.items() if count >= 1.0})
            }
            self.totals = {context: sum(table.values()) for context, table in self.after.items()}
            self.size = sum(map(len, self.after.values()))

    def merge(self, other: Counts) -> None:
        """Add what another one counted. The order of merges does not matter while there is room."""
        for context, table in other.after.items():
            for what, count in table.items():
                self.add(context, what, count)

    def state(self) -> list[Any]:
        """Itself as JSON."""
        return [[context, list(table), list(table.values())] for context, table in self.after.items()]

    def read(self, state: list[Any]) -> None:
        """Add what `state` holds. Raises ValueError and TypeError for what is no such state."""
        for context, symbols, counts in state:
            for what, count in zip(symbols, counts, strict=True):
                if type(context) is not int or type(what) is not int or not 0 < float(count) < math.inf:
                    raise ValueError("counts are positive numbers of symbols")
                self.add(context, what, float(count))


@dataclass(frozen=True, slots=True)
class Hints:
    """What else is known of candidates: `near` stand in the last result; `shape` tells the logarithm of the
    chance of a candidate's shape, `relation` the chance of some candidates by where their variables come from.
    """

    near: frozenset[int] = frozenset()
    shape: Callable[[int], float] | None = None
    relation: Mapping[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Guess:
    """What may follow: `among` is how likely it is one of the candidates, `chances` how likely each is then. Also what `learn` needs."""

    contexts: tuple[int, ...]
    candidates: tuple[int, ...]
    rows: Matrix
    chances: Matrix
    signs: Matrix
    among: float

    def ranked(self) -> list[tuple[int, float]]:
        """The candidates with their probabilities, likeliest first."""
        order = np.argsort(-self.chances, kind="stable")
        return [(self.candidates[at], float(self.chances[at]) * self.among) for at in order]


class Sequences:
    """Predicts the next symbol of sequences, and learns from each that comes."""

    def __init__(self, most: int = 50_000) -> None:
        self.counts = Counts(most)
        self.fresh = Counts(most)
        self.weights = np.array([_START.get(name, 0.0) for name in FEATURES])
        self.squares = np.ones(len(FEATURES))
        self.doubts = np.zeros(_SIGNS)
        self.doubt_squares = np.ones(_SIGNS)
        self.learned = 0
        self.shared = 0

    def guess(
        self,
        history: Sequence[int],
        first: int | None,
        agent: str,
        kind: str,
        hints: Hints = Hints(),
    ) -> Guess:
        """What may follow `history` (oldest first, TURN for a person's turn)."""
        contexts = _contexts(history, first, agent, kind)
        candidates = self._candidates(history, contexts, hints)
        rows = self._rows(candidates, history, contexts, hints)
        if not candidates:
            return Guess(tuple(contexts.values()), (), rows, np.zeros(0), np.zeros(len(self.doubts)), 0.0)
        scores = rows @ self.weights
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        known = [float(contexts.get(name, 0) in self.counts.after) for name in ("1", "2", "first")]
        signs = np.array([1.0, *known, float(chances.max()), math.log(float(chances.max()))])
        return Guess(tuple(contexts.values()), tuple(candidates), rows, chances, signs, 1.0 / (1.0 + math.exp(-float(signs @ self.doubts))))

    def learn(self, guess: Guess, came: int) -> None:
        """Learn that `came` followed where `guess` was made."""
        among = came in guess.candidates
        if among:
            gradient = guess.chances @ guess.rows - guess.rows[guess.candidates.index(came)]
            self.squares += gradient * gradient
            self.weights = np.maximum(self.weights - _RATE * gradient / np.sqrt(self.squares), _FLOOR)
        doubt = (guess.among - among) * guess.signs
        self.doubt_squares += doubt * doubt
        self.doubts -= _RATE * doubt / np.sqrt(self.doubt_squares)
        self.learned += 1
        for context in (*guess.contexts, _POPULAR):
            self.counts.add(context, came)
            self.fresh.add(context, came)

    def merge(self, other: Sequences) -> None:
        """Add what another learned since it last shared what it learned: its fresh counts, and the weights by how much each learned."""
        self.counts.merge(other.fresh)
        mine, theirs = self.learned, max(0, other.learned - other.shared)
        if theirs:
            part = theirs / (mine + theirs)
            for name in ("weights", "squares", "doubts", "doubt_squares"):
                setattr(self, name, (1 - part) * getattr(self, name) + part * getattr(other, name))
        self.learned = self.shared = mine + theirs

    def state(self) -> dict[str, Any]:
        """Itself as JSON."""
        numbers = {name: getattr(self, name).tolist() for name in ("weights", "squares", "doubts", "doubt_squares")}
        return {"counts": self.counts.state(), "learned": self.learned, "features": FEATURES} | numbers

    def read(self, state: dict[str, Any]) -> None:
        """Become what `state` holds. Raises ValueError, KeyError and TypeError for what is no such state."""
        self.counts.read(state["counts"])
        if state["features"] != list(FEATURES):
            return
        for name in ("weights", "squares", "doubts", "doubt_squares"):
            numbers = np.array(state[name], dtype=np.float64)
            if numbers.shape != getattr(self, name).shape or not np.isfinite(numbers).all():
                raise ValueError("the weights are finite numbers, one for each feature")
            setattr(self, name, numbers)
        self.learned = self.shared = int(state["learned"])

    def _candidates(self, history: Sequence[int], contexts: Mapping[str, int], hints: Hints) -> list[int]:
        found: dict[int, None] = {}
        for context in (*contexts.values(), _POPULAR):
            table = self.counts.after.get(context, {})
            found.update(dict.fromkeys(table if len(table) <= _WIDEST else nlargest(_WIDEST, table, key=table.__getitem__)))
        found.update((one, None) for one in list(history)[-_LATELY:] if one != TURN)
        found.update(dict.fromkeys(hints.near))
        found.update(dict.fromkeys(hints.relation or ()))
        return list(found)

    def _rows(self, candidates: Sequence[int], history: Sequence[int], contexts: Mapping[str, int], hints: Hints) -> Matrix:
        columns: dict[str, Any] = {}
        general = self.counts.after.get(_POPULAR, {})
        popular = np.array([general.get(one, 0.0) + 0.5 for one in candidates])
        popular /= self.counts.totals.get(_POPULAR, 0.0) + 0.5 * (len(general) + 1)
        columns["popular"] = np.log(popular)
        for name, context in contexts.items():
            table = self.counts.after.get(context)
            if table:
                seen = np.array([table.get(one, 0.0) for one in candidates])
                columns[name] = np.log((seen + _PRIOR * popular) / (self.counts.totals[context] + _PRIOR) / popular)
        last = {one: len(history) - place for place, one in enumerate(history)}
        gaps = [last.get(one, 0) for one in candidates]
        columns |= {"seen": [gap > 0 for gap in gaps], "again": [gap == 1 for gap in gaps], "back": [gap == 2 for gap in gaps]}
        if hints.near:
            near = np.array([one in hints.near for one in candidates])
            columns |= {"near": near, "near popular": near * -math.log(float(popular[near].sum()) or 1.0)}
        if hints.shape is not None:
            columns["shape"] = [hints.shape(one) for one in candidates]
        if hints.relation:
            related = np.array([hints.relation.get(one, 0.0) for one in candidates])
            columns["relation"] = np.log((related + _PRIOR * popular) / (1.0 + _PRIOR) / popular)
        rows = np.zeros((len(candidates), len(FEATURES)))
        for name, column in columns.items():
            rows[:, FEATURES.index(name)] = column
        return rows


def _contexts(history: Sequence[int], first: int | None, agent: str, kind: str) -> dict[str, int]:
    past = list(history)
    spoken = [one for one in past if one != TURN]
    turned = int(bool(past) and past[-1] == TURN)
    found: dict[str, tuple[str | int, ...]] = {str(k): tuple(past[-k:]) for k in (1, 2, 3) if len(past) >= k}
    found |= {f"spoken {k}": (*spoken[-k:], turned) for k in (1, 2, 3) if len(spoken) >= k}
    found["set"] = (*sorted(set(spoken[-4:])), turned)
    if len(spoken) > 1:
        found["skip"] = (spoken[-2],)
        found["first"] = (first or spoken[0],)
        found["course"] = (first or spoken[0], *past[-1:])
    found["place"] = (min(len(spoken), 6), turned)
    turns = next((place for place, one in enumerate(reversed(past)) if one != TURN), len(past))
    found["since"] = (min(turns, 4), *spoken[-1:])
    if agent:
        found["agent"] = (agent, *past[-1:])
    if kind:
        found["kind"] = (kind, *past[-1:])
    return {name: symbol("context", name, *parts) for name, parts in found.items()}

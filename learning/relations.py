"""Where the variables of an operation come from: earlier variables, earlier results, what they usually are.

For every variable of every shape it counts how often each relation to what came before would have given the right value: the same as a
variable of an earlier operation, an item of the last result, the first item of an earlier result that was not asked about yet, one
more than last time, a constant. Predicted values are what the relations that held before give now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nlargest

from .operations import Found, Operation, Session, symbol
from .sequences import Counts

_HIT, _TRIAL = symbol("hit"), symbol("trial")
_NEAREST = 3
_SHAPES = 6
_CONSTANTS = 4
_VALUES = 6
_COMBINATIONS = 6
_LONG = 512
_TEXTS = 20_000
_SLIGHT = 0.02
"""A relation that holds less often than this predicts nothing."""

Relation = tuple[str | int, ...]


class Relations:
    """Learns relations of variables to what came before, and predicts variables by them."""

    def __init__(self, most: int = 50_000) -> None:
        self.counts = Counts(most)
        self.fresh = Counts(most)
        self.texts: dict[int, str] = {}

    def learn(self, session: Session, came: Operation) -> None:
        """Learn how the variables of `came` relate to what came before it."""
        before = session.steps[-1].kind if session.steps else 0
        for name, value in came.variables.items():
            if len(value) > _LONG:
                continue
            for relation, given in _given(session, came.kind, name):
                for place in _places(came.kind, name, relation, before):
                    self._add(place, _TRIAL)
                    if value in given:
                        self._add(place, _HIT)
            self._add(symbol("usual", came.kind, name), symbol(value))
            self.texts.pop(symbol(value), None)
            self.texts[symbol(value)] = value
        while len(self.texts) > _TEXTS:
            del self.texts[next(iter(self.texts))]

    def combinations(self, session: Session, shape: int, names: Sequence[str]) -> list[tuple[dict[str, str], float]]:
        """The likeliest variables of an operation of `shape`, each with its probability, at most 6. Empty when one can't be told."""
        found: list[tuple[dict[str, str], float]] = [({}, 1.0)]
        for name in names:
            values = self.chances(session, shape, name, constants=len(names) > 1)
            if not values:
                return []
            spread = [({**one, name: value}, chance * likely) for one, chance in found for value, likely in values]
            found = nlargest(_COMBINATIONS, spread, key=lambda pair: pair[1])
        return found

    def near(self, session: Session, shape: int, name: str) -> tuple[str, ...]:
        """The values in the last result that this variable may be, if it was one of such values before."""
        before = session.steps[-1].kind if session.steps else 0
        found = [
            (rate, given)
            for relation, given in _items(session.results[-1] if session.results else {})
            if relation[0] == "any" and (rate := self._rate(shape, name, relation, before)) >= _SLIGHT
        ]
        return max(found, default=(0.0, ()))[1]

    def chances(self, session: Session, shape: int, name: str, *, constants: bool = True) -> list[tuple[str, float]]:
        """The likeliest values of one variable, and how likely each is."""
        before = session.steps[-1].kind if session.steps else 0
        missed: dict[str, float] = {}
        for relation, given in _given(session, shape, name):
            rate = self._rate(shape, name, relation, before) / len(given)
            if rate * len(given) >= _SLIGHT:
                for value in given:
                    missed[value] = missed.get(value, 1.0) * (1.0 - rate)
        usual = self.counts.after.get(symbol("usual", shape, name), {}) if constants else {}
        total = sum(usual.values()) + 1.0
        for one in nlargest(_CONSTANTS, usual, key=usual.__getitem__):
            value = self.texts.get(one)
            if value is not None:
                missed[value] = missed.get(value, 1.0) * (1.0 - usual[one] / total)
        chances = {value: 1.0 - miss for value, miss in missed.items()}
        scale = max(1.0, sum(chances.values()))
        return [(value, chances[value] / scale) for value in nlargest(_VALUES, chances, key=chances.__getitem__)]

    def _rate(self, shape: int, name: str, relation: Relation, before: int) -> float:
        rate = 0.0
        for place in reversed(_places(shape, name, relation, before)):
            table = self.counts.after.get(place, {})
            rate = (table.get(_HIT, 0.0) + 2 * rate) / (table.get(_TRIAL, 0.0) + 2)
        return rate

    def _add(self, place: int, what: int) -> None:
        self.counts.add(place, what)
        self.fresh.add(place, what)


def _places(shape: int, name: str, relation: Relation, before: int) -> tuple[int, int]:
    """Where a relation is counted: after the operation before, and in general."""
    return symbol(shape, name, before, *relation), symbol(shape, name, *relation)


def _given(session: Session, shape: int, name: str) -> Iterator[tuple[Relation, tuple[str, ...]]]:
    """Every relation that gives a value now, with the values it gives."""
    used = {step.variables[name] for step in session.steps if step.kind == shape and name in step.variables}
    yield from _earlier(session)
    fresh = tuple(dict.fromkeys(v for step in session.steps for n, v in step.variables.items() if n == name and v not in used))
    if fresh:
        yield ("fresh first",), fresh[:1]
        yield ("fresh last",), fresh[-1:]
    if session.results:
        yield from _items(session.results[-1])
    for found in list(session.results)[::-1]:
        unasked = {path: next((value for value in values if value not in used), None) for path, values in found.items()}
        yield from ((("unasked", path), (value,)) for path, value in unasked.items() if value is not None)
        if any(len(values) > 1 for values in found.values()):
            break
    yield from _more(session, shape, name)


def _earlier(session: Session) -> Iterator[tuple[Relation, tuple[str, ...]]]:
    counted: dict[int, int] = {}
    for step in reversed(session.steps):
        nth = counted.get(step.kind, 0)
        counted[step.kind] = nth + 1
        if nth > 1 or len(counted) > _SHAPES:
            continue
        yield from ((("same", step.kind, name, nth), (value,)) for name, value in step.variables.items())


def _items(found: Found) -> Iterator[tuple[Relation, tuple[str, ...]]]:
    for path, values in found.items():
        yield from ((("item", path, place), (value,)) for place, value in enumerate(values[:_NEAREST]))
        if len(values) > 1:
            yield ("any", path), values


def _more(session: Session, shape: int, name: str) -> Iterator[tuple[Relation, tuple[str, ...]]]:
    last = [step.variables[name] for step in session.steps if step.kind == shape and name in step.variables][-2:]
    numbers = [int(value) for value in last if value.lstrip("-").isdigit() and len(value) < 16]
    if numbers:
        yield ("next",), (str(numbers[-1] + 1),)
        if len(numbers) > 1:
            yield ("stride",), (str(2 * numbers[-1] - numbers[-2]),)

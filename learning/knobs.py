"""What can be tuned: a knob and its bounds, what is read while it stands, and the record of each move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Mode(Enum):
    """What the tuner may do with a knob."""

    ON = "ON"
    ADVISE = "ADVISE"
    FROZEN = "FROZEN"


class Outcome(Enum):
    """What became of a move."""

    TRYING = "TRYING"
    KEPT = "KEPT"
    UNDONE = "UNDONE"
    BACKED_OFF = "BACKED_OFF"
    ADVISED = "ADVISED"
    SET = "SET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """Something with a value between `low` and `high` that can be read and set while the system works.

    `step` is the least move that is worth a trial: a factor above 1 when `log`, else a difference. `safe` is the value to go back to when
    an objective is broken. `aim` says where a model of the system would have it (None: it can't tell); without one, trials find out.
    A `shared` knob is moved by one replica for all. One that is `telling` changes what answers hold, not just how soon they come, so it is
    only advised on unless an administrator switches it on. `set` gets only values within the bounds, whole ones when `whole`.
    """

    name: str
    purpose: str
    unit: str
    low: float
    high: float
    safe: float
    step: float
    get: Callable[[], float]
    set: Callable[[float], None]
    aim: Callable[[], float | None] | None = None
    log: bool = True
    whole: bool = True
    shared: bool = False
    telling: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.safe <= self.high or self.low >= self.high or self.step <= (1.0 if self.log else 0.0):
            raise ValueError(f"the bounds or the step of the knob {self.name} can't be")
        if self.log and self.low <= 0:
            raise ValueError(f"the knob {self.name} moves by factors, so it can't begin at {self.low:g}")

    def clamp(self, value: float) -> float:
        """The nearest value that it may have."""
        if self.whole:
            value = float(round(value))
        return min(self.high, max(self.low, value))

    def moved(self, value: float, steps: float) -> float:
        """The value so many steps above `value`, or below it; another one wherever the bounds allow."""
        there = self.clamp(value * self.step**steps if self.log else value + self.step * steps)
        if there == value and self.whole and steps:
            return self.clamp(value + (1 if steps > 0 else -1))
        return there

    def jump(self, value: float, part: float) -> float:
        """The value so large a part of the whole range above `value`, or below it."""
        return self.clamp(value * (self.high / self.low) ** part if self.log else value + (self.high - self.low) * part)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured over a short while: the `score`, at least 0 and higher is better, and the `strain`: how far the worst of what the
    objective limits had gone, 1 being the limit.
    """

    score: float
    strain: float = 0.0

    @property
    def broken(self) -> bool:
        """Whether the objective was broken."""
        return self.strain > 1.0

    @property
    def merit(self) -> float:
        """What readings are compared by: any that keeps the objective is better than any that breaks it."""
        return -self.strain if self.broken else max(0.0, self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move of a knob. Told when it begins, and again, with the same `id`, when it is known what became of it.

    `reason`: why it was made. `result`: what became of it, in words; `gain`: by which part the score rose, as far as it was measured.
    """

    id: str
    at: datetime
    objective: str
    knob: str
    reason: str
    before: float
    after: float
    outcome: Outcome
    result: str = ""
    gain: float | None = None

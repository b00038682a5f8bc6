"""Where to look next for a knob's best value: in which direction, how far, and when to leave it alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .comparison import Verdict

FURTHEST, FIRST, LATER, FINEST = 4.0, 2.0, 1.0, 0.5
"""Steps at once: at most, at first, after a rest, and at least."""
_TRIALS = 8
"""Trials in a row that came to nothing before a knob rests."""


@dataclass(slots=True)
class Search:
    """The search on one knob. `rest` is for how many seconds it rests next; `until` is when it wakes."""

    rest: float
    direction: int = 1
    first: float = FIRST
    stride: float = FIRST
    trials: int = 0
    turned: int = 0
    climbing: bool = False
    until: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether both ways were tried in vain."""
        return self.turned >= 2 or self.trials >= _TRIALS

    def turn(self) -> None:
        """Go the other way."""
        self.direction, self.stride, self.turned, self.climbing = -self.direction, self.first, self.turned + 1, False

    def take_in(self, outcome: Verdict) -> None:
        """Go on from a trial.

        After success further. Where that led too far, less far: also when it is as good there as here, for then the best lies between.
        Where nothing was to be seen at all, further once; then the other way.
        """
        self.trials += 1
        if outcome is Verdict.BETTER:
            self.trials, self.turned, self.climbing = 0, 0, True
            self.stride = min(self.stride * 2, FURTHEST)
        elif self.stride > FINEST and (self.climbing or outcome is Verdict.WORSE):
            self.stride /= 2
        elif outcome is Verdict.SAME and self.stride == self.first and not self.climbing:
            self.stride *= 2
        else:
            self.turn()

    def sleep(self, at: datetime, longest: float) -> None:
        """Rest, longer each time, and look less far afterwards."""
        rest = min(self.rest * 2, longest)
        self.wake(self.rest)
        self.until, self.rest, self.first, self.stride = at + timedelta(seconds=self.rest), rest, LATER, LATER

    def wake(self, rest: float) -> None:
        """Begin anew, since what was found does not hold any more; only the direction stays."""
        self.until, self.rest, self.first, self.stride = None, rest, FIRST, FIRST
        self.trials, self.turned, self.climbing = 0, 0, False

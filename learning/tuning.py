"""Tuning by measured steps: one knob at a time is moved a little, and stays where it is moved to only when that proved better.

A trial is A, B, A: readings before the move, after it, and after going back, so that a load that changes meanwhile is not taken for the
work of the move. Readings are compared by rank (`comparison`), those that break the objective below all others. Guarantees: a knob never
leaves its bounds; a trial that makes things worse or breaks the objective is undone; while the objective is broken nothing is tried, but
knobs go back to their safe values and from there to where it is broken least (`_rescue`); knobs that are frozen or only advised on are not
touched. Nothing here waits or asks for the time: readings come one by one, with the instant at which each was taken.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import fmean

from ..graph.instants import now
from ..graph.names import new_id
from .comparison import Verdict, compare, gain
from .knobs import Knob, Mode, Move, Outcome, Reading

Steps = Generator[None, Reading, None]
_ALARM, _OF = 3, 4
"""So many of the latest readings must break the objective for it to count as broken."""
_FURTHEST = 8
"""Steps at once, at most."""
_TRIALS = 6
"""Trials in a row that came to nothing before a knob rests."""
_JUMPS = 6
"""A rescue crosses a knob's whole range in so many moves."""
_PROBE, _LONGEST_PROBE = 3, 10
"""Readings after which it is told whether such a move helped, and the most that are waited for while it helps ever more."""
_SHIFT, _SHIFT_SURE = 0.1, 0.002
"""Resting knobs wake when what is measured changes by such a part, and so surely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How careful and how slow a controller is. `settle` readings after a move are not counted; between `least` and `most` are compared.

    `gain`: the part by which a move must raise the score to be kept. `rest`: seconds for which a knob that is best where it is is left
    alone, doubled each time up to `longest_rest`. `patience`: seconds after a rescue in vain until the next.
    """

    settle: int = 2
    least: int = 8
    most: int = 24
    gain: float = 0.01
    rest: float = 60.0
    longest_rest: float = 900.0
    patience: float = 120.0


class _Broken(Exception):
    """The objective is broken."""


@dataclass(slots=True)
class _Search:
    """Where the search stands on one knob: in which direction it goes, by how many steps at once, and until when it rests."""

    rest: float
    direction: int = 1
    stride: int = 1
    trials: int = 0
    turned: int = 0
    until: datetime | None = None

    def turn(self) -> None:
        """Go the other way."""
        self.direction, self.stride, self.turned = -self.direction, 1, self.turned + 1

    def take_in(self, outcome: Verdict) -> None:
        """Go on from a trial: further after success, less far or the other way after harm, and further where nothing was to be seen."""
        self.trials += 1
        if outcome is Verdict.BETTER:
            self.trials = self.turned = 0
            self.stride = min(self.stride * 2, _FURTHEST)
        elif outcome is Verdict.WORSE and self.stride > 1:
            self.stride //= 2
        elif outcome is Verdict.SAME and self.stride < _FURTHEST // 2:
            self.stride *= 2
        else:
            self.turn()

    def sleep(self, at: datetime, longest: float) -> None:
        """Rest, longer each time."""
        self.until = at + timedelta(seconds=self.rest)
        self.rest = min(self.rest * 2, longest)
        self.stride, self.trials, self.turned = 1, 0, 0


@dataclass(slots=True, eq=False)
class Controller:
    """Tunes the knobs that one objective depends on. `modes` says what may be done with each, ON where it says nothing.

    Call `observe` with each reading; it moves knobs, and returns the moves that began or ended.
    """

    objective: str
    knobs: Sequence[Knob]
    modes: Mapping[str, Mode]
    pace: Pace = field(default_factory=Pace)
    _moves: list[Move] = field(default_factory=list[Move])
    _recent: list[Reading] = field(default_factory=list[Reading])
    _calm: list[float] = field(default_factory=list[float])
    _searches: dict[str, _Search] = field(default_factory=dict[str, _Search])
    _trial: Move | None = None
    _turn: int = 0
    _vain: datetime | None = None
    _at: datetime = field(default_factory=now)
    _life: Steps = field(init=False)

    def __post_init__(self) -> None:
        self._searches = {knob.name: _Search(self.pace.rest) for knob in self.knobs}
        self._begin()

    def observe(self, at: datetime, reading: Reading) -> list[Move]:
        """Take in what was measured since the last reading, and go on."""
        self._at = at
        self._life.send(reading)
        return self._told()

    def interrupt(self, result: str) -> list[Move]:
        """Undo the trial that is under way, if one is, since somebody else wants to set a knob; `result` says so. Begin anew."""
        if self._trial is not None:
            self._undo(self._trial, result)
        for search in self._searches.values():
            search.until = None
        self._begin()
        return self._told()

    def _begin(self) -> None:
        self._recent, self._trial, self._vain = [], None, None
        self._life = self._run()
        next(self._life)

    def _told(self) -> list[Move]:
        moves, self._moves = self._moves, []
        return moves

    def _run(self) -> Steps:
        while True:
            try:
                yield from self._next()
            except _Broken:
                yield from self._rescue()

    def _next(self) -> Steps:
        """One more reading, and a trial when it is time for one."""
        yield from self._read(alert=self._alert)
        if len(self._recent) < self.pace.settle + self.pace.least:
            return
        knob = self._awake()
        if knob is None:
            self._watch()
            return
        search = self._searches[knob.name]
        plan = self._plan(knob, search)
        if plan is None or search.trials >= _TRIALS or search.turned >= 2:
            self._rest(search)
        elif self._mode(knob) is Mode.ADVISE:
            self._note(knob, plan[0], plan[1], Outcome.ADVISED, "it is only advised on, so it was left as it is")
            search.turn()
            self._rest(search)
        else:
            yield from self._try(knob, search, *plan)

    @property
    def _alert(self) -> bool:
        """Whether to look for a broken objective; not for a while after nothing helped."""
        return self._vain is None or self._at >= self._vain

    def _mode(self, knob: Knob) -> Mode:
        return self.modes.get(knob.name, Mode.ON)

    def _awake(self) -> Knob | None:
        """The next knob that does not rest; the one whose turn it was stays as long as moves of it are kept."""
        for offset in range(len(self.knobs)):
            place = (self._turn + offset) % len(self.knobs)
            knob = self.knobs[place]
            until = self._searches[knob.name].until
            if self._mode(knob) is not Mode.FROZEN and (until is None or until <= self._at):
                self._turn = place
                return knob
        return None

    def _rest(self, search: _Search) -> None:
        search.sleep(self._at, self.pace.longest_rest)
        self._calm = self._merits()
        self._turn += 1

    def _watch(self) -> None:
        """While all rest: wake them when what is measured is no longer what it was when they went to rest."""
        if self._calm and compare(self._calm, self._merits()[-self.pace.least :], _SHIFT, _SHIFT_SURE) is not Verdict.SAME:
            for search in self._searches.values():
                search.until, search.rest = None, self.pace.rest
            self._calm = []

    def _plan(self, knob: Knob, search: _Search) -> tuple[float, str] | None:
        """Where to move it, and why; None to leave it."""
        value = knob.get()
        if knob.aim is not None:
            return self._towards(knob, value, knob.aim())
        there = knob.moved(value, search.direction * search.stride)
        if there == value:
            search.turn()
            there = knob.moved(value, search.direction)
        return (there, f"to see whether {'more' if there > value else 'less'} is better") if there != value else None

    def _towards(self, knob: Knob, value: float, aim: float | None) -> tuple[float, str] | None:
        """Two steps at most in the direction of an aim, and nothing when it is nearer than one."""
        if aim is None:
            return None
        aim = knob.clamp(aim)
        up = aim > value
        if (aim < knob.moved(value, 1)) if up else (aim > knob.moved(value, -1)):
            return None
        step = knob.moved(value, 2 if up else -2)
        there = min(step, aim) if up else max(step, aim)
        return (there, f"the model of it aims at {aim:g}") if there != value else None

    def _try(self, knob: Knob, search: _Search, value: float, reason: str) -> Steps:
        old = self._merits()
        alert = self._alert and not self._alarming()
        move = self._trial = self._note(knob, value, reason, Outcome.TRYING, "")
        self._set(knob, value)
        try:
            new = yield from self._gather(self.pace.least, alert=alert)
            verdict = compare(old, new, self.pace.gain)
            if verdict is Verdict.SAME and knob.aim is None:
                new = yield from self._gather(self.pace.most, alert=alert)
                verdict = compare(old, new, self.pace.gain)
        except _Broken:
            self._undo(move, "it broke the objective")
            search.take_in(Verdict.WORSE)
            return
        if verdict is Verdict.BETTER and knob.aim is None:
            yield from self._confirm(knob, search, move, new, alert=alert)
        elif verdict is Verdict.WORSE or (verdict is Verdict.SAME and knob.aim is None):
            self._undo(move, "it made things worse" if verdict is Verdict.WORSE else "it made no difference", gain(old, new))
            search.take_in(verdict)
            self._turn += 1
        else:
            self._keep(move, search, "it did no harm" if verdict is Verdict.SAME else "it is better", gain(old, new))

    def _confirm(self, knob: Knob, search: _Search, move: Move, new: Sequence[float], *, alert: bool) -> Steps:
        """Go back, and keep the move only if it is better than that as well: else the load had changed, not the system."""
        self._set(knob, move.before)
        try:
            again = yield from self._gather(self.pace.least, alert=alert)
        except _Broken:
            again = []
        risen = gain(again, new)
        if not again or compare(again, new, self.pace.gain) is Verdict.BETTER:
            self._set(knob, move.after)
            self._keep(move, search, "it is better", risen if again else None)
        else:
            self._undo(move, "without it things are as good by now: the load had changed", risen)
            search.take_in(Verdict.SAME)
            self._turn += 1

    def _keep(self, move: Move, search: _Search, result: str, risen: float | None) -> None:
        self._trial = None
        self._moves.append(replace(move, outcome=Outcome.KEPT, result=result, gain=risen))
        search.take_in(Verdict.BETTER)
        search.rest = self.pace.rest

    def _undo(self, move: Move, result: str, risen: float | None = None) -> None:
        self._trial = None
        for knob in self.knobs:
            if knob.name == move.knob:
                self._set(knob, move.before)
        self._moves.append(replace(move, outcome=Outcome.UNDONE, result=result, gain=risen))

    def _note(self, knob: Knob, after: float, reason: str, outcome: Outcome, result: str) -> Move:
        move = Move(
            id=new_id(),
            at=self._at,
            objective=self.objective,
            knob=knob.name,
            reason=reason,
            before=knob.get(),
            after=after,
            outcome=outcome,
            result=result,
        )
        self._moves.append(move)
        return move

    def _set(self, knob: Knob, value: float) -> None:
        if knob.get() != value:
            knob.set(knob.clamp(value))
            self._recent = []

    def _read(self, *, alert: bool) -> Steps:
        """Wait for a reading. Raises _Broken when the objective is found broken and `alert` asks to look."""
        self._recent.append((yield))
        del self._recent[: -2 * self.pace.most]
        if alert and self._alarming():
            raise _Broken

    def _alarming(self) -> bool:
        return sum(reading.broken for reading in self._recent[-_OF:]) >= _ALARM

    def _gather(self, count: int, *, alert: bool) -> Generator[None, Reading, list[float]]:
        """The merits of `count` readings since the last move, as soon as there are so many that count."""
        while len(self._recent) < self.pace.settle + count:
            yield from self._read(alert=alert)
        return self._merits()

    def _merits(self) -> list[float]:
        return [reading.merit for reading in self._recent[self.pace.settle :]][-self.pace.most :]

    def _rescue(self) -> Steps:
        """The objective is broken: back to the safe values, and if it still is, from there to where it is broken least."""
        strain = fmean(reading.strain for reading in self._recent[-_ALARM:])
        reason = f"the objective was broken, at {strain:.3g} times its limit"
        knobs = self._free(reason)
        best = {knob.name: knob.get() for knob in knobs}
        safe = {knob.name: knob.safe for knob in knobs}
        if safe != best:
            best, strain = safe, (yield from self._go(knobs, safe, reason))
        if strain > 1.0:
            best, strain = yield from self._descend(knobs, best, strain, reason)
        if strain > 1.0:
            self._put(knobs, best, reason, f"nothing within the bounds meets the objective: {strain:.3g} times its limit at least")
            self._vain = self._at + timedelta(seconds=self.pace.patience)
        for search in self._searches.values():
            search.until, search.stride, search.trials, search.turned = None, 1, 0, 0

    def _free(self, reason: str) -> list[Knob]:
        """The knobs that may be moved. What would be done with those that are advised on is noted."""
        for knob in self.knobs:
            if self._mode(knob) is Mode.ADVISE and knob.get() != knob.safe:
                self._note(knob, knob.safe, reason, Outcome.ADVISED, "it is only advised on, so it was left as it is")
        return [knob for knob in self.knobs if self._mode(knob) is Mode.ON]

    def _descend(
        self, knobs: Sequence[Knob], best: dict[str, float], least: float, reason: str
    ) -> Generator[None, Reading, tuple[dict[str, float], float]]:
        """Long jumps, one knob at a time, for as long as they help; ends as soon as the objective is met."""
        is_better = True
        while is_better:
            is_better = False
            for knob, direction in ((knob, direction) for knob in knobs for direction in (1, -1)):
                while (value := knob.jump(best[knob.name], direction / _JUMPS)) != best[knob.name]:
                    there = {**best, knob.name: value}
                    strain = yield from self._go(knobs, there, reason)
                    if strain >= 0.9 * least:
                        break
                    best, least, is_better = there, strain, True
                    if least <= 1.0:
                        return best, least
        return best, least

    def _go(self, knobs: Sequence[Knob], there: Mapping[str, float], reason: str) -> Generator[None, Reading, float]:
        """Set these values and see how far the objective is broken with them: soon, but not while that still falls."""
        made = self._put(knobs, there, reason, "")
        self._recent, strains = [], list[float]()
        while len(strains) < _PROBE or (len(strains) < _LONGEST_PROBE and 1.0 < strains[-1] < 0.8 * strains[-3]):
            yield from self._read(alert=False)
            strains.append(self._recent[-1].strain)
        strain = max(strains[-2:])
        result = "the objective was met" if strain <= 1.0 else f"the objective was broken still, at {strain:.3g} times its limit"
        self._moves += [replace(move, result=result) for move in made]
        return strain

    def _put(self, knobs: Sequence[Knob], there: Mapping[str, float], reason: str, result: str) -> list[Move]:
        """Set these values, and note each knob that moves for it."""
        moving = [knob for knob in knobs if knob.get() != there[knob.name]]
        made = [self._note(knob, there[knob.name], reason, Outcome.BACKED_OFF, result) for knob in moving]
        for knob in moving:
            self._set(knob, there[knob.name])
        return made

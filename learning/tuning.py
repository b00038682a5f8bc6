"""Tuning by measured steps: one knob at a time is moved a little, and stays where it is moved to only when that proved better.

A trial is A, B, A: readings before the move, after it, and after going back, so that a load that changes meanwhile is not taken for the
work of the move. Readings are compared by rank (`comparison`), those that break the objective below all others. Guarantees: a knob never
leaves its bounds; a trial that makes things worse or breaks the objective is undone; while the objective is broken nothing is tried, but
knobs go back to their safe values and from there to where it is broken least (`_rescue`); knobs that are frozen or only advised on are not
touched. Nothing here waits or asks for the time: readings come one by one, with the instant at which each was taken.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import fmean

from ..graph.instants import now
from ..graph.names import new_id
from .comparison import Verdict, chance, compare, gain
from .knobs import Knob, Mode, Move, Outcome, Reading
from .searching import Search

Steps = Generator[None, Reading, None]
Values = tuple[float, ...]
"""A value for each knob, in the order of the knobs."""
_ALARM, _OF = 3, 4
"""So many of the latest readings must break the objective for it to count as broken."""
_JUMPS = 6
"""A rescue crosses a knob's whole range in so many moves."""
_BRINK = 0.1
"""The part of readings that may break the objective."""
_FLOOR = 0.5
"""A trial with most readings below this part of the worst before it is not waited for."""
_MAYBE = 0.3
"""A trial that shows nothing goes on only when chance alone would show that much of a difference less often than this."""
_MEMORY = timedelta(minutes=10)
"""For so long it is remembered with which values the objective was met or broken."""
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
    rest: float = 120.0
    longest_rest: float = 900.0
    patience: float = 120.0


class _Broken(Exception):
    """The objective is broken."""


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
    _calm: tuple[Values, list[float]] | None = None
    _floor: float = 0.0
    _searches: dict[str, Search] = field(default_factory=dict[str, Search])
    _trial: Move | None = None
    _turn: int = 0
    _vain: datetime | None = None
    _met: dict[Values, datetime] = field(default_factory=dict[Values, datetime])
    _missed: dict[Values, datetime] = field(default_factory=dict[Values, datetime])
    _at: datetime = field(default_factory=now)
    _life: Steps = field(init=False)

    def __post_init__(self) -> None:
        self._searches = {knob.name: Search(self.pace.rest) for knob in self.knobs}
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
            search.wake(self.pace.rest)
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
        self._remember(self._met if _broken(self._merits()) <= _BRINK else self._missed)
        self._watch()
        knob = self._awake()
        if knob is None:
            return
        search = self._searches[knob.name]
        plan = self._plan(knob, search)
        if plan is None or search.is_over:
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

    def _rest(self, search: Search) -> None:
        search.sleep(self._at, self.pace.longest_rest)
        self._turn += 1
        if self._calm is None or self._calm[0] != self._values():
            self._calm = (self._values(), self._merits())

    def _watch(self) -> None:
        """Wake all knobs when, with the same values, what is measured is no longer what it was when the first of them went to rest."""
        if self._calm is None or self._calm[0] != self._values():
            return
        if compare(self._calm[1], self._merits()[-self.pace.least :], _SHIFT, _SHIFT_SURE) is not Verdict.SAME:
            for search in self._searches.values():
                search.wake(self.pace.rest)
            self._calm = None

    def _plan(self, knob: Knob, search: Search) -> tuple[float, str] | None:
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

    def _try(self, knob: Knob, search: Search, value: float, reason: str) -> Steps:
        old = self._merits()
        alert = self._alert and not self._alarming()
        move = self._trial = self._note(knob, value, reason, Outcome.TRYING, "")
        self._set(knob, value)
        self._floor = _FLOOR * min(old)
        try:
            new = yield from self._gather(self.pace.least, alert=alert)
            if compare(old, new, self.pace.gain) is Verdict.SAME and knob.aim is None and min(chance(old, new), chance(new, old)) < _MAYBE:
                new = yield from self._gather(self.pace.most, alert=alert)
            verdict = self._verdict(old, new)
        except _Broken:
            self._undo(move, "it broke the objective" if self._alarming() else "it made things much worse")
            search.take_in(Verdict.WORSE)
            return
        finally:
            self._floor = 0.0
        if verdict is Verdict.BETTER and knob.aim is None:
            yield from self._confirm(knob, search, move, new, alert=alert)
        elif verdict is Verdict.WORSE or (verdict is Verdict.SAME and knob.aim is None):
            self._undo(move, "it made things worse" if verdict is Verdict.WORSE else "it made no difference", gain(old, new))
            search.take_in(verdict)
            self._turn += 1
        else:
            self._keep(move, search, "it did no harm" if verdict is Verdict.SAME else "it is better", gain(old, new))

    def _verdict(self, old: Sequence[float], new: Sequence[float]) -> Verdict:
        """How the new readings are. What brings the objective to the brink is worse, whatever else it does."""
        if _broken(new) > _BRINK >= _broken(old):
            return Verdict.WORSE
        return compare(old, new, self.pace.gain)

    def _confirm(self, knob: Knob, search: Search, move: Move, new: Sequence[float], *, alert: bool) -> Steps:
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

    def _keep(self, move: Move, search: Search, result: str, risen: float | None) -> None:
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
        if alert and (self._alarming() or self._alarming(self._floor)):
            raise _Broken

    def _alarming(self, floor: float = 0.0) -> bool:
        """Whether most of the latest readings broke the objective, or fell below a floor."""
        return sum(reading.merit < floor for reading in self._recent[-_OF:]) >= _ALARM

    def _gather(self, count: int, *, alert: bool) -> Generator[None, Reading, list[float]]:
        """The merits of `count` readings since the last move, as soon as there are so many that count."""
        while len(self._recent) < self.pace.settle + count:
            yield from self._read(alert=alert)
        return self._merits()

    def _merits(self) -> list[float]:
        return [reading.merit for reading in self._recent[self.pace.settle :]][-self.pace.most :]

    def _remember(self, where: dict[Values, datetime]) -> None:
        """Note how the objective stands with the values as they are, and forget what is long ago."""
        values = self._values()
        for known in (self._met, self._missed):
            known.pop(values, None)
            for old in [one for one, at in known.items() if self._at - at > _MEMORY]:
                del known[old]
        where[values] = self._at

    def _values(self) -> Values:
        return tuple(knob.get() for knob in self.knobs)

    def _rescue(self) -> Steps:
        """The objective is broken: back to where it was met, or to the safe values, and if need be on to where it is broken least."""
        least = fmean(reading.strain for reading in self._recent[-_ALARM:])
        reason = f"the objective was broken, at {least:.3g} times its limit"
        self._remember(self._missed)
        self._advise(reason)
        best = self._values()
        for there in self._refuges():
            strain = yield from self._go(there, reason)
            best, least = (there, strain) if strain < least else (best, least)
            if least <= 1.0:
                break
        if least > 1.0:
            best, least = yield from self._descend(best, least, reason)
        if least > 1.0:
            self._put(best, reason, f"nothing within the bounds meets the objective: {least:.3g} times its limit at least")
            self._vain = self._at + timedelta(seconds=self.pace.patience)
        for search in self._searches.values():
            search.wake(self.pace.rest)

    def _advise(self, reason: str) -> None:
        """Note what would be done with knobs that are only advised on."""
        for knob in self.knobs:
            if self._mode(knob) is Mode.ADVISE and knob.get() != knob.safe:
                self._note(knob, knob.safe, reason, Outcome.ADVISED, "it is only advised on, so it was left as it is")

    def _refuges(self) -> Iterator[Values]:
        """Where to go first: to where the objective was met of late, then to the safe values; not to where it is known to be broken."""
        met = sorted(self._met, key=self._met.__getitem__, reverse=True)
        safe = tuple(knob.safe if self._mode(knob) is Mode.ON else knob.get() for knob in self.knobs)
        for there in (*met[:1], safe):
            fixed = all(self._mode(knob) is Mode.ON or knob.get() == value for knob, value in zip(self.knobs, there, strict=True))
            if fixed and there != self._values() and there not in self._missed:
                yield there

    def _descend(self, best: Values, least: float, reason: str) -> Generator[None, Reading, tuple[Values, float]]:
        """Long jumps, one knob at a time, for as long as they help; ends as soon as the objective is met."""
        is_better = True
        while is_better:
            is_better = False
            for direction, place in ((direction, place) for direction in (1, -1) for place in range(len(self.knobs))):
                knob = self.knobs[place]
                while self._mode(knob) is Mode.ON and (value := knob.jump(best[place], direction / _JUMPS)) != best[place]:
                    there = (*best[:place], value, *best[place + 1 :])
                    strain = yield from self._go(there, reason)
                    if strain >= 0.9 * least:
                        break
                    best, least, is_better = there, strain, True
                    if least <= 1.0:
                        return best, least
        return best, least

    def _go(self, there: Values, reason: str) -> Generator[None, Reading, float]:
        """Set these values and see how far the objective is broken with them: soon, but not while that still falls."""
        made = self._put(there, reason, "")
        self._recent, strains = [], list[float]()
        while len(strains) < _PROBE or (len(strains) < _LONGEST_PROBE and 1.0 < strains[-1] < 0.8 * strains[-3]):
            yield from self._read(alert=False)
            strains.append(self._recent[-1].strain)
        strain = max(strains[-2:])
        self._remember(self._met if strain <= 1.0 else self._missed)
        result = "the objective was met" if strain <= 1.0 else f"the objective was broken still, at {strain:.3g} times its limit"
        self._moves += [replace(move, result=result) for move in made]
        return strain

    def _put(self, there: Values, reason: str, result: str) -> list[Move]:
        """Set these values, and note each knob that moves for it."""
        moving = [(knob, value) for knob, value in zip(self.knobs, there, strict=True) if knob.get() != value]
        made = [self._note(knob, value, reason, Outcome.BACKED_OFF, result) for knob, value in moving]
        for knob, value in moving:
            self._set(knob, value)
        return made


def _broken(merits: Sequence[float]) -> float:
    """The part of readings that broke the objective."""
    return sum(merit < 0 for merit in merits) / max(1, len(merits))

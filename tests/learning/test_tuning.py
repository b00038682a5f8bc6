"""The controller on curves that are known: it stays in bounds, undoes harm, finds the best, follows it when it moves, and backs off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from math import exp, log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.learning.knobs import Knob, Mode, Move, Outcome, Reading
from cairn.learning.tuning import Controller, Pace

START = datetime(2026, 1, 1, tzinfo=UTC)
Curve = Callable[[dict[str, float]], Reading]


def hill(best: float, width: float = 1.5) -> Curve:
    """A curve with one top, at `best`, over the logarithm of the knob `size`."""
    return lambda values: Reading(100 * exp(-((log(values["size"] / best) / width) ** 2)))


@dataclass
class System:
    """A system whose curve is known, with noise of which nothing else is."""

    curve: Curve
    seed: int = 1
    noise: float = 0.1
    values: dict[str, float] = field(default_factory=lambda: {"size": 8.0})
    seen: list[float] = field(default_factory=list[float])
    moves: dict[str, Move] = field(default_factory=dict[str, Move])
    told: list[Move] = field(default_factory=list[Move])
    seconds: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def knob(self, name: str = "size", **given: object) -> Knob:
        """A knob of it, from 1 to 4096."""

        def put(value: float) -> None:
            self.values[name] = value
            self.seen.append(value)

        bounds: dict[str, object] = {"low": 1, "high": 4096, "safe": 64, "step": 1.5, **given}
        return Knob(name=name, purpose="tries", unit="", get=lambda: self.values[name], set=put, **bounds)  # type: ignore[arg-type]

    def run(self, controller: Controller, seconds: int) -> System:
        """Let the controller see a reading a second."""
        for _ in range(seconds):
            self.seconds += 1
            true = self.curve(self.values)
            reading = Reading(true.score * self.random.lognormvariate(0, self.noise), true.strain * self.random.lognormvariate(0, 0.05))
            new = controller.observe(START + timedelta(seconds=self.seconds), reading)
            self.told += new
            self.moves.update((move.id, move) for move in new)
        return self

    def settle(self, controller: Controller) -> None:
        """End the trial that may be under way."""
        self.told += (ended := controller.interrupt("the test ends"))
        self.moves.update((move.id, move) for move in ended)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4000),
    st.floats(1.01, 8),
    st.booleans(),
    st.lists(st.floats(0, 3), min_size=5, max_size=5),
    st.lists(st.floats(0, 100), min_size=5, max_size=5),
)
def test_it_never_leaves_the_bounds(seed: int, start: int, step: float, log: bool, strains: list[float], scores: list[float]) -> None:
    def curve(values: dict[str, float]) -> Reading:
        place = int(values["size"]) % 5
        return Reading(scores[place], strains[place])

    system = System(curve, seed, values={"size": float(min(4000, max(3, start)))})
    controller = Controller("p95", [system.knob(low=3, high=4000, step=step if log else step * 100, log=log)], {})
    system.run(controller, 400)
    assert all(3 <= value <= 4000 and value == int(value) for value in system.seen)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("start", [1.0, 4096.0])
def test_it_finds_the_top_of_a_noisy_hill(seed: int, start: float) -> None:
    system = System(hill(200), seed, values={"size": start})
    controller = Controller("p95", [system.knob()], {})
    system.run(controller, 1_500).settle(controller)
    assert system.curve(system.values).score > 90


@pytest.mark.parametrize("seed", range(8))
def test_it_follows_the_top_when_it_moves(seed: int) -> None:
    system = System(hill(400), seed)
    controller = Controller("p95", [system.knob()], {})
    system.run(controller, 1_500)
    system.curve = hill(12)
    system.run(controller, 2_500).settle(controller)
    assert system.curve(system.values).score > 90


@pytest.mark.parametrize("seed", range(8))
def test_it_finds_the_top_over_two_knobs(seed: int) -> None:
    one, other = hill(300, 2.5), hill(20, 2.5)

    def curve(values: dict[str, float]) -> Reading:
        return Reading(one({"size": values["size"]}).score * other({"size": values["other"]}).score / 100)

    system = System(curve, seed, noise=0.05, values={"size": 8.0, "other": 2000.0})
    controller = Controller("p95", [system.knob(), system.knob("other")], {})
    system.run(controller, 3_000).settle(controller)
    assert curve(system.values).score > 85


@pytest.mark.parametrize("seed", range(8))
def test_what_made_things_worse_is_undone(seed: int) -> None:
    system = System(hill(64, 1.0), seed, values={"size": 64.0})
    controller = Controller("p95", [system.knob()], {})
    system.run(controller, 600).settle(controller)
    worse = [move for move in system.moves.values() if system.curve({"size": move.after}).score < 60]
    assert system.moves
    assert all(move.outcome is Outcome.UNDONE for move in worse)
    assert system.curve(system.values).score > 90


def test_a_rising_load_is_not_taken_for_the_work_of_a_move() -> None:
    kept = 0
    for seed in range(10):
        clock = count()
        system = System(lambda _values, clock=clock: Reading(100 * 1.002 ** next(clock)), seed, noise=0.03)
        system.run(Controller("p95", [system.knob()], {}), 600)
        kept += sum(move.outcome is Outcome.KEPT for move in system.moves.values())
    assert kept <= 3


@pytest.mark.parametrize("seed", range(8))
def test_a_broken_objective_is_met_again_soon(seed: int) -> None:
    def strained(values: dict[str, float]) -> Reading:
        return Reading(values["size"], values["size"] / 100)

    system = System(strained, seed, noise=0.05, values={"size": 4000.0})
    controller = Controller("p95", [system.knob()], {})
    system.run(controller, 12)
    assert strained(system.values).strain <= 1
    assert any(move.outcome is Outcome.BACKED_OFF and move.after == 64 for move in system.moves.values())
    system.run(controller, 1_000).settle(controller)
    assert 60 < system.values["size"] <= 100 * 1.05


def test_it_looks_elsewhere_when_the_safe_value_is_not_safe() -> None:
    def strained(values: dict[str, float]) -> Reading:
        return Reading(100, 600 / values["size"])

    system = System(strained, values={"size": 2.0})
    system.run(Controller("p95", [system.knob()], {}), 30)
    assert strained(system.values).strain <= 1


def test_where_nothing_helps_it_takes_the_least_evil_and_gives_rest() -> None:
    def strained(values: dict[str, float]) -> Reading:
        return Reading(100, 2 + abs(log(values["size"] / 1000)))

    system = System(strained, noise=0.01, values={"size": 2.0})
    controller = Controller("p95", [system.knob()], {}, Pace(patience=500))
    system.run(controller, 60)
    assert strained(system.values).strain < 3
    assert any("nothing within the bounds" in move.result for move in system.moves.values())
    before = sum(move.outcome is Outcome.BACKED_OFF for move in system.moves.values())
    system.run(controller, 400)
    assert sum(move.outcome is Outcome.BACKED_OFF for move in system.moves.values()) == before


@pytest.mark.parametrize("mode", [Mode.FROZEN, Mode.ADVISE])
@pytest.mark.parametrize("strain", [0.5, 3.0])
def test_what_is_frozen_or_advised_on_is_not_touched(mode: Mode, strain: float) -> None:
    system = System(lambda values: Reading(values["size"], strain))
    system.run(Controller("p95", [system.knob()], {"size": mode}), 300)
    assert system.seen == []
    advised = [move for move in system.moves.values() if move.outcome is Outcome.ADVISED]
    assert bool(advised) is (mode is Mode.ADVISE)
    assert len(system.moves) < 10


def test_every_move_that_began_has_an_outcome_and_gives_what_it_did() -> None:
    system = System(hill(200), noise=0.05)
    controller = Controller("p95", [system.knob()], {})
    system.run(controller, 400).settle(controller)
    began = {move.id for move in system.told if move.outcome is Outcome.TRYING}
    ended = [move for move in system.told if move.outcome in (Outcome.KEPT, Outcome.UNDONE)]
    assert began == {move.id for move in ended}
    assert all(move.reason and move.result and move.before != move.after for move in ended)
    value = 8.0
    for move in ended:
        assert move.before == value
        value = move.after if move.outcome is Outcome.KEPT else move.before
    assert value == system.values["size"]


def test_an_interrupted_trial_is_undone() -> None:
    system = System(hill(200))
    controller = Controller("p95", [system.knob()], {})
    while not any(move.outcome is Outcome.TRYING for move in system.told):
        system.run(controller, 1)
    assert system.values["size"] != 8
    (undone,) = controller.interrupt("frozen by an administrator")
    assert undone.outcome is Outcome.UNDONE
    assert undone.result == "frozen by an administrator"
    assert system.values["size"] == 8


def test_a_model_leads_it_there_in_small_steps_and_no_further_than_is_good() -> None:
    system = System(lambda _values: Reading(100))
    system.run(Controller("p95", [system.knob(aim=lambda: 1000.0)], {}), 400)
    assert 1000 / 1.5 < system.values["size"] <= 1000
    kept = [move for move in system.moves.values() if move.outcome is Outcome.KEPT]
    assert all(move.after <= move.before * 1.5**2 + 1 for move in kept)
    wrong = System(hill(8, 0.8))
    wrong.run(Controller("p95", [wrong.knob(aim=lambda: 1000.0)], {}), 400)
    assert wrong.curve(wrong.values).score > 60


@pytest.mark.parametrize("given", [{"safe": 0}, {"low": 10, "high": 10}, {"step": 1.0}, {"low": 0, "safe": 0}])
def test_a_knob_that_can_not_be_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="size"):
        System(hill(1)).knob(**given)

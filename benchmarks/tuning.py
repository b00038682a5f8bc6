"""Whether Cairn tunes itself: from bad settings, under loads that shift, beside the best fixed setting that a search finds.

    python -m benchmarks.tuning [--phase 600] [--seeds 3] [--live]

A simulated system (`tuning_system`), so that a run can be repeated and lasts a minute instead of an hour; the controller, its pace and how
latencies are read are Cairn's own. Three loads come one after the other. For each, the best setting is searched for by coordinates over a
fine grid, on the same system, among those that keep the objective; the tuner never sees any of that. Performance is the limit over the
mean latency, by class, in the last third of each load, trials included; it is printed with the operations per second beside. How long the
objective was broken is told from all latencies, in every window of five seconds, from the first second on.

With --live, the tuner of a real server is watched under a real load (`tuning_live`).
"""

from __future__ import annotations

import argparse
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import fmean, median

from cairn.learning.figures import Figures, percentile
from cairn.learning.knobs import Knob, Outcome
from cairn.learning.tuning import Controller

from .tuning_system import FOUND, LIMITS, LOADS, Load, System

BOUNDS = {"readers": (1, 256, 16), "batch": (1, 4096, 256), "breadth": (8, 800, 100)}
"""Of each knob: the lowest value, the highest, the safe one. Nothing in them knows the loads."""
BAD = {"readers": 200.0, "batch": 2.0, "breadth": 700.0}
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Watch:
    """Sees every answer. `broken` is how long the objective was broken without a break, at most, and in all."""

    window: deque[tuple[float, str, float]] = field(default_factory=deque[tuple[float, str, float]])
    parts: deque[tuple[float, float]] = field(default_factory=deque[tuple[float, float]])
    scores: list[float] = field(default_factory=list[float])
    counted: int = 0
    run: float = 0.0
    longest: float = 0.0
    total: float = 0.0

    def heard(self, at: float, name: str, seconds: float) -> None:
        self.window.append((at, name, seconds))
        self.scores.append(seconds / LIMITS[name])
        self.counted += 1

    def look(self, now: float) -> bool:
        """Whether the objective is broken in the five seconds before `now`."""
        while self.window and self.window[0][0] < now - 5:
            self.window.popleft()
        broken = False
        for name, limit in LIMITS.items():
            latencies = [seconds for _, kind, seconds in self.window if kind == name]
            broken |= len(latencies) >= 20 and percentile(latencies, 0.95) > limit
        self.run = self.run + 1 if broken else 0.0
        self.longest = max(self.longest, self.run)
        self.total += broken
        return broken

    def over(self) -> tuple[float, int]:
        """Performance and answers since the last call."""
        performance, answers = 1 / max(1e-9, fmean(self.scores or [1e9])), self.counted
        self.scores, self.counted = [], 0
        return performance, answers


def fixed(load: Load, values: dict[str, float], seconds: float, seed: int) -> tuple[float, float, float]:
    """Performance, answers per second, and the part of windows in which the objective was broken, with a fixed setting."""
    watch, parts = Watch(), list[float]()
    system = System(load, dict(values), watch.heard, parts.append, seed)
    system.run(10)
    watch.over()
    parts.clear()
    broken = 0
    for second in range(int(seconds)):
        system.run(11 + second)
        broken += watch.look(system.now)
    performance, answers = watch.over()
    missing = bool(parts) and fmean(parts) < FOUND
    return performance, answers / seconds, 1.0 if missing else broken / seconds


def merit(load: Load, values: dict[str, float], seconds: float = 15.0) -> float:
    """What the search compares by: the performance, below zero where the objective is not kept."""
    performance, _, broken = fixed(load, values, seconds, seed=99)
    return performance if broken <= 0.05 else -broken - 1 / (1 + performance)


def grid(name: str) -> list[float]:
    low, high, _ = BOUNDS[name]
    values = {float(round(low * (high / low) ** (step / 16))) for step in range(17)}
    return sorted(values)


def search(load: Load) -> dict[str, float]:
    """The best fixed setting by coordinates, from the safe values, until a whole round changes nothing."""
    best: dict[str, float] = {name: float(safe) for name, (_, _, safe) in BOUNDS.items()}
    known = merit(load, best)
    for _ in range(3):
        before = dict(best)
        for name in BOUNDS:
            for value in grid(name):
                candidate = {**best, name: value}
                if candidate != best and (found := merit(load, candidate)) > known:
                    best, known = candidate, found
        if best == before:
            break
    return best


@dataclass
class Run:
    """One run of the tuner under all loads: performance and answers per second in the last third of each, and how long it was broken."""

    performance: list[float]
    rate: list[float]
    values: list[dict[str, float]]
    longest: float
    total: float
    moves: dict[Outcome, int]


def tuned(phase: int, seed: int, *, verbose: bool = False) -> Run:
    """Let the tuner work from the bad setting under one load after the other."""
    watch, figures = Watch(), Figures(LIMITS)
    values = dict(BAD)

    def heard(at: float, name: str, seconds: float) -> None:
        watch.heard(at, name, seconds)
        figures.note(name, seconds)

    def found(part: float) -> None:
        parts.append(part)

    parts: deque[float] = deque(maxlen=20)
    system = System(LOADS[0], values, heard, found, seed)
    knobs = [
        Knob(
            name=name, purpose="", unit="", low=low, high=high, safe=safe, step=1.5,
            get=lambda name=name: values[name], set=lambda value, name=name: (values.__setitem__(name, value), parts.clear())[0],
        )
        for name, (low, high, safe) in BOUNDS.items()
    ]  # fmt: skip
    controller = Controller("latency", knobs, {})
    run = Run([], [], [], 0.0, 0.0, dict.fromkeys(Outcome, 0))
    for load in LOADS:
        system.change(load)
        begin = system.now
        while system.now < begin + phase:
            system.run(system.now + 1)
            watch.look(system.now)
            if system.now == begin + phase - phase // 3:
                watch.over()
            if len(parts) >= 5:
                figures.check("found", (1 - fmean(parts)) / (1 - FOUND))
            reading = figures.read()
            for move in controller.observe(_EPOCH + timedelta(seconds=system.now), reading) if reading is not None else ():
                run.moves[move.outcome] += 1
                if verbose:
                    print(f"{system.now:6.0f} {move.knob} {move.before:g} -> {move.after:g} {move.outcome.value} {move.result} {move.gain}")
        performance, answers = watch.over()
        run.performance.append(performance)
        run.rate.append(answers / (phase // 3))
        run.values.append(dict(values))
    run.longest, run.total = watch.longest, watch.total
    return run


def simulate(phase: int, seeds: int, *, verbose: bool) -> None:
    """Print how the tuner does beside the best fixed settings."""
    best = [search(load) for load in LOADS]
    for load, values in zip(LOADS, best, strict=True):
        performance, rate, broken = fixed(load, values, 60, seed=7)
        bad = fixed(load, BAD, 60, seed=7)
        print(
            f"{load.name}: best fixed {shown(values)}: performance {performance:.2f}, {rate:.0f} answers/s, broken {broken:.0%};"
            f" the bad setting {shown(BAD)}: {bad[0]:.2f}, {bad[1]:.0f} answers/s, broken {bad[2]:.0%}"
        )
    runs = [tuned(phase, seed, verbose=verbose) for seed in range(seeds)]
    for place, (load, values) in enumerate(zip(LOADS, best, strict=True)):
        ratios, rates = [], []
        for seed, run in enumerate(runs):
            performance, rate, _ = fixed(load, values, phase // 3, seed)
            ratios.append(run.performance[place] / performance)
            rates.append(run.rate[place] / rate)
        print(
            f"{load.name}: tuned to {', '.join(shown(run.values[place]) for run in runs)}: "
            f"performance {median(ratios):.2f} of the best fixed (least {min(ratios):.2f}; 0.90 wanted), {median(rates):.2f} of its rate"
        )
    longest, total = max(run.longest for run in runs), fmean(run.total for run in runs)
    print(f"the objective was broken for {longest:.0f} s at most (30 s allowed), {total:.0f} s of {3 * phase} s in all")
    print(f"moves of a run: {', '.join(f'{number} {outcome.value}' for outcome, number in runs[0].moves.items() if number)}")


def shown(values: dict[str, float]) -> str:
    """A setting in short."""
    return "/".join(f"{values[name]:g}" for name in BOUNDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--phase", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    simulate(arguments.phase, arguments.seeds, verbose=arguments.verbose)


if __name__ == "__main__":
    main()

"""How well the next operation is predicted: the predictor beside an order-2 Markov model with back-off, both learning online.

Accuracy counts after the first half of the sessions; a person's turn is context and is never predicted. Without a TRACE, sessions on a
made-up link graph are taken. With --play the sessions are also played against a real Cairn, each by an agent of its own whose answers
nobody shares, with and without prefetching, and so is the control, the same operations in random order.

Run: python -m benchmarks.prefetch [TRACE ...] [--play] [--think 0.05] [--at-once 4] [--sessions 120]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from time import perf_counter

from cairn.learning.operations import Session, written
from cairn.learning.prefetch import Predictor

from ._playing import compare
from ._traces import TURN, Markov, Trace, operation, read, shuffled, wander

TOP = 3
WANTED = 8.0


class Score:
    """How often the first, and one of the first three, was right."""

    def __init__(self) -> None:
        self.asked = self.first = self.three = 0

    def count(self, predicted: list[object], came: object) -> None:
        self.asked += 1
        self.first += came in predicted[:1]
        self.three += came in predicted[:TOP]

    @property
    def top(self) -> tuple[float, float]:
        return 100 * self.first / max(1, self.asked), 100 * self.three / max(1, self.asked)


def accuracy(trace: Trace) -> bool:
    """Print the accuracy on one trace; whether the goal was reached."""
    predictor, whole, names = Predictor(), Markov(), Markov()
    scores = {what: Score() for what in ("ours", "ours by name", "reference", "reference by name")}
    spent, steps = 0.0, 0
    for number, texts in enumerate(trace.sessions):
        session, labels = Session(), [text.partition("{")[0] for text in texts]
        for place, text in enumerate(texts):
            if text == TURN:
                session.turn()
            else:
                came, began = operation(text), perf_counter()
                best = [one.operation.exact for one in predictor.predict(session)]
                kinds = [one for one, _ in predictor.predict_shapes(session)]
                if 2 * number >= len(trace.sessions):
                    scores["ours"].count([*best], came.exact)
                    scores["ours by name"].count([*kinds], came.kind)
                    scores["reference"].count([*whole.best(texts[:place])], text)
                    scores["reference by name"].count([*names.best(labels[:place])], labels[place])
                links = tuple(written(link) for link in trace.links.get(text, ()))
                predictor.observe(session, came, {"links.id": links} if links else None)
                spent, steps = spent + perf_counter() - began, steps + 1
            whole.learn(texts[:place], text)
            names.learn(labels[:place], labels[place])
    print(f"{trace.name}: {scores['ours'].asked} operations after the first half, {1000 * spent / steps:.2f} ms to predict and learn one")
    good = True
    for suffix, said in (("", "operations"), (" by name", "names")) if trace.has_names else (("", "operations"),):
        (first, three), (reference, reference_three) = scores["ours" + suffix].top, scores["reference" + suffix].top
        good &= three >= reference_three + WANTED
        print(
            f"  {said:<10} top-1 {first:5.1f} %  top-3 {three:5.1f} %   order-2 Markov {reference:5.1f} %  {reference_three:5.1f} %"
            f"   top-3 {three - reference_three:+.1f} points (wanted {WANTED:+.0f})"
        )
    return good


def main() -> int:
    """Play every trace."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("traces", nargs="*", type=Path)
    arguments.add_argument("--play", action="store_true", help="play the sessions against a real Cairn too, with and without prefetching")
    arguments.add_argument("--think", type=float, default=0.05, help="seconds between an agent's operations")
    arguments.add_argument("--at-once", type=int, default=4, help="sessions at the same time")
    arguments.add_argument("--sessions", type=int, default=120, help="how many sessions are played")
    chosen = arguments.parse_args()
    traces = [read(path) for path in chosen.traces] or [wander()]
    good = [accuracy(trace) for trace in traces]
    if chosen.play:
        for trace in traces:
            asyncio.run(compare(trace, chosen.think, chosen.at_once, chosen.sessions))
            asyncio.run(compare(shuffled(trace), chosen.think, chosen.at_once, chosen.sessions))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

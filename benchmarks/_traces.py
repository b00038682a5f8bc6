"""Sessions of operations, recorded or made up, and the reference that predictions of them are compared with."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cairn.learning.operations import Operation

TURN = "USER"
"""A person's turn: it is context, and is not predicted."""


@dataclass(frozen=True)
class Trace:
    """Sessions of texts of operations. `links`: the operations that an operation's result mentions, where that is known."""

    name: str
    sessions: list[list[str]]
    links: Mapping[str, tuple[str, ...]]

    @property
    def has_names(self) -> bool:
        """Whether operations have a name and arguments, so that they can be compared by name."""
        return any("{" in text for session in self.sessions for text in session)


def read(path: Path) -> Trace:
    """The trace in a file: `ops`, and `sessions` as indexes into them; `links`, when there, has a list of indexes for each op."""
    held = cast("dict[str, Any]", json.loads(path.read_text()))
    ops = [str(one) for one in held["ops"]]
    links = {ops[at]: tuple(ops[to] for to in found) for at, found in enumerate(held.get("links") or ())}
    return Trace(str(held.get("name", path.stem)), [[ops[at] for at in session] for session in held["sessions"]], links)


def operation(text: str) -> Operation:
    """The operation that a text stands for: `name{arguments}`, or the thing that is visited."""
    name, brace, arguments = text.partition("{")
    return Operation.of(name, json.loads(brace + arguments)) if brace else Operation.of("visit", {"id": text})


def shuffled(trace: Trace, seed: int = 1) -> Trace:
    """The control: the same operations in sessions of the same lengths, in random order."""
    dice = random.Random(seed)
    ops = [text for session in trace.sessions for text in session]
    dice.shuffle(ops)
    rest = iter(ops)
    return Trace(f"{trace.name}, shuffled", [[next(rest) for _ in session] for session in trace.sessions], {})


def wander(pages: int = 400, sessions: int = 400, seed: int = 7) -> Trace:
    """People who walk a link graph towards a goal: pages in a plane link to near ones and to hubs; now and then somebody goes back."""
    dice = random.Random(seed)
    at = [(dice.gauss(0, 1), dice.gauss(0, 1), dice.gauss(0, 1)) for _ in range(pages)]
    fame = [(1 / (place + 3)) ** 0.8 for place in range(pages)]
    dice.shuffle(fame)

    def far(one: int, other: int) -> float:
        return sum((a - b) ** 2 for a, b in zip(at[one], at[other], strict=True)) ** 0.5

    links = [
        sorted({*sorted(range(pages), key=lambda to, page=page: far(page, to))[1:13], *dice.choices(range(pages), fame, k=8)} - {page})
        for page in range(pages)
    ]
    goals = dice.choices(range(pages), fame, k=pages // 6)
    walks: list[list[int]] = []
    while len(walks) < sessions:
        goal, walk = dice.choice(goals), [dice.randrange(pages)]
        while walk[-1] != goal and len(walk) < 15:
            if len(walk) > 2 and dice.random() < 0.08:
                walk.append(walk[-2])
                continue
            open_ = [to for to in links[walk[-1]] if to not in walk] or links[walk[-1]]
            weights = [float(to == goal) * 1e6 + 2.718 ** (-2 * far(to, goal)) * (fame[to] + 0.01) ** 0.5 for to in open_]
            walk.append(dice.choices(open_, weights)[0])
        walks.append(walk)
    names = [f"page-{page}" for page in range(pages)]
    linked = {names[page]: tuple(names[to] for to in found) for page, found in enumerate(links)}
    return Trace("wanderers on a made-up link graph", [[names[page] for page in walk] for walk in walks], linked)


class Markov:
    """The reference: an order-2 Markov model with back-off, which learns online."""

    def __init__(self, order: int = 2) -> None:
        self._order = order
        self._after: defaultdict[tuple[Hashable, ...], Counter[Hashable]] = defaultdict(Counter)

    def best(self, history: Sequence[Hashable], most: int = 3) -> list[Hashable]:
        """What followed the longest context most often, then what followed shorter ones."""
        found: dict[Hashable, None] = {}
        for length in range(min(self._order, len(history)), -1, -1):
            counts = self._after[tuple(history[len(history) - length :])]
            found.update((one, None) for one, _ in counts.most_common(most + len(found) + 1) if one != TURN)
            if len(found) >= most:
                break
        return list(found)[:most]

    def learn(self, history: Sequence[Hashable], came: Hashable) -> None:
        """`came` followed `history`."""
        for length in range(min(self._order, len(history)) + 1):
            self._after[tuple(history[len(history) - length :])][came] += 1

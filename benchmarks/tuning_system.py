"""A system to tune, simulated by events: callers who think, a database whose cores are shared, and a writer that commits in groups.

Nothing in it is smooth on purpose: demands are random, a crowd of statements slows the database down (as locks and caches do), a large
transaction costs more than its rows, and what is asked for by a wider search pays off less and less. Callers wait for their answers before
they go on, so a slow system is asked for less, and a queue takes its time to empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import exp
from random import Random

LIMITS = {"read": 0.12, "write": 0.5, "recall": 0.3}
FOUND = 0.97
"""The part of what a search of endless breadth finds that has to be found."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many callers of each class there are, how long they think (s), and what they ask for. `apart`: how far apart lie the memories
    that belong to a question, in places of the index; `cores` that the database has to itself.
    """

    name: str
    readers: int
    writers: int
    recallers: int
    think: float
    rows: int
    apart: float
    cores: float


LOADS = (
    Load("many who ask", readers=90, writers=6, recallers=10, think=0.1, rows=2, apart=20, cores=4),
    Load("many who write", readers=15, writers=250, recallers=3, think=0.15, rows=5, apart=20, cores=4),
    Load("recall on a busy machine", readers=12, writers=10, recallers=14, think=0.25, rows=2, apart=45, cores=2),
)


@dataclass
class System:
    """`values`: the knobs `readers` (statements at a time), `batch` (rows in a transaction) and `breadth` (of the search).

    `heard` is told of every answer: its instant, class and seconds; `found` of a sample of searches: which part of what they should.
    """

    load: Load
    values: dict[str, float]
    heard: Callable[[float, str, float], None]
    found: Callable[[float], None] = lambda _part: None
    seed: int = 1
    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list[tuple[float, int, Callable[[], None]]])
    _jobs: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list[tuple[float, int, Callable[[], None]]])
    _work: float = 0.0
    _since: float = 0.0
    _running: int = 0
    _line: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque[tuple[float, Callable[[], None]]])
    _changes: deque[tuple[int, Callable[[], None]]] = field(default_factory=deque[tuple[int, Callable[[], None]]])
    _committing: bool = False

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._number = count()
        self._callers = {"read": 0, "write": 0, "recall": 0}
        self.change(self.load)

    def change(self, load: Load) -> None:
        """Go on with another load: new callers come, and those who are too many leave when they were answered."""
        self.load = load
        for name, wanted in self._wanted().items():
            for _ in range(wanted - self._callers[name]):
                self._callers[name] += 1
                self._think(name)

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            done = self._since + max(0.0, self._jobs[0][0] - self._work) / self._speed() if self._jobs else float("inf")
            next_event = self._events[0][0] if self._events else float("inf")
            self.now = min(done, next_event, until)
            self._work += (self.now - self._since) * self._speed() if self._jobs else 0.0
            self._since = self.now
            if self.now >= until:
                return
            if done <= next_event:
                heappop(self._jobs)[2]()
            else:
                heappop(self._events)[2]()

    def _wanted(self) -> dict[str, int]:
        return {"read": self.load.readers, "write": self.load.writers, "recall": self.load.recallers}

    def _speed(self) -> float:
        """Seconds of work that each statement gets in a second."""
        jobs, cores = len(self._jobs), self.load.cores
        return min(jobs, cores) / (1 + 0.02 * max(0.0, jobs - cores)) / jobs

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heappush(self._events, (self.now + seconds, next(self._number), action))

    def _compute(self, seconds: float, action: Callable[[], None]) -> None:
        heappush(self._jobs, (self._work + seconds * self._random.lognormvariate(-0.08, 0.4), next(self._number), action))

    def _think(self, name: str) -> None:
        self._after(self._random.expovariate(1 / self.load.think), lambda: self._ask(name))

    def _ask(self, name: str) -> None:
        if self._callers[name] > self._wanted()[name]:
            self._callers[name] -= 1
            return
        began = self.now

        def answered() -> None:
            self.heard(self.now, name, self.now - began)
            self._think(name)

        if name == "write":
            self._changes.append((self.load.rows, answered))
            self._commit()
        elif name == "read":
            self._line.append((0.004, answered))
            self._admit()
        else:
            breadth = self.values["breadth"]
            if self._random.random() < 0.2:
                self.found(min(1.0, max(0.0, self._random.gauss(1 - exp(-breadth / self.load.apart), 0.01))))
            self._line.append((0.001 + 0.00012 * breadth, answered))
            self._admit()

    def _admit(self) -> None:
        while self._line and self._running < self.values["readers"]:
            seconds, answered = self._line.popleft()
            self._running += 1

            def done(answered: Callable[[], None] = answered) -> None:
                self._running -= 1
                answered()
                self._admit()

            def begin(seconds: float = seconds, done: Callable[[], None] = done) -> None:
                self._compute(seconds, done)

            self._after(0.0015, begin)

    def _commit(self) -> None:
        if self._committing or not self._changes:
            return
        rows, callers = 0, list[Callable[[], None]]()
        while self._changes and (not callers or rows + self._changes[0][0] <= self.values["batch"]):
            more, answered = self._changes.popleft()
            rows += more
            callers.append(answered)
        self._committing = True

        def written() -> None:
            self._committing = False
            for answered in callers:
                answered()
            self._commit()

        self._after(0.003, lambda: self._compute(0.004 + 0.00015 * rows + 1.5e-7 * rows * rows, written))

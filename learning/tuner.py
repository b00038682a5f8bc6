"""The tuner of one process: reads figures, lets the controller move knobs, keeps the moves, and follows what administrators say.

Each replica tunes its own knobs. The shared ones are moved by the replica that holds the lease; the others set them as it left them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic

from ..errors import BadInput, CairnError, NotFound
from ..graph.access import Access
from ..graph.changes import idempotency
from ..graph.database import Database
from ..graph.instants import now
from ..graph.names import new_id
from ..graph.tuning import StoredKnob, StoredMove, end_lease, hold_lease, note, read_knobs, switch_knob
from ..graph.writer import Writer
from ..settings import Settings
from .figures import Figures
from .knobs import Knob, Mode, Move, Outcome, Reading
from .tuning import Controller

log = logging.getLogger("cairn.tuning")
OBJECTIVE = "latency"
_LOOK_SECONDS = 5.0
"""Between two looks at what administrators and other replicas said, which is also when moves are written."""
_ENDED = (Outcome.KEPT, Outcome.BACKED_OFF)


class Tuner:
    """Run `work` as a task. `knobs` are all that there are, in the order in which they are tried; `probes` are asked for more to look at
    before a reading, such as what a sample of recalls finds; `listeners` are told of moves, `readers` that there was a reading.
    """

    def __init__(self, database: Database, writer: Writer, settings: Settings, knobs: Sequence[Knob]) -> None:
        self._database, self._writer, self._settings = database, writer, settings
        self._default = {"on": Mode.ON, "advise": Mode.ADVISE, "off": Mode.FROZEN}[settings.tuning]
        self.replica = new_id()
        self.knobs = {knob.name: knob for knob in knobs}
        self.modes: dict[str, Mode] = {knob.name: self._usual(knob) for knob in knobs}
        """What may be done with each knob, as administrators said it."""
        self.figures = Figures(limits(settings))
        self.reading: Reading | None = None
        """The latest."""
        self.broken_seconds = 0.0
        """For how long the objective has been broken since the process began."""
        self.listeners: list[Callable[[Move], None]] = []
        self.readers: list[Callable[[], None]] = []
        self.probes: list[Callable[[], Awaitable[None]]] = []
        self._allowed = {knob.name: Mode.FROZEN if knob.shared else self._usual(knob) for knob in knobs}
        self._controller = Controller(OBJECTIVE, tuple(knobs), self._allowed)
        self._stored: dict[str, StoredKnob] = {}
        self._unwritten: dict[str, Move] = {}
        self._left: dict[str, float] = {}
        self.holds_lease = False
        """Whether this replica moves the shared knobs."""
        self._looked: float | None = None

    def _usual(self, knob: Knob) -> Mode:
        """What may be done with a knob of which no administrator said anything."""
        return Mode.ADVISE if knob.telling and self._default is Mode.ON else self._default

    async def work(self) -> None:
        """Tune until cancelled. What goes wrong is logged and does not end it; without Neo4j nothing is moved."""
        if self._settings.tuning == "off":
            return
        read = monotonic()
        try:
            while True:
                await asyncio.sleep(self._settings.tuning_interval)
                try:
                    for probe in self.probes:
                        await probe()
                    if self._looked is None or monotonic() - self._looked >= _LOOK_SECONDS:
                        await self.look()
                    read = self._read(read)
                except CairnError as error:
                    log.warning("tuning pauses (%s)", error.code)
                except Exception:
                    log.exception("tuning failed by a defect; it goes on")
        finally:
            self._take(self._controller.interrupt("the process ended"))
            await self._end()

    def step(self, reading: Reading) -> None:
        """Let the controller take in a reading."""
        self.reading = reading
        self._take(self._controller.observe(now(), reading))
        for reader in self.readers:
            reader()

    async def look(self) -> None:
        """Write the moves since the last look, and follow what is said elsewhere: by administrators, and of shared knobs."""
        await self._write()
        self.holds_lease = await hold_lease(self._database, self.replica) if any(knob.shared for knob in self.knobs.values()) else False
        stored = await read_knobs(self._database)
        for name, knob in self.knobs.items():
            self._follow(knob, self._stored.get(name), stored.get(name))
        self._stored = stored
        self._looked = monotonic()

    async def switch(self, access: Access, home: str, name: str, mode: Mode, value: float | None, key: str | None) -> None:
        """Say what may be done with a knob, and where it is to stand, on every replica; here at once, elsewhere within seconds.

        Raises NotFound for an unknown knob, BadInput for a value out of its bounds, Forbidden unless the caller administers the servers.
        """
        once = idempotency(access.tenant, access.principal, "switchKnob", key, [name, mode.value, value])
        knob = self.knobs.get(name)
        if knob is None:
            access.require("tuning", "admin")
            raise NotFound(f"there is no knob {name!r}; `tuning` lists them")
        if value is not None and knob.clamp(value) != value:
            kind = "a whole number" if knob.whole else "a number"
            raise BadInput(f"{name} must be {kind} from {knob.low:g} to {knob.high:g}, not {value:g}")
        await switch_knob(self._writer, access, home, name, mode.value, value, once)
        await self.look()

    def _read(self, since: float) -> float:
        """Give the controller a reading when there is enough for one; the instant of the last one."""
        reading = self.figures.read()
        if reading is None:
            return since
        if reading.broken:
            self.broken_seconds += monotonic() - since
        self.step(reading)
        return monotonic()

    def _take(self, moves: Sequence[Move]) -> None:
        for move in moves:
            self._unwritten[move.id] = move
            if move.outcome in _ENDED:
                self._left[move.knob] = self.knobs[move.knob].get()
            for listener in self.listeners:
                listener(move)

    def _follow(self, knob: Knob, before: StoredKnob | None, stored: StoredKnob | None) -> None:
        """Set one knob, and what may be done with it, as it is said to be."""
        mode = self._usual(knob) if stored is None or stored.mode is None else Mode[stored.mode]
        allowed = Mode.FROZEN if knob.shared and not self.holds_lease else mode
        value = None if stored is None else stored.value
        said = stored is not None and (before is None or stored.revision != before.revision)
        if value is None or not (said or (knob.shared and not self.holds_lease)) or knob.clamp(value) == knob.get():
            value = None
        if value is not None or (allowed is not self._allowed[knob.name] and allowed is not Mode.ON):
            self._take(self._controller.interrupt("an administrator or another replica said how it is to be"))
        self.modes[knob.name], self._allowed[knob.name] = mode, allowed
        if value is not None:
            was = knob.get()
            knob.set(knob.clamp(value))
            if stored is not None and before is not None and said:
                self._take([self._set(knob, was)])

    def _set(self, knob: Knob, was: float) -> Move:
        return Move(
            id=new_id(),
            at=now(),
            objective=OBJECTIVE,
            knob=knob.name,
            reason="an administrator set it",
            before=was,
            after=knob.get(),
            outcome=Outcome.SET,
        )

    async def _write(self) -> None:
        moves, left = list(self._unwritten.values()), dict(self._left)
        if not moves:
            return
        values = {name: (value, self._revision(name)) for name, value in left.items()}
        await note(self._writer, self._settings.tenant, [self._kept(move) for move in moves], values)
        for move in moves:
            if self._unwritten.get(move.id) == move:
                del self._unwritten[move.id]
        self._left = {name: value for name, value in self._left.items() if left.get(name) != value}

    def _revision(self, name: str) -> int:
        stored = self._stored.get(name)
        return 0 if stored is None else stored.revision

    def _kept(self, move: Move) -> StoredMove:
        return StoredMove(
            id=move.id,
            at=move.at,
            replica=self.replica,
            objective=move.objective,
            knob=move.knob,
            reason=move.reason,
            before=move.before,
            after=move.after,
            outcome=move.outcome.value,
            result=move.result,
            gain=move.gain,
        )

    async def _end(self) -> None:
        try:
            await self._write()
            if self.holds_lease:
                await end_lease(self._database, self.replica)
        except CairnError as error:
            log.warning("the last moves could not be kept (%s)", error.code)


def limits(settings: Settings) -> Mapping[str, float]:
    """The classes of operations and their 95th percentiles' limits in seconds."""
    return {"read": settings.tuning_p95_read, "write": settings.tuning_p95_write, "recall": settings.tuning_p95_recall}

"""How these servers tune themselves: `tuning`, `switchKnob`."""

from __future__ import annotations

from datetime import datetime

import strawberry

from ..graph import tags
from ..graph.instants import now
from ..graph.tuning import StoredMove, read_moves, require
from ..learning.knobs import Knob, Mode, Outcome
from ..learning.tuner import Tuner
from .connections import Connection, connect
from .context import Info

strawberry.enum(
    Mode,
    name="TuningMode",
    description="ON: the tuner moves the knob. ADVISE: it only says what it would do. FROZEN: it leaves it alone.",
)
strawberry.enum(
    Outcome,
    name="TuningOutcome",
    description="TRYING: the trial is under way. KEPT: it was better, or where a model leads it did no harm. UNDONE: it was not, and was "
    "taken back. BACKED_OFF: the objective was broken, and the knob was moved for that. ADVISED: nothing was moved. SET: somebody set it.",
)


@strawberry.type(description="A value that the tuner may move.")
class TuningKnob:
    name: str = strawberry.field(description="What switchKnob calls it.")
    purpose: str = strawberry.field(description="What it is.")
    unit: str = strawberry.field(description="Of what its value is a number.")
    value: float = strawberry.field(description="Where it stands in the process that answers.")
    low: float = strawberry.field(description="It never goes below this,")
    high: float = strawberry.field(description="nor above this.")
    safe: float = strawberry.field(description="Where it goes first when the objective is broken.")
    shared: bool = strawberry.field(description="Whether it is the same for all replicas, and one of them moves it.")
    mode: Mode = strawberry.field(description="What the tuner may do with it.")


@strawberry.type(description="How far an operation class, or what else has a limit, is from it.")
class TuningStrain:
    name: str = strawberry.field(description="read, write, recall: their 95th percentiles; found: what recall misses on a sample.")
    value: float = strawberry.field(description="1 is the limit; above it the objective is broken.")


@strawberry.type(description="One move of a knob.")
class TuningMove:
    id: strawberry.ID = strawberry.field(description="Names the move.")
    at: datetime = strawberry.field(description="When it was made.")
    replica: strawberry.ID = strawberry.field(description="Which process made it.")
    objective: str = strawberry.field(description="For which objective.")
    knob: str = strawberry.field(description="The knob.")
    reason: str = strawberry.field(description="Why it was made.")
    before: float = strawberry.field(description="The value before.")
    after: float = strawberry.field(description="The value that it was moved to, or was to be.")
    outcome: Outcome = strawberry.field(description="What became of it.")
    result: str = strawberry.field(description="The same in words.")
    gain: float | None = strawberry.field(description="By which part the score rose, as far as it was measured.")


@strawberry.type(description="How these servers tune themselves.")
class Tuning:
    replica: strawberry.ID = strawberry.field(description="The process that answers.")
    score: float | None = strawberry.field(description="The latest reading: the limit over the mean latency. Null before the first.")
    strains: list[TuningStrain] = strawberry.field(description="How far from their limits things were when they were last read.")
    broken_seconds: float = strawberry.field(description="For how long the objective was broken since this process began.")
    knobs: list[TuningKnob] = strawberry.field(description="What can be tuned.")
    home: strawberry.Private[str]

    @strawberry.field(description="The latest moves of all replicas, newest first; a thousand are kept.")
    async def moves(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[TuningMove]:
        context = info.context
        found = await read_moves(context.database, context.access, self.home, 20 if first is None else first, after)
        return connect(found, _move, after)


def _move(value: StoredMove) -> TuningMove:
    return TuningMove(
        id=strawberry.ID(value.id),
        at=value.at,
        replica=strawberry.ID(value.replica),
        objective=value.objective,
        knob=value.knob,
        reason=value.reason,
        before=value.before,
        after=value.after,
        outcome=Outcome[value.outcome],
        result=value.result,
        gain=value.gain,
    )


def _knob(tuner: Tuner, knob: Knob) -> TuningKnob:
    return TuningKnob(
        name=knob.name,
        purpose=knob.purpose,
        unit=knob.unit,
        value=knob.get(),
        low=knob.low,
        high=knob.high,
        safe=knob.safe,
        shared=knob.shared,
        mode=tuner.modes[knob.name],
    )


@strawberry.type
class TuningQuery:
    @strawberry.field(
        description="How these servers tune themselves. Needs `admin` on `tuning`, in the tenant that they belong to (`CAIRN_TENANT`)."
    )
    async def tuning(self, info: Info) -> Tuning:
        services, access = info.context.services, info.context.access
        home, tuner = services.settings.tenant, services.tuner
        require(access, home)
        tags.collect_until(now())
        return Tuning(
            replica=strawberry.ID(tuner.replica),
            score=None if tuner.reading is None else tuner.reading.score,
            strains=[TuningStrain(name=name, value=value) for name, value in sorted(tuner.figures.strains.items())],
            broken_seconds=tuner.broken_seconds,
            knobs=[_knob(tuner, knob) for knob in tuner.knobs.values()],
            home=home,
        )


@strawberry.type
class TuningMutation:
    @strawberry.mutation(
        description="Say what the tuner may do with a knob and, with a `value`, where it is to stand: here at once, on other replicas "
        "within seconds. A trial that is under way is undone. Needs `admin` on `tuning`, in the tenant that the servers belong to."
    )
    async def switch_knob(
        self, info: Info, name: str, mode: Mode, value: float | None = None, idempotency_key: str | None = None
    ) -> TuningKnob:
        services = info.context.services
        tuner = services.tuner
        await tuner.switch(info.context.access, services.settings.tenant, name, mode, value, idempotency_key)
        return _knob(tuner, tuner.knobs[name])

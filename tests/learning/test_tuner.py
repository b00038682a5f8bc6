"""The tuner of a process on a real graph: what it keeps, what administrators say, and replicas that share knobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cairn.errors import BadInput, Forbidden, NotFound
from cairn.graph.access import Access, Decision
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.names import new_id
from cairn.graph.tuning import MOST, StoredMove, end_lease, note, read_knobs, read_moves
from cairn.graph.verification import verify
from cairn.graph.writer import Writer
from cairn.learning.knobs import Knob, Mode, Move, Outcome, Reading
from cairn.learning.tuner import Tuner
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
Making = Callable[..., tuple[Tuner, dict[str, float]]]


@pytest.fixture
def names() -> dict[str, str]:
    """Names of knobs that no other test has: what is kept of knobs is not kept apart by tenant."""
    return {"own": f"own-{new_id()}", "shared": f"shared-{new_id()}"}


@pytest.fixture
def make(database: Database, writer: Writer, settings: Settings, names: dict[str, str]) -> Making:
    """Makes the tuner of one more replica, and what it tunes."""

    def new(**given: object) -> tuple[Tuner, dict[str, float]]:
        values = {"own": 8.0, "shared": 8.0}

        def knob(name: str) -> Knob:
            return Knob(
                name=names[name],
                purpose="tries",
                unit="",
                low=1,
                high=1000,
                safe=20,
                step=1.5,
                shared=name == "shared",
                get=lambda: values[name],
                set=lambda value: values.__setitem__(name, value),
            )

        chosen = settings.model_copy(update={"tuning": "on", **given})
        return Tuner(database, writer, chosen, [knob("own"), knob("shared")]), values

    return new


def administrator(tenant: str, *, allowed: bool = True) -> Access:
    return Access(tenant, "root", decide=lambda _object, _action: Decision(allowed=allowed))


async def free(database: Database, *tuners: Tuner) -> None:
    for tuner in tuners:
        await end_lease(database, tuner.replica)


async def test_moves_are_kept_with_what_became_of_them(make: Making, database: Database, root: Access, names: dict[str, str]) -> None:
    tuner, values = make()
    await tuner.look()
    for _ in range(20):
        tuner.step(Reading(10.0, 3.0))
    await tuner.look()
    found = (await read_moves(database, root, root.tenant, 100)).items
    mine = [move for move in found if move.replica == tuner.replica]
    assert {move.knob for move in mine} >= {names["own"]}
    assert all(move.outcome == "BACKED_OFF" and move.result and move.reason for move in mine)
    assert (await read_knobs(database))[names["own"]].value == values["own"]
    again, theirs = make()
    await again.look()
    assert theirs["own"] == values["own"]
    await free(database, tuner, again)


async def test_what_an_administrator_says_holds_on_every_replica(
    make: Making, database: Database, root: Access, names: dict[str, str]
) -> None:
    (one, values), (other, theirs) = make(), make()
    await one.look()
    await other.look()
    moves: list[Move] = []
    other.listeners.append(moves.append)
    await one.switch(root, root.tenant, names["own"], Mode.FROZEN, 50.0, None)
    assert values["own"] == 50
    assert one.modes[names["own"]] is Mode.FROZEN
    await other.look()
    assert theirs["own"] == 50
    assert other.modes[names["own"]] is Mode.FROZEN
    for _ in range(20):
        one.step(Reading(10.0, 3.0))
    assert values["own"] == 50
    await one.switch(root, root.tenant, names["own"], Mode.ON, None, None)
    for _ in range(10):
        one.step(Reading(10.0, 3.0))
    assert values["own"] != 50
    operations = [move.outcome for move in moves]
    assert operations in ([], [Outcome.SET])
    assert (await verify(database, root.tenant)).holds
    await free(database, one, other)


async def test_shared_knobs_are_moved_by_one_replica_and_followed_by_the_others(make: Making, database: Database) -> None:
    (one, values), (other, theirs) = make(), make()
    await one.look()
    await other.look()
    holders = [tuner for tuner in (one, other) if tuner.holds_lease]
    if not holders:
        pytest.skip("another Cairn on these servers holds the lease")
    (holder,) = holders
    for tuner in (one, other):
        for strain in (3.0, 3.0, 3.0, 0.5, 0.5, 0.5):
            tuner.step(Reading(10.0, strain))
    moved, followed = (values, theirs) if holder is one else (theirs, values)
    assert moved["shared"] == 20
    assert followed["shared"] == 8
    await holder.look()
    await (other if holder is one else one).look()
    assert followed["shared"] == moved["shared"]
    await free(database, one, other)


async def test_only_administrators_of_the_home_tenant_may(make: Making, root: Access, database: Database, names: dict[str, str]) -> None:
    tuner, values = make()
    for access in (administrator(root.tenant, allowed=False), administrator("another")):
        with pytest.raises(Forbidden):
            await tuner.switch(access, root.tenant, names["own"], Mode.FROZEN, None, None)
        with pytest.raises(Forbidden):
            await read_moves(database, access, root.tenant, 5)
    with pytest.raises(NotFound):
        await tuner.switch(root, root.tenant, "no such knob", Mode.FROZEN, None, None)
    for value in (0.0, 1001.0, 1.5):
        with pytest.raises(BadInput):
            await tuner.switch(root, root.tenant, names["own"], Mode.ON, value, None)
    assert values["own"] == 8


async def test_a_bounded_number_of_moves_is_kept(database: Database, writer: Writer, root: Access) -> None:
    begin = now()
    moves = [
        StoredMove(
            id=new_id(), at=begin + timedelta(microseconds=number), replica="r", objective="o", knob="k", reason="because",
            before=1, after=2, outcome="KEPT", result="", gain=0.5,
        )
        for number in range(MOST + 30)
    ]  # fmt: skip
    await note(writer, root.tenant, moves, {})
    seen: list[str] = []
    after = None
    while True:
        page = await read_moves(database, root, root.tenant, 100, after)
        seen += [move.id for move in page.items]
        if not page.more:
            break
        after = page.cursors[-1]
    assert len(seen) <= MOST
    assert seen[:100] == [move.id for move in reversed(moves[-100:])]


async def test_when_tuning_is_off_nothing_is_touched(make: Making) -> None:
    tuner, values = make(tuning="off")
    for _ in range(50):
        tuner.step(Reading(10.0, 3.0))
    assert values == {"own": 8.0, "shared": 8.0}
    await tuner.work()

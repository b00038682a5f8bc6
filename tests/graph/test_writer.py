"""The writer: many callers in one commit, each with its own outcome, each change with its ledger entries or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cairn.errors import BadInput, CairnError, Conflict, Internal, NotFound, Unavailable
from cairn.graph.access import Access
from cairn.graph.agents import register_agent
from cairn.graph.changes import Change, Entry, Event, Results, Settled, Step, idempotency
from cairn.graph.database import Database, Row
from cairn.graph.ledger import LedgerEntry, list_entries, read_head
from cairn.graph.statements import Statement, parse
from cairn.graph.states import get_state, set_state
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("home")]

BOXES = parse((Path(__file__).parent / "writing.cypher").read_text("utf-8"))
T = TypeVar("T")


def put(
    tenant: str, name: str, value: Any = 1, *, key: str | None = None, statement: str = "box_put", error: Exception | None = None
) -> Change:
    """A change that puts `value` into the box `name`; with `error` it finds out afterwards that it must not."""

    def settle(results: Results) -> Settled:
        if error is not None:
            raise error
        return Settled(results[0], (Entry("box.put", f"box:{name}", None, None),), (Event("box", tenant, name),))

    row: Row = {"key": f"{tenant}/{name}", "tenant": tenant, "value": value}
    return Change(
        tenant=tenant,
        actor="root",
        steps=(Step(BOXES[statement], (row,)),),
        settle=settle,
        conflicts=frozenset({f"box:{name}"}),
        tags=frozenset({f"{tenant}/box/{name}"}),
        idempotency=idempotency(tenant, "root", "put", key, [name, value]),
    )


async def outcomes(*asked: Awaitable[T]) -> list[T | BaseException]:
    return await asyncio.gather(*asked, return_exceptions=True)


async def boxes(database: Database, tenant: str) -> tuple[int, int]:
    (row,) = await database.read(BOXES["box_count"], {"tenant": tenant})
    return row["boxes"], row["puts"]


async def logged(database: Database, access: Access, since: int) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    after: str | None = None
    while True:
        page = await list_entries(database, access, 100, after)
        entries += [entry for entry in page.items if entry.seq >= since]
        if not page.more:
            return entries
        after = page.cursors[-1]


async def test_many_callers_share_transactions_and_each_gets_its_answer(
    home: str, database: Database, writer: Writer, root: Access
) -> None:
    start = (await read_head(database, home)).size
    answers = await asyncio.gather(*(writer.apply(put(home, f"box {n}")) for n in range(200)))
    assert [answer[0]["puts"] for answer in answers] == [1] * 200
    assert await boxes(database, home) == (200, 200)
    entries = await logged(database, root, start)
    assert sorted(entry.target for entry in entries) == sorted(f"box:box {n}" for n in range(200))
    assert len({entry.at for entry in entries}) < 20


async def test_callers_that_touch_the_same_thing_come_one_after_the_other(home: str, database: Database, writer: Writer) -> None:
    answers = await asyncio.gather(*(writer.apply(put(home, "box", n)) for n in range(50)))
    assert [answer[0]["puts"] for answer in answers] == list(range(1, 51))
    assert await boxes(database, home) == (1, 50)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ({"error": Conflict("no")}, Conflict),
        ({"error": KeyError("a defect")}, Internal),
        ({"statement": "box_broken", "value": 0}, CairnError),
        ({"value": 2**70}, CairnError),
        ({"value": "\ud800"}, CairnError),
        ({"value": object()}, CairnError),
    ],
)
async def test_what_fails_leaves_nothing_and_disturbs_nobody(
    home: str, database: Database, writer: Writer, root: Access, broken: dict[str, Any], error: type[CairnError]
) -> None:
    start = (await read_head(database, home)).size
    changes = [put(home, "before"), *(put(home, f"broken {n}", **broken) for n in range(3)), put(home, "after")]
    first, *refused, last = await outcomes(*map(writer.apply, changes))
    assert all(isinstance(outcome, error) for outcome in refused), refused
    assert not isinstance(first, BaseException) and not isinstance(last, BaseException)
    assert await boxes(database, home) == (2, 2)
    assert [entry.target for entry in await logged(database, root, start)] == ["box:before", "box:after"]


async def test_a_race_for_a_version_does_not_disturb_others(home: str, database: Database, writer: Writer, root: Access) -> None:
    racing = [set_state(writer, root, "ada", "mood", n, expected_version=0) for n in range(8)]
    others = [set_state(writer, root, "ada", f"key {n}", n) for n in range(8)]
    results = await outcomes(*(task for pair in zip(racing, others, strict=True) for task in pair))
    assert sum(isinstance(result, Conflict) for result in results[::2]) == 7
    assert [getattr(result, "version", result) for result in results[1::2]] == [1] * 8


async def test_a_key_has_one_effect_however_many_send_it_at_once(home: str, database: Database, writer: Writer) -> None:
    answers = await asyncio.gather(*(writer.apply(put(home, "box", key="k")) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert await boxes(database, home) == (1, 1)
    assert await writer.apply(put(home, "box", key="k")) == answers[0]
    assert await boxes(database, home) == (1, 1)


async def test_an_answer_of_nothing_is_an_answer(home: str, database: Database, writer: Writer) -> None:
    silent = replace(put(home, "box", key="k"), settle=lambda _: Settled(None, ()))
    assert [await writer.apply(silent) for _ in range(2)] == [None, None]
    assert await asyncio.gather(*(writer.apply(replace(silent, idempotency=idempotency(home, "root", "put", "j", 1))) for _ in range(3)))
    assert await boxes(database, home) == (1, 2)


async def test_a_key_with_another_input_is_a_conflict_and_the_first_wins(home: str, database: Database, writer: Writer) -> None:
    results = await outcomes(*(writer.apply(put(home, f"box {n}", key="k")) for n in range(5)))
    assert [isinstance(result, Conflict) for result in results] == [False, True, True, True, True]
    with pytest.raises(Conflict, match="idempotencyKey"):
        await writer.apply(put(home, "box 0", 2, key="k"))
    assert await boxes(database, home) == (1, 1)


async def test_a_key_of_a_change_that_failed_may_be_used_again(home: str, database: Database, writer: Writer) -> None:
    with pytest.raises(Conflict, match="no"):
        await writer.apply(put(home, "box", key="k", error=Conflict("no")))
    await writer.apply(put(home, "box", key="k"))
    assert await boxes(database, home) == (1, 1)


async def test_two_writers_give_a_key_one_effect(home: str, database: Database, writer: Writer) -> None:
    async with open_writer(database) as other:
        answers = await asyncio.gather(*(one.apply(put(home, "box", key=f"k{n}")) for n in range(10) for one in (writer, other)))
    assert answers[::2] == answers[1::2]
    assert await boxes(database, home) == (1, 10)


async def test_two_writers_never_fork_a_ledger(home: str, database: Database, writer: Writer, root: Access) -> None:
    async with open_writer(database) as other:
        writes = [set_state(one, root, "ada", f"key {n % 3}", n) for n in range(30) for one in (writer, other)]
        await asyncio.gather(*writes)
    verdict = await verify(database, home)
    assert verdict.problem is None
    assert verdict.size == (await read_head(database, home)).size


@pytest.mark.parametrize("lane", [None, "import"])
async def test_large_changes_go_alone_and_are_logged_as_well(
    home: str, database: Database, writer: Writer, root: Access, lane: str | None
) -> None:
    start = (await read_head(database, home)).size
    change = put(home, "box")
    await (writer.apply(change) if lane is None else writer.apply_alone(change, lane))
    assert [entry.target for entry in await logged(database, root, start)] == ["box:box"]


async def test_large_changes_at_once_have_one_effect_each(home: str, database: Database, writer: Writer) -> None:
    for _ in range(3):
        await asyncio.gather(*(writer.apply_alone(put(home, f"box {n}"), "import") for n in range(5)))
    assert await boxes(database, home) == (5, 15)


class Flaky(Database):
    """The real database, behind a connection that breaks after commits."""

    def __init__(self, database: Database, *, breaks: int) -> None:
        vars(self).update(vars(database))
        self.breaks = breaks

    async def write(self, work: Callable[[Any], Awaitable[T]], seconds: float | None = None) -> T:
        result = await super().write(work)
        if self.breaks > 0:
            self.breaks -= 1
            raise Unavailable("the connection broke after the commit")
        return result


@pytest.mark.parametrize("breaks", [1, 3])
async def test_a_commit_whose_reply_was_lost_has_one_effect_and_its_answer(
    home: str, database: Database, root: Access, breaks: int
) -> None:
    start = (await read_head(database, home)).size
    async with open_writer(Flaky(database, breaks=breaks)) as writer:
        answers = await asyncio.gather(*(writer.apply(put(home, f"box {n}")) for n in range(3)))
    assert [answer[0]["puts"] for answer in answers] == [1, 1, 1]
    assert await boxes(database, home) == (3, 3)
    assert len(await logged(database, root, start)) == 3


class Recorder:
    """An invalidator and listener that writes down what it is told."""

    def __init__(self, *, reached: bool = True) -> None:
        self.reached = reached
        self.told: list[tuple[str, frozenset[str]]] = []
        self.events: list[Event] = []

    async def begin(self, tags: frozenset[str]) -> bool:
        self.told.append(("begin", tags))
        return self.reached

    async def done(self, tags: frozenset[str]) -> None:
        self.told.append(("done", tags))

    async def listen(self, events: Any) -> None:
        self.events += events


async def test_the_cache_is_told_before_and_after_also_of_the_ledger(home: str, database: Database) -> None:
    recorder = Recorder()
    async with open_writer(database, recorder) as writer:
        await writer.apply(put(home, "box"))
    assert [moment for moment, _ in recorder.told] == ["begin", "done"]
    assert all(tags == {f"{home}/box/box", f"{home}/ledger"} for _, tags in recorder.told)


async def test_events_are_told_of_what_took_effect_only(home: str, database: Database) -> None:
    recorder = Recorder()
    async with open_writer(database) as writer:
        writer.listeners.append(recorder.listen)
        await outcomes(writer.apply(put(home, "a", key="k")), writer.apply(put(home, "b", error=NotFound("no"))))
        await writer.apply(put(home, "a", key="k"))
    assert [event.id for event in recorder.events] == ["a"]


async def test_a_listener_that_fails_does_not_fail_the_write(home: str, database: Database) -> None:
    async def fail(_events: Any) -> None:
        raise RuntimeError("a defect")

    async with open_writer(database) as writer:
        writer.listeners.append(fail)
        assert await writer.apply(put(home, "box"))


async def test_what_was_accepted_is_committed_before_the_writer_closes(home: str, database: Database) -> None:
    async with open_writer(database) as writer:
        waiting = [asyncio.ensure_future(writer.apply(put(home, f"box {n}"))) for n in range(20)]
        await asyncio.sleep(0)
    assert all(answer[0]["puts"] == 1 for answer in await asyncio.gather(*waiting))
    with pytest.raises(Unavailable, match="shutting down"):
        await writer.apply(put(home, "late"))
    assert await boxes(database, home) == (20, 20)


async def test_a_writer_that_ends_by_an_error_leaves_nobody_waiting(home: str, database: Database) -> None:
    waiting: list[asyncio.Future[Any]] = []

    async def program() -> None:
        async with open_writer(database) as writer:
            waiting.extend(asyncio.ensure_future(writer.apply(put(home, f"box {n}"))) for n in range(20))
            await asyncio.sleep(0)
            raise RuntimeError("the program failed")

    with pytest.raises(RuntimeError, match="the program failed"):
        await program()
    answers = await asyncio.gather(*waiting)
    assert len(answers) == 20


async def test_a_caller_who_gave_up_does_not_hold_up_others(home: str, database: Database, writer: Writer) -> None:
    gone = asyncio.ensure_future(writer.apply(put(home, "gone")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await writer.apply(put(home, "box"))
    assert (await boxes(database, home))[0] == 2


async def test_statements_of_the_same_name_are_not_mistaken_for_each_other(home: str, database: Database, writer: Writer) -> None:
    twin = Statement("box_put", "its namesake", BOXES["box_broken"].text)
    step = Step(twin, ({"key": f"{home}/twin", "tenant": home, "value": 1},))
    other = Change(tenant=home, actor="root", steps=(step,), settle=lambda results: Settled(results[0], ()))
    first, second = await asyncio.gather(writer.apply(put(home, "box")), writer.apply(other))
    assert "puts" in first[0] and "inverse" in second[0]


async def test_long_keys_and_empty_ones_are_refused(writer: Writer, root: Access) -> None:
    for key in ("", "k" * 201):
        with pytest.raises(BadInput, match="idempotencyKey"):
            await register_agent(writer, root, "ada", "Ada", idempotency_key=key)


async def test_a_state_that_was_answered_is_there(database: Database, writer: Writer, root: Access) -> None:
    for number in range(10):
        await set_state(writer, root, "ada", "count", number)
        state = await get_state(database, root, "ada", "count")
        assert state is not None and (state.value, state.version) == (number, number + 1)

"""Consolidation on a real graph: what each job does, and that it does it once, in its scope, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cairn.errors import Conflict, Forbidden
from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.asserting import NewFact, assert_fact
from cairn.graph.consolidations import Job, Report, State, claim, due, read_reports, switch, tell
from cairn.graph.database import Database, run
from cairn.graph.feedback import give_feedback
from cairn.graph.instants import now, utc
from cairn.graph.keyring import index_of
from cairn.graph.memories import Kind, memories_by_id
from cairn.graph.names import key, new_id
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.sealing import opened
from cairn.graph.statements import parse
from cairn.graph.supersessions import reason_of
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer
from cairn.learning.consolidation import JOBS, Progress, Task
from cairn.learning.consolidator import Consolidator
from cairn.settings import Settings

pytestmark = pytest.mark.anyio

LOOKING = parse((Path(__file__).parent / "looking.cypher").read_text("utf-8"))
ON_REAL_SERVERS = hypothesis_settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
MAY = datetime(2023, 5, 1, tzinfo=UTC)
GARDEN = "We water the tomatoes in the garden every evening before supper"


def said(text: str, day: int = 0, **other: Any) -> NewMemory:
    return NewMemory(**{"agent": "ada", "text": text, "speaker": "ada", "occurred_at": MAY + timedelta(days=day), **other})


async def kept(writer: Writer, access: Access, *new: NewMemory, at: datetime | None = None) -> list[str]:
    """Remember, with the time at which it was taken in, so that something can have expired."""
    memories = [check(access, one, at or now()) for one in new]
    return await remember(writer, access, [Prepared(memory, ("term",), {"wordllama/l2_supercat_256": (1.0,) * 256}) for memory in memories])


async def job(writer: Writer, access: Access, which: Job, *, dry_run: bool = False, at: datetime | None = None, **other: Any) -> Report:
    progress = Progress(Report(which))
    await JOBS[which](Task(writer.database, writer, access.tenant, at or now(), dry_run=dry_run, **other), progress)
    return progress.report


async def every_job(writer: Writer, access: Access, at: datetime, *, dry_run: bool = False) -> list[Report]:
    return [await job(writer, access, which, at=at, dry_run=dry_run) for which in Job]


async def look(database: Database, what: str, tenant: str, **other: Any) -> list[dict[str, Any]]:
    return await database.read(LOOKING[what], {"tenant": tenant, **other})


async def links(database: Database, tenant: str) -> list[tuple[str, str, str]]:
    return [(row["source"], row["type"], row["target"]) for row in await look(database, "links", tenant)]


async def write(database: Database, what: str, tenant: str, **other: Any) -> None:
    await database.write(lambda transaction: run(transaction, LOOKING[what], {"tenant": tenant, **other}))


# Duplicates


async def test_what_says_exactly_the_same_is_linked_when_it_is_written(database: Database, writer: Writer, root: Access) -> None:
    first, second = await kept(writer, root, said(GARDEN), said(f" {GARDEN.upper()}. "))
    (third,) = await kept(writer, root, said(GARDEN))
    assert await links(database, root.tenant) == [(second, "DUPLICATE_OF", first), (third, "DUPLICATE_OF", first)]
    assert {row["duplicateOf"] for row in await look(database, "memories", root.tenant)} == {None, first}
    assert (await job(writer, root, Job.DUPLICATES)).found == 0
    assert (await verify(database, root.tenant)).problem is None


@pytest.mark.parametrize(
    "other",
    [{"scope": "public"}, {"agent": "bob"}, {"speaker": "bob"}, {"speaker": None}, {"kind": Kind.WORKING}, {"text": GARDEN + " or not"}],
)
async def test_what_differs_in_reader_or_speaker_is_no_duplicate(
    database: Database, writer: Writer, root: Access, other: dict[str, Any]
) -> None:
    await kept(writer, root, said(GARDEN), said(**{"text": GARDEN, **other}))
    await job(writer, root, Job.DUPLICATES)
    assert await links(database, root.tenant) == []


async def test_near_duplicates_are_linked_by_the_job(database: Database, writer: Writer, root: Access) -> None:
    long = "Yesterday evening we walked along the river with both dogs and talked about the garden we want to plant"
    ids = await kept(writer, root, said(f"{long} in spring"), said(f"{long} in springtime"), said("Something else was said about nothing"))
    report = await job(writer, root, Job.DUPLICATES)
    assert (report.examined, report.total, report.found, report.changed) == (3, 3, 1, 1)
    ((source, kind, target),) = await links(database, root.tenant)
    assert (source, kind, target) == (ids[1], "DUPLICATE_OF", ids[0])
    assert report.examples[0].memory == ids[1]
    assert report.examples[0].other == ids[0]
    (row,) = await look(database, "links", root.tenant)
    assert 0.8 <= row["similarity"] < 1
    assert (await job(writer, root, Job.DUPLICATES)).found == 0


async def test_memories_from_before_there_were_digests_are_caught_up_with(database: Database, writer: Writer, root: Access) -> None:
    await kept(writer, root, said(GARDEN), said(GARDEN))
    before = await look(database, "memories", root.tenant), await links(database, root.tenant)
    await write(database, "undigested", root.tenant)
    await job(writer, root, Job.DUPLICATES)
    assert (await look(database, "memories", root.tenant), await links(database, root.tenant)) == before


async def test_nothing_duplicates_what_will_expire(database: Database, writer: Writer, root: Access) -> None:
    soon, later = await kept(writer, root, said(GARDEN, expires_at=now() + timedelta(days=1)), said(GARDEN))
    assert await links(database, root.tenant) == []
    await job(writer, root, Job.DUPLICATES)
    assert await links(database, root.tenant) == [(soon, "DUPLICATE_OF", later)]


async def test_when_the_first_is_forgotten_the_next_is_the_first(database: Database, writer: Writer, root: Access) -> None:
    first, second, third = await kept(writer, root, said(GARDEN), said(GARDEN), said(GARDEN))
    await forget(writer, database, root, first, erase=True)
    assert await links(database, root.tenant) == []
    assert (await job(writer, root, Job.DUPLICATES)).changed == 1
    assert await links(database, root.tenant) == [(third, "DUPLICATE_OF", second)]


# Derivation


async def test_what_is_said_on_three_days_becomes_knowledge(database: Database, writer: Writer, root: Access) -> None:
    ids = await kept(writer, root, *(said(GARDEN, day, session=f"s{day}", importance=0.5) for day in range(3)))
    dry = await job(writer, root, Job.DERIVATION, dry_run=True)
    assert (dry.found, dry.changed) == (1, 0)
    report = await job(writer, root, Job.DERIVATION)
    assert (report.found, report.changed) == (1, 1)
    (made,) = [row for row in await look(database, "memories", root.tenant) if row["kind"] == "SEMANTIC"]
    assert opened(made["text"], "Memory", made["id"], "text") == GARDEN
    assert (made["scope"], made["session"], made["dimensions"]) == ("agent/ada", None, 256)
    assert made["terms"] == (await index_of(database, root.tenant)).token("term")
    assert made["importance"] == pytest.approx(0.68)
    assert utc(made["occurredAt"]) == MAY + timedelta(days=2)
    derived = [(source, target) for source, kind, target in await links(database, root.tenant) if kind == "DERIVED_FROM"]
    assert derived == [(made["id"], id) for id in ids]
    assert (await memories_by_id(database, root, [made["id"]]))[made["id"]].hash == made["hash"]
    assert (await job(writer, root, Job.DERIVATION)).found == 0
    (fourth,) = await kept(writer, root, said(GARDEN, 9, session="s9"))
    assert (await job(writer, root, Job.DERIVATION)).changed == 1
    assert (made["id"], "DERIVED_FROM", fourth) in await links(database, root.tenant)
    assert (await job(writer, root, Job.DERIVATION)).found == 0
    assert (await verify(database, root.tenant)).problem is None


@pytest.mark.parametrize(
    "many",
    [
        [said(GARDEN, 1), said(GARDEN, 2)],
        [said(GARDEN, day, session="one") for day in range(5)],
        [said("Yes, thanks.", day) for day in range(5)],
        [said("What do the tomatoes in the garden need?", day) for day in range(5)],
        [said(GARDEN, day, speaker=speaker) for day, speaker in enumerate(("a", "b", "c"))],
        [said(GARDEN, day, kind=Kind.WORKING) for day in range(4)],
        [said(GARDEN, day, expires_at=datetime(2900, 1, 1, tzinfo=UTC)) for day in range(4)],
    ],
)
async def test_what_is_not_said_often_is_left_as_it_is(writer: Writer, root: Access, many: list[NewMemory]) -> None:
    await kept(writer, root, *many)
    assert (await job(writer, root, Job.DERIVATION)).found == 0


async def test_what_was_derived_goes_with_what_it_rests_on(database: Database, writer: Writer, root: Access) -> None:
    ids = await kept(writer, root, *(said(GARDEN, day) for day in range(4)))
    await job(writer, root, Job.DERIVATION)
    (made,) = [row["id"] for row in await look(database, "memories", root.tenant) if row["kind"] == "SEMANTIC"]
    await forget(writer, database, root, ids[0])
    assert await memories_by_id(database, root, [made]) == {}
    await forget(writer, database, root, ids[0], erase=True)
    (relic,) = await look(database, "relics", root.tenant, ids=[made])
    assert (relic["labels"], relic["text"], relic["digest"]) == (["Forgotten"], None, None)
    assert (await job(writer, root, Job.DERIVATION)).changed == 1
    (again,) = [row["id"] for row in await look(database, "memories", root.tenant) if row["kind"] == "SEMANTIC"]
    await forget(writer, database, root, again)
    assert (await job(writer, root, Job.DERIVATION)).found == 0
    assert (await verify(database, root.tenant)).problem is None


async def test_two_that_derive_at_once_make_one(database: Database, writer: Writer, root: Access) -> None:
    await kept(writer, root, *(said(GARDEN, day) for day in range(3)))
    async with open_writer(database) as other:
        await asyncio.gather(*(job(one, root, Job.DERIVATION) for one in (writer, other, writer, other)))
    assert len([row for row in await look(database, "memories", root.tenant) if row["kind"] == "SEMANTIC"]) == 1
    assert (await verify(database, root.tenant)).problem is None


async def test_forgetting_and_deriving_at_once_leave_nothing_behind(database: Database, writer: Writer, root: Access) -> None:
    ids = await kept(writer, root, *(said(GARDEN, day) for day in range(3)))
    await asyncio.gather(job(writer, root, Job.DERIVATION), forget(writer, database, root, ids[1], erase=True), return_exceptions=True)
    if ids[1] in await memories_by_id(database, root, ids):
        await forget(writer, database, root, ids[1], erase=True)
    assert [row["id"] for row in await look(database, "memories", root.tenant)] == [ids[0], ids[2]]
    assert (await verify(database, root.tenant)).problem is None


# Supersession


async def test_a_newer_statement_takes_the_place_of_an_older_one(database: Database, writer: Writer, root: Access) -> None:
    texts = ("My sister lives in Rome.", "My sister now lives in Oslo.", "My brother lives in Rome.", "My sister lives in Oslo")
    rome, oslo, _, still = await kept(writer, root, *(said(text, day) for day, text in enumerate(texts)))
    report = await job(writer, root, Job.SUPERSESSION)
    assert (report.found, report.changed) == (1, 1)
    (row,) = [row for row in await look(database, "links", root.tenant) if row["type"] == "SUPERSEDES"]
    assert (row["source"], row["target"], row["supersededBy"]) == (oslo, rome, oslo)
    assert utc(row["supersededAt"]) == MAY + timedelta(days=1)
    assert reason_of(rome, row["reason"]) == "“rome” became “oslo”, all else being the same"
    assert (await job(writer, root, Job.SUPERSESSION)).found == 0
    await forget(writer, database, root, oslo)
    assert [row["supersededBy"] for row in await look(database, "memories", root.tenant)] == [None] * 3
    await job(writer, root, Job.SUPERSESSION)
    assert (still, "SUPERSEDES", rome) in await links(database, root.tenant)
    assert (await verify(database, root.tenant)).problem is None


# Strength


async def test_strength_fades_without_use_and_importance_stays(database: Database, writer: Writer, root: Access) -> None:
    used, cited, idle = await kept(writer, root, *(said(text, importance=0.8) for text in ("one", "two", "three")), at=MAY)
    half, at = timedelta(days=90), now() + timedelta(days=30)
    await give_feedback(writer, root, "recall", "ada", "q", [used, idle], [used], [idle])
    await assert_fact(writer, root, NewFact(subject="urn:a", predicate="urn:b", object="c", evidence=(cited,)))
    report = await job(writer, root, Job.STRENGTH, at=at)
    assert (report.examined, report.found, report.changed) == (3, 3, 3)
    rows = {row["id"]: row for row in await look(database, "memories", root.tenant)}
    assert rows[used]["strength"] == rows[cited]["strength"] == pytest.approx(0.8 * 0.5 ** (30 / 90), abs=0.01)
    assert rows[idle]["strength"] == pytest.approx(0.8 * 0.5 ** ((at - MAY) / half), abs=0.01)
    assert {row["importance"] for row in rows.values()} == {0.8}
    assert (await job(writer, root, Job.STRENGTH, at=at)).found == 0
    assert (await job(writer, root, Job.STRENGTH, at=at + half, dry_run=True)).changed == 0
    assert (await verify(database, root.tenant)).problem is None


# Expiry


async def test_what_expired_is_gone_for_good_and_the_chain_is_mended(database: Database, writer: Writer, root: Access) -> None:
    soon = MAY + timedelta(days=1)
    new = [said(f"turn {n}", session="s", expires_at=soon if n in (0, 2, 3, 5) else None) for n in range(6)]
    ids = await kept(writer, root, *new, at=MAY)
    assert (await job(writer, root, Job.EXPIRY, at=MAY)).found == 0
    dry = await job(writer, root, Job.EXPIRY, dry_run=True)
    assert (dry.found, dry.changed, len(dry.examples)) == (4, 0, 4)
    report = await job(writer, root, Job.EXPIRY)
    assert (report.found, report.changed) == (4, 4)
    (chain,) = await look(database, "chain", root.tenant, key=key(root.tenant, "ada", "s"))
    assert chain == {"members": [ids[1], ids[4]], "edges": [[ids[1], ids[4]]], "last": [ids[4]]}
    assert [row["id"] for row in await look(database, "relics", root.tenant, ids=ids)] == [ids[1], ids[4]]
    (more,) = await kept(writer, root, said("turn 6", session="s"))
    (chain,) = await look(database, "chain", root.tenant, key=key(root.tenant, "ada", "s"))
    assert chain == {"members": [ids[1], ids[4], more], "edges": [[ids[1], ids[4]], [ids[4], more]], "last": [more]}
    assert (await job(writer, root, Job.EXPIRY)).found == 0
    assert (await verify(database, root.tenant)).problem is None


async def test_of_an_expired_memory_that_feedback_names_no_content_stays(database: Database, writer: Writer, root: Access) -> None:
    (id,) = await kept(writer, root, said("for a moment", expires_at=now() + timedelta(hours=1)))
    await give_feedback(writer, root, "recall", "ada", "q", [id], [id])
    await assert_fact(writer, root, NewFact(subject="urn:a", predicate="urn:b", object="c", evidence=(id,)))
    assert (await job(writer, root, Job.EXPIRY, at=now() + timedelta(hours=2))).changed == 1
    (relic,) = await look(database, "relics", root.tenant, ids=[id])
    assert (relic["labels"], relic["text"], relic["digest"], relic["mentions"]) == (["Forgotten"], None, None, 0)
    assert (await verify(database, root.tenant)).problem is None


async def test_old_idempotency_keys_are_forgotten(database: Database, writer: Writer, root: Access) -> None:
    ages = [timedelta(hours=hours) for hours in (1, 23, 25, 400)]
    await write(database, "request_put", root.tenant, rows=[{"key": new_id(), "at": now() - age} for age in ages])
    assert (await job(writer, root, Job.REQUESTS, dry_run=True)).found == 2
    report = await job(writer, root, Job.REQUESTS)
    assert (report.found, report.changed) == (2, 2)
    assert (await look(database, "requests", root.tenant)) == [{"requests": 2}]


# What holds whatever is remembered

TEXTS = st.sampled_from(
    [
        GARDEN,
        f"{GARDEN}.",
        "My sister lives in Rome.",
        "My sister now lives in Oslo.",
        "The old harbour master told everybody at the long table that the ferry to the island is late",
        "The old harbour master told everybody at the long table that the ferry to the islands is late",
        "The rent is 500 euros",
        "The rent is 650 euros",
        "Yes",
    ]
)
MEMORIES = st.lists(
    st.builds(
        said,
        text=TEXTS,
        day=st.integers(0, 6),
        scope=st.sampled_from(["agent/ada", "public"]),
        agent=st.sampled_from(["ada", "bob"]),
        kind=st.sampled_from([Kind.EPISODIC, Kind.EPISODIC, Kind.SEMANTIC]),
        session=st.sampled_from([None, None, "s", "t"]),
        expires_at=st.sampled_from([None, None, None, MAY + timedelta(days=2), datetime(2900, 1, 1, tzinfo=UTC)]),
    ),
    max_size=25,
)


@ON_REAL_SERVERS
@given(MEMORIES)
async def test_a_second_run_does_nothing_and_a_dry_run_never_does(
    database: Database, writer: Writer, root: Access, new: list[NewMemory]
) -> None:
    tenant, at = root.tenant, now()
    for start in range(0, len(new), 5):
        await kept(writer, root, *new[start : start + 5], at=MAY)
    before = await look(database, "nodes", tenant)
    would = await every_job(writer, root, at, dry_run=True)
    assert await look(database, "nodes", tenant) == before
    assert all(report.changed == 0 for report in would)
    kept_before = await look(database, "memories", tenant)
    for _ in range(2):  # what was derived may itself be superseded
        await every_job(writer, root, at)
    settled = await look(database, "nodes", tenant)
    again = await every_job(writer, root, at)
    assert [(report.found, report.changed) for report in again] == [(0, 0)] * len(again)
    assert await look(database, "nodes", tenant) == settled
    rows = await look(database, "links", tenant)
    assert all(row["oneTenant"] and row["oneScope"] and row["oneAgent"] for row in rows)
    assert all(row["duplicateOf"] == row["target"] for row in rows if row["type"] == "DUPLICATE_OF")
    assert all(row["supersededBy"] == row["source"] for row in rows if row["type"] == "SUPERSEDES")
    duplicates = {row["source"]: row["target"] for row in rows if row["type"] == "DUPLICATE_OF"}
    assert not set(duplicates) & set(duplicates.values())
    lasting = {row["id"]: (row["text"], row["importance"], row["hash"]) for row in kept_before}
    for gone in would[0].examples:
        lasting.pop(gone.memory, None)
    now_kept = {row["id"]: (row["text"], row["importance"], row["hash"]) for row in await look(database, "memories", tenant)}
    if would[0].found <= len(would[0].examples):
        assert lasting.items() <= now_kept.items()
    assert len(now_kept) >= len(kept_before) - would[0].found
    assert (await verify(database, tenant)).problem is None


@ON_REAL_SERVERS
@given(MEMORIES)
async def test_the_same_memories_get_the_same_links(database: Database, writer: Writer, root: Access, new: list[NewMemory]) -> None:
    outcomes: list[list[tuple[str, ...]]] = []
    for batch in (len(new) or 1, 3):  # what is linked at once, and what comes piece by piece, end alike
        tenant = f"test-{uuid4().hex}"
        access = replace(root, tenant=tenant)
        for agent in ("ada", "bob"):
            await register_agent(writer, access, agent, agent)
        ids: list[str] = []
        for start in range(0, len(new), batch):
            ids += await kept(writer, access, *new[start : start + batch], at=MAY)
            if batch == 3:
                await job(writer, access, Job.DUPLICATES, at=MAY)
                await job(writer, access, Job.SUPERSESSION, at=MAY)
        for which in (Job.DUPLICATES, Job.DERIVATION, Job.DUPLICATES, Job.SUPERSESSION):
            await job(writer, access, which, at=MAY)
        names = {id: str(n) for n, id in enumerate(ids)}
        texts = {row["id"]: f"{row['scope']} {row['agent']} {row['text']}" for row in await look(database, "memories", tenant)}
        rows = await look(database, "links", tenant)
        named = [
            (
                names.get(row["source"], texts[row["source"]]),
                row["type"],
                names.get(row["target"], texts[row["target"]]),
                row["reason"] or "",
            )
            for row in rows
        ]
        outcomes.append(sorted(named))
    assert outcomes[0] == outcomes[1]


# The consolidator


@pytest.fixture
async def consolidator(database: Database, writer: Writer) -> Any:
    made = Consolidator(database, writer, Settings())
    yield made
    await made.close()


def reports(found: Sequence[Report]) -> dict[Job, Report]:
    return {report.job: report for report in found}


async def test_a_run_reports_each_job(database: Database, writer: Writer, root: Access, consolidator: Consolidator) -> None:
    assert {report.state for report in await read_reports(database, root)} == {State.NEVER}
    await kept(writer, root, *(said(GARDEN, day) for day in range(3)))
    run = await consolidator.start(root)
    await run.done.wait()
    assert [report.job for report in run.reports] == list(Job)
    assert {report.state for report in run.reports} == {State.DONE}
    assert reports(run.reports)[Job.DERIVATION].changed == 1
    assert await read_reports(database, root) == run.reports


async def test_only_one_is_at_a_tenant(database: Database, writer: Writer, root: Access, consolidator: Consolidator) -> None:
    claimed = await claim(writer, root.tenant, "another replica")
    with pytest.raises(Conflict, match="consolidated already"):
        await consolidator.start(root)
    await tell(writer, claimed, [], over=True)
    run = await consolidator.start(root, [Job.STRENGTH], dry_run=True)
    await run.done.wait()
    assert [(report.job, report.dry_run, report.state) for report in run.reports] == [(Job.STRENGTH, True, State.DONE)]
    with pytest.raises(Conflict, match="taken for dead"):
        await tell(writer, claimed, [])


async def test_a_job_that_is_switched_off_is_left_out(database: Database, writer: Writer, root: Access, consolidator: Consolidator) -> None:
    await switch(writer, root, Job.STRENGTH, enabled=False)
    await switch(writer, root, Job.STRENGTH, enabled=False)
    run = await consolidator.start(root)
    await run.done.wait()
    assert Job.STRENGTH not in reports(run.reports)
    assert [report.job for report in await read_reports(database, root) if not report.enabled] == [Job.STRENGTH]
    await switch(writer, root, Job.STRENGTH, enabled=True)
    assert all(report.enabled for report in await read_reports(database, root))
    assert (await verify(database, root.tenant)).problem is None


async def test_the_background_looks_at_what_is_new(writer: Writer, root: Access, consolidator: Consolidator) -> None:
    await kept(writer, root, said("The rent is 500 euros"), at=now() - timedelta(days=1))
    await kept(writer, root, said("The rent is 500 euros", scope="public"), at=now() - timedelta(days=1))
    first = reports((await consolidator.consolidate(root.tenant)).reports)
    assert first[Job.SUPERSESSION].examined == 2
    await kept(writer, root, said("The rent is 650 euros", 9, scope="public"))
    run = await consolidator.consolidate(root.tenant)
    second, before = reports(run.reports), run.claimed.before
    assert before is not None
    assert second[Job.SUPERSESSION].changed == 1
    assert Job.STRENGTH in first
    assert (Job.STRENGTH in second) is (before.date() != run.claimed.at.date())  # a day's first run does all of it
    await switch(writer, root, Job.STRENGTH, enabled=False)
    await switch(writer, root, Job.STRENGTH, enabled=True)
    assert Job.STRENGTH in reports((await consolidator.consolidate(root.tenant)).reports)


async def test_a_tenant_is_due_until_a_background_run_was_whole(
    database: Database, writer: Writer, root: Access, consolidator: Consolidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before = root.tenant[:-1]

    async def is_due(before: datetime) -> bool:
        return await due(database, before, just_before, 1) == [root.tenant]

    async def broken(_task: Task, _progress: Progress) -> None:
        raise RuntimeError("bolt://secret.internal:7687")

    begun = now()
    assert await is_due(begun)
    monkeypatch.setitem(JOBS, Job.DUPLICATES, broken)
    failed = reports((await consolidator.consolidate(root.tenant)).reports)
    assert (failed[Job.DUPLICATES].state, failed[Job.DERIVATION].state) == (State.FAILED, State.DONE)
    assert "secret" not in str(failed[Job.DUPLICATES].error)
    assert await is_due(begun + timedelta(days=1))
    monkeypatch.undo()
    await consolidator.consolidate(root.tenant)
    assert not await is_due(begun)
    assert await is_due(begun + timedelta(days=1))
    claimed = await claim(writer, root.tenant, "another replica")
    assert not await is_due(begun + timedelta(days=1))
    await tell(writer, claimed, [], over=True)


async def test_the_background_comes_by_itself(database: Database, writer: Writer, root: Access, until: Any) -> None:
    class OfOneTenant(Consolidator):
        async def due(self, before: datetime, after: str) -> list[str]:
            found = await due(database, before, max(after, root.tenant[:-1]), 1)
            return [tenant for tenant in found if tenant == root.tenant]

    first, second = await kept(writer, root, said("The rent is 500 euros"), said("The rent is 650 euros", 1))
    replicas = [OfOneTenant(database, writer, Settings(consolidation_interval=0.2)) for _ in range(2)]
    tasks = [asyncio.create_task(replica.work()) for replica in replicas]
    try:
        while (second, "SUPERSEDES", first) not in await links(database, root.tenant):
            await asyncio.sleep(0.05)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for replica in replicas:
            await replica.close()
    assert await links(database, root.tenant) == [(second, "SUPERSEDES", first)]
    assert (await verify(database, root.tenant)).problem is None


async def test_what_is_cut_off_can_be_run_again(database: Database, root: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    working = asyncio.Event()

    async def endless(_task: Task, _progress: Progress) -> None:
        working.set()
        await asyncio.Event().wait()

    monkeypatch.setitem(JOBS, Job.DUPLICATES, endless)
    async with open_writer(database) as writer:
        consolidator = Consolidator(database, writer, Settings())
        run = await consolidator.start(root)
        await working.wait()
        await consolidator.close()
        monkeypatch.undo()
        states = reports(await read_reports(database, root))
        assert (states[Job.EXPIRY].state, states[Job.DUPLICATES].state, states[Job.REQUESTS].state) == (
            State.DONE,
            State.FAILED,
            State.FAILED,
        )
        assert run.done.is_set()
        again = await consolidator.start(root)
        await again.done.wait()
        assert {report.state for report in again.reports} == {State.DONE}


async def test_it_takes_an_administrator_of_all_memories(
    database: Database, writer: Writer, tenant: str, root: Access, consolidator: Consolidator
) -> None:
    curator = Access(tenant, "curator", decide=lambda obj, action: Decision(obj != "memory:*" or action != "admin"))
    for forbidden in (consolidator.start(curator), read_reports(database, curator), switch(writer, curator, Job.EXPIRY, enabled=False)):
        with pytest.raises(Forbidden, match=r"memory:\*"):
            await forbidden

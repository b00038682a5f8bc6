"""Facts in both times: what was true when, what was known when, and who may see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput, Conflict, Forbidden, NotFound
from cairn.graph import tags
from cairn.graph.access import Access
from cairn.graph.asserting import NewFact, assert_fact, retract_fact
from cairn.graph.batches import Edit
from cairn.graph.contents import apply, ensure_contents, read_names
from cairn.graph.database import Database
from cairn.graph.facts import Fact, evidence, facts_held, list_facts
from cairn.graph.instants import now
from cairn.graph.rdf import subject
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.writer import Writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("home")]

ADA = "https://example.org/ada"
LIVES_IN = "https://example.org/livesIn"
ON_REAL_SERVERS = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


def year(number: int) -> datetime:
    return datetime(number, 1, 1, tzinfo=UTC)


def lives_in(place: str, begin: int | None = None, end: int | None = None, *, functional: bool = True, **other: object) -> NewFact:
    return NewFact(
        subject=ADA,
        predicate=LIVES_IN,
        object=place,
        valid_from=None if begin is None else year(begin),
        valid_to=None if end is None else year(end),
        functional=functional,
        **other,  # type: ignore[arg-type]
    )


async def places(database: Database, access: Access, **when: datetime | None) -> list[str]:
    return sorted({fact.object for fact in (await list_facts(database, access, subject=ADA, predicate=LIVES_IN, first=100, **when)).items})


async def remembered(writer: Writer, access: Access, scope: str = "team/research") -> str:
    memory = check(access, NewMemory(agent="ada", text="Ada has moved to Rome.", scope=scope), now())
    return (await remember(writer, access, [Prepared(memory, ("ada",), None)]))[0]


async def test_a_fact_comes_back_as_it_was_asserted(database: Database, writer: Writer, root: Access) -> None:
    new = lives_in("Rome", 2020, 2024, functional=False, scope="team/research", confidence=0.75)
    asserted = await assert_fact(writer, root, new)
    (found,) = (await list_facts(database, root, subject=ADA)).items
    assert found == asserted
    assert (found.scope, found.object, found.valid_from, found.valid_to) == ("team/research", "Rome", year(2020), year(2024))
    assert (found.confidence, found.retracted_at) == (0.75, None)


async def test_the_default_scope_is_the_principals_own(writer: Writer, acting: Callable[..., Access]) -> None:
    assert (await assert_fact(writer, acting("ada"), lives_in("Rome"))).scope == "agent/ada"


async def test_validity_is_half_open(database: Database, writer: Writer, root: Access) -> None:
    await assert_fact(writer, root, lives_in("Rome", 2020, 2024))
    moment = timedelta(microseconds=1)
    assert await places(database, root, valid_at=year(2020) - moment) == []
    assert await places(database, root, valid_at=year(2020)) == ["Rome"]
    assert await places(database, root, valid_at=year(2024) - moment) == ["Rome"]
    assert await places(database, root, valid_at=year(2024)) == []


async def test_a_functional_fact_ends_the_value_before_and_history_stays_known(database: Database, writer: Writer, root: Access) -> None:
    paris = await assert_fact(writer, root, lives_in("Paris", 2010))
    rome = await assert_fact(writer, root, lives_in("Rome", 2020))
    assert await places(database, root, valid_at=year(2015)) == ["Paris"]
    assert await places(database, root, valid_at=year(2025)) == ["Rome"]
    before = rome.recorded_at - timedelta(microseconds=1)
    assert await places(database, root, valid_at=year(2025), known_at=before) == ["Paris"]
    (then,) = (await list_facts(database, root, subject=ADA, known_at=before)).items
    assert (then.id, then.valid_to, then.recorded_at) == (paris.id, None, paris.recorded_at)
    now_known = {fact.id: fact for fact in (await list_facts(database, root, subject=ADA)).items}
    assert now_known[paris.id].valid_to == year(2020)
    assert await places(database, root, known_at=paris.recorded_at - timedelta(microseconds=1)) == []


async def imported(database: Database, writer: Writer, access: Access, graph: str, about: str, *statements: str) -> int:
    """The number of a new named graph that says these statements."""
    content = (await ensure_contents(writer, access, [graph]))[graph]
    await apply(writer, access, await read_names(database), content, [Edit(None, subject(access.tenant, about, list(statements)))])
    return content.number


async def test_a_readable_graph_says_that_a_predicate_is_functional(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access]
) -> None:
    typed = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/2002/07/owl#FunctionalProperty>"
    reader = replace(root, graphs=(await imported(database, writer, root, "urn:schema", LIVES_IN, typed),))
    begun = now()
    await assert_fact(writer, reader, replace(lives_in("Paris", 2010), functional=None))
    rome = await assert_fact(writer, reader, replace(lives_in("Rome", 2020), functional=None))
    assert await places(database, reader, valid_at=year(2025)) == ["Rome"]
    assert await places(database, reader, valid_at=year(2015)) == ["Paris"]
    assert await places(database, reader, valid_at=year(2025), known_at=rome.recorded_at - timedelta(microseconds=1)) == ["Paris"]
    assert await places(database, reader, valid_at=year(2025), known_at=begun) == []
    await assert_fact(writer, reader, lives_in("Oslo", 2021, functional=False))
    assert await places(database, reader, valid_at=year(2025)) == ["Oslo", "Rome"]
    stranger = acting("eve", scopes=("team/research",))
    for place in ("Bonn", "Bern"):
        await assert_fact(writer, stranger, replace(lives_in(place, 2020, scope="team/research"), functional=None))
    assert await places(database, stranger, valid_at=year(2025)) == ["Bern", "Bonn"]


async def test_a_functional_fact_about_the_past_ends_where_the_next_begins(writer: Writer, root: Access) -> None:
    await assert_fact(writer, root, lives_in("Rome", 2020))
    assert (await assert_fact(writer, root, lives_in("Paris", 2010))).valid_to == year(2020)


async def test_a_functional_fact_from_the_same_instant_is_a_correction(database: Database, writer: Writer, root: Access) -> None:
    wrong = await assert_fact(writer, root, lives_in("Paris", 2020))
    right = await assert_fact(writer, root, lives_in("Rome", 2020))
    assert await places(database, root) == ["Rome"]
    assert await places(database, root, known_at=wrong.recorded_at) == ["Paris"]
    (retracted,) = (await list_facts(database, root, object="Paris", known_at=wrong.recorded_at)).items
    assert retracted.retracted_at == right.recorded_at


async def test_other_scopes_subjects_and_plain_facts_are_left_alone(database: Database, writer: Writer, root: Access) -> None:
    await assert_fact(writer, root, lives_in("Paris", 2010, scope="public"))
    await assert_fact(writer, root, lives_in("Rome", 2020, scope="team/research"))
    await assert_fact(writer, root, lives_in("Oslo", 2020, functional=False, scope="public"))
    assert await places(database, root, valid_at=year(2025)) == ["Oslo", "Paris", "Rome"]


@ON_REAL_SERVERS
@given(
    st.lists(
        st.tuples(st.sampled_from(["Rome", "Paris", "Oslo"]), st.integers(2000, 2006), st.none() | st.integers(1, 4)),
        min_size=1,
        max_size=7,
    )
)
async def test_at_no_instant_two_functional_values_hold(
    database: Database, writer: Writer, acting: Callable[..., Access], stays: list[tuple[str, int, int | None]]
) -> None:
    scope = f"team/{uuid4().hex}"
    access = acting(scopes=(scope,))
    known: list[tuple[datetime, list[list[str]]]] = []
    instants = [year(number) for number in range(1999, 2012)]
    for place, begin, length in stays:
        fact = await assert_fact(writer, access, lives_in(place, begin, None if length is None else begin + length, scope=scope))
        assert place in await places(database, access, valid_at=year(begin))
        known.append((fact.recorded_at, [await places(database, access, valid_at=at) for at in instants]))
    assert all(earlier < later for (earlier, _), (later, _) in pairwise(known))
    for recorded_at, answers in known:
        assert all(len(values) <= 1 for values in answers)
        assert [await places(database, access, valid_at=at, known_at=recorded_at) for at in instants] == answers


async def test_a_retracted_fact_is_known_only_before(database: Database, writer: Writer, root: Access) -> None:
    fact = await assert_fact(writer, root, lives_in("Rome"))
    retracted = await retract_fact(writer, database, root, fact.id)
    assert retracted.retracted_at is not None and retracted.retracted_at > fact.recorded_at
    assert await places(database, root) == []
    assert await places(database, root, known_at=fact.recorded_at) == ["Rome"]
    assert await places(database, root, known_at=retracted.retracted_at) == []
    assert await retract_fact(writer, database, root, fact.id) == retracted


async def test_retraction_takes_no_instant_outside_the_record(database: Database, writer: Writer, root: Access) -> None:
    fact = await assert_fact(writer, root, lives_in("Rome"))
    for at in (year(1999), now() + timedelta(days=1), datetime(2020, 1, 1)):  # noqa: DTZ001
        with pytest.raises(BadInput, match="at "):
            await retract_fact(writer, database, root, fact.id, at)
    assert await places(database, root) == ["Rome"]
    at = fact.recorded_at + timedelta(microseconds=1)
    assert (await retract_fact(writer, database, root, fact.id, at)).retracted_at == at


async def test_what_is_not_readable_does_not_exist(database: Database, writer: Writer, root: Access, acting: Callable[..., Access]) -> None:
    fact = await assert_fact(writer, root, lives_in("Rome", scope="team/research", evidence=(await remembered(writer, root),)))
    stranger = acting("eve", scopes=("public",))
    assert (await list_facts(database, stranger)).items == ()
    assert await places(database, stranger) == []
    assert await evidence(database, stranger, [fact.id]) == {fact.id: []}
    with pytest.raises(NotFound):
        await retract_fact(writer, database, stranger, fact.id)


async def test_writing_needs_permission_on_the_scope(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access]
) -> None:
    fact = await assert_fact(writer, root, lives_in("Rome", scope="public"))
    reader = acting("reader", allowed=lambda obj, action: action == "read")
    with pytest.raises(Forbidden, match="memory:public"):
        await assert_fact(writer, reader, lives_in("Oslo", scope="public"))
    with pytest.raises(Forbidden, match="memory:public"):
        await retract_fact(writer, database, reader, fact.id)


async def test_evidence_is_shown_to_those_who_can_read_it(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access]
) -> None:
    open_one, private, gone = [await remembered(writer, root, scope) for scope in ("public", "agent/ada", "public")]
    fact = await assert_fact(writer, root, lives_in("Rome", scope="public", evidence=(open_one, private, gone)))
    await forget(writer, database, root, gone, erase=True)
    bare = await assert_fact(writer, root, lives_in("Oslo", scope="public"))
    shown = await evidence(database, root, [fact.id, bare.id])
    assert {id: [memory.id for memory in memories] for id, memories in shown.items()} == {fact.id: [open_one, private], bare.id: []}
    stranger = acting("eve", scopes=("public",))
    assert [memory.id for memory in (await evidence(database, stranger, [fact.id]))[fact.id]] == [open_one]


async def test_evidence_must_be_readable(database: Database, writer: Writer, root: Access, acting: Callable[..., Access]) -> None:
    private = await remembered(writer, root, "agent/ada")
    stranger = acting("eve", scopes=("public",))
    for cited in ((private,), ("no such memory",), (await remembered(writer, root, "public"), private)):
        with pytest.raises(NotFound, match="evidence"):
            await assert_fact(writer, stranger, lives_in("Rome", scope="public", evidence=cited))
    assert (await list_facts(database, root)).items == ()


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "ada"},
        {"subject": "urn:x y"},
        {"predicate": "<https://example.org/p>"},
        {"predicate": ""},
        {"subject": "https://example.org/" + "a" * 3_000},
        {"object": ""},
        {"object": "x" * 10_001},
        {"object": "\ud800"},
        {"scope": "../etc"},
        {"confidence": 1.5},
        {"confidence": float("nan")},
        {"valid_from": year(2020), "valid_to": year(2020)},
        {"valid_from": datetime(2020, 1, 1)},  # noqa: DTZ001
        {"valid_from": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))},
        {"evidence": ("a", "a")},
    ],
)
async def test_bad_values_are_refused(database: Database, writer: Writer, root: Access, change: dict[str, object]) -> None:
    values: dict[str, object] = {"subject": ADA, "predicate": LIVES_IN, "object": "Rome", **change}
    with pytest.raises(BadInput):
        await assert_fact(writer, root, NewFact(**values))  # type: ignore[arg-type]
    assert (await list_facts(database, root)).items == ()


async def test_names_of_the_greatest_length_can_be_stored(database: Database, writer: Writer, root: Access) -> None:
    long = "https://example.org/" + "\N{ROMAN NUMERAL ONE}" * 993
    fact = await assert_fact(writer, root, NewFact(subject=long, predicate=long, object="\N{GRINNING FACE}" * 10_000))
    assert (await list_facts(database, root, subject=long, predicate=long, object=fact.object)).items == (fact,)


async def test_the_same_key_gives_the_same_fact_once(database: Database, writer: Writer, root: Access) -> None:
    first = await assert_fact(writer, root, lives_in("Rome"), idempotency_key="k")
    assert await assert_fact(writer, root, lives_in("Rome"), idempotency_key="k") == first
    with pytest.raises(Conflict):
        await assert_fact(writer, root, lives_in("Oslo"), idempotency_key="k")
    assert (await list_facts(database, root)).items == (first,)


async def test_lists_go_page_by_page_and_filter(database: Database, writer: Writer, root: Access) -> None:
    made = [await assert_fact(writer, root, lives_in(f"place {n % 3}", functional=False)) for n in range(7)]
    seen: list[Fact] = []
    after: str | None = None
    while True:
        page = await list_facts(database, root, first=3, after=after)
        seen += page.items
        if not page.more:
            break
        after = page.cursors[-1]
    assert seen == made[::-1]
    assert [fact.object for fact in (await list_facts(database, root, object="place 1")).items] == ["place 1"] * 2
    assert (await list_facts(database, root, predicate="https://example.org/other")).items == ()
    assert len((await list_facts(database, root, predicate=LIVES_IN)).items) == 7
    assert (await list_facts(database, root, subject=ADA, object="place 2", predicate=LIVES_IN)).items == (made[5], made[2])
    with pytest.raises(BadInput):
        await list_facts(database, root, after="nonsense")


async def test_facts_that_hold_are_found_by_what_they_say_and_by_their_evidence(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access]
) -> None:
    memory = await remembered(writer, root)
    rome = await assert_fact(writer, root, lives_in("Rome", 2020, functional=False, scope="team/research"))
    knows = await assert_fact(writer, root, NewFact(subject="https://example.org/bob", predicate=LIVES_IN, object=ADA, scope="public"))
    cites = NewFact(subject="https://example.org/x", predicate=LIVES_IN, object="y", scope="public", evidence=(memory,))
    cited = await assert_fact(writer, root, cites)
    await assert_fact(writer, root, lives_in("Paris", 2010, 2020, functional=False))
    wrong = await assert_fact(writer, root, lives_in("Oslo", functional=False))
    await retract_fact(writer, database, root, wrong.id)
    assert [fact.id for fact in await facts_held(database, root, [ADA], [memory], 10)] == [cited.id, knows.id, rome.id]
    assert [fact.id for fact in await facts_held(database, root, [ADA], [memory], 1)] == [cited.id]
    assert await facts_held(database, root, [], [], 10) == []
    stranger = acting("eve", scopes=("public",))
    assert [fact.id for fact in await facts_held(database, stranger, [ADA], [memory], 10)] == [knows.id]


async def test_an_answer_of_facts_that_hold_ends_with_the_first_of_them_or_when_another_begins(
    database: Database, writer: Writer, root: Access
) -> None:
    present = now()
    hours = [present + timedelta(hours=count) for count in range(4)]
    held = NewFact(subject=ADA, predicate=LIVES_IN, object="Rome", valid_to=hours[2])
    coming = NewFact(subject=ADA, predicate=LIVES_IN, object="Bonn", valid_from=hours[1], valid_to=hours[3])
    await assert_fact(writer, root, held)
    for new, until in ((None, hours[2]), (coming, hours[1])):
        if new is not None:
            await assert_fact(writer, root, new)
        with tags.collecting() as collected:
            assert [fact.object for fact in await facts_held(database, root, [ADA], [], 10)] == ["Rome"]
        assert collected.until == until
        assert f"{root.tenant}/facts" in collected

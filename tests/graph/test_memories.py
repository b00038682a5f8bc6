"""Memories: all or nothing, in chains that stay linear, forgotten without a gap, erased without a trace, hidden from strangers."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput, Conflict, Forbidden, NotFound
from cairn.graph.access import Access
from cairn.graph.agents import register_agent
from cairn.graph.database import Database, Row
from cairn.graph.instants import now
from cairn.graph.ledger import list_entries, read_head
from cairn.graph.memories import (
    Kind,
    Memory,
    MemoryFilter,
    Modality,
    list_memories,
    memories_by_id,
    memories_of_agents,
    memory_hash,
    related,
)
from cairn.graph.names import key
from cairn.graph.remembering import MAX_TEXT, NewMemory, Prepared, check, forget, remember
from cairn.graph.statements import parse
from cairn.graph.tenants import read_versions
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("home")]

LOOKING = parse((Path(__file__).parent / "writing.cypher").read_text("utf-8"))
ON_REAL_SERVERS = settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))


def stone(access: Access, text: str = "A stone.", **other: Any) -> Prepared:
    memory = check(access, NewMemory(**{"agent": "ada", "text": text, **other}), now())
    return Prepared(memory, tuple((text or "").casefold().split()), {"wordllama/l2_supercat_256": (1.0, *(0.0,) * 255)})


async def stones(writer: Writer, access: Access, texts: Sequence[str], **other: Any) -> list[str]:
    return await remember(writer, access, [stone(access, text, **other) for text in texts])


async def chain(database: Database, access: Access, session: str, agent: str = "ada") -> Row:
    (row,) = await database.read(LOOKING["session_chain"], {"key": key(access.tenant, agent, session)})
    return row


async def assert_linear(database: Database, access: Access, session: str, members: Sequence[str]) -> None:
    """That the session's chain leads over exactly `members`, in this order, without a fork or a gap."""
    row = await chain(database, access, session)
    living = [id for id in row["members"] if id in set(members)]
    assert living == list(members)
    assert sorted(row["edges"]) == sorted(map(list, pairwise(members)))
    assert row["last"] == list(members[-1:])


async def everything(database: Database, access: Access, **only: Any) -> list[Memory]:
    found: list[Memory] = []
    after: str | None = None
    while True:
        page = await list_memories(database, access, 3, after, MemoryFilter(**only))
        found += page.items
        if not page.more:
            return found
        after = page.cursors[-1]


async def test_a_memory_comes_back_as_it_was_remembered(database: Database, writer: Writer, root: Access) -> None:
    prepared = stone(
        root,
        "Ada laid a stone. \N{ROCK}",
        kind=Kind.PROCEDURAL,
        modality=Modality.AUDIO,
        session="walk",
        speaker="Bob",
        scope="team/research",
        importance=0.25,
        occurred_at=datetime(2001, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
        expires_at=datetime(2999, 1, 1, tzinfo=UTC),
        external_id="turn 1",
        metadata={"a": [1, 2.5, None, {"b": "c"}]},
    )
    (id,) = await remember(writer, root, [prepared])
    found = (await memories_by_id(database, root, [id]))[id]
    assert found == replace(prepared.memory, hash=found.hash)
    assert found.hash != memory_hash(found), "of what is sealed the ciphertext is hashed"


async def test_defaults_are_the_agents_scope_and_now(writer: Writer, root: Access) -> None:
    before = now()
    memory = stone(root).memory
    assert (memory.scope, memory.kind, memory.modality, memory.importance) == ("agent/ada", Kind.EPISODIC, Modality.TEXT, 0.5)
    assert before <= memory.occurred_at <= now()


async def test_many_are_written_in_order_or_not_at_all(database: Database, writer: Writer, root: Access) -> None:
    ids = await stones(writer, root, [f"stone {n}" for n in range(10)], session="walk")
    await assert_linear(database, root, "walk", ids)
    assert [memory.id for memory in await everything(database, root)] == ids[::-1]
    start = await read_head(database, root.tenant)
    mixed = [stone(root, "first"), stone(root, "second", agent="nobody"), stone(root, "third")]
    with pytest.raises(NotFound, match="registerAgent"):
        await remember(writer, root, mixed)
    assert [memory.id for memory in await everything(database, root)] == ids[::-1]
    assert await read_head(database, root.tenant) == start


async def test_a_refused_batch_leaves_those_of_others_alone(database: Database, writer: Writer, root: Access) -> None:
    good = [remember(writer, root, [stone(root, f"good {n}", session="walk")]) for n in range(5)]
    bad = [remember(writer, root, [stone(root, f"bad {n}", session="walk"), stone(root, agent="nobody")]) for n in range(5)]
    results = await asyncio.gather(*(task for pair in zip(good, bad, strict=True) for task in pair), return_exceptions=True)
    assert all(isinstance(result, NotFound) for result in results[1::2])
    assert {memory.text for memory in await everything(database, root)} == {f"good {n}" for n in range(5)}
    assert (await verify(database, root.tenant)).problem is None


@ON_REAL_SERVERS
@given(
    st.lists(st.lists(st.sampled_from(["walk", "talk", None]), min_size=1, max_size=4), min_size=1, max_size=8), st.sets(st.integers(0, 31))
)
async def test_chains_stay_linear_under_concurrent_writes_and_after_forgetting(
    database: Database, writer: Writer, root: Access, batches: list[list[str | None]], chosen: set[int]
) -> None:
    run = uuid4().hex
    async with open_writer(database) as other:
        writes = [
            remember(
                (writer, other)[number % 2],
                root,
                [stone(root, f"{number} {n}", session=session and f"{session} {run}") for n, session in enumerate(batch)],
            )
            for number, batch in enumerate(batches)
        ]
        written = await asyncio.gather(*writes)
        for session in ("walk", "talk"):
            mine = [[id for id, of in zip(ids, batch, strict=True) if of == session] for ids, batch in zip(written, batches, strict=True)]
            members = [id for ids in mine for id in ids]
            if not members:
                continue
            row = await chain(database, root, f"{session} {run}")
            assert sorted(row["members"]) == sorted(members) and row["length"] == len(members)
            for ids in mine:
                assert [id for id in row["members"] if id in set(ids)] == ids
            await assert_linear(database, root, f"{session} {run}", row["members"])
            gone = {id for place, id in enumerate(members) if place in chosen}
            await asyncio.gather(
                *(forget((writer, other)[n % 2], database, root, id, erase=bool(n % 3)) for n, id in enumerate(sorted(gone))),
                *(remember(writer, root, [stone(root, f"late {n}", session=f"{session} {run}")]) for n in range(2)),
            )
            after = await chain(database, root, f"{session} {run}")
            living = [id for id in after["members"] if id not in gone]
            assert set(living) >= set(members) - gone and len(living) == len(members) - len(gone) + 2
            await assert_linear(database, root, f"{session} {run}", living)


async def test_a_session_that_was_forgotten_whole_begins_again(database: Database, writer: Writer, root: Access) -> None:
    for id in await stones(writer, root, ["one", "two", "three"], session="walk"):
        await forget(writer, database, root, id)
    ids = await stones(writer, root, ["four", "five"], session="walk")
    await assert_linear(database, root, "walk", ids)


async def test_sessions_of_two_agents_are_apart(database: Database, writer: Writer, root: Access) -> None:
    (hers,) = await stones(writer, root, ["hers"], session="walk")
    (his,) = await stones(writer, root, ["his"], session="walk", agent="bob")
    await assert_linear(database, root, "walk", [hers])
    assert (await chain(database, root, "walk", "bob"))["last"] == [his]


async def test_the_same_key_gives_the_same_memories(database: Database, writer: Writer, root: Access) -> None:
    async def once(text: str) -> list[str]:
        return await remember(writer, root, [stone(root, text)], idempotency_key="k", input=text)

    first, again = await asyncio.gather(once("a"), once("a"))
    assert first == again == await once("a")
    with pytest.raises(Conflict):
        await once("b")
    assert len(await everything(database, root)) == 1


async def test_forgotten_memories_are_nowhere(database: Database, writer: Writer, root: Access) -> None:
    before, id, after = await stones(writer, root, ["one", "two", "three"], session="walk")
    assert await forget(writer, database, root, id) is True
    assert await memories_by_id(database, root, [id]) == {}
    assert {memory.id for memory in await everything(database, root)} == {before, after}
    assert [memory.id for memory in (await related(database, root, [before], 10))[before]] == [after]
    with pytest.raises(NotFound):
        await forget(writer, database, root, id)


async def test_forgetting_has_one_effect(database: Database, writer: Writer, root: Access) -> None:
    async with open_writer(database) as other:
        for session in (None, "walk"):
            (id,) = await stones(writer, root, ["one"], session=session)
            start = (await read_head(database, root.tenant)).size
            tasks = (forget(one, database, root, id, erase=True) for _ in range(3) for one in (writer, other))
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert sum(result is True for result in results) == 1
            assert all(result is True or result is False or isinstance(result, NotFound) for result in results)
            assert (await read_head(database, root.tenant)).size == start + 1
    assert (await verify(database, root.tenant)).problem is None


async def test_forgetting_with_a_key_can_be_repeated(database: Database, writer: Writer, root: Access) -> None:
    (id,) = await stones(writer, root, ["one"])
    assert [await forget(writer, database, root, id, idempotency_key="k") for _ in range(2)] == [True, True]
    with pytest.raises((Conflict, NotFound)):
        await forget(writer, database, root, id, erase=True, idempotency_key="k")


@pytest.mark.parametrize("forgotten_before", [False, True])
async def test_erasing_leaves_nothing_of_the_content(database: Database, writer: Writer, root: Access, forgotten_before: bool) -> None:
    secret = f"secret{uuid4().hex}"
    prepared = stone(root, secret, session=f"session {secret}", speaker=secret, external_id=secret, metadata={"note": secret})
    (id,) = await remember(writer, root, [replace(prepared, terms=(secret,))])
    if forgotten_before:
        await forget(writer, database, root, id)
    assert await forget(writer, database, root, id, erase=True)
    nodes = await database.read(LOOKING["nodes_about"], {"tenant": root.tenant})
    assert [row["node"]["id"] for row in nodes] == [id]
    assert secret not in repr([row["node"] for row in nodes])
    assert "embedding" not in nodes[0]["node"]
    entries = (await list_entries(database, root, 100)).items
    assert (entries[-1].operation, entries[-1].target, entries[-1].after) == ("memory.erase", f"memory:agent/ada/{id}", None)
    assert secret not in repr(entries)
    assert (await verify(database, root.tenant)).problem is None


async def test_expired_memories_are_not_read(database: Database, writer: Writer, root: Access) -> None:
    prepared = stone(root, expires_at=now() + timedelta(days=1))
    past = replace(prepared.memory, expires_at=now() - timedelta(seconds=1))
    (id,) = await remember(writer, root, [replace(prepared, memory=past)])
    assert await memories_by_id(database, root, [id]) == {}
    assert await everything(database, root) == []


async def test_what_is_not_readable_does_not_exist(database: Database, writer: Writer, root: Access, acting: Callable[..., Access]) -> None:
    scopes = ("public", "agent/ada", "team/research")
    ids = await remember(writer, root, [stone(root, scope, scope=scope, session="walk") for scope in scopes])
    stranger = acting("eve", scopes=("public",))
    assert list(await memories_by_id(database, stranger, ids)) == ids[:1]
    assert [memory.id for memory in await everything(database, stranger)] == ids[:1]
    assert [memory.id for memory in (await memories_of_agents(database, stranger, ["ada"], 10))["ada"].items] == ids[:1]
    assert await related(database, stranger, ids, 10) == {ids[0]: [], ids[1]: [], ids[2]: []}
    with pytest.raises(NotFound):
        await forget(writer, database, stranger, ids[1])


async def test_a_memory_of_another_tenant_does_not_exist(database: Database, writer: Writer, root: Access) -> None:
    ids = await stones(writer, root, ["one", "two"], session="walk")
    stranger = replace(root, tenant=f"other-{root.tenant}")
    await register_agent(writer, stranger, "ada", "another Ada")
    assert await memories_by_id(database, stranger, ids) == {}
    assert await everything(database, stranger) == []
    assert await related(database, stranger, ids, 10) == {id: [] for id in ids}
    with pytest.raises(NotFound):
        await forget(writer, database, stranger, ids[0])
    assert len(await everything(database, root)) == 2


async def test_writing_and_forgetting_need_permission(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access]
) -> None:
    (id,) = await stones(writer, root, ["one"], scope="public")
    writing = acting("bob", allowed=lambda obj, action: action != "delete" and obj != "memory:team/research")
    with pytest.raises(Forbidden, match="memory:team/research"):
        stone(writing, scope="team/research")
    with pytest.raises(Forbidden, match="delete memory:public"):
        await forget(writer, database, writing, id)


async def test_lists_filter(database: Database, writer: Writer, root: Access) -> None:
    early, late = datetime(2001, 1, 1, tzinfo=UTC), datetime(2011, 1, 1, tzinfo=UTC)
    variants: list[dict[str, Any]] = [
        {"occurred_at": early, "kind": Kind.SEMANTIC, "speaker": "Bob"},
        {"occurred_at": late, "modality": Modality.IMAGE, "session": "walk"},
        {"agent": "bob", "scope": "team/research", "external_id": "turn 1"},
    ]
    a, b, c = await remember(writer, root, [stone(root, **variant) for variant in variants])

    async def ids(**only: Any) -> set[str]:
        return {memory.id for memory in await everything(database, root, **only)}

    assert await ids() == {a, b, c}
    assert await ids(agent="bob") == await ids(scope="team") == await ids(scope="team/research") == await ids(external_id="turn 1") == {c}
    assert await ids(scope="tea") == await ids(agent="nobody") == await ids(kinds=()) == set()
    assert await ids(kinds=(Kind.SEMANTIC, Kind.WORKING)) == await ids(speaker="Bob") == {a}
    assert await ids(modalities=(Modality.IMAGE,)) == await ids(session="walk") == {b}
    assert await ids(occurred_after=late) == {b, c}
    assert await ids(occurred_before=late) == {a}


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "a/b"},
        {"text": None},
        {"text": ""},
        {"text": "x" * (MAX_TEXT + 1)},
        {"text": "\ud800"},
        {"scope": "/public"},
        {"scope": "public/"},
        {"scope": "a//b"},
        {"scope": ""},
        {"session": ""},
        {"session": "a\x1fb"},
        {"speaker": "s" * 501},
        {"external_id": "\n"},
        {"importance": 1.01},
        {"importance": float("nan")},
        {"expires_at": datetime(2001, 1, 1, tzinfo=UTC)},
        {"occurred_at": datetime(2001, 1, 1)},  # noqa: DTZ001
        {"expires_at": datetime(2999, 1, 1)},  # noqa: DTZ001
        {"metadata": {"x": "y" * 65_536}},
        {"metadata": float("inf")},
        {"metadata": object()},
    ],
)
async def test_bad_values_are_refused(root: Access, change: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        stone(root, **change)


async def test_forged_cursors_are_refused(database: Database, root: Access) -> None:
    for position in (["yesterday", "x"], ["2001-01-01T00:00:00", "x"], ["2001-01-01T00:00:00+00:00"], ["\ud800", "\ud800"], {}):
        raw = json.dumps(position).encode()
        after = base64.urlsafe_b64encode(raw).decode()
        with pytest.raises(BadInput, match="cursor"):
            await list_memories(database, root, 10, after)
        with pytest.raises(BadInput, match="cursor"):
            await memories_of_agents(database, root, ["ada"], 10, after)


async def test_a_new_scope_is_announced_once(database: Database, writer: Writer, root: Access) -> None:
    before = await read_versions(database, root.tenant)
    await asyncio.gather(*(stones(writer, root, ["one"], scope="public") for _ in range(5)))
    after = await read_versions(database, root.tenant)
    assert before is not None and after is not None and after.catalog > before.catalog
    await stones(writer, root, ["two"], scope="public")
    assert await read_versions(database, root.tenant) == after

"""Feedback: on hits only, once each, by those who can read them, the last word counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cairn.errors import BadInput, Conflict, Forbidden, NotFound
from cairn.graph.access import Access
from cairn.graph.database import Database
from cairn.graph.feedback import give_feedback
from cairn.graph.instants import now
from cairn.graph.ledger import list_entries
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.verification import verify
from cairn.graph.writer import Writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("home")]


@pytest.fixture
async def hits(writer: Writer, root: Access) -> list[str]:
    """Three memories that a recall may have found, the last of them private to ada."""
    news = [NewMemory(agent="ada", text=f"stone {scope}", scope=scope) for scope in ("public", "public", "agent/ada")]
    return await remember(writer, root, [Prepared(check(root, new, now()), ("stone",), None) for new in news])


async def feedback_entries(database: Database, access: Access) -> list[tuple[str, str | None]]:
    entries = (await list_entries(database, access, 100)).items
    return [(entry.target, entry.before) for entry in entries if entry.operation == "feedback.give"]


async def test_feedback_is_kept_and_logged(database: Database, writer: Writer, root: Access, hits: list[str]) -> None:
    assert await give_feedback(writer, root, "recall", "ada", "stones?", hits, hits[:1], hits[1:])
    assert len(await feedback_entries(database, root)) == 1
    assert (await verify(database, root.tenant)).holds


async def test_the_last_word_takes_the_place_of_the_one_before(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access], hits: list[str]
) -> None:
    await give_feedback(writer, root, "recall", "ada", "stones?", hits, hits)
    await give_feedback(writer, root, "recall", "ada", "stones?", hits, hits[:1], hits[1:2])
    await give_feedback(writer, acting("bob"), "recall", "ada", "stones?", hits, hits)
    await give_feedback(writer, root, "another recall", "ada", "stones?", hits, hits)
    first, second, *others = await feedback_entries(database, root)
    assert first[0] == second[0]
    assert first[1] is None and second[1] is not None
    assert len({first[0], *(target for target, _ in others)}) == 3
    assert (await verify(database, root.tenant)).holds


@pytest.mark.parametrize("stray", ["not a hit", ""])
async def test_only_hits_can_be_named(writer: Writer, root: Access, hits: list[str], stray: str) -> None:
    with pytest.raises(BadInput, match="hits of that recall only"):
        await give_feedback(writer, root, "recall", "ada", "q", hits, [hits[0]], [stray])


async def test_each_hit_once_and_at_least_one(writer: Writer, root: Access, hits: list[str]) -> None:
    with pytest.raises(BadInput, match="once"):
        await give_feedback(writer, root, "recall", "ada", "q", hits, hits[:2], hits[1:])
    with pytest.raises(BadInput, match="at least one"):
        await give_feedback(writer, root, "recall", "ada", "q", hits, [], [])


async def test_hits_that_are_gone_or_hidden_are_not_found(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access], hits: list[str]
) -> None:
    with pytest.raises(NotFound):
        await give_feedback(writer, acting("bob", scopes=("public",)), "recall", "bob", "q", hits, hits)
    await forget(writer, database, root, hits[0])
    with pytest.raises(NotFound):
        await give_feedback(writer, root, "recall", "ada", "q", hits, hits)
    assert await feedback_entries(database, root) == []


async def test_it_takes_write_on_the_agents_own_scope(writer: Writer, acting: Callable[..., Access], hits: list[str]) -> None:
    reader = acting("reader", allowed=lambda obj, action: action == "read")
    with pytest.raises(Forbidden, match="memory:agent/ada"):
        await give_feedback(writer, reader, "recall", "ada", "q", hits, hits)


async def test_the_same_key_has_one_effect(database: Database, writer: Writer, root: Access, hits: list[str]) -> None:
    for _ in range(2):
        assert await give_feedback(writer, root, "recall", "ada", "q", hits, hits[:1], idempotency_key="k")
    with pytest.raises(Conflict):
        await give_feedback(writer, root, "recall", "ada", "q", hits, hits[:2], idempotency_key="k")
    assert len(await feedback_entries(database, root)) == 1

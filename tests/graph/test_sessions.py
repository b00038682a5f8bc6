"""The end of a session: in the order of its chain, and only what its reader may read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cairn.graph import tags
from cairn.graph.access import Access
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.sessions import session_tail
from cairn.graph.writer import Writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("home")]


async def say(writer: Writer, access: Access, texts: Sequence[str], **other: Any) -> list[str]:
    new = [NewMemory(**{"agent": "ada", "session": "s", "speaker": "Ada", "text": text, **other}) for text in texts]
    return await remember(writer, access, [Prepared(check(access, one, now()), (), None) for one in new])


async def test_the_last_turns_come_in_their_order(database: Database, writer: Writer, root: Access) -> None:
    ids = [*await say(writer, root, ["one", "two", "three"]), *await say(writer, root, ["four", "five"])]
    await say(writer, root, ["elsewhere"], session="t")
    await say(writer, root, ["another's"], agent="bob")
    await forget(writer, database, root, ids[3])
    assert [turn.text for turn in await session_tail(database, root, "ada", "s")] == ["one", "two", "three", "five"]
    assert [turn.id for turn in await session_tail(database, root, "ada", "s", 2)] == [ids[2], ids[4]]
    assert await session_tail(database, root, "ada", "unknown") == []


async def test_unreadable_and_hidden_turns_are_absent(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access]
) -> None:
    await say(writer, root, ["private", "mine"])
    await say(writer, root, ["shared"], scope="team/research")
    reader = acting("eve", scopes=("team/research",))
    assert [(turn.text, turn.speaker) for turn in await session_tail(database, reader, "ada", "s")] == [("shared", "Ada")]
    mute = replace(root, hidden_fields=frozenset({"Memory.speaker"}))
    assert {turn.speaker for turn in await session_tail(database, mute, "ada", "s")} == {None}
    for field in ("Memory.text", "Memory.session"):
        assert await session_tail(database, replace(root, hidden_fields=frozenset({field})), "ada", "s") == []


async def test_an_answer_ends_when_a_turn_expires(database: Database, writer: Writer, root: Access) -> None:
    soon = now() + timedelta(hours=1)
    await say(writer, root, ["stays"])
    await say(writer, root, ["goes"], expires_at=soon)
    with tags.collecting() as collected:
        await session_tail(database, root, "ada", "s")
    assert collected.until == soon
    assert f"{root.tenant}/memories/agent/ada" in collected

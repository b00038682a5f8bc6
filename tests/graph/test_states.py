"""States: every version kept, compare-and-set with one winner, read by version and by instant, unreadable ones absent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput, Conflict, Forbidden, NotFound
from cairn.graph.access import Access
from cairn.graph.agents import register_agent
from cairn.graph.database import Database
from cairn.graph.ledger import read_head
from cairn.graph.states import MAX_VALUE_BYTES, State, get_state, history, list_states, set_state
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("home")]

ON_REAL_SERVERS = settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children, max_size=4)
    ),
    max_leaves=10,
)


async def versions(database: Database, access: Access, name: str) -> list[State]:
    found: list[State] = []
    after: str | None = None
    while True:
        page = (await history(database, access, [("ada", name)], 3, after))["ada", name]
        found += page.items
        if not page.more:
            return found
        after = page.cursors[-1]


@ON_REAL_SERVERS
@given(st.lists(JSON, min_size=1, max_size=5))
async def test_every_version_can_be_read_by_number_and_by_instant(
    database: Database, writer: Writer, root: Access, values: list[Any]
) -> None:
    name = f"state {uuid4().hex}"
    written = [await set_state(writer, root, "ada", name, value) for value in values]
    assert [(state.version, state.value) for state in written] == list(enumerate(values, 1))
    assert len({state.hash for state in written}) == len(values), "of sealed values the ciphertext is hashed"
    assert all(earlier.recorded_at < later.recorded_at for earlier, later in pairwise(written))
    assert await get_state(database, root, "ada", name) == written[-1]
    for state in written:
        assert await get_state(database, root, "ada", name, version=state.version) == state
        assert await get_state(database, root, "ada", name, as_of=state.recorded_at) == state
        before = await get_state(database, root, "ada", name, as_of=state.recorded_at - timedelta(microseconds=1))
        assert before == (written[state.version - 2] if state.version > 1 else None)
    assert await versions(database, root, name) == written[::-1]


async def test_a_version_and_an_instant_must_both_hold(database: Database, writer: Writer, root: Access) -> None:
    first, second = [await set_state(writer, root, "ada", "mood", value) for value in ("calm", "curious")]
    assert await get_state(database, root, "ada", "mood", version=1, as_of=second.recorded_at) == first
    assert await get_state(database, root, "ada", "mood", version=2, as_of=first.recorded_at) is None
    assert await get_state(database, root, "ada", "mood", version=3) is None


async def test_values_keep_their_json_types(database: Database, writer: Writer, root: Access) -> None:
    value = {"1": [1, 1.0, True, None, "1", {}], "\N{GRINNING FACE}": 2**80}
    await set_state(writer, root, "ada", "mood", value)
    state = await get_state(database, root, "ada", "mood")
    assert state is not None and repr(state.value) == repr(value)


async def test_of_racing_writers_exactly_one_wins(database: Database, writer: Writer, root: Access) -> None:
    async with open_writer(database) as other:
        for version in range(5):
            racing = [set_state(one, root, "ada", "mood", n, version) for n in range(4) for one in (writer, other)]
            results = await asyncio.gather(*racing, return_exceptions=True)
            (winner,) = [result for result in results if isinstance(result, State)]
            assert sum(isinstance(result, Conflict) for result in results) == 7
            assert await get_state(database, root, "ada", "mood") == winner
            assert winner.version == version + 1
    assert (await verify(database, root.tenant)).problem is None


async def test_writers_that_do_not_compare_all_write(database: Database, writer: Writer, root: Access) -> None:
    async with open_writer(database) as other:
        results = await asyncio.gather(*(set_state(one, root, "ada", "mood", n) for n in range(10) for one in (writer, other)))
    assert sorted(state.version for state in results) == list(range(1, 21))
    assert [state.version for state in await versions(database, root, "mood")] == list(range(20, 0, -1))
    assert (await verify(database, root.tenant)).problem is None


@pytest.mark.parametrize("expected", [1, 7, 2**70])
async def test_a_conflict_writes_nothing(database: Database, writer: Writer, root: Access, expected: int) -> None:
    start = await read_head(database, root.tenant)
    with pytest.raises((Conflict, BadInput)):
        await set_state(writer, root, "ada", "mood", "calm", expected)
    assert await read_head(database, root.tenant) == start
    assert await get_state(database, root, "ada", "mood") is None
    assert (await list_states(database, root, ["ada"], 10))["ada"].items == ()
    assert (await set_state(writer, root, "ada", "mood", "calm", 0)).version == 1


async def test_an_unknown_agent_has_no_states(database: Database, writer: Writer, root: Access) -> None:
    with pytest.raises(NotFound, match="registerAgent"):
        await set_state(writer, root, "nobody", "mood", "calm")
    assert await get_state(database, root, "nobody", "mood") is None


async def test_the_same_key_gives_the_same_version(database: Database, writer: Writer, root: Access) -> None:
    first = await set_state(writer, root, "ada", "mood", {"a": 1, "b": 2}, idempotency_key="k")
    assert await set_state(writer, root, "ada", "mood", {"b": 2, "a": 1}, idempotency_key="k") == first
    for changed in ({"value": 2}, {"expected_version": 1}, {"name": "other"}):
        arguments: dict[str, Any] = {"name": "mood", "value": {"a": 1, "b": 2}, **changed}
        with pytest.raises(Conflict, match="idempotencyKey"):
            await set_state(writer, root, "ada", idempotency_key="k", **arguments)
    assert len(await versions(database, root, "mood")) == 1


async def test_a_key_belongs_to_a_principal(database: Database, writer: Writer, root: Access, acting: Callable[..., Access]) -> None:
    await set_state(writer, root, "ada", "mood", 1, idempotency_key="k")
    await set_state(writer, acting("bob"), "ada", "mood", 2, idempotency_key="k")
    assert [state.by for state in await versions(database, root, "mood")] == ["bob", "root"]


async def test_lists_are_per_agent_and_in_the_order_of_keys(database: Database, writer: Writer, root: Access) -> None:
    for agent in ("ada", "bob"):
        for name in ("c", "a", "b", "d"):
            await set_state(writer, root, agent, name, f"{agent} {name}")
            await set_state(writer, root, agent, name, f"{agent} {name}, later")
    pages = await list_states(database, root, ["bob", "ada", "nobody"], 3)
    assert {agent: [state.value for state in page.items] for agent, page in pages.items()} == {
        "bob": ["bob a, later", "bob b, later", "bob c, later"],
        "ada": ["ada a, later", "ada b, later", "ada c, later"],
        "nobody": [],
    }
    rest = (await list_states(database, root, ["ada"], 3, pages["ada"].cursors[-1]))["ada"]
    assert ([state.key for state in rest.items], rest.more) == (["d"], False)


async def test_what_is_not_readable_does_not_exist(database: Database, writer: Writer, root: Access) -> None:
    for name in ("plan/open", "plan/secret", "mood"):
        await set_state(writer, root, "ada", name, name)
    some = replace(root, state_allow=("agent/ada/plan/.*",), state_deny=("agent/.*/plan/secret",))
    assert [state.key for state in (await list_states(database, some, ["ada"], 10))["ada"].items] == ["plan/open"]
    for name in ("plan/secret", "mood"):
        assert await get_state(database, some, "ada", name) is None
        assert await get_state(database, some, "ada", name, version=1) is None
        assert await get_state(database, some, "ada", name, as_of=datetime.now(UTC)) is None
        assert (await history(database, some, [("ada", name)], 10))["ada", name].items == ()
    none = replace(root, state_allow=())
    assert await get_state(database, none, "ada", "plan/open") is None


async def test_writing_needs_permission_on_the_state(writer: Writer, acting: Callable[..., Access]) -> None:
    narrow = acting("ada", allowed=lambda obj, action: (obj, action) == ("state:agent/ada/mood", "write"))
    await set_state(writer, narrow, "ada", "mood", 1)
    with pytest.raises(Forbidden, match="state:agent/ada/plan"):
        await set_state(writer, narrow, "ada", "plan", 1)


@pytest.mark.parametrize(
    ("agent", "name", "value", "expected"),
    [
        ("ada", "", 1, None),
        ("ada", "a\nb", 1, None),
        ("ada", "a\x1fb", 1, None),
        ("ada", "k" * 201, 1, None),
        ("a/b", "mood", 1, None),
        ("ada", "mood", float("nan"), None),
        ("ada", "mood", "\ud800", None),
        ("ada", "mood", object(), None),
        ("ada", "mood", "x" * MAX_VALUE_BYTES, None),
        ("ada", "mood", 1, -1),
    ],
)
async def test_bad_values_are_refused(
    database: Database, writer: Writer, root: Access, agent: str, name: str, value: Any, expected: int | None
) -> None:
    start = await read_head(database, root.tenant)
    with pytest.raises(BadInput):
        await set_state(writer, root, agent, name, value, expected)
    assert await read_head(database, root.tenant) == start


async def test_reading_takes_no_number_or_cursor_that_there_cannot_be(database: Database, root: Access) -> None:
    with pytest.raises(BadInput):
        await get_state(database, root, "ada", "mood", version=2**70)
    for after in ("WzFd" * 40, "WzExODA1OTE2MjA3MTc0MTEzMDM0MjRd", "WyJhIl0", "W3RydWVd"):
        with pytest.raises(BadInput, match="cursor"):
            await history(database, root, [("ada", "mood")], 10, after)
    for first in (0, 101):
        with pytest.raises(BadInput, match="first"):
            await list_states(database, root, ["ada"], first)


async def test_a_state_of_another_tenant_does_not_exist(database: Database, writer: Writer, root: Access) -> None:
    await set_state(writer, root, "ada", "mood", "calm")
    stranger = replace(root, tenant=f"other-{root.tenant}")
    await register_agent(writer, stranger, "ada", "another Ada")
    assert await get_state(database, stranger, "ada", "mood") is None
    assert (await list_states(database, stranger, ["ada"], 10))["ada"].items == ()
    assert (await set_state(writer, stranger, "ada", "mood", "tense")).version == 1

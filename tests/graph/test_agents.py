"""Agents: registered once, changed by those who may, their goals told to readers of their scope only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cairn.errors import BadInput, Forbidden, NotFound
from cairn.graph.access import Access
from cairn.graph.agents import Agent, agents_by_id, find_agent, list_agents, register_agent, require_agent
from cairn.graph.database import Database
from cairn.graph.ledger import list_entries
from cairn.graph.tenants import create_tenant, read_catalog, read_versions
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer

pytestmark = pytest.mark.anyio


async def test_an_agent_is_found_as_it_was_registered(database: Database, writer: Writer, root: Access) -> None:
    registered = await register_agent(writer, root, "ada", "Ada \N{WAVING HAND SIGN}", ["finish", "rest"])
    assert registered == Agent("ada", "Ada \N{WAVING HAND SIGN}", ("finish", "rest"))
    assert await find_agent(database, root, "ada") == await require_agent(database, root, "ada") == registered


async def test_registering_again_changes_name_and_goals(database: Database, writer: Writer, root: Access) -> None:
    await register_agent(writer, root, "ada", "Ada", ["finish"])
    await register_agent(writer, root, "ada", "Ada L.", [])
    assert await find_agent(database, root, "ada") == Agent("ada", "Ada L.", ())
    first, second = (await list_entries(database, root, 10)).items
    assert (second.target, second.before) == ("agent:ada", first.after)


async def test_a_new_agents_scope_is_announced_once(database: Database, writer: Writer, root: Access) -> None:
    await create_tenant(writer, root.tenant, ())
    before = await read_versions(database, root.tenant)
    await register_agent(writer, root, "ada", "Ada")
    after = await read_versions(database, root.tenant)
    await register_agent(writer, root, "ada", "Ada again")
    assert before is not None and after is not None
    assert after.catalog == before.catalog + 1
    assert await read_versions(database, root.tenant) == after
    assert (await read_catalog(database, root.tenant)).scopes == ("agent/ada",)


async def test_goals_are_told_to_readers_of_the_scope_only(
    database: Database, writer: Writer, root: Access, acting: Callable[..., Access]
) -> None:
    await register_agent(writer, root, "ada", "Ada", ["finish"])
    stranger = acting("eve", scopes=("public",))
    assert await agents_by_id(database, stranger, ["ada", "nobody"]) == {"ada": Agent("ada", "Ada", ())}
    assert await find_agent(database, stranger, "ada") is None
    assert (await list_agents(database, stranger, 10)).items == ()
    with pytest.raises(NotFound, match="registerAgent"):
        await require_agent(database, stranger, "ada")


async def test_agents_of_another_tenant_do_not_exist(database: Database, writer: Writer, root: Access) -> None:
    await register_agent(writer, root, "ada", "Ada")
    stranger = Access("other-" + root.tenant, "root", scopes=root.scopes, decide=root.decide)
    assert await agents_by_id(database, stranger, ["ada"]) == {}
    assert (await list_agents(database, stranger, 10)).items == ()


async def test_lists_go_in_the_order_of_ids(database: Database, writer: Writer, acting: Callable[..., Access]) -> None:
    names = [f"a{n}" for n in range(7)]
    access = acting(scopes=tuple(f"agent/{name}" for name in names))
    for name in reversed(names):
        await register_agent(writer, access, name, name)
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await list_agents(database, access, 3, after)
        seen += [agent.id for agent in page.items]
        if not page.more:
            break
        after = page.cursors[-1]
    assert seen == names


async def test_registering_needs_permission(writer: Writer, acting: Callable[..., Access]) -> None:
    with pytest.raises(Forbidden, match="agent:ada"):
        await register_agent(writer, acting("eve", allowed=lambda _o, _a: False), "ada", "Ada")


@pytest.mark.parametrize(
    ("id", "name", "goals"),
    [
        ("", "Ada", []),
        ("a/b", "Ada", []),
        ("a b", "Ada", []),
        ("../x", "Ada", []),
        ("a\x1fb", "Ada", []),
        ("a" * 201, "Ada", []),
        ("ada", "", []),
        ("ada", " Ada", []),
        ("ada", "A\x00da", []),
        ("ada", "A\ud800", []),
        ("ada", "Ada", [""]),
        ("ada", "Ada", ["g" * 2_001]),
        ("ada", "Ada", ["goal"] * 51),
    ],
)
async def test_bad_names_are_refused(database: Database, writer: Writer, root: Access, id: str, name: str, goals: list[str]) -> None:
    with pytest.raises(BadInput):
        await register_agent(writer, root, id, name, goals)
    assert (await list_entries(database, root, 10)).items == ()


async def test_two_writers_that_change_an_agent_leave_one_chain(database: Database, writer: Writer, root: Access) -> None:
    async with open_writer(database) as other:
        await asyncio.gather(*(register_agent(one, root, "ada", f"Ada {n}") for n in range(15) for one in (writer, other)))
    assert (await verify(database, root.tenant)).problem is None

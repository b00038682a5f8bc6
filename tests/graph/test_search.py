"""Searching for candidates: filters hold inside the indexes, whatever was deleted before."""

from __future__ import annotations

import pytest

from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.analysis import terms
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.keyring import index_of
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.search import Question, candidates, lucene_query
from cairn.graph.tenants import create_tenant
from cairn.graph.writer import Writer
from cairn.learning.embedding import WordLlamaEmbedder

pytestmark = pytest.mark.anyio
EMBEDDER = WordLlamaEmbedder()


def access(tenant: str, *scopes: str) -> Access:
    return Access(tenant, "ada", scopes=scopes, decide=lambda _object, _action: Decision(allowed=True))


async def write(writer: Writer, may: Access, *texts: str, scope: str = "agent/ada") -> list[str]:
    memories = [check(may, NewMemory(agent="ada", text=text, scope=scope), now()) for text in texts]
    vectors = EMBEDDER.embed(texts)
    prepared = [Prepared(m, tuple(terms(m.text or "")), {EMBEDDER.name: v}) for m, v in zip(memories, vectors, strict=True)]
    return await remember(writer, may, prepared)


async def question(database: Database, may: Access, text: str) -> Question:
    index = await index_of(database, may.tenant)
    return Question(agent="ada", terms=tuple(index.tokens(terms(text))), embedding=tuple(EMBEDDER.embed([text])[0]))


@pytest.fixture
async def ada(writer: Writer, tenant: str) -> Access:
    await create_tenant(writer, tenant, [])
    may = access(tenant, "agent/ada", "public")
    await register_agent(writer, may, "ada", "Ada")
    return may


async def test_a_filtered_search_survives_deletions(database: Database, writer: Writer, ada: Access) -> None:
    ids = await write(writer, ada, *(f"the tide at station {number}" for number in range(10)))
    for id in ids[:3]:
        await forget(writer, database, ada, id)
    asked = await question(database, ada, "tide at the station")
    assert {c.id for c in await candidates(database, ada, asked)} == set(ids[3:])
    assert await candidates(database, access(ada.tenant, "public"), asked) == []
    assert await candidates(database, access("no-such-tenant", "agent/ada"), asked) == []


async def test_what_is_not_readable_neither_shows_nor_crowds_out(database: Database, writer: Writer, ada: Access) -> None:
    await write(writer, ada, *(f"salt marsh survey {number}" for number in range(30)))
    (public,) = await write(writer, ada, "salt marsh survey of the public", scope="public")
    found = await candidates(database, access(ada.tenant, "public"), await question(database, ada, "salt marsh survey"), breadth=5)
    assert [c.id for c in found] == [public]
    assert found[0].cosine > 0.5


async def test_nobody_who_may_read_nothing_finds_anything(database: Database, writer: Writer, ada: Access) -> None:
    await write(writer, ada, "salt marsh survey")
    assert await candidates(database, access(ada.tenant), await question(database, ada, "salt marsh survey")) == []


def test_a_question_without_terms_or_scopes_asks_for_nothing() -> None:
    assert lucene_query("t", ["public"], "terms", []) == ""
    assert lucene_query("t", [], "terms", ["tide"]) == ""
    assert lucene_query("t", ["public"], "terms", ["tide"], [("wave", 0.512)]).endswith("+terms:(tide wave^0.51)")

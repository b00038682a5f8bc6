"""Changing the embedder: recall goes on with the old vectors, nothing is lost or done twice, and the switch is one step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cairn.api.app import create_app
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.errors import BadInput, Conflict, Unavailable
from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.database import Database, Row, connect, run
from cairn.graph.keyring import Keyring
from cairn.graph.master import open_master_key
from cairn.graph.memories import Memory
from cairn.graph.migrations.runner import migrate
from cairn.graph.remembering import NewMemory, forget
from cairn.graph.servers import Servers
from cairn.graph.statements import parse
from cairn.graph.tenants import create_tenant
from cairn.graph.vectors import Model, Slots, index_dimensions, release, take_lease
from cairn.graph.writer import Writer, open_writer
from cairn.importers.linking import Linker
from cairn.importers.text import remember
from cairn.learning.embedders import Embedders
from cairn.learning.embedding import Embedder
from cairn.learning.recall import RecallRequest, recall
from cairn.learning.reembedding import Reembedder
from cairn.settings import Settings

from .toy_endpoint import ToyEndpoint, meaning

pytestmark = pytest.mark.anyio
LOOKING = parse((Path(__file__).parent / "looking.cypher").read_text("utf-8"))


@dataclass
class Toy:
    """An embedder that keeps count, refuses texts with `poison`, and fails after so many calls as it is told."""

    name: str
    dimensions: int
    calls: int = 1_000_000
    asked: list[str] = field(default_factory=list)
    ready: bool = True

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.calls <= 0:
            raise Unavailable("the toy does not answer")
        if any("poison" in text for text in texts):
            raise BadInput("the toy refuses that")
        self.calls -= 1
        self.asked += texts
        vectors = [meaning(text, self.dimensions) for text in texts]
        return [[value / sum(v * v for v in vector) ** 0.5 for value in vector] for vector in vectors]


@pytest.fixture
async def database(own_servers: Servers) -> AsyncIterator[Database]:
    async with connect(own_servers.neo4j_uri, own_servers.neo4j_user, own_servers.neo4j_password) as connected:
        await migrate(connected)
        yield connected


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    async with open_writer(database) as opened:
        yield opened


@dataclass
class Replica:
    """One process with an embedder. Others' embedders can be had when they are in `have`."""

    database: Database
    writer: Writer
    embedder: Embedder
    have: dict[str, Embedder]
    batch: int = 3

    def __post_init__(self) -> None:
        self.embedders = Embedders(self.database, self.embedder, self.remake, staleness=0.0)
        self.work = Reembedder(self.database, self.writer, self.embedders, batch=self.batch, grace=0.0, poll=0.01)
        self.linker = Linker(self.database, Toy("links/1", 4))

    def remake(self, model: Model) -> Embedder:
        if model.name not in self.have:
            raise Unavailable("there is none")
        return self.have[model.name]

    async def remember(self, access: Access, *texts: str) -> list[Memory]:
        new = [NewMemory(agent="ada", text=text) for text in texts]
        return await remember(self.database, self.writer, self.embedders, self.linker, access, new)

    async def meaning_of_best(self, access: Access, query: str) -> tuple[str | None, float]:
        """The best hit's text, and the greatest cosine there was, as standardised."""
        found = await recall(self.database, self.embedders, access, RecallRequest(agent="ada", query=query))
        return found.hits[0].memory.text, max(hit.why["meaning"].value for hit in found.hits)


async def settle(database: Database, writer: Writer, embedder: Embedder) -> Replica:
    """A replica whose embedder serves everything."""
    replica = Replica(database, writer, embedder, {})
    slots = await replica.work.step()
    assert (slots.serving.name, slots.phase, slots.filling) == (embedder.name, "steady", None)
    return replica


async def someone(writer: Writer, tenant: str) -> Access:
    await create_tenant(writer, tenant, ())
    access = Access(tenant, "ada", scopes=("agent/ada",), decide=lambda _object, _action: Decision(allowed=True))
    await register_agent(writer, access, "ada", "Ada")
    return access


async def vectors_of(database: Database, tenant: str) -> list[Row]:
    return await database.read(LOOKING["vectors_of"], {"tenant": tenant})


def held(row: Row) -> set[int]:
    """The lengths of a memory's vectors."""
    return {row[slot] for slot in "ab" if row[slot] is not None}


TEXTS = [f"{thing} by the {place}" for thing in ("gulls", "a quay", "tide") for place in ("harbour", "marsh", "river")]


async def test_recall_goes_on_and_then_uses_the_new_vectors(database: Database, writer: Writer, tenant: str) -> None:
    old, new = Toy(f"old/{tenant}", 8), Toy(f"new/{tenant}", 12)
    before = await settle(database, writer, old)
    ada, bob = await someone(writer, tenant), await someone(writer, f"{tenant}-b")
    (gone,) = await before.remember(ada, "soon forgotten")
    await before.remember(ada, *TEXTS)
    await before.remember(bob, *TEXTS)
    await forget(writer, database, ada, gone.id)

    after = Replica(database, writer, new, {old.name: old})
    seen: list[Slots] = []

    async def during(slots: Slots) -> None:
        seen.append(slots)
        if slots.phase == "filling" and slots.done:
            assert (await after.embedders.slots(fresh=True)).serving.name == old.name
            new.asked.clear()
            assert (await after.meaning_of_best(ada, "gulls by the marsh"))[0] == "gulls by the marsh"
            assert "gulls by the marsh" not in new.asked  # embedded with the old one
            if len(seen) == 3:
                await after.remember(ada, "written meanwhile")
                assert held((await vectors_of(database, tenant))[-1]) == {8, 12}

    after.work.listeners.append(during)
    slots = await after.work.step()
    assert (slots.serving, slots.phase, slots.filling) == (Model(new.name, 12), "steady", None)
    assert await index_dimensions(database, slots.slot) == 12
    assert [slots.phase for slots in seen] == sorted((slots.phase for slots in seen), key=["filling", "emptying", "steady"].index)
    dones = [slots.done for slots in seen if slots.phase == "filling"]
    assert dones == sorted(dones)
    assert dones[-1] >= 19
    for name, count in ((tenant, 10), (bob.tenant, 9)):
        rows = await vectors_of(database, name)
        assert [held(row) for row in rows] == [{12}] * count
        assert not any(row["unembedded"] for row in rows)
    new.asked.clear()
    text, closeness = await after.meaning_of_best(ada, "gulls by the marsh")
    assert text == "gulls by the marsh"
    assert closeness > 0.3
    assert new.asked[0] == "gulls by the marsh"
    old.asked.clear()
    await after.remember(ada, "written afterwards")
    assert held((await vectors_of(database, tenant))[-1]) == {12}
    assert old.asked == []


async def test_it_goes_on_where_it_stopped(database: Database, writer: Writer, tenant: str) -> None:
    old = Toy(f"old/{tenant}", 8)
    before = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    texts = [f"{text} of {tenant}" for text in TEXTS]
    await before.remember(ada, *texts)
    new = Toy(f"new/{tenant}", 8)

    async def break_off(slots: Slots) -> None:
        if slots.tenant == tenant and slots.phase == "filling":
            new.calls = 0

    first = Replica(database, writer, new, {old.name: old})
    first.work.listeners.append(break_off)
    with pytest.raises(Unavailable):
        await first.work.step()
    done = {text for text in new.asked if text in texts}
    assert len(done) == 3
    assert (await first.embedders.slots(fresh=True)).filling == Model(new.name, 8)
    assert (await before.meaning_of_best(ada, "tide by the river"))[0] == texts[-1]
    again = Toy(f"new/{tenant}", 8)
    second = Replica(database, writer, again, {old.name: old})
    assert (await second.work.step()).serving.name == new.name
    assert sorted([*done, *(text for text in again.asked if text in texts)]) == sorted(texts)
    assert [held(row) for row in await vectors_of(database, tenant)] == [{8}] * 9


async def test_of_several_replicas_one_does_it(database: Database, writer: Writer, tenant: str) -> None:
    old = Toy(f"old/{tenant}", 8)
    before = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    texts = [f"{text} of {tenant}" for text in TEXTS]
    await before.remember(ada, *texts)
    toys = [Toy(f"new/{tenant}", 12) for _ in range(3)]
    replicas = [Replica(database, writer, toy, {old.name: old}) for toy in toys]
    await asyncio.gather(*(replica.work.step() for replica in replicas))
    assert sorted(text for toy in toys for text in toy.asked if text in texts) == sorted(texts)
    assert all(slots.serving.name == toys[0].name for slots in [await replica.work.step() for replica in replicas])


async def test_who_lost_the_lease_writes_nothing_more(database: Database, writer: Writer, tenant: str) -> None:
    old, new = Toy(f"old/{tenant}", 8), Toy(f"new/{tenant}", 8)
    before = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    await before.remember(ada, *TEXTS)
    slow = Replica(database, writer, new, {old.name: old})
    thief = "another process"

    async def steal(slots: Slots) -> None:
        if slots.phase == "filling" and slots.done:
            await release(database, slow.work._holder)
            assert await take_lease(database, thief) is not None

    slow.work.listeners.append(steal)
    with pytest.raises(Conflict):
        await slow.work.step()
    assert (await slow.embedders.slots(fresh=True)).serving.name == old.name
    await release(database, thief)
    slow.work.listeners.clear()
    assert (await slow.work.step()).serving.name == new.name


async def test_the_replica_that_was_started_later_has_its_way(database: Database, writer: Writer, tenant: str) -> None:
    old, new = Toy(f"old/{tenant}", 8), Toy(f"new/{tenant}", 12)
    early = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    late = await settle(database, writer, new)
    assert (await early.work.step()).serving.name == new.name
    (memory,) = await early.remember(ada, "written by a replica that lacks the embedder")
    assert (await vectors_of(database, tenant))[0] == {"text": memory.text, "a": None, "b": None, "unembedded": True}
    assert (await early.meaning_of_best(ada, "replica that lacks"))[0] == memory.text  # by its words
    await late.work.step()
    (row,) = await vectors_of(database, tenant)
    assert (held(row), row["unembedded"]) == ({12}, False)


async def test_another_wish_midway(database: Database, writer: Writer, tenant: str) -> None:
    old, new, newer = Toy(f"old/{tenant}", 8), Toy(f"new/{tenant}", 12, calls=1), Toy(f"newer/{tenant}", 12)
    before = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    await before.remember(ada, *TEXTS)
    with pytest.raises(Unavailable):
        await Replica(database, writer, new, {old.name: old}).work.step()
    slots = await Replica(database, writer, newer, {old.name: old}).work.step()
    assert slots.serving.name == newer.name
    assert set(newer.asked) >= set(TEXTS)
    back = Replica(database, writer, Toy(f"old/{tenant}", 8), {})
    assert (await back.work.step()).serving.name == old.name
    assert [held(row) for row in await vectors_of(database, tenant)] == [{8}] * 9


async def test_without_the_old_embedder_recall_goes_on_by_words(database: Database, writer: Writer, tenant: str) -> None:
    old, new = Toy(f"old/{tenant}", 8), Toy(f"new/{tenant}", 12)
    before = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    await before.remember(ada, *TEXTS)
    after = Replica(database, writer, new, {})
    assert await after.meaning_of_best(ada, "gulls by the marsh") == ("gulls by the marsh", 0.0)
    await after.remember(ada, "written meanwhile")
    await after.work.step()
    assert (await after.meaning_of_best(ada, "gulls by the marsh"))[1] > 0.3
    assert [held(row) for row in await vectors_of(database, tenant)] == [{12}] * 10


async def test_an_old_embedder_that_fails_is_left_alone(database: Database, writer: Writer, tenant: str) -> None:
    old, new = Toy(f"old/{tenant}", 8), Toy(f"new/{tenant}", 12)
    before = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    await before.remember(ada, *TEXTS)
    failing = Toy(f"old/{tenant}", 8, calls=0)
    after = Replica(database, writer, new, {old.name: failing})
    assert await after.meaning_of_best(ada, "gulls by the marsh") == ("gulls by the marsh", 0.0)
    failing.calls = 100
    await after.remember(ada, "written meanwhile")
    assert failing.asked == []
    await after.work.step()
    assert [held(row) for row in await vectors_of(database, tenant)] == [{12}] * 10


async def test_a_text_that_is_refused_goes_without(database: Database, writer: Writer, tenant: str) -> None:
    old, new = Toy(f"old/{tenant}", 8), Toy(f"new/{tenant}", 12)
    before = await settle(database, writer, old)
    ada = await someone(writer, tenant)
    await before.remember(ada, *TEXTS[:4])
    new_only = Replica(database, writer, new, {})
    with pytest.raises(BadInput):
        await Replica(database, writer, old, {}).remember(ada, "poison")
    assert len(await vectors_of(database, tenant)) == 4  # nothing half-written
    real = Toy.embed
    try:
        Toy.embed = lambda self, texts: real(self, [text.replace("poison", "") for text in texts])  # type: ignore[method-assign]
        await before.remember(ada, "poison")
    finally:
        Toy.embed = real  # type: ignore[method-assign]
    await new_only.work.step()
    assert [held(row) for row in await vectors_of(database, tenant)] == [{12}] * 4 + [set()]


async def test_an_altered_memory_keeps_no_other_from_its_vector(
    database: Database, writer: Writer, tenant: str, master_key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database.keyring = Keyring(database, open_master_key(master_key_file))
    before = await settle(database, writer, Toy(f"old/{tenant}", 8))
    await before.remember(await someone(writer, tenant), *TEXTS[:4])
    moved = await database.write(lambda transaction: run(transaction, LOOKING["moved_text"], {"tenant": tenant}))
    try:
        await Replica(database, writer, Toy(f"new/{tenant}", 12), {}).work.step()
        assert sorted(map(held, await vectors_of(database, tenant)), key=len) == [set(), {12}, {12}, {12}]
    finally:
        await database.write(lambda transaction: run(transaction, LOOKING["no_memories"], {"tenant": tenant}))
    assert f"memory {moved[0]['id']} goes without a vector" in caplog.text


async def test_wrong_dimensions_are_told_at_start(database: Database, writer: Writer, tenant: str) -> None:
    await settle(database, writer, Toy(f"old/{tenant}", 8))
    with pytest.raises(BadInput, match="have 8 dimensions, but the embedder is set to 9"):
        await Replica(database, writer, Toy(f"old/{tenant}", 9), {}).embedders.check()


async def asked(settings: Settings, work: Callable[[Client], Awaitable[None]]) -> None:
    """Open a Cairn, let `work` ask it, and close it."""
    async with open_services(settings) as cairn:
        transport = httpx.ASGITransport(create_app(cairn))
        async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
            await work(Client(http, "http://cairn.test/graphql", operator_key(settings.data_dir)))


RECALL = '{ recall(input: {agent: "ada", query: "tide at the quay"}) { hits { why memory { text } } } }'
REMEMBER = 'mutation($t: String!) { remember(input: {agent: "ada", text: $t}) { id } }'


async def test_a_whole_cairn_changes_to_an_endpoint_and_survives_its_hanging(own_settings: Settings, toy: ToyEndpoint, url: str) -> None:
    async def first(client: Client) -> None:
        await client.demand('mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
        for text in ("the tide rose at the quay", "gulls nest in the marsh"):
            await client.demand(REMEMBER, {"t": text})
        while (await client.demand("{ embedding { embedder } }"))["embedding"]["embedder"] != "wordllama/l2_supercat_256":
            await asyncio.sleep(0.05)
        assert (await client.demand("{ embedding { dimensions next progress } }"))["embedding"]["progress"] == 1

    async def second(client: Client) -> None:
        async with asyncio.timeout(60):
            while (await client.demand("{ embedding { embedder } }"))["embedding"]["embedder"] != "http/toy":
                hits = (await client.demand(RECALL))["recall"]["hits"]
                assert hits[0]["memory"]["text"] == "the tide rose at the quay"
                await asyncio.sleep(0.05)
        await client.demand(REMEMBER, {"t": "the quay was flooded"})
        hits = (await client.demand(RECALL))["recall"]["hits"]
        assert {hit["memory"]["text"] for hit in hits} > {"the quay was flooded"}
        assert any(hit["why"]["meaning"]["value"] for hit in hits)
        toy.hold = asyncio.Event()
        hanging = asyncio.create_task(client.execute(REMEMBER, {"t": "never written"}))
        assert (await client.demand("{ memories { nodes { text } } }"))["memories"]["nodes"][0]["text"] == "the quay was flooded"
        answer = await hanging
        assert answer.errors
        assert answer.errors[0]["extensions"]["code"] == "UNAVAILABLE"
        assert "embeddings endpoint" in answer.errors[0]["message"]
        assert "127.0.0.1" not in str(answer.errors)
        toy.hold.set()
        toy.hold = None
        nodes = (await client.demand("{ memories { nodes { text } } }"))["memories"]["nodes"]
        assert "never written" not in {node["text"] for node in nodes}

    await asked(own_settings, first)
    there: dict[str, Any] = {"embedder": "http", "embedder_url": url, "embedder_model": "toy", "embedder_dimensions": 8}
    elsewhere = own_settings.model_copy(update={**there, "embedder_timeout": 1.0, "embedder_patience": 1.5})
    await asked(elsewhere, second)
    toy.dimensions = 5
    with pytest.raises(Unavailable, match="5 numbers where 8 are expected"):
        await asked(elsewhere, second)
    with pytest.raises(BadInput, match="CAIRN_EMBEDDER is 'nothing', but there is only: http, minilm, wordllama"):
        await asked(own_settings.model_copy(update={"embedder": "nothing"}), second)

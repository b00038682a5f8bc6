"""A backup holds everything, restores into an empty database only, and a database that was not restored to its end is not opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from neo4j import AsyncManagedTransaction, GraphDatabase

from cairn.api.backing_up import back_up_to, restore_from
from cairn.api.presence import announce
from cairn.api.services import open_services
from cairn.errors import BadInput, Conflict, Unavailable
from cairn.graph.access import Access
from cairn.graph.agents import register_agent
from cairn.graph.asserting import NewFact, assert_fact
from cairn.graph.backup_file import Counts, Header, read_lines, whole, written
from cairn.graph.backups import back_up, read_counts
from cairn.graph.database import Database, Row, connect, run
from cairn.graph.feedback import give_feedback
from cairn.graph.instants import now
from cairn.graph.ledger import read_head
from cairn.graph.migrations.runner import applied, migrate
from cairn.graph.progress import Progress, silent
from cairn.graph.remembering import NewMemory, Prepared, check, forget, remember
from cairn.graph.restoring import restore
from cairn.graph.servers import Servers
from cairn.graph.statements import load, parse
from cairn.graph.states import set_state
from cairn.graph.tenants import create_tenant, read_catalog
from cairn.graph.vectors import Model, begin, index_dimensions, read_slots, take_lease
from cairn.graph.verification import verify
from cairn.graph.writer import open_writer
from cairn.importers.export import export
from cairn.importers.jobs import ImportJobs, Wish
from cairn.settings import Settings

pytestmark = pytest.mark.anyio

CYPHER = parse((Path(__file__).parent / "emptying.cypher").read_text("utf-8"))
TURTLE = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix ex: <urn:ex:> .
ex:granite a skos:Concept ; skos:prefLabel "granite"@en, "Granit"@de ; skos:broader ex:rock ; ex:found [ ex:at "2026"^^ex:year ] .
ex:rock a skos:Concept ; skos:prefLabel "rock" . ex:rock ex:like ex:rock .
"""


async def change(database: Database, name: str, parameters: Row | None = None) -> None:
    async def work(transaction: AsyncManagedTransaction) -> None:
        await run(transaction, CYPHER[name], parameters)

    await database.write(work)


@pytest.fixture
async def own(own_servers: Servers) -> AsyncIterator[Database]:
    """A database of these tests' own, empty, without so much as the vectors' indexes."""
    async with connect(own_servers.neo4j_uri, own_servers.neo4j_user, own_servers.neo4j_password) as database:
        await empty(database)
        yield database


async def empty(database: Database) -> None:
    await change(database, "empty")
    for index in ("memory_embedding", "memory_embedding_b"):

        async def drop(transaction: AsyncManagedTransaction, name: str = index) -> None:
            await run(transaction, load("vectors")["vectors_index_drop"], {"name": name})

        await database.write(drop)


async def live(database: Database, access: Access, folder: Path) -> None:
    """Fill a tenant with something of everything."""
    async with open_writer(database) as writer:
        await create_tenant(writer, access.tenant, ())
        await register_agent(writer, access, "ada", "Ada", ["finish the thesis"])
        for value in ({"mood": "calm"}, {"mood": ["curious", 1.5, None]}):
            await set_state(writer, access, "ada", "mood", value)
        name = (await read_slots(database)).serving.name
        prepared = [
            Prepared(
                check(access, NewMemory(agent="ada", text=text, session="walk", metadata={"n": at}), now()),
                (text,),
                {name: [0.1 * at] * 256},
            )
            for at, text in enumerate(("granite", "slate", "secret"))
        ]
        granite, slate, secret = await remember(writer, access, prepared)
        await give_feedback(writer, access, "recall", "ada", "stones?", [granite, slate], [granite])
        for place in ("Oslo", "Rome"):
            await assert_fact(
                writer, access, NewFact(subject="urn:ada", predicate="urn:in", object=place, functional=True, evidence=(slate,))
            )
        await forget(writer, database, access, secret, erase=True)
        jobs = ImportJobs(database, writer, Settings(data_dir=folder / "data"))
        (folder / "stones.ttl").write_text(TURTLE, "utf-8")
        started = await jobs.start(access, Wish(str(folder / "stones.ttl"), graph="urn:stones"))
        await jobs.wait(access, started.id)
        await jobs.close()


async def exported(database: Database, access: Access, folder: Path) -> list[bytes]:
    numbers = tuple(number for _, number in (await read_catalog(database, access.tenant)).graphs)
    reader = Access(access.tenant, "root", graphs=numbers, decide=access.decide)
    return sorted(b"".join([chunk async for chunk in export(database, reader, folder, "nq", None)]).splitlines())


def contents(file: Path) -> list[bytes]:
    """What a backup holds, whatever numbers its nodes have."""
    nodes: dict[int, bytes] = {}
    relationships: list[bytes] = []
    for line in read_lines(file):
        if isinstance(line, Header):
            continue
        if line[0] == "n":
            nodes[line[1]] = orjson.dumps(line[2:])
        else:
            relationships.append(orjson.dumps([nodes[line[1]].decode(), nodes[line[2]].decode(), *line[3:]]))
    return sorted([*nodes.values(), *relationships])


async def test_everything_comes_back_as_it_was(own: Database, root: Access, tmp_path: Path) -> None:
    await migrate(own)
    await live(own, root, tmp_path)
    other = Access(f"other-{root.tenant}", "root", scopes=root.scopes, decide=root.decide)
    await live(own, other, tmp_path)
    slots = await take_lease(own, "test")
    assert slots is not None
    await begin(own, "test", slots, Model("toy", 3))
    await change(own, "instants", {"bytes": bytes(range(256))})
    values, rdf, head = await own.read(CYPHER["values"]), await exported(own, root, tmp_path), await read_head(own, root.tenant)
    told: list[Progress] = []
    counts = await back_up(own, tmp_path / "first", told.append)
    assert counts == await read_counts(own) == whole(tmp_path / "first").counts
    assert {(one.what, one.total) for one in told} == {
        ("Backing up nodes", counts.nodes),
        ("Backing up relationships", counts.relationships),
    }
    assert len(rdf) == 9

    await empty(own)
    assert await restore(own, tmp_path / "first", whole(tmp_path / "first")) == counts
    assert (await own.read(CYPHER["leftovers"]))[0] == {"nodes": 0, "numbers": 0}
    for tenant in (root.tenant, other.tenant):
        verdict = await verify(own, tenant)
        assert verdict.holds, verdict.problem
    assert (await read_head(own, root.tenant)).root == head.root
    assert await own.read(CYPHER["values"]) == values
    assert await exported(own, root, tmp_path) == rdf
    restored = await read_slots(own)
    assert restored.filling == Model("toy", 3)
    assert [await index_dimensions(own, slot) for slot in (restored.slot, restored.slot.other)] == [256, 3]
    await back_up(own, tmp_path / "second")
    assert contents(tmp_path / "second") == contents(tmp_path / "first")
    async with open_writer(own) as writer:  # life goes on
        await set_state(writer, root, "ada", "mood", "well")
    assert (await verify(own, root.tenant)).holds


async def test_only_an_empty_database_takes_a_backup(own: Database, own_settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "cairn.backup"
    with pytest.raises(BadInput, match="Cairn has never used this database"):
        await back_up_to(own_settings, file, silent)
    await migrate(own)
    await back_up_to(own_settings, file, silent)
    await change(own, "stone")
    before = await read_counts(own)
    with pytest.raises(Conflict, match="the database is not empty; restore into a new one"):
        await restore_from(own_settings, file, silent)
    assert await read_counts(own) == before
    assert (await own.read(CYPHER["leftovers"]))[0] == {"nodes": 0, "numbers": 0}


async def test_a_commit_meanwhile_spoils_an_attempt(own: Database, own_servers: Servers, tmp_path: Path) -> None:
    await migrate(own)
    assert own_servers.neo4j_password is not None
    driver = GraphDatabase.driver(own_servers.neo4j_uri, auth=(own_servers.neo4j_user, own_servers.neo4j_password))
    commits = 0

    def committing(limit: int) -> Callable[[Progress], None]:
        def report(_: Progress) -> None:
            nonlocal commits
            if commits < limit:
                commits += 1
                driver.execute_query(CYPHER["commit"].text)  # type: ignore[arg-type]

        return report

    with driver:
        with pytest.raises(Conflict, match="changed while it was read, three times"):
            await back_up(own, tmp_path / "cairn.backup", committing(1_000))
        assert list(tmp_path.iterdir()) == []
        commits = 0
        await back_up(own, tmp_path / "cairn.backup", committing(1))
    assert whole(tmp_path / "cairn.backup").counts == await read_counts(own)


async def test_a_restore_that_failed_leaves_a_database_that_nobody_opens(own: Database, own_settings: Settings, tmp_path: Path) -> None:
    await migrate(own)
    good, bad = tmp_path / "good", tmp_path / "bad"
    await back_up(own, good)
    with written(bad) as lines:
        lines.header(Header("0", "", tuple(await applied(own)), Counts(2, 1)))
        for number in range(2):
            lines.node(number, ["Memory"], {"id": f"m{number}"})
        lines.relationship(0, 7, "NEXT", {})
        lines.trailer(Counts(2, 1))
    with pytest.raises(Unavailable, match=r"(?s)relationships between nodes that it lacks.*run `cairn restore` again"):
        await restore_from(own_settings, bad, silent)
    for attempt in (back_up_to(own_settings, tmp_path / "other", silent), opened(own_settings)):
        with pytest.raises(Unavailable, match="holds part of a backup only"):
            await attempt
    await restore_from(own_settings, good, silent)
    await back_up(own, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(good)


async def test_a_restore_verifies_every_tenant_when_asked(own: Database, own_settings: Settings, root: Access, tmp_path: Path) -> None:
    await migrate(own)
    await live(own, root, tmp_path)
    size = (await read_head(own, root.tenant)).size
    await back_up(own, tmp_path / "good")
    await change(own, "forge", {"tenant": root.tenant})
    await back_up(own, tmp_path / "forged")
    for name, holds in (("good", True), ("forged", False)):
        await empty(own)
        done = await restore_from(own_settings, tmp_path / name, silent, check=True)
        ((tenant, verdict),) = done.ledgers
        assert (tenant, verdict.size, verdict.holds) == (root.tenant, size, holds)


async def opened(settings: Settings) -> None:
    async with open_services(settings):
        pass


async def test_two_restores_do_not_meet(own: Database, tmp_path: Path) -> None:
    await migrate(own)
    await back_up(own, tmp_path / "cairn.backup")
    await change(own, "restoring")
    with pytest.raises(Conflict, match="another restore into this database is under way"):
        await restore(own, tmp_path / "cairn.backup", whole(tmp_path / "cairn.backup"))


async def test_a_backup_of_a_newer_cairn_is_refused(own: Database, tmp_path: Path) -> None:
    header = Header("9.9", "", ("0001_core", "9999_future"), Counts())
    with pytest.raises(BadInput, match=r"made by a newer Cairn, 9\.9"):
        await restore(own, tmp_path / "cairn.backup", header)
    assert await read_counts(own) == Counts()


@pytest.mark.parametrize("command", [back_up_to, restore_from])
async def test_a_running_cairn_and_one_elsewhere_are_left_alone(command: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "cairn.backup"
    with written(file) as lines:
        lines.header(Header("0", "", (), Counts()))
        lines.trailer(Counts())
    settings = Settings(data_dir=tmp_path / "data", neo4j_uri=None, redis_url=None)
    settings.data_dir.mkdir()
    announce(settings.data_dir, "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"Cairn is running at http://127\.0\.0\.1:1 and has the servers"):
        await command(settings, file, silent)
    with pytest.raises(BadInput, match="CAIRN_URL names a Cairn elsewhere"):
        await command(settings.model_copy(update={"url": "https://cairn.example.org"}), file, silent)

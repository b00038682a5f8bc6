"""Fixtures that every test may use: one pair of real servers a run, and a fresh tenant a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from cairn.graph.database import Database, connect
from cairn.graph.migrations.runner import migrate
from cairn.graph.servers import Servers
from cairn.graph.servers import servers as start_servers
from cairn.graph.writer import Writer, open_writer
from cairn.settings import Settings


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as Cairn does."""
    return "asyncio"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The real Neo4j and Redis of this run, shared by all tests; tests keep apart by tenant.

    `CAIRN_NEO4J_URI` and `CAIRN_REDIS_URL` name servers that already run; what they leave out is started embedded,
    on an event loop in a thread of its own, because each async test has a loop of its own.
    """
    settings = Settings(data_dir=tmp_path_factory.mktemp("cairn"))
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(start_servers(settings)) as running:
        yield running


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"test-{uuid4().hex}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of large sample files beside the repository. Tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the sample data in ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def migrated(servers: Servers) -> Servers:
    """The servers, with the schema up to date."""

    async def up() -> None:
        async with connect(servers.neo4j_uri, servers.neo4j_user, servers.neo4j_password, servers.neo4j_database) as database:
            await migrate(database)

    anyio.run(up)
    return servers


@pytest.fixture
async def database(migrated: Servers) -> AsyncIterator[Database]:
    """The real database."""
    async with connect(migrated.neo4j_uri, migrated.neo4j_user, migrated.neo4j_password, migrated.neo4j_database) as connected:
        yield connected


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    """A writer on the real database."""
    async with open_writer(database) as opened:
        yield opened

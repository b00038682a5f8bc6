"""Fixtures that every test may use: one pair of real servers a run, and a fresh tenant a test."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
import uvicorn
from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr
from starlette.applications import Starlette

from cairn.api.app import create_app
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import Cairn, open_services
from cairn.graph.data_dir import write_private
from cairn.graph.database import Database, connect
from cairn.graph.keyring import Keyring
from cairn.graph.master import open_master_key
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


@pytest.fixture(scope="module")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of a module's own, for what concerns a whole database, which other tests use too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CAIRN_NEO4J_URI", "CAIRN_REDIS_URL", "CAIRN_NEO4J_PASSWORD", "CAIRN_NEO4J_USER"):
            patch.delenv(name, raising=False)
        settings = Settings(data_dir=tmp_path_factory.mktemp("own"), neo4j_heap="512m", neo4j_page_cache="64m")
        with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(start_servers(settings)) as running:
            yield running


@pytest.fixture
def own_settings(own_servers: Servers, tenant: str, tmp_path: Path) -> Settings:
    """Settings for a Cairn on those servers."""
    return Settings(
        data_dir=tmp_path / "data",
        tenant=tenant,
        neo4j_uri=own_servers.neo4j_uri,
        neo4j_user=own_servers.neo4j_user,
        neo4j_password=SecretStr(own_servers.neo4j_password) if own_servers.neo4j_password is not None else None,
        redis_url=own_servers.redis_url,
    )


@pytest.fixture(scope="session")
def migrated(servers: Servers) -> Servers:
    """The servers, with the schema up to date."""

    async def up() -> None:
        async with connect(servers.neo4j_uri, servers.neo4j_user, servers.neo4j_password, servers.neo4j_database) as database:
            await migrate(database)

    anyio.run(up)
    return servers


@pytest.fixture(scope="session")
def master_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The master key of all tests: the same in every run, since servers may outlive a run and background work looks at every tenant."""
    file = tmp_path_factory.mktemp("keys") / "master.key"
    write_private(file, b64encode(sha256(b"tests").digest()).decode("ascii") + "\n")
    return file


@pytest.fixture
async def database(migrated: Servers, master_key_file: Path) -> AsyncIterator[Database]:
    """The real database, encrypted."""
    async with connect(migrated.neo4j_uri, migrated.neo4j_user, migrated.neo4j_password, migrated.neo4j_database) as connected:
        connected.keyring = Keyring(connected, open_master_key(master_key_file))
        yield connected


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    """A writer on the real database."""
    async with open_writer(database) as opened:
        yield opened


@pytest.fixture
def settings(migrated: Servers, tenant: str, tmp_path: Path, master_key_file: Path) -> Settings:
    """Settings for a Cairn of this test's own: its tenant and data directory, on the servers of the run."""
    return Settings(
        data_dir=tmp_path / "data",
        tenant=tenant,
        neo4j_uri=migrated.neo4j_uri,
        neo4j_user=migrated.neo4j_user,
        neo4j_password=SecretStr(migrated.neo4j_password) if migrated.neo4j_password is not None else None,
        neo4j_database=migrated.neo4j_database,
        redis_url=migrated.redis_url,
        master_key_file=master_key_file,
        tuning="off",
        consolidation_interval=0,  # the servers are shared: a test asks for what it wants
    )


@pytest.fixture
async def cairn(settings: Settings) -> AsyncIterator[Cairn]:
    """One open Cairn, with a tenant of its own."""
    async with open_services(settings) as opened:
        yield opened


@pytest.fixture
async def client(cairn: Cairn, settings: Settings) -> AsyncIterator[Client]:
    """The operator's client of that Cairn, over its real app."""
    transport = httpx.ASGITransport(create_app(cairn))
    async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
        yield Client(http, "http://cairn.test/graphql", operator_key(settings.data_dir))


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Any]:
    """Waits until a condition holds; fails after 20 seconds."""
    return _until


@asynccontextmanager
async def _serve(app: Starlette) -> AsyncGenerator[str]:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    await _until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


@pytest.fixture
def serve() -> Callable[[Starlette], Any]:
    """Serves an app on a loopback port, by the real HTTP server, as an async context that gives the address."""
    return _serve

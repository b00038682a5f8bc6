"""Fixtures of the learning tests: a tenant that exists, a model's endpoint, and servers whose embedder may be changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr

from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.servers import Servers, servers
from cairn.graph.tenants import create_tenant
from cairn.graph.writer import Writer
from cairn.settings import Settings

from .toy_endpoint import ToyEndpoint

SCOPES = ("agent/ada", "agent/bob", "public", "team/research")


@pytest.fixture
async def root(tenant: str, writer: Writer) -> Access:
    """Someone who may do everything in this test's tenant, which exists, with the agents ada and bob."""
    access = Access(tenant, "root", scopes=SCOPES, decide=lambda _object, _action: Decision(allowed=True))
    await create_tenant(writer, tenant, ())
    await register_agent(writer, access, "ada", "Ada")
    await register_agent(writer, access, "bob", "Bob")
    return access


@pytest.fixture
def toy() -> ToyEndpoint:
    """An endpoint that behaves, until told otherwise."""
    return ToyEndpoint()


@pytest.fixture
async def url(toy: ToyEndpoint, serve: Callable[..., Any]) -> AsyncIterator[str]:
    """Where it answers, over real HTTP."""
    async with serve(toy.app) as address:
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of this module's own: changing the embedder concerns a whole database, which other tests use too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CAIRN_NEO4J_URI", "CAIRN_REDIS_URL", "CAIRN_NEO4J_PASSWORD", "CAIRN_NEO4J_USER"):
            patch.delenv(name, raising=False)
        settings = Settings(data_dir=tmp_path_factory.mktemp("own"), neo4j_heap="512m", neo4j_page_cache="64m")
        with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(servers(settings)) as running:
            yield running


@pytest.fixture
def own_settings(own_servers: Servers, tenant: str, tmp_path: Any) -> Settings:
    """Settings for a Cairn on those servers."""
    return Settings(
        data_dir=tmp_path / "data",
        tenant=tenant,
        neo4j_uri=own_servers.neo4j_uri,
        neo4j_user=own_servers.neo4j_user,
        neo4j_password=SecretStr(own_servers.neo4j_password) if own_servers.neo4j_password is not None else None,
        redis_url=own_servers.redis_url,
    )

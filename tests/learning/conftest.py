"""Fixtures of the learning tests: a tenant that exists, and a model's endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.tenants import create_tenant
from cairn.graph.writer import Writer

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

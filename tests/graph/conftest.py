"""Fixtures of the graph's tests: a tenant that exists, and who acts in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.tenants import create_tenant
from cairn.graph.writer import Writer

SCOPES = ("agent/ada", "agent/bob", "agent/root", "public", "team/research")


@pytest.fixture
def acting(tenant: str) -> Callable[..., Access]:
    """Makes an `Access` in this test's tenant: which scopes are readable, and which objects anything may be done to."""

    def make(
        principal: str = "root", scopes: tuple[str, ...] = SCOPES, allowed: Callable[[str, str], bool] = lambda _o, _a: True
    ) -> Access:
        return Access(
            tenant, principal, scopes=scopes, state_allow=(".*",), decide=lambda obj, action: Decision(allowed(obj, action), "test")
        )

    return make


@pytest.fixture
def root(acting: Callable[..., Access]) -> Access:
    """Someone who may do everything in this test's tenant."""
    return acting()


@pytest.fixture
async def home(tenant: str, root: Access, writer: Writer) -> str:
    """The tenant, created, with the agents ada and bob."""
    await create_tenant(writer, tenant, ())
    await register_agent(writer, root, "ada", "Ada", ["finish the thesis"])
    await register_agent(writer, root, "bob", "Bob")
    return tenant

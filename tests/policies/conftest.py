"""A tenant with the seeded rules, and what a server has to work with it."""

from __future__ import annotations

import pytest

from cairn.graph.access import Access
from cairn.graph.database import Database
from cairn.graph.writer import Writer
from cairn.policies.accesses import Accesses
from cairn.policies.administration import Administration
from cairn.policies.tenants import ensure_tenant

HIDEABLE = frozenset({"Memory.text"})


@pytest.fixture
async def seeded(writer: Writer, tenant: str) -> str:
    """A tenant with the seeded rules."""
    assert await ensure_tenant(writer, tenant)
    return tenant


@pytest.fixture
def accesses(database: Database) -> Accesses:
    """Accesses that look at the versions for every question."""
    return Accesses(database, 0.0, HIDEABLE)


@pytest.fixture
def administration(writer: Writer, accesses: Accesses) -> Administration:
    """The verbs that change rules."""
    return Administration(writer, accesses)


@pytest.fixture
async def admin(accesses: Accesses, seeded: str) -> Access:
    """The access of the principal `admin`, which has the role by its name."""
    return await accesses.get(seeded, "admin")

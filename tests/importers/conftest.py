"""Fixtures of the importers' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairn.graph.database import Database
from cairn.graph.writer import Writer

from .rdf_curator import Curator, curating


@pytest.fixture
async def curator(database: Database, writer: Writer, tenant: str, tmp_path: Path) -> AsyncIterator[Curator]:
    """Someone who may import anything into this test's tenant, which is empty."""
    async with curating(database, writer, tenant, tmp_path) as made:
        yield made

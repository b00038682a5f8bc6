"""The doctor names the address to whoever runs it, and so does a start that finds no Neo4j; answers over HTTP never do."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cairn.api.doctor import examine
from cairn.api.services import open_services
from cairn.errors import Unavailable
from cairn.graph.master import open_master_key
from cairn.graph.signing import open_signer
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
NOWHERE = "bolt://127.0.0.1:1"


async def test_where_neo4j_was_looked_for_is_told_at_the_command_line(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, neo4j_uri=NOWHERE, redis_url="redis://127.0.0.1:1/0")
    out = StringIO()
    assert await examine(settings, Console(file=out, width=500)) == 1
    assert "problem  Neo4j: the graph database does not answer; try again" in out.getvalue()
    assert f"CAIRN_NEO4J_URI is {NOWHERE}" in out.getvalue()
    with pytest.raises(Unavailable, match=f"CAIRN_NEO4J_URI is {NOWHERE}"):
        async with open_services(settings):
            pass


async def test_the_keys_are_looked_at_and_not_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, neo4j_uri=NOWHERE, redis_url="redis://127.0.0.1:1/0", ledger_key_file=tmp_path / "mine.key")

    async def told() -> str:
        out = StringIO()
        await examine(settings, Console(file=out, width=500))
        return next(line for line in out.getvalue().splitlines() if " keys: " in line)

    before = await told()
    assert before.startswith("ok") and "master.key" in before and "mine.key" in before
    assert list(tmp_path.iterdir()) == []
    open_master_key(tmp_path / "master.key")
    open_signer(tmp_path / "mine.key")
    assert "open" in await told()
    (tmp_path / "mine.key").chmod(0o640)
    assert "problem" in await told() and "mine.key can be read by other users" in await told()
    (tmp_path / "mine.key").chmod(0o600)
    (tmp_path / "master.key").write_text("none")
    assert "problem" in await told() and "does not hold master keys" in await told()

"""The GraphQL-over-HTTP specification, by the server audits of its reference implementation (npm package graphql-http)."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cairn.api.app import create_app
from cairn.api.presence import operator_key
from cairn.api.services import Cairn
from cairn.settings import Settings

pytestmark = pytest.mark.anyio

PACKAGES = ("graphql-http@1.23.1", "graphql@16.12.0")
AUDITS = 61


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Path:
    """A folder with the audits installed, kept between runs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("the server audits need node and npm")
    folder = Path(str(request.config.cache.mkdir("server-audits")))
    (folder / "package.json").write_text('{"private": true}')
    if not (folder / "node_modules" / "graphql-http").is_dir():
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(folder), *PACKAGES]
        installed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if installed.returncode:
            pytest.skip(f"npm could not install the server audits: {installed.stderr[-300:]}")
    return folder


async def test_all_server_audits_pass(cairn: Cairn, settings: Settings, packages: Path, serve: Callable[..., Any]) -> None:
    script = Path(__file__).with_name("server_audits.mjs")
    async with serve(create_app(cairn)) as url:
        process = await asyncio.create_subprocess_exec(
            "node", script, packages, f"{url}/graphql", operator_key(settings.data_dir) or "", stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
    outcomes = json.loads(output)
    assert [outcome for outcome in outcomes if outcome["status"] != "ok"] == []
    assert len(outcomes) == AUDITS

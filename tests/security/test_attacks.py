"""A part of our own attacks, on a Cairn served over a real connection; `python -m benchmarks.attacks` runs them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import uvicorn

from cairn.api.app import create_app
from cairn.api.presence import operator_key
from cairn.api.serve import address, bind, server
from cairn.api.services import open_services
from cairn.policies.bootstrap import bootstrap
from cairn.settings import Settings

from .attacks import CLASSES
from .attacks.world import attacked, prepare

pytestmark = pytest.mark.anyio
EVERY = {"injection into RDF, and importers": 4, "injection into Cypher": 4}
LEFT_OUT = {
    "20,000 memories",
    "a gzip bomb of statements",
    "50 slow heads",
    "pings without end from one who never reads",
    "XML 100,000 deep",
}
"""What takes long and is tried by a test of its own, or by the benchmark."""


@pytest.fixture
async def prepared(settings: Settings, tmp_path: Path) -> AsyncIterator[object]:
    for name in ("files", "outside"):
        (tmp_path / name).mkdir()
    chosen = settings.model_copy(update={"import_roots": (tmp_path / "files",), "port": 0})
    async with open_services(chosen) as cairn:
        other = await bootstrap(cairn.services.writer, f"test-{uuid4().hex}")
        with bind(chosen) as listening:
            web = uvicorn.Server(server(create_app(cairn), chosen))
            serving = asyncio.create_task(web.serve([listening]))
            while not web.started:
                await asyncio.sleep(0.01)
            url = address(listening, chosen)
            yield await prepare(url, operator_key(chosen.data_dir) or "", other or "", tmp_path / "files", tmp_path / "outside")
            web.should_exit = True
            await serving


@pytest.mark.parametrize("kind", CLASSES)
async def test_attacks_are_refused_and_tell_nothing(kind: str, prepared: object) -> None:
    failed: list[str] = []
    async with attacked(prepared) as target:  # pyright: ignore[reportArgumentType]
        for attack in [attack for attack in CLASSES[kind] if attack.name not in LEFT_OUT][:: EVERY.get(kind, 1)]:
            try:
                await attack.run(target)
            except Exception as error:  # noqa: BLE001
                failed.append(f"{attack.name}: {error!r}")
        await target.data("{ me { id } }")
    assert not failed, "\n".join(failed)

"""How a server leaves: it says so while it still answers, then ends."""

from __future__ import annotations

import os
import signal

import anyio
import httpx
import pytest

from cairn.api.serve import serving
from cairn.settings import Settings

pytestmark = pytest.mark.anyio


async def test_a_server_that_drains_is_not_ready_and_answers(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"port": 0, "drain": 1.0})) as running, httpx.AsyncClient(base_url=running.url) as http:
        assert (await http.get("/readyz")).status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)
        with anyio.fail_after(0.9):
            while (ready := await http.get("/readyz")).status_code == 200:
                await anyio.sleep(0.01)
        assert ready.json()["status"] == "not ready"
        assert "about to end" in ready.json()["checks"]["serving"]
        assert (await http.get("/healthz")).status_code == 200
        async with httpx.AsyncClient(base_url=running.url) as another:
            assert (await another.post("/graphql", json={"query": "{ __typename }"})).status_code in (200, 401)
        assert not running.ended.is_set()
        with anyio.fail_after(20):
            await running.ended.wait()
        with pytest.raises(httpx.HTTPError):
            await http.get("/healthz")


async def test_a_second_signal_ends_the_wait(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"port": 0, "drain": 300.0})) as running:
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep(0.1)
        assert not running.ended.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        with anyio.fail_after(20):
            await running.ended.wait()


async def test_without_a_wait_a_signal_ends_it_at_once(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"port": 0})) as running:
        os.kill(os.getpid(), signal.SIGTERM)
        with anyio.fail_after(20):
            await running.ended.wait()

"""GraphiQL in a real browser, from the vendored files: a query and a subscription with an API key that the user pastes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from cairn.api.app import create_app
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import Cairn
from cairn.settings import Settings

pytestmark = pytest.mark.anyio

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 30_000


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page of a fresh browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        opened = await browser.new_page()
        opened.set_default_timeout(PATIENCE)
        yield opened
        await browser.close()


async def run(page: Page, name: str, query: str) -> None:
    """Put `query` into the editor and execute it, once GraphiQL has understood it: then its tab has the operation's name."""
    await page.locator(".graphiql-editor").first.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(query)
    await expect(page.locator(".graphiql-tabs")).to_contain_text(name, timeout=PATIENCE)
    await page.locator(".graphiql-execute-button").click()


async def shows(page: Page, pattern: str) -> None:
    """Wait until the response matches `pattern`."""
    await expect(page.locator(".result-window")).to_have_text(re.compile(pattern), use_inner_text=True, timeout=PATIENCE)


async def test_runs_a_query_and_a_subscription(
    cairn: Cairn, settings: Settings, client: Client, page: Page, serve: Callable[..., Any]
) -> None:
    problems: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" and "401" not in message.text else None)
    page.on("pageerror", lambda error: problems.append(str(error)) if error.message != "Canceled" else None)  # the editor's own
    page.on("request", lambda request: asked.add(request.url))
    async with serve(create_app(cairn)) as url:
        await page.goto(f"{url}/graphql")
        await page.get_by_label("API key").fill(operator_key(settings.data_dir) or "")
        await page.get_by_role("button", name="Use").click()
        await page.locator(".graphiql-execute-button").wait_for()

        await run(page, "Who", "query Who { me { id tenant } }")
        await shows(page, rf'"tenant":\s*"{settings.tenant}"')

        await client.execute('mutation { registerAgent(input: {id: "tern", name: "Tern"}) { id } }')
        await run(page, "News", "subscription News { memoryAdded { text } }")
        for number in range(100):  # until the subscription hears
            text = f"news {number}"
            await client.execute(f"mutation {{ remember(input: {{agent: {json.dumps('tern')}, text: {json.dumps(text)}}}) {{ id }} }}")
            await page.wait_for_timeout(100)
            if "news" in await page.locator(".result-window").inner_text():
                break
        await shows(page, '"memoryAdded"')
        await page.goto("about:blank")
    assert problems == []
    assert {address for address in asked if not address.startswith((url, "data:", "blob:", "about:"))} == set()

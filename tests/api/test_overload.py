"""More requests than a process can answer: some wait, the rest are turned away at once, unbegun, and health is told throughout."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from cairn.api.overload import Overload

from .conftest import MakeToy, Notes

pytestmark = pytest.mark.anyio


async def _settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_so_many_run_so_many_wait_and_the_rest_come_again(make_toy: MakeToy, until) -> None:  # type: ignore[no-untyped-def]
    notes = Notes({"a": "text"}, hold=asyncio.Event())
    toy = await make_toy(notes, max_requests=2, max_waiting=3)
    asked = [asyncio.create_task(toy.ask(f'query q{n} {{ note(id: "a") {{ text }} }}')) for n in range(5)]
    await until(lambda: notes.reads == 2)
    await _settle()
    assert notes.reads == 2, "no more than two run"
    refused = await toy.ask('{ note(id: "a") { text } }')
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE" and "try again" in error["message"]
    assert notes.reads == 2
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await toy.client.get(path)).status_code == 200
    assert notes.hold is not None
    notes.hold.set()
    answers = await asyncio.gather(*asked)
    assert [answer.json()["data"] for answer in answers] == [{"note": {"text": "text"}}] * 5
    assert (await toy.ask('{ note(id: "a") { text } }')).status_code == 200


class Slow:
    """An app whose requests run until they are let go."""

    def __init__(self) -> None:
        self.running = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.running += 1
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        self.running -= 1


async def test_waiting_ends_and_places_are_never_lost(until) -> None:  # type: ignore[no-untyped-def]
    slow = Slow()
    transport = httpx.ASGITransport(Overload(slow, most=1, line=10, patience=0.2))
    async with httpx.AsyncClient(transport=transport, base_url="http://toy.test", timeout=None) as client:
        first = asyncio.create_task(client.get("/graphql"))
        await until(lambda: slow.running == 1)
        assert (await client.get("/graphql")).status_code == 503
        gone = [asyncio.create_task(client.get("/graphql")) for _ in range(5)]
        await _settle()
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        slow.go.set()
        assert (await first).status_code == 200
        for _ in range(3):
            assert (await client.get("/graphql")).status_code == 200
    assert slow.running == 0


async def test_a_turn_that_comes_as_it_is_given_up_goes_to_the_next(until) -> None:  # type: ignore[no-untyped-def]
    slow = Slow()
    transport = httpx.ASGITransport(Overload(slow, most=1, line=10, patience=60))
    async with httpx.AsyncClient(transport=transport, base_url="http://toy.test", timeout=None) as client:
        first = asyncio.create_task(client.get("/graphql"))
        await until(lambda: slow.running == 1)
        second = asyncio.create_task(client.get("/graphql"))
        third = asyncio.create_task(client.get("/graphql"))
        await _settle()
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        slow.go.set()
        assert (await third).status_code == 200
        assert (await client.get("/graphql")).status_code == 200


async def test_a_stream_of_events_does_not_keep_a_place(make_toy: MakeToy) -> None:
    toy = await make_toy(max_requests=1, max_waiting=0)
    headers = {"authorization": "Bearer ada", "accept": "text/event-stream"}

    async def listen() -> None:
        await toy.client.post("/graphql", json={"query": "subscription { noteAdded { id } }"}, headers=headers)

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        while toy.events.subscribers < 1:
            await asyncio.sleep(0.01)
    assert (await toy.ask("{ me { id } }")).status_code == 200
    await toy.events.close()
    await asyncio.wait_for(listening, 20)

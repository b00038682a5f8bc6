"""GraphQL over WebSockets, and streams of server-sent events, by the real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from cairn.graph.changes import Event

pytestmark = pytest.mark.anyio

SUBSCRIBE = "subscription { noteAdded { id text } }"
PATIENCE = 10


@asynccontextmanager
async def socket(url: str, **headers: str) -> AsyncIterator[ClientConnection]:
    address = url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], additional_headers=headers) as opened:
        yield opened


async def say(opened: ClientConnection, type: str, **more: Any) -> None:
    await opened.send(json.dumps({"type": type, **more}))


async def hear(opened: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        return json.loads(await opened.recv(decode=True))


async def closing(opened: ClientConnection) -> int:
    """The code with which the server closes, whatever it says before."""
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionClosed):
            async for _ in opened:
                pass
    assert opened.close_code is not None
    return opened.close_code


async def enter(opened: ClientConnection, **payload: str) -> None:
    await say(opened, "connection_init", payload=payload)
    assert await hear(opened) == {"type": "connection_ack"}


@pytest.mark.parametrize("payload", [{"authorization": "Bearer ada"}, {"Authorization": "bearer ada"}, {"token": "ada"}])
async def test_events_come_over_a_websocket(toy: Any, serve: Any, until: Any, payload: dict[str, str]) -> None:
    async with serve(toy.app) as url, socket(url) as opened:
        await enter(opened, **payload)
        await say(opened, "subscribe", id="1", payload={"query": SUBSCRIBE})
        await until(lambda: toy.events.subscribers)
        await toy.ask('mutation { write(id: "7", text: "seven") { id } }')
        event = await hear(opened)
        assert event["payload"]["data"] == {"noteAdded": {"id": "7", "text": "seven"}}
        await say(opened, "complete", id="1")
        await say(opened, "ping")
        assert await hear(opened) == {"type": "pong"}


async def test_the_handshake_may_bring_the_key(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url, socket(url, authorization="Bearer ada") as opened:
        await enter(opened)
        await say(opened, "subscribe", id="1", payload={"query": "{ me { id } }"})
        assert (await hear(opened))["payload"] == {"data": {"me": {"id": "ada"}}, "extensions": {"cost": 1}}
        assert await hear(opened) == {"id": "1", "type": "complete"}


@pytest.mark.parametrize("payload", [{}, {"token": "wrong"}, {"authorization": "Basic x"}])
async def test_connections_without_a_good_key_are_closed(toy: Any, serve: Any, payload: dict[str, str]) -> None:
    async with serve(toy.app) as url, socket(url) as opened:
        await say(opened, "connection_init", payload=payload)
        assert await closing(opened) == 4403


async def test_nothing_runs_before_connection_init(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url, socket(url, authorization="Bearer ada") as opened:
        await say(opened, "subscribe", id="1", payload={"query": "{ me { id } }"})
        assert await closing(opened) == 4401


async def test_a_connection_whose_key_is_revoked_is_closed(toy: Any, serve: Any, until: Any) -> None:
    async with serve(toy.app) as url, socket(url) as opened:
        await enter(opened, token="ada")
        await say(opened, "subscribe", id="1", payload={"query": SUBSCRIBE})
        await until(lambda: toy.events.subscribers)
        toy.doors.revoked.add("ada")
        assert await closing(opened) == 4403
    await until(lambda: not toy.events.subscribers)


async def test_errors_have_codes_and_leak_nothing(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url, socket(url) as opened:
        await enter(opened, token="ada")
        queries = {"a": "{", "b": "{ nothing }", "c": "subscription { fails }", "d": '{ fail(code: "NOT_FOUND") }'}
        answers: dict[str, list[dict[str, Any]]] = {}
        for id, query in queries.items():
            await say(opened, "subscribe", id=id, payload={"query": query})
            answers[id] = []
            while not answers[id] or answers[id][-1]["type"] not in ("error", "complete"):
                answers[id].append(await hear(opened))
    for id in "ab":
        assert answers[id][-1]["payload"][0]["extensions"]["code"] == "BAD_INPUT"
    assert "secret" not in json.dumps(answers)
    assert answers["c"][0]["payload"]["data"] == {"fails": 1}
    assert answers["c"][1]["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert answers["d"][0]["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        "[]",
        '"subscribe"',
        "{}",
        '{"type": 7}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": 1, "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "complete", "id": ["1"]}',
        '{"type": "dance"}',
        "[" * 100_000,
        '{"type": "ping", "payload": "' + "x" * 5_000_000 + '"}',
    ],
    ids=range(13),
)
async def test_malformed_messages_close_the_connection_and_nothing_else(toy: Any, serve: Any, message: str) -> None:
    async with serve(toy.app) as url:
        async with socket(url) as opened:
            await enter(opened, token="ada")
            await opened.send(message)
            assert await closing(opened) == 4400
        async with socket(url) as opened:
            await enter(opened, token="ada")


@pytest.mark.parametrize(
    "payload", [{"query": 7}, {"query": "{ me { id } }", "variables": [1]}, {"query": "{ me { id } }", "operationName": 1}]
)
async def test_malformed_requests_get_an_error(toy: Any, serve: Any, payload: dict[str, Any]) -> None:
    async with serve(toy.app) as url, socket(url) as opened:
        await enter(opened, token="ada")
        await say(opened, "subscribe", id="1", payload=payload)
        answer = await hear(opened)
        assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "BAD_INPUT")


async def test_one_connection_has_so_many_operations(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url, socket(url) as opened:
        await enter(opened, token="ada")
        for number in range(51):
            await say(opened, "subscribe", id=str(number), payload={"query": SUBSCRIBE})
        answer = await hear(opened)
        assert (answer["id"], answer["type"], answer["payload"][0]["extensions"]["code"]) == ("50", "error", "RATE_LIMITED")


async def test_other_protocols_and_origins_are_refused(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url:
        address = url.replace("http", "ws") + "/graphql"
        async with connect(address, subprotocols=[Subprotocol("graphql-ws")]) as opened:
            assert await closing(opened) == 4406
        with pytest.raises(InvalidStatus):
            await connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], origin="https://evil.example")  # pyright: ignore[reportArgumentType]


async def test_a_late_query_is_stopped_over_websockets_too(make_toy: Any, serve: Any) -> None:
    toy = await make_toy(request_timeout=0.2)
    async with serve(toy.app) as url, socket(url) as opened:
        await enter(opened, token="ada")
        await say(opened, "subscribe", id="1", payload={"query": "{ slow }"})
        assert (await hear(opened))["payload"][0]["extensions"]["code"] == "TOO_COSTLY"
        assert toy.notes.cancelled == 1


@asynccontextmanager
async def stream(url: str, query: str, token: str = "ada") -> AsyncIterator[httpx.Response]:
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client,
        client.stream("POST", "/graphql", json={"query": query}, headers=headers) as response,
    ):
        yield response


async def told(response: httpx.Response) -> list[tuple[str, Any]]:
    """All events of a stream that ends."""
    text = "".join([part async for part in response.aiter_text()])
    events: list[tuple[str, Any]] = []
    for block in text.split("\r\n\r\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line and not line.startswith(":"))
        if fields:
            events.append((fields["event"], json.loads(fields["data"]) if fields.get("data") else None))
    return events


async def test_events_come_as_server_sent_events(toy: Any, serve: Any, until: Any) -> None:
    async with serve(toy.app) as url:
        async with stream(url, SUBSCRIBE) as response:
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            await until(lambda: toy.events.subscribers)
            await toy.ask('mutation { write(id: "7", text: "line\\nbreak") { id } }')
            async with asyncio.timeout(PATIENCE):
                first = await anext(response.aiter_text())
            assert first.startswith("event: next\r\ndata: ")
            assert json.loads(first.split("data: ")[1])["data"] == {"noteAdded": {"id": "7", "text": "line\nbreak"}}
        await until(lambda: not toy.events.subscribers)  # the client left, and so did its subscription


async def test_any_operation_can_be_streamed(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url, stream(url, "{ me { id } }") as response:
        assert await told(response) == [("next", {"data": {"me": {"id": "ada"}}, "extensions": {"cost": 1}}), ("complete", None)]


async def test_a_stream_of_a_revoked_key_ends_with_the_reason(toy: Any, serve: Any, until: Any) -> None:
    async with serve(toy.app) as url, stream(url, SUBSCRIBE) as response:
        await until(lambda: toy.events.subscribers)
        toy.doors.revoked.add("ada")
        events = await told(response)
        assert [name for name, _ in events] == ["next", "complete"]
        assert events[0][1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_streams_need_a_key_and_a_good_document(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url:
        async with stream(url, SUBSCRIBE, token="wrong") as response:
            assert response.status_code == 401
        async with stream(url, "subscription { nothing }") as response:
            events = await told(response)
            assert events[0][1]["errors"][0]["extensions"]["code"] == "BAD_INPUT"


async def test_a_slow_consumer_is_told(toy: Any, serve: Any, until: Any) -> None:
    async with serve(toy.app) as url, socket(url) as opened:
        await enter(opened, token="ada")
        await say(opened, "subscribe", id="1", payload={"query": SUBSCRIBE})
        await until(lambda: toy.events.subscribers)
        toy.notes.texts["1"] = "one"
        await toy.events.publish([Event("note", toy.doors.tenant, "1")] * 5_000)
        answers = [await hear(opened)]
        while answers[-1]["type"] == "next" and "errors" not in answers[-1]["payload"]:
            answers.append(await hear(opened))
        assert answers[-1]["payload"]["errors"][0]["extensions"]["code"] == "TOO_COSTLY"

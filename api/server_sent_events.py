"""Results as server-sent events, in the "distinct connections" mode of the graphql-sse protocol: one request, one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from starlette.types import Receive, Send
from strawberry.http import process_result
from strawberry.http.streaming import SSETransport, merge_stream_with_heartbeat
from strawberry.types.execution import ExecutionResult

from ..graph.tasks import end
from .authentication import Caller, Gate
from .encoding import encode
from .errors import wrap
from .execution import Executor, Plan, refusal
from .negotiation import Form

_TRANSPORT = SSETransport()


class EventStreams:
    """Sends operations' results as they come. `patience`: seconds after which a stream ends whose key was revoked."""

    def __init__(self, executor: Executor, gate: Gate, patience: float = 0.5) -> None:
        self._executor = executor
        self._gate = gate
        self._patience = patience

    async def send(self, plan: Plan, caller: Caller, token: str | None, request: str, receive: Receive, send: Send) -> None:
        """Run the operation and send its results until it ends, the client leaves or its key is revoked."""
        headers = [(name.lower().encode(), value.encode()) for name, value in _TRANSPORT.headers.items()]
        headers = [(name, value) for name, value in headers if name != b"content-type"]
        headers += [(b"content-type", Form.EVENTS.content_type), (b"vary", b"Authorization, Accept")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        pushing = asyncio.create_task(self._push(plan, caller, request, send))
        leaving = asyncio.create_task(_gone(receive))
        refused = asyncio.create_task(self._gate.refusal(token, self._patience))
        tasks: set[asyncio.Task[Any]] = {pushing, leaving, refused}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*tasks)
        if refused.done() and not refused.cancelled():
            await _chunk(send, _next(refusal([wrap(refused.result())], request)) + _TRANSPORT.encode_complete())
        if leaving.cancelled() or not leaving.done():
            await send({"type": "http.response.body", "body": b""})

    async def _push(self, plan: Plan, caller: Caller, request: str, send: Send) -> None:
        async def texts() -> AsyncGenerator[str]:
            async with aclosing(self._executor.stream(plan, caller.access, request)) as results:
                async for result in results:
                    yield _next(result)
            yield _TRANSPORT.encode_complete()

        interval = _TRANSPORT.heartbeat_interval
        chunks = merge_stream_with_heartbeat(texts, lambda: _TRANSPORT.encode_comment("ping"), interval, send_initial_heartbeat=False)
        async with aclosing(chunks()) as beats:
            async for text in beats:
                await _chunk(send, text)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _chunk(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode("utf-8"), "more_body": True})


def _next(result: ExecutionResult) -> str:
    return _TRANSPORT.encode_next(process_result(cast("Any", result)), lambda value: encode(value).decode("utf-8"))

"""GraphQL over WebSockets, by the graphql-transport-ws protocol alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self, cast

from starlette.requests import Request
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.types.execution import ExecutionResult
from strawberry.types.unset import UNSET, UnsetType

from ..errors import BadInput, CairnError, RateLimited
from ..graph.tasks import end
from .authentication import Gate, bearer
from .encoding import decode, encode
from .errors import Refused, present, wrap
from .execution import Executor, refusal
from .parameters import from_object
from .refusals import address_name
from .request_ids import request_id
from .stream_counts import Streams

_REVOKED = 4403
_PLAIN = frozenset({"query", "variables", "operationName"})


@dataclass(slots=True)
class Connection:
    """One WebSocket: its token, from the handshake's Authorization header or the payload of `connection_init`, and its address.

    `held`: what is given back when it closes.
    """

    request: str
    token: str | None
    address: str | None = None
    connection_params: Mapping[str, Any] | None = None
    held: ExitStack = field(default_factory=ExitStack)


class Operations:
    """Runs the operations of connections, each with the permissions of its caller as they are when it starts."""

    def __init__(self, executor: Executor, gate: Gate) -> None:
        self._executor = executor
        self._gate = gate

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Connection | None = None,
        root_value: object = None,  # noqa: ARG002 -- the protocol's handler passes it
        operation_name: str | None = None,
    ) -> AsyncGenerator[ExecutionResult]:
        """The results of one operation, in the form that strawberry's handler takes them from a schema."""
        connection = cast("Connection", context_value)
        if isinstance(query, _Whole):
            return self._results(connection, query.payload)
        return self._results(connection, {"query": query, "variables": variable_values, "operationName": operation_name})

    async def _results(self, connection: Connection, message: Mapping[str, Any]) -> AsyncGenerator[ExecutionResult]:
        try:
            caller = await self._gate.admit(connection.token, connection.address)
            self._gate.refusals.check(caller.name)
            plan = self._executor.plan(from_object(message), caller.access)
        except CairnError as error:
            yield refusal([wrap(error)], connection.request)
        except Refused as refused:
            yield refusal(refused.errors, connection.request)
        else:
            async with aclosing(self._executor.stream(plan, caller.access, connection.request)) as results:
                async for result in results:
                    yield result


class _Whole(str):
    """Stands for the document of a payload that has none, but names a registered one, or asks for more than a document can say."""

    payload: Mapping[str, Any]

    def __new__(cls, payload: Mapping[str, Any]) -> Self:
        made = super().__new__(cls)
        made.payload = payload
        return made


class _Handler(BaseGraphQLTransportWSHandler[Connection, None]):
    """The protocol, with messages checked before they are believed, and connections closed whose key was revoked."""

    view: WebSockets
    _watch: asyncio.Task[None] | None = None

    async def handle_message(self, message: Any) -> None:
        fault = _fault(message)
        if fault is not None:
            await self.handle_invalid_message(fault)
        elif message["type"] == "subscribe" and len(self.operations) >= (self.max_subscriptions_per_connection or 0):
            error = RateLimited(f"this connection has {len(self.operations)} operations under way; complete one first", 1.0)
            await self.send_message(
                {"id": message["id"], "type": "error", "payload": [present(wrap(error), self.context.request).formatted]}
            )
        else:
            if message["type"] == "subscribe" and message["payload"].keys() - _PLAIN:
                payload = message["payload"]
                message = {**message, "payload": {"query": _Whole(payload)}}
            await super().handle_message(message)
            if self.connection_acknowledged and self._watch is None:
                self._watch = asyncio.create_task(self._close_when_refused(), name="cairn-websocket-watch")

    async def shutdown(self) -> None:
        self.context.held.close()
        if self._watch is not None:
            await end(self._watch)
        await super().shutdown()

    async def _close_when_refused(self) -> None:
        await self.view.gate.refusal(self.context.token, self.view.patience)
        with suppress(WebSocketDisconnected, RuntimeError):
            await self.websocket.close(_REVOKED, "Forbidden")


class WebSockets(GraphQL[Connection, None]):
    """The endpoint, an ASGI application for WebSocket scopes.

    A connection must send `connection_init` within 10 seconds, may have `operations` under way at a time, and is closed with
    code 4403 at most `patience` seconds after its key is revoked. Pages of other origins are refused.
    """

    graphql_transport_ws_handler_class = _Handler

    def __init__(
        self,
        executor: Executor,
        gate: Gate,
        streams: Streams,
        max_message: int,
        max_depth: int,
        *,
        operations: int = 50,
        patience: float = 0.5,
    ) -> None:
        super().__init__(
            cast("Any", Operations(executor, gate)),
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=10),
            max_subscriptions_per_connection=operations,
        )
        self.gate = gate
        self.patience = patience
        self._streams = streams
        self._max_message = max_message
        self._max_depth = max_depth

    async def get_context(self, request: Request | WebSocket, response: Any) -> Connection:  # noqa: ARG002
        """What is known of the connection when it opens."""
        token: str | None = None
        with suppress(CairnError):
            token = bearer(request.headers.get("authorization"))
        return Connection(request_id(request.scope), token, address_name(request.scope.get("client")))

    async def on_ws_connect(self, context: Connection) -> UnsetType | dict[str, object] | None:
        """Let the connection in, or close it with code 4403."""
        try:
            context.token = _token(context.connection_params or {}) or context.token
            caller = await self.gate.admit(context.token, context.address)
            context.held.enter_context(self._streams.held(caller))
        except CairnError as error:
            raise ConnectionRejectionError from error
        return UNSET

    def decode_json(self, data: str | bytes) -> object:
        """A message as JSON. Raises JSONDecodeError, which closes the connection with code 4400."""
        content = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        try:
            if len(content) > self._max_message:
                raise BadInput("the message is too long")
            return decode(content, self._max_depth)
        except BadInput as error:
            raise json.JSONDecodeError(error.message, "", 0) from error

    def encode_json(self, data: object) -> str:
        """A message as text."""
        return encode(data).decode("utf-8")


def _token(payload: Mapping[str, Any]) -> str | None:
    """The token in the payload of `connection_init`: `authorization: "Bearer <key>"` in any case, or `token: "<key>"`."""
    for name, value in payload.items():
        if name.lower() == "authorization" and isinstance(value, str):
            return bearer(value)
    token = payload.get("token")
    return bearer(f"Bearer {token}") if isinstance(token, str) else None


def _fault(message: Any) -> str | None:
    """What is wrong with the shape of a message; None when the handler can take it."""
    if not isinstance(message, dict):
        return "a message must be a JSON object"
    fields = cast("dict[str, Any]", message)
    if not isinstance(fields.get("type"), str):
        return "a message must have a type"
    if fields["type"] in ("subscribe", "complete") and not (isinstance(fields.get("id"), str) and fields["id"]):
        return "the id must be a string that is not empty"
    if fields["type"] == "subscribe" and not isinstance(fields.get("payload"), dict):
        return "the payload must be an object"
    return None

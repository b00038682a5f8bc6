"""GraphQL over HTTP, as the specification's 2025 draft has it: POST with JSON, GET for queries, streams by server-sent events."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import ceil

from graphql import OperationType
from starlette.types import Receive, Scope, Send

from ..errors import BadInput, CairnError, RateLimited, Unauthenticated
from ..settings import Settings
from .authentication import Caller, Gate, bearer
from .bodies import Body, BodyTooLarge, Disconnected
from .cache import QueryCache, Served, key_of
from .errors import STATUS, Refused, wrap
from .execution import Answer, Executor, Plan, answer, refusal
from .negotiation import Form, choose, is_json, names
from .parameters import Parameters, from_body, from_url
from .prefetching import Prefetching, session_name
from .refusals import address_name
from .request_ids import request_id
from .server_sent_events import EventStreams
from .stored import holds, tag_of
from .stream_counts import Streams

Headers = list[tuple[bytes, bytes]]
_OK = 200
_NOT_MODIFIED = 304
_TOO_MANY = 429
_ALWAYS: Headers = [(b"cache-control", b"private, no-store"), (b"vary", b"Authorization, Accept, Accept-Encoding")]


class Problem(Exception):
    """A request that HTTP itself forbids; `status` says how."""

    def __init__(self, status: int, error: CairnError, headers: Headers | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers or []


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent."""

    status: int
    form: Form
    body: bytes
    headers: Headers = field(default_factory=Headers)


class GraphQLHTTP:
    """The endpoint, an ASGI application. `page` is the HTML for browsers; None: they get no page."""

    def __init__(
        self,
        executor: Executor,
        gate: Gate,
        cache: QueryCache | None,
        streams: Streams,
        settings: Settings,
        page: bytes | None,
        prefetching: Prefetching | None = None,
    ) -> None:
        self._executor = executor
        self._gate = gate
        self._cache = cache
        self._prefetching = prefetching
        self._open = streams
        self._events = EventStreams(executor, gate)
        self._page = page
        self._max_body = settings.max_body_bytes
        self._max_depth = settings.max_json_depth
        self._timeout = settings.request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        form = choose(headers.get("accept"), page=scope["method"] == "GET" and self._page is not None)
        request = request_id(scope)
        body = Body(receive, self._max_body, self._timeout)
        caller: Caller | None = None
        try:
            if scope["method"] not in ("GET", "POST"):
                raise Problem(405, BadInput("use GET or POST"), [(b"allow", b"GET, POST")])
            if form is None:
                raise Problem(406, BadInput(f"the answer can be {Form.GRAPHQL.value}, {Form.JSON.value} or {Form.EVENTS.value}"))
            if form is Form.PAGE and self._page is not None:
                reply = Reply(200, form, self._page)
            else:
                caller = await self._admit(scope, headers)
                plan, raw = await self._plan(scope, headers, body, caller)
                if self._streams(plan, form, headers):
                    await self._stream(plan, caller, bearer(headers.get("authorization")), request, receive, send)
                    return
                reply = self._reply(plan, await self._watched(plan, raw, caller, request, headers.get("x-cairn-session", "")), form)
                if scope["method"] == "GET" and reply.status == _OK:
                    reply = _tagged(reply, headers.get("if-none-match", ""))
        except Refused as refused:
            reply = self._reply(None, Served(answer(refusal(refused.errors, request)), "miss"), _json(form))
        except Problem as problem:
            if caller is not None and problem.status != _TOO_MANY:
                self._gate.refusals.note(caller.name)
            await body.drain()
            content = answer(refusal([wrap(problem.error)], request))
            reply = Reply(problem.status, _json(form), content.body, problem.headers)
        except Disconnected:
            return
        await _send(reply, send)

    async def _admit(self, scope: Scope, headers: Mapping[str, str]) -> Caller:
        try:
            caller = await self._gate.enter(headers.get("authorization"), address_name(scope.get("client")))
            self._gate.refusals.check(caller.name)
            return caller
        except Unauthenticated as error:
            raise Problem(401, error, [(b"www-authenticate", b'Bearer realm="cairn"')]) from error
        except RateLimited as error:
            raise Problem(_TOO_MANY, error, [_retry_after(error.retry_after)]) from error
        except CairnError as error:
            raise Problem(STATUS[error.code], error) from error

    async def _plan(self, scope: Scope, headers: Mapping[str, str], body: Body, caller: Caller) -> tuple[Plan, bytes]:
        parameters, raw = await self._parameters(scope, headers, body)
        plan = self._executor.plan(parameters, caller.access)
        if plan.operation.kind is OperationType.MUTATION and scope["method"] == "GET":
            raise Problem(405, BadInput("mutations must be sent by POST"), [(b"allow", b"POST")])
        return plan, raw

    def _streams(self, plan: Plan, form: Form, headers: Mapping[str, str]) -> bool:
        if plan.operation.kind is not OperationType.SUBSCRIPTION:
            return form is Form.EVENTS
        if not names(headers.get("accept"), Form.EVENTS):
            raise Problem(406, BadInput("subscriptions need a WebSocket (graphql-transport-ws) or Accept: text/event-stream"))
        return True

    async def _stream(self, plan: Plan, caller: Caller, token: str | None, request: str, receive: Receive, send: Send) -> None:
        with ExitStack() as held:
            try:
                held.enter_context(self._open.held(caller))
            except RateLimited as error:
                raise Problem(_TOO_MANY, error, [_retry_after(error.retry_after)]) from error
            await self._events.send(plan, caller, token, request, receive, send)

    async def _parameters(self, scope: Scope, headers: Mapping[str, str], body: Body) -> tuple[Parameters, bytes]:
        """What is asked, and the bytes that say so."""
        try:
            if scope["method"] == "GET":
                return from_url(scope["query_string"], self._max_depth), b"?" + scope["query_string"]
            if not is_json(headers.get("content-type")):
                raise Problem(415, BadInput("send the request as Content-Type: application/json, in UTF-8"))
            content = await body.read()
            return from_body(content, self._max_depth), content
        except BodyTooLarge as error:
            raise Problem(413, error) from error
        except BadInput as error:
            raise Problem(400, error) from error

    async def _watched(self, plan: Plan, raw: bytes, caller: Caller, request: str, session: str) -> Served:
        question = self._cache.question(plan) if self._cache is not None else None
        key = None if question is None else key_of(question, caller)
        if self._cache is not None and question is not None and key is not None:
            self._cache.remember(raw, question)
        if self._prefetching is None:
            return await self._serve(plan, caller, request, key)
        session, served = session_name(session), None
        self._prefetching.arrived(caller, session, key)
        try:
            served = await self._serve(plan, caller, request, key)
            return served
        finally:
            self._prefetching.answered(caller, session, plan, served, key)

    async def _serve(self, plan: Plan, caller: Caller, request: str, key: str | None) -> Served:
        async def compute() -> Answer:
            return await self._executor.execute(plan, caller.access, request)

        if self._cache is None or key is None:
            return Served(await compute(), "miss")
        try:  # what the cache has costs 1 as well, or Redis could be asked without end
            await self._executor.rates.spend(caller.access.tenant, caller.access.principal, 1)
        except RateLimited as error:
            raise Problem(_TOO_MANY, error, [_retry_after(error.retry_after)]) from error
        return await self._cache.answer(key, compute, caller.access.tenant)

    def _reply(self, plan: Plan | None, served: Served, form: Form) -> Reply:
        code = served.answer.code
        tolerant = form is Form.JSON and code in ("BAD_INPUT", "TOO_COSTLY")
        status = 200 if code is None or tolerant else STATUS.get(code, 500)
        is_query = plan is not None and plan.operation.kind is OperationType.QUERY
        headers = [(b"x-cache", served.level.encode())] if is_query else []
        if served.answer.retry_after is not None:
            headers.append(_retry_after(served.answer.retry_after))
        return Reply(status, form, served.answer.body, headers)


def _retry_after(seconds: float) -> tuple[bytes, bytes]:
    return b"retry-after", str(max(1, ceil(seconds))).encode()


def _tagged(reply: Reply, asked: str) -> Reply:
    """`reply` with its entity tag, without its body for who has it."""
    tag = tag_of(reply.body)
    headers = [*reply.headers, (b"etag", tag)]
    return Reply(_NOT_MODIFIED, reply.form, b"", headers) if holds(asked.encode("latin-1"), tag) else replace(reply, headers=headers)


def _json(form: Form | None) -> Form:
    return Form.GRAPHQL if form is Form.GRAPHQL else Form.JSON


async def _send(reply: Reply, send: Send) -> None:
    length = str(len(reply.body)).encode()
    content = [] if reply.status == _NOT_MODIFIED else [(b"content-type", reply.form.content_type), (b"content-length", length)]
    headers = [*content, *_ALWAYS, *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})

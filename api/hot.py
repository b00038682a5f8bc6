"""The hot path: a query that was asked before is answered from the cache before GraphQL, routing or a middleware sees it.

Guarantees: it answers only what the long way would answer from the cache to the same caller at the same moment, after the same checks
of the caller, its rate and its refusals; whatever it can't tell at once goes the long way, unread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from functools import lru_cache
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import RateLimited
from .authentication import Caller, Gate
from .cache import Level, QueryCache, key_of
from .envelope import SECURITY, STRICT
from .metrics import Metrics
from .negotiation import Form, choose, is_json
from .prefetching import Prefetching, session_name
from .rates import Rates
from .request_ids import give_id
from .stored import Stored, holds

Headers = list[tuple[bytes, bytes]]
PATH = "/graphql"
_AT_ONCE = 0.5
_PRIVATE: Headers = [(b"cache-control", b"private, no-store"), (b"vary", b"Authorization, Accept, Accept-Encoding")]


class HotPath:
    """An ASGI application in front of the whole of `app`. `encrypted`: callers come by TLS although this process does not see it."""

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        cache: QueryCache,
        rates: Rates,
        metrics: Metrics,
        prefetching: Prefetching | None = None,
        *,
        encrypted: bool = False,
        page: bool = False,
    ) -> None:
        self._app = app
        self._gate = gate
        self._cache = cache
        self._rates = rates
        self._metrics = metrics
        self._prefetching = prefetching
        self._encrypted = encrypted
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        caller = self._known(headers)
        form = None if caller is None else _form(headers.get(b"accept", b""), page=self._page and scope["method"] == "GET")
        if caller is None or form is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "GET":
            raw = b"?" + scope["query_string"]
        elif scope["method"] == "POST" and _is_json(headers.get(b"content-type", b"")):
            raw, receive = await _whole(receive)
        else:
            raw = b""
        question = self._cache.recognise(raw) if raw else None
        key = None if question is None else key_of(question, caller)
        found = None if key is None else await self._find(key, caller)
        if key is None or found is None:
            await self._app(scope, receive, send)
            return
        stored, level, age = found
        self._rates.pay(caller.access.tenant, caller.access.principal, 1)
        status, head, body = self._made(scope, headers, stored, form, level)
        start = [*head, (b"age", b"%d" % age), (b"x-request-id", give_id(scope).encode("ascii"))]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": body})
        self._metrics.count(status, level, perf_counter() - began)
        if self._prefetching is not None:
            session = session_name(headers.get(b"x-cairn-session", b"").decode("latin-1"))
            self._prefetching.hit(caller, session, raw, key, stored.body)

    def _known(self, headers: dict[bytes, bytes]) -> Caller | None:
        """The caller, when all that is to be checked of it can be checked at once, and is in order."""
        caller = self._gate.known(headers.get(b"authorization", b""))
        if caller is None or not self._rates.affords(caller.access.tenant, caller.access.principal, 1):
            return None
        try:
            self._gate.refusals.check(caller.name)
        except RateLimited:
            return None
        return caller

    async def _find(self, key: str, caller: Caller) -> tuple[Stored, Level, float] | None:
        kept = self._cache.near.get(key)
        if kept is not None:
            return kept.stored, "l1", max(0.0, kept.stored.life - (kept.ends - self._cache.near.clock()))
        second = await self._cache.second(key, caller.access.tenant)
        return None if second is None else (second.stored, "l2", max(0.0, second.stored.life - (second.ends - self._cache.near.clock())))

    def _made(self, scope: Scope, headers: dict[bytes, bytes], stored: Stored, form: Form, level: Level) -> tuple[int, Headers, bytes]:
        """The status, all headers that do not change from one request to the next, and the body."""
        asked = headers.get(b"if-none-match")
        if asked is not None and scope["method"] == "GET" and holds(asked, stored.tag):
            return 304, self._head(scope, [(b"etag", stored.tag), (b"x-cache", level.encode("ascii"))]), b""
        zipped = stored.zipped if _takes_gzip(headers.get(b"accept-encoding", b"")) else None
        name = (form.value, level, zipped is not None, scope["method"] == "GET")
        head = stored.heads.get(name)
        body = stored.body if zipped is None else zipped
        if head is None:
            own = [(b"content-type", form.content_type), (b"content-length", b"%d" % len(body)), (b"x-cache", level.encode("ascii"))]
            if zipped is not None:
                own.append((b"content-encoding", b"gzip"))
            if scope["method"] == "GET":
                own.append((b"etag", stored.tag))
            head = stored.heads[name] = self._head(scope, own)
        return 200, head, body

    def _head(self, scope: Scope, own: Headers) -> Headers:
        strict = [STRICT] if self._encrypted or scope.get("scheme") == "https" else []
        return [*own, *_PRIVATE, *SECURITY, *strict]


async def _whole(receive: Receive) -> tuple[bytes, Receive]:
    """The body, if it is small and comes at once (nothing if not), and a `receive` that gives it once more before it goes on."""
    messages = [await receive()]
    if messages[0].get("more_body", False):
        with suppress(TimeoutError):
            async with asyncio.timeout(_AT_ONCE):
                messages.append(await receive())
    complete = all(message["type"] == "http.request" for message in messages) and not messages[-1].get("more_body", False)
    raw = b"".join(message.get("body", b"") for message in messages) if complete else b""
    waiting = deque(messages)

    async def again() -> Message:
        return waiting.popleft() if waiting else await receive()

    return raw, again


@lru_cache(maxsize=256)
def _form(accept: bytes, *, page: bool) -> Form | None:
    form = choose(accept.decode("latin-1") or None, page=page)
    return form if form in (Form.GRAPHQL, Form.JSON) else None


@lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    return is_json(content_type.decode("latin-1"))


@lru_cache(maxsize=256)
def _takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding names gzip, and not to refuse it (RFC 9110, 12.5.3)."""
    for part in accepted.decode("latin-1").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name == "gzip":
            return all(parameter.replace(" ", "").rstrip("0").rstrip(".") not in ("q=", "q=0") for parameter in parameters)
    return False

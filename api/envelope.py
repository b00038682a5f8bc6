"""What every HTTP request and response has in common: an id, security headers, a log line, a count, and an answer to any defect."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .encoding import encode
from .metrics import Metrics
from .request_ids import give_id

log = logging.getLogger("cairn.access")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # the editor in GraphiQL writes styles
        "font-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY = [
    (b"content-security-policy", _POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]

_UNAVAILABLE = 503
_AGAIN = [(b"retry-after", b"1")]


STRICT = (b"strict-transport-security", b"max-age=31536000")


class Envelope:
    """ASGI middleware around the whole app. `encrypted`: callers come by TLS although this process does not see it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, encrypted: bool = False) -> None:
        self._app = app
        self._encrypted = encrypted
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] == "websocket":
            give_id(scope)
            with self._metrics.websockets.track_inprogress():
                await self._app(scope, receive, send)
        elif scope["type"] == "http":
            with self._metrics.in_flight.track_inprogress():
                await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = give_id(scope)
        headers = [*SECURITY, STRICT] if self._encrypted or scope.get("scheme") == "https" else SECURITY
        began = perf_counter()
        status, cache = 0, ""

        async def enveloped(message: Message) -> None:
            nonlocal status, cache
            if message["type"] == "http.response.start":
                status = message["status"]
                cache = next((value.decode("ascii") for name, value in message["headers"] if name == b"x-cache"), "")
                again = _AGAIN if status == _UNAVAILABLE and all(name != b"retry-after" for name, _ in message["headers"]) else []
                message["headers"] = [*message["headers"], *again, *headers, (b"x-request-id", request.encode("ascii"))]
            await send(message)

        try:
            await self._app(scope, receive, enveloped)
        except Exception:
            log.exception("request %s failed: %s %s", request, scope["method"], scope["path"])
            if status:
                raise
            await _apologise(request, enveloped)
        finally:
            seconds = perf_counter() - began
            self._metrics.count(status, cache or None, seconds)
            path = scope.get("raw_path", b"").decode("ascii", "replace")  # percent-encoded: nobody breaks the log's lines with it
            log.info("%s %s %d %.1f ms %s %s", scope["method"], path, status, seconds * 1000, cache or "-", request)


async def _apologise(request: str, send: Send) -> None:
    message = f"something went wrong inside Cairn; its log says what, under the request id {request}"
    body = encode({"errors": [{"message": message, "extensions": {"code": "INTERNAL", "requestId": request}}]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})

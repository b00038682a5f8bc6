"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ..errors import CairnError

Check = Callable[[], Awaitable[None]]
"""Raises a CairnError when what it looks at does not work."""

_SECONDS = 2.0


async def healthz(request: Request) -> Response:  # noqa: ARG001 -- an endpoint
    """The process answers."""
    return PlainTextResponse("ok\n")


class Readiness:
    """`/readyz`: 200 when all `needed` checks pass, else 503; one of `wanted` that fails makes it `degraded` only."""

    def __init__(self, needed: Mapping[str, Check], wanted: Mapping[str, Check]) -> None:
        self._needed = needed
        self._wanted = wanted

    async def answer(self, request: Request) -> Response:  # noqa: ARG002 -- an endpoint
        """The endpoint."""
        names = [*self._needed, *self._wanted]
        checks = [*self._needed.values(), *self._wanted.values()]
        outcomes = dict(zip(names, await asyncio.gather(*map(_outcome, checks)), strict=True))
        ready = all(outcomes[name] == "ok" for name in self._needed)
        degraded = any(outcomes[name] != "ok" for name in self._wanted)
        status = ("degraded" if degraded else "ready") if ready else "not ready"
        return JSONResponse({"status": status, "checks": outcomes}, 200 if ready else 503)


async def _outcome(check: Check) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await check()
    except CairnError as error:
        return error.message
    except TimeoutError:
        return f"no answer within {_SECONDS:g} s"
    return "ok"

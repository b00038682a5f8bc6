"""The way in for the command line and the demo: GraphQL over HTTP, to a running server or to one opened inside this process."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from ..errors import BadInput, CairnError, Conflict, Forbidden, Internal, NotFound, TooCostly, Unauthenticated, Unavailable
from ..graph.progress import Report, silent
from ..graph.tls import client_context, pinned_context, show
from ..settings import Settings
from .presence import operator_key, running_certificate, running_url


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `seconds` is the whole round trip; `x_cache` is l1, l2 or miss."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    x_cache: str | None = None
    seconds: float = 0.0


class Client:
    """A client for one Cairn. `url` is where its GraphQL is, for people to open."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str | None) -> None:
        self._http = http
        self._token = token
        self.url = url

    async def execute(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> Answer:
        """Run one operation as the owner of `token` (None: the operator of this machine). Raises Unavailable when nobody answers."""
        started = time.perf_counter()
        body = {"query": query, "variables": variables or {}}
        try:
            response = await self._http.post("/graphql", json=body, headers=self._headers(token))
            content = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable("Cairn does not answer; is `cairn up` still running?") from error
        return Answer(content.get("data"), content.get("errors", []), response.headers.get("x-cache"), time.perf_counter() - started)

    async def demand(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The data of one operation as the operator. Raises the first error that came back."""
        answer = await self.execute(query, variables)
        if answer.errors or answer.data is None:
            raise _raised(answer.errors[0] if answer.errors else {})
        return answer.data

    async def download(self, path: str, parameters: dict[str, str]) -> AsyncIterator[bytes]:
        """The bytes of a streamed answer as they come. Raises BadInput with the server's words when it refuses."""
        async with self._http.stream("GET", path, params=parameters, headers=self._headers(None)) as response:
            if not response.is_success:
                raise BadInput((await response.aread()).decode("utf-8", "replace"))
            async for chunk in response.aiter_bytes():
                yield chunk

    async def fetch(self, path: str) -> dict[str, Any]:
        """The JSON at a path. Raises BadInput with the server's words when it refuses."""
        response = await self._http.get(path, headers=self._headers(None), timeout=httpx.Timeout(10, read=None))
        if not response.is_success:
            raise BadInput(response.text)
        return response.json()

    def _headers(self, token: str | None) -> dict[str, str]:
        key = token or self._token
        if key is None:
            raise Unauthenticated("set CAIRN_TOKEN to an API key of this Cairn; `cairn key create` on its machine makes one")
        return {"authorization": f"Bearer {key}", "accept": "application/json"}


def _raised(error: dict[str, Any]) -> CairnError:
    code = error.get("extensions", {}).get("code")
    message = str(error.get("message", "Cairn answered without data"))
    kind = next(
        (kind for kind in (BadInput, Conflict, Forbidden, NotFound, TooCostly, Unauthenticated, Unavailable) if kind.code == code), Internal
    )
    return kind(message)


def _trust(settings: Settings) -> ssl.SSLContext:
    """How the Cairn is known that is reached by https: one elsewhere by its name, the one on this machine by its very certificate."""
    here = running_certificate(settings.data_dir) if settings.url is None else None
    context = client_context(settings.url_ca) if here is None else pinned_context(here)
    if settings.url_cert is not None and settings.url_key is not None:
        show(context, settings.url_cert, settings.url_key)
    return context


@asynccontextmanager
async def open_client(
    settings: Settings, report: Report = silent, told: Callable[[str], None] = lambda _key: None
) -> AsyncGenerator[Client]:
    """A client for the Cairn of this data directory: the running one, or else one opened here and closed at the end.

    `told` hears the first administrator's key when this is the first time that Cairn is opened: it is never told again.

    `CAIRN_URL` names one elsewhere, with `CAIRN_TOKEN`. Raises Unavailable when none can be reached or opened.
    """
    token = settings.token.get_secret_value() if settings.token else None
    url = settings.url or running_url(settings.data_dir)
    if url is not None:
        verify = _trust(settings) if url.startswith("https://") else True
        async with httpx.AsyncClient(base_url=url, timeout=settings.request_timeout + 5, verify=verify) as http:
            yield Client(http, f"{url}/graphql", token or operator_key(settings.data_dir))
        return
    from .app import create_app
    from .services import open_services

    async with open_services(settings, report) as cairn:
        if cairn.first_key is not None:
            told(cairn.first_key)
        transport = httpx.ASGITransport(create_app(cairn))
        async with httpx.AsyncClient(transport=transport, base_url="http://cairn.local", timeout=None) as http:  # noqa: S113 no network is between
            yield Client(http, "http://cairn.local/graphql", token or operator_key(settings.data_dir))

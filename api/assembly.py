"""Every endpoint of Cairn, wired to its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from strawberry.printer import print_schema

from .. import __version__
from ..graph.keyring import Keyring
from ..learning.anticipation import Anticipations
from ..learning.tuner import Tuner
from ..settings import Settings
from .authentication import Gate
from .cache import QueryCache
from .envelope import Envelope
from .epochs import Epochs
from .execution import Executor, MakeContext
from .graphql_http import GraphQLHTTP
from .health import Check, Readiness, healthz
from .hot import HotPath
from .limits import Limits
from .metrics import Metrics
from .overload import Overload
from .prefetching import Prefetching
from .rates import Rates
from .stream_counts import Streams
from .subscriptions import WebSockets
from .trusted import TrustedDocuments

_STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the app is made of. `shareable`: root fields whose answers principals with equal permissions may share.

    `needed` and `wanted` are the checks of `/readyz`: it is ready while the needed ones pass. `silent` is the executor's.
    With `anticipations`, what callers will probably ask for next is computed ahead.
    """

    schema: strawberry.Schema
    make_context: MakeContext
    gate: Gate
    settings: Settings
    epochs: Epochs | None = None
    keyring: Keyring | None = None
    rates: Rates | None = None
    shareable: frozenset[str] = frozenset()
    needed: Mapping[str, Check] = field(default_factory=dict[str, Check])
    wanted: Mapping[str, Check] = field(default_factory=dict[str, Check])
    silent: Callable[[float], bool] | None = None
    tuner: Tuner | None = None
    anticipations: Anticipations | None = None
    routes: Sequence[BaseRoute] = ()


def assemble(parts: Parts) -> ASGIApp:
    """The app, behind its hot path: /graphql, /healthz, /readyz, /metrics, the start page, the vendored files, and the parts' routes."""
    settings, gate = parts.settings, parts.gate
    trusted = TrustedDocuments.load(settings.trusted_documents) if settings.trusted_documents is not None else None
    executor = Executor(
        parts.schema,
        Limits.of(settings),
        parts.make_context,
        settings.request_timeout,
        parts.rates,
        gate.refusals,
        trusted,
        silent=parts.silent,
        measure=None if parts.tuner is None else parts.tuner.figures.note,
    )
    streams = Streams(settings.max_streams)
    cache = parts.epochs and QueryCache(parts.epochs, schema_version(parts.schema), settings.cache_ttl, parts.shareable, parts.keyring)
    metrics = Metrics()
    if parts.tuner is not None:
        metrics.follow(parts.tuner)
    page = (_STATIC / "graphiql.html").read_bytes() if settings.shows_graphiql else None
    prefetching = Prefetching(executor, cache, parts.anticipations, settings) if cache and parts.anticipations else None
    if prefetching is not None and parts.anticipations is not None:
        metrics.watch(parts.anticipations)
    http = GraphQLHTTP(executor, gate, cache, streams, settings, page, prefetching)
    app = Starlette(
        routes=[
            Route("/graphql", http),
            WebSocketRoute("/graphql", WebSockets(executor, gate, streams, settings.max_body_bytes, settings.max_json_depth)),
            Route("/healthz", healthz),
            Route("/readyz", Readiness(parts.needed, parts.wanted).answer),
            Route("/metrics", metrics.page),
            Route("/", start),
            Mount("/static", StaticFiles(directory=_STATIC)),
            *parts.routes,
        ],
        middleware=[
            Middleware(Envelope, metrics=metrics, encrypted=settings.behind_proxy),
            Middleware(Overload, most=settings.max_requests, line=settings.max_waiting, patience=settings.request_timeout / 3),
        ],
    )
    if cache is None:
        return app
    return HotPath(app, gate, cache, executor.rates, metrics, prefetching, encrypted=settings.behind_proxy, page=page is not None)


async def start(request: Request) -> Response:  # noqa: ARG001 -- an endpoint
    """The start page, which says where everything is."""
    return FileResponse(_STATIC / "start.html")


def schema_version(schema: strawberry.Schema) -> str:
    """A name of the schema and of the code that answers by it: cached answers of another one are not given."""
    return sha256(f"{__version__}\0{print_schema(schema)}".encode()).hexdigest()

"""`cairn up`: the servers, the app, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from ..errors import BadInput, Unavailable
from ..graph.progress import Report, silent
from ..graph.servers import servers
from ..graph.tls import Certificate, Reloading
from ..settings import Settings
from . import protocols
from .app import create_app
from .draining import Draining, drained
from .metrics import SHARED, fresh_folder
from .presence import announce, withdraw
from .production import require_production
from .services import Cairn, open_services

GRACE = 10


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises Unavailable when the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so named, asyncio answers without Nagle's delay
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"port {settings.port} on {settings.host} can't be had: {error.strerror}; choose another with --port (0: any free one)"
        ) from error
    listening.set_inheritable(True)
    return listening


def address(listening: socket.socket, settings: Settings) -> str:
    """The URL that people open."""
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def certificate(settings: Settings) -> Certificate | None:
    """What the server shows, with the files as the settings name them; None for plain HTTP. Raises BadInput when half is missing."""
    if settings.tls_cert is None and settings.tls_key is None and settings.tls_client_ca is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise BadInput("TLS needs both CAIRN_TLS_CERT and CAIRN_TLS_KEY")
    return Certificate(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def check(settings: Settings) -> None:
    """Raise BadInput, before anything is started, for what is not fit for production or a certificate that can't be used."""
    require_production(settings)
    shown = certificate(settings)
    if shown is not None:
        shown.context()


@dataclass(frozen=True, slots=True)
class _Secured:
    """Gives uvicorn, in each worker process, a context of its own that follows the files."""

    certificate: Certificate

    def __call__(self, _config: uvicorn.Config, _default: object) -> ssl.SSLContext:
        return Reloading(self.certificate).context


def server(app: ASGIApp | str, settings: Settings, *, factory: bool = False, workers: int = 1) -> uvicorn.Config:
    """How uvicorn serves the app."""
    shown = certificate(settings)
    config = protocols.Config(
        app,
        http=protocols.HTTP,
        factory=factory,
        workers=workers,
        log_config=None,
        access_log=False,
        lifespan="on" if factory else "off",
        ws=protocols.WebSocket,
        ws_max_size=settings.max_body_bytes,
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        date_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_context_factory=None if shown is None else _Secured(shown),
    )
    config.bounds = protocols.Bounds.of(settings)
    return config


class QuietServer(uvicorn.Server):
    """A server that ends quietly on a signal: uvicorn's own raises it again, before Neo4j could be stopped."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ask this server to drain on SIGINT and SIGTERM."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Serving:
    """A Cairn that answers. `ended` is set when a signal or `stop` made it drain."""

    url: str
    cairn: Cairn
    ended: asyncio.Event


@asynccontextmanager
async def serving(settings: Settings, report: Report = silent) -> AsyncGenerator[Serving]:
    """Serve from this process within the block, then drain and stop what was started.

    SIGINT and SIGTERM set `ended`; whoever runs the block waits for it. Raises Unavailable when a server or the port can't be had,
    BadInput for settings that are not fit for production when they should be, and for a certificate that can't be used.
    """
    check(settings)
    listening = bind(settings)
    try:
        async with open_services(settings, report) as cairn:
            draining = Draining()
            web = QuietServer(server(create_app(cairn, draining), settings))
            ended = asyncio.Event()
            task = asyncio.create_task(web.serve([listening]), name="cairn-web")
            task.add_done_callback(lambda _: ended.set())
            while not web.started and not task.done():
                await asyncio.sleep(0.01)
            url = address(listening, settings)
            announce(settings.data_dir, url, settings.tls_cert)
            try:
                with drained(draining, settings.drain):
                    yield Serving(url, cairn, ended)
            finally:
                withdraw(settings.data_dir)
                web.should_exit = True
                await task
    finally:
        listening.close()


async def supervise(settings: Settings, workers: int, started: Callable[[str, str | None], None], report: Report = silent) -> None:
    """Serve with several worker processes, which share the servers that this one starts. Ends on SIGINT or SIGTERM.

    Raises like `serving`.
    """
    check(settings)
    listening = bind(settings)
    url = address(listening, settings)
    try:
        async with servers(settings, report) as running:
            environment = {
                "CAIRN_NEO4J_URI": running.neo4j_uri,
                "CAIRN_NEO4J_USER": running.neo4j_user,
                "CAIRN_NEO4J_DATABASE": running.neo4j_database,
                "CAIRN_REDIS_URL": running.redis_url,
                SHARED: str(fresh_folder(settings.data_dir / "metrics")),
                **({"CAIRN_NEO4J_PASSWORD": running.neo4j_password} if running.neo4j_password is not None else {}),
            }
            os.environ.update(environment)
            async with open_services(Settings()) as cairn:  # migrates and makes the first keys before workers race for it
                first_key = cairn.first_key
            config = server("cairn.api.app:from_environment", settings, factory=True, workers=workers)
            group = Multiprocess(config, [listening])
            announce(settings.data_dir, url, settings.tls_cert)
            started(url, first_key)
            await anyio.to_thread.run_sync(group.run)
    finally:
        withdraw(settings.data_dir)
        listening.close()

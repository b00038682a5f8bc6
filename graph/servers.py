"""The two servers Cairn needs: those the settings name, or embedded ones that live as long as this context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from urllib.parse import urlencode

from anyio import CancelScope

from ..settings import Settings
from .aot import archive, flags
from .data_dir import held, private_folder
from .embedded import EmbeddedNeo4j
from .embedded_redis import EmbeddedRedis
from .neo4j_home import DATABASE, USER, Home
from .progress import Progress, Report, silent
from .provision import provision

__all__ = ["Servers", "prepare", "servers"]


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the running servers are. `neo4j_password` None means no authentication; `embedded` that Cairn runs one of them at least."""

    neo4j_uri: str
    neo4j_user: str
    neo4j_password: str | None = field(repr=False)
    neo4j_database: str
    redis_url: str = field(repr=False)  # may hold a password
    embedded: bool
    neo4j_ca: Path | None = None


@asynccontextmanager
async def servers(settings: Settings, progress: Report = silent) -> AsyncGenerator[Servers]:
    """Both servers, answering. Those that `settings` name are taken as they are; the others are started, and stopped at the end.

    Embedded ones are restarted when they die, at the same address. Raises Unavailable when one can't be started or another process
    has the data directory. The event loop's thread must live as long as the context.
    """
    password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else None
    uri, user, database, redis_url = settings.neo4j_uri, settings.neo4j_user, settings.neo4j_database, settings.redis_url
    embedded = uri is None or redis_url is None
    async with AsyncExitStack() as stack:
        if embedded:
            stack.enter_context(held(settings.data_dir))
        async with _all_or_none() as starting:
            neo4j = starting.create_task(_neo4j(settings, progress, stack)) if uri is None else None
            redis = starting.create_task(_redis(settings, stack)) if redis_url is None else None
        if neo4j is not None:
            uri, user, password, database = neo4j.result()
        if redis is not None:
            redis_url = redis.result()
        assert uri is not None
        assert redis_url is not None
        yield Servers(uri, user, password, database, with_authorities(redis_url, settings.redis_ca), embedded, settings.neo4j_ca)


def with_authorities(redis_url: str, ca: Path | None) -> str:
    """The URL of a Redis by which every client of it checks its certificate against `ca`. Other than rediss:// and rediss+… stays."""
    if ca is None or not redis_url.startswith(("rediss://", "rediss+")) or "ssl_ca_certs=" in redis_url:
        return redis_url
    return f"{redis_url}{'&' if '?' in redis_url else '?'}{urlencode({'ssl_ca_certs': str(ca)})}"


async def prepare(settings: Settings, progress: Report = silent) -> None:
    """Brings all that the embedded Neo4j needs onto this machine ahead of time, and makes it start quickly from then on.

    `servers` fetches what it needs by itself; this is for images, continuous integration and machines that will be offline.
    Raises Unavailable when something can't be fetched.
    """
    await archive(await _provisioned(settings, progress), progress)


async def _provisioned(settings: Settings, report: Report) -> Path:
    stop = Event()
    try:
        return await asyncio.to_thread(provision, settings.cache_dir, report, stop=stop)
    finally:
        stop.set()  # when cancelled: the thread would fetch on


async def _neo4j(settings: Settings, report: Report, stack: AsyncExitStack) -> tuple[str, str, str, str]:
    jars = await _provisioned(settings, report)
    home = Home(private_folder(settings.data_dir / "neo4j"), jars, settings.neo4j_heap, settings.neo4j_page_cache)
    server = EmbeddedNeo4j(home, flags(jars))
    stack.push_async_callback(_stop, server)
    report(Progress("Starting Neo4j"))
    await server.start()
    return server.uri, USER, server.password, DATABASE


async def _redis(settings: Settings, stack: AsyncExitStack) -> str:
    server = EmbeddedRedis(private_folder(settings.data_dir / "redis"), settings.redis_memory)
    stack.push_async_callback(_stop, server)
    await server.start()
    return server.url


async def _stop(server: EmbeddedNeo4j | EmbeddedRedis) -> None:
    with CancelScope(shield=True):  # also when what runs in the context was cancelled
        await server.stop()


@asynccontextmanager
async def _all_or_none() -> AsyncGenerator[asyncio.TaskGroup]:
    """A task group that raises its first error itself rather than in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None

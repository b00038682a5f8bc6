"""Clients of Redis by one URL: of one server, of a Redis Cluster, or of the master that sentinels name.

    redis://, rediss://, unix://                                one server
    redis+cluster://name:password@host:port,host:port           a cluster; some of its nodes, which tell of the others
    redis+sentinel://name:password@host:port,host:port/master   sentinels, and the master's name (then /1: its database)

`rediss+cluster://` and `rediss+sentinel://` are the same with TLS. Options follow a question mark, as redis-py names them; the
sentinels' own credentials are `sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ..errors import BadInput
from ..graph.tasks import end

Client = Redis | RedisCluster
Kind = Literal["server", "cluster", "sentinel"]
_PORTS = {"cluster": 6379, "sentinel": 26379}
_LEARN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RedisURL:
    """Where a Redis is. `options` are those of redis-py's connections; `service` is the master's name for sentinels."""

    kind: Kind
    url: str
    nodes: tuple[tuple[str, int], ...]
    options: dict[str, Any]
    service: str = ""

    @classmethod
    def parse(cls, url: str) -> RedisURL:
        """Read a URL. Raises BadInput, without repeating it (it may hold a password)."""
        scheme, _, rest = url.partition("://")
        base, _, kind = scheme.partition("+")
        try:
            if not kind:
                host = urlsplit(url).hostname
                return cls("server", url, ((host, urlsplit(url).port or 6379),) if host else (), _options(url))
            if kind not in ("cluster", "sentinel") or base not in ("redis", "rediss"):
                raise ValueError(scheme)
            return cls._of_several(url, base, kind, rest)
        except ValueError as error:
            raise BadInput(
                "CAIRN_REDIS_URL is no URL of a Redis: redis://host:6379, redis+cluster://host:6379,host:6379 and "
                "redis+sentinel://host:26379,host:26379/master are, and the same with rediss"
            ) from error

    @classmethod
    def _of_several(cls, url: str, base: str, kind: Literal["cluster", "sentinel"], rest: str) -> RedisURL:
        rest, mark, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        credentials, at, hosts = authority.rpartition("@")
        places = [urlsplit(f"//{host}") for host in hosts.split(",")]
        nodes = tuple((place.hostname or "", place.port or _PORTS[kind]) for place in places)
        service, _, database = path.partition("/")
        if not all(host for host, _ in nodes) or (kind == "cluster") == bool(service):
            raise ValueError(kind)
        options = _options(f"{base}://{credentials}{at}host/{database}{mark}{query}")
        return cls(kind, url, nodes, {name: value for name, value in options.items() if name != "host"}, unquote(service))


def _options(url: str) -> dict[str, Any]:
    options = cast("dict[str, Any]", parse_url(url))
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    return options


@asynccontextmanager
async def open_redis(url: str, connect: float) -> AsyncGenerator[Client]:
    """A client of the Redis at `url`, until the block ends. Redis need not be up; what fails is not tried again.

    `connect`: seconds that a connection may take. All keys of one call must lie in one slot: give them a hash tag. Raises BadInput.
    """
    place = RedisURL.parse(url)
    options: dict[str, Any] = {"socket_connect_timeout": connect, **place.options}
    match place.kind:
        case "server":
            async with _server(url, connect) as client:
                yield client
        case "sentinel":
            async with _sentinel(place, options) as client:
                yield client
        case "cluster":
            async with _cluster(place, options) as client:
                yield client


class Subscribed(Protocol):
    """A connection on which messages arrive."""

    async def get_message(self, *, timeout: float) -> Mapping[str, Any] | None:
        """The next message within so many seconds, or None."""
        ...

    async def ping(self) -> None:
        """Ask for a message, so that a connection that died without a word is noticed."""
        ...


class _PubSub(Subscribed, Protocol):
    async def subscribe(self, *channels: str) -> None: ...
    async def aclose(self) -> None: ...


@asynccontextmanager
async def subscribe(redis: Client, patience: float, *channels: str) -> AsyncGenerator[Subscribed]:
    """A subscription to channels whose names share a hash tag, until the block ends; `subscribe` messages arrive on it too.

    In a cluster it is held at the node that the tag's slot lies in: what is published there arrives in order, and whoever is cut off from
    that node hears nothing, instead of a part of it. Raises RedisError, OSError, or TimeoutError after `patience` seconds.
    """
    async with asyncio.timeout(patience):
        await redis.initialize()  # a cluster's client finds no node to subscribe at before
    options: dict[str, Any] = {"ignore_subscribe_messages": False}
    if isinstance(redis, RedisCluster):
        options["node"] = redis.get_node_from_key(channels[0])
    pubsub = cast("_PubSub", redis.pubsub(**options))  # pyright: ignore[reportUnknownMemberType]
    try:
        async with asyncio.timeout(patience):
            await pubsub.subscribe(*channels)
        yield pubsub
    finally:
        await asyncio.gather(pubsub.aclose(), return_exceptions=True)


def _never() -> Retry:
    return Retry(NoBackoff(), 0)


@asynccontextmanager
async def _server(url: str, connect: float) -> AsyncGenerator[Redis]:
    redis = cast("Callable[..., Redis]", Redis.from_url)(url, retry=_never(), socket_connect_timeout=connect)
    try:
        yield redis
    finally:
        await redis.aclose()


@asynccontextmanager
async def _sentinel(place: RedisURL, options: dict[str, Any]) -> AsyncGenerator[Redis]:
    own = {name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options}
    own |= {name: value for name, value in options.items() if name.startswith(("ssl", "socket_"))}
    sentinel = cast("Callable[..., Any]", Sentinel)(place.nodes, sentinel_kwargs={**own, "retry": _never()}, retry=_never(), **options)
    redis: Redis = sentinel.master_for(place.service)
    try:
        yield redis
    finally:
        await redis.aclose()
        await asyncio.gather(*(one.aclose() for one in sentinel.sentinels))


@asynccontextmanager
async def _cluster(place: RedisURL, options: dict[str, Any]) -> AsyncGenerator[RedisCluster]:
    options.pop("db", None)
    nodes = [ClusterNode(host, port) for host, port in place.nodes]
    cluster = cast("Callable[..., RedisCluster]", RedisCluster)(startup_nodes=nodes, retry=Retry(NoBackoff(), 1), **options)
    learning = asyncio.create_task(_learn(cluster), name="cairn-redis-cluster")
    try:
        yield cluster
    finally:
        await end(learning)
        await cluster.aclose()
        for kept in ("nodes_cache", "startup_nodes"):  # aclose leaves them open while it does not know who holds what
            await cluster.nodes_manager.aclose(kept)


async def _learn(cluster: RedisCluster) -> None:
    """Learn, whenever that is unknown, which node holds what: a call that ends within its patience is over before it has learnt it."""
    while True:
        with suppress(RedisError, OSError):  # whoever calls says so
            await cluster.initialize()
        await asyncio.sleep(_LEARN_SECONDS)

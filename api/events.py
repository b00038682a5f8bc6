"""Brings the writer's events to subscribers, in this process and, over Redis, in all other replicas of the same graph.

Guarantees: a subscriber sees every event of its tenant and kinds that this process wrote after it subscribed, in their order, or is
told that it was too slow. Events of other replicas come as long as Redis does: each at most once, none while Redis is away.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Self, cast
from weakref import WeakSet

import orjson
from redis.exceptions import RedisError

from ..errors import TooCostly
from ..graph.changes import Event
from ..graph.tasks import end
from .redis_client import Client, Subscribed, open_redis, subscribe

log = logging.getLogger("cairn.events")

_ROOM = 1_000
_OUTBOX = 10_000
_AGAIN_SECONDS = 0.5
_PATIENCE_SECONDS = 2.0
_QUIET_SECONDS = 5.0


class Subscription:
    """One subscriber's events, an asynchronous iterator. It hears from the moment it is made; `aclose` ends it.

    Iterating raises TooCostly once more than `room` events wait that nobody took.
    """

    def __init__(self, tenant: str, kinds: frozenset[str], room: int = _ROOM) -> None:
        self._tenant = tenant
        self._kinds = kinds
        self._room = room
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self.open = True
        self._overrun = False

    def offer(self, event: Event) -> None:
        """Take `event` if it is for this subscriber."""
        if not self.open or event.tenant != self._tenant or event.kind not in self._kinds:
            return
        if len(self._waiting) >= self._room:
            self._overrun = True
            self._waiting.clear()
        else:
            self._waiting.append(event)
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while self.open:
            if self._overrun:
                self.open = False
                raise TooCostly(
                    "events came faster than this subscriber took them, so it was dropped; subscribe again and catch up by a query"
                )
            if self._waiting:
                return self._waiting.popleft()
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Hear no more; whoever waits for the next event is told that there is none."""
        self.open = False
        self._waiting.clear()
        self._news.set()


class Events:
    """The broker of one process. Its `publish` is a listener of the writer. Made by `open_events`."""

    def __init__(self) -> None:
        self._origin = secrets.token_hex(8)
        self._subscriptions: WeakSet[Subscription] = WeakSet()
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(maxsize=_OUTBOX)
        self.listening = asyncio.Event()

    def subscribe(self, tenant: str, kinds: Iterable[str], room: int = _ROOM) -> Subscription:
        """The tenant's events of these kinds from now on."""
        subscription = Subscription(tenant, frozenset(kinds), room)
        self._subscriptions.add(subscription)
        return subscription

    @property
    def subscribers(self) -> int:
        """How many subscribers hear now."""
        return sum(subscription.open for subscription in self._subscriptions)

    async def publish(self, events: Sequence[Event]) -> None:
        """Tell subscribers here at once, and those of other replicas as soon as Redis takes it. Does not wait for Redis."""
        self._deliver(events)
        message = orjson.dumps({"origin": self._origin, "events": [asdict(event) for event in events]})
        if self._outbox.full():
            self._outbox.get_nowait()
        self._outbox.put_nowait(message)

    async def close(self) -> None:
        """End every subscription."""
        for subscription in list(self._subscriptions):
            await subscription.aclose()

    async def send(self, redis: Client, channel: str) -> None:
        """Publish what waits to `channel`, until cancelled. What Redis doesn't take is dropped."""
        while True:
            message = await self._outbox.get()
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await cast("Callable[[str, bytes], Any]", redis.publish)(channel, message)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("events did not reach the other replicas: Redis does not answer (%s)", type(error).__name__)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def receive(self, redis: Client, channel: str) -> None:
        """Deliver what other replicas publish to `channel`, until cancelled; connects again whenever Redis comes back."""
        while True:
            try:
                async with subscribe(redis, _PATIENCE_SECONDS, channel) as pubsub:
                    await self._hear(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("events of other replicas can't be heard: Redis does not answer (%s)", type(error).__name__)
            finally:
                self.listening.clear()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _hear(self, pubsub: Subscribed) -> None:
        """Take what comes. Raises TimeoutError when not even a ping is answered: the connection may be dead without a word."""
        pinged = False
        while True:
            message = await pubsub.get_message(timeout=_PATIENCE_SECONDS if pinged else _QUIET_SECONDS)
            if message is None and pinged:
                raise TimeoutError
            if message is None:
                await pubsub.ping()
            pinged = message is None
            self._take(message)

    def _take(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":
            self.listening.set()
        elif message["type"] == "message":
            content = orjson.loads(message["data"])
            if content["origin"] != self._origin:
                self._deliver([Event(**event) for event in content["events"]])

    def _deliver(self, events: Sequence[Event]) -> None:
        for subscription in list(self._subscriptions):
            for event in events:
                subscription.offer(event)


@asynccontextmanager
async def open_events(url: str, namespace: str) -> AsyncGenerator[Events]:
    """The broker over the Redis at `url` until the block ends. Redis need not be up. `namespace` names the graph."""
    events = Events()
    channel = f"cairn:{{{namespace}}}:events"
    async with open_redis(url, _PATIENCE_SECONDS) as redis:
        tasks = [asyncio.create_task(events.send(redis, channel)), asyncio.create_task(events.receive(redis, channel))]
        try:
            yield events
        finally:
            await events.close()
            await end(*tasks)

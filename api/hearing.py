"""How a process hears what became stale: one subscription, on which its trust in its own answers is renewed in order with the rest."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from ..errors import Unavailable
from ..graph.tasks import end
from .redis_client import Client, open_redis, subscribe

if TYPE_CHECKING:
    from .epochs import Epochs

log = logging.getLogger("cairn.cache")
_CONNECT_SECONDS = 2.0
_AGAIN_SECONDS = 0.25
_RENEWALS = 3
"""Trust is renewed so many times while it lasts."""


class Hearing:
    """Keeps `epochs.near` trusted for as long as its Redis at `url` tells this process everything.

    Guarantees: trust lasts from when it was asked for, and is given by a message that came after everything that was told before it;
    a connection that ends or falls silent ends it, and the next one begins with nothing.
    """

    def __init__(self, epochs: Epochs, url: str) -> None:
        self._epochs = epochs
        self._near = epochs.near
        self._url = url
        self._asked: tuple[str, float] | None = None
        self._news = asyncio.Event()

    async def work(self) -> None:
        """Hear until cancelled; connects again whenever Redis comes back."""
        async with open_redis(self._url, _CONNECT_SECONDS) as redis:
            try:
                while True:
                    await self._connection(redis)
                    await asyncio.sleep(_AGAIN_SECONDS)
            finally:
                await self._epochs.leave()

    async def _connection(self, redis: Client) -> None:
        self._epochs.id = secrets.token_hex(8)
        self._asked = None
        try:
            await self._epochs.ping()  # so that the state is not made anew while this process is among those who hear
            async with subscribe(redis, _CONNECT_SECONDS, *self._epochs.channels) as pubsub:
                helpers = [asyncio.create_task(self._renew()), asyncio.create_task(self._acknowledge())]
                try:
                    while True:
                        message = await pubsub.get_message(timeout=_CONNECT_SECONDS)
                        if message is None and not self._near.trusted:
                            raise TimeoutError
                        self._take(message)
                finally:
                    self._near.doubt()
                    await end(*helpers)
        except (RedisError, OSError, TimeoutError, Unavailable) as error:
            log.warning("what other replicas wrote can't be heard (%s); going on without answers of its own", type(error).__name__)

    async def _renew(self) -> None:
        """Ask for trust once in a while, one question at a time: who does not hear the answer asks no more, and is not waited for."""
        while True:
            if self._asked is None:
                question = secrets.token_hex(4)
                self._asked = (question, self._near.clock())
                if not await self._epochs.renew(question):
                    self._asked = None
            await asyncio.sleep(self._near.trust / _RENEWALS)

    async def _acknowledge(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._epochs.heard()

    def _take(self, message: Mapping[str, Any] | None) -> None:
        if message is None or message["type"] != "message":
            return
        words: list[str] = message["data"].decode().split()
        if message["channel"].decode() == self._epochs.channels[0]:
            generation, epoch, *slots = words
            self._near.touched(generation, int(epoch), map(int, slots))
            self._news.set()
        else:
            question, anew, generation, epoch = words
            if self._asked is not None and self._asked[0] == question:
                self._near.believe(generation, int(epoch), self._asked[1], anew=anew == "1")
                self._asked = None

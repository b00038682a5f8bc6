"""Loaders: what many resolvers of one level look up is asked for in one statement, together with what other requests look up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import TypeVar

from ..graph.access import Access
from ..graph.tags import collect, collect_until
from .lookups import Found, Lookups

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loaders:
    """The look-ups of one operation. What was looked up once stays as it was for the rest of it."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._asked: dict[Hashable, asyncio.Future[Found]] = {}

    async def load(
        self,
        name: Hashable,
        key: K,
        access: Access,
        batch: Callable[[Access, list[K]], Awaitable[Mapping[K, V]]],
        noun: str | None = None,
    ) -> V | None:
        """The value of `key` in what `batch` answers for all keys asked for under `name`; None when absent.

        `name` must tell apart look-ups with different arguments, such as `("memories", first, after)`, and `batch` may depend on
        nothing else. With a `noun`, a tag `<tenant>/<noun>/<key>` that the batch collects concerns the answers about that key alone.
        """
        future = self._asked.get((name, key))
        if future is None:
            future = self._asked[name, key] = self._lookups.load(name, key, access, batch, noun)
        found = await asyncio.shield(future)  # others wait for it too
        collect(*found.tags)
        collect_until(found.until)
        return found.value

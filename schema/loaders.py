"""Dataloaders: what many resolvers of one level look up is asked for in one statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, TypeVar, cast

from strawberry.dataloader import DataLoader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loaders:
    """The loaders of one operation, made when first used; one for each look-up and its arguments."""

    def __init__(self) -> None:
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    async def load(self, name: Hashable, key: K, batch: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> V | None:
        """The value of `key` in what `batch` answers for all keys asked for under `name` at this level; None when absent.

        `name` must tell apart look-ups with different arguments, such as `("memories", first, after)`.
        """
        loader = self._loaders.get(name)
        if loader is None:

            async def fetch(keys: list[K]) -> list[V | None]:
                found = await batch(list(dict.fromkeys(keys)))
                return [found.get(wanted) for wanted in keys]

            loader = self._loaders[name] = DataLoader(load_fn=cast("Any", fetch))
        return await loader.load(key)

"""How many WebSockets and event streams each principal holds open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from ..errors import RateLimited
from .authentication import Caller


class Streams:
    """Counts the open streams of one process; a principal may have `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def held(self, caller: Caller) -> Generator[None]:
        """Count one stream of the caller within the block. Raises RateLimited when it has too many."""
        name = caller.name
        if self._open.get(name, 0) >= self._most:
            raise RateLimited(f"you have {self._most} connections and streams open; close one first", 1.0)
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]

"""A circuit breaker: after a few failures in a row, leave a server alone for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable


class Circuit:
    """Opens after `failures` in a row, for `pause` seconds; the first failure after that opens it again."""

    def __init__(self, failures: int = 3, pause: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._pause = pause
        self._clock = clock
        self._failures = 0
        self._opened = 0.0

    @property
    def open(self) -> bool:
        """Whether the server is to be left alone now."""
        return self._failures >= self._most and self._clock() - self._opened < self._pause

    def worked(self) -> None:
        """Note a success."""
        self._failures = 0

    def failed(self) -> None:
        """Note a failure."""
        self._failures += 1
        self._opened = self._clock()

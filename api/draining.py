"""A server's end behind a load balancer: it says that it is leaving while it still answers, and leaves once nobody comes any more."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from ..errors import Unavailable

log = logging.getLogger("cairn.web")


class Draining:
    """Whether this process is leaving. Its `check` is one of `/readyz`'s needed checks."""

    def __init__(self) -> None:
        self.begun = False

    async def check(self) -> None:
        """Raise Unavailable once leaving has begun."""
        if self.begun:
            raise Unavailable("this process is about to end; it answers what still comes, send new requests elsewhere")


@contextmanager
def drained(draining: Draining, seconds: float) -> Generator[None]:
    """Within the block SIGTERM reaches the server's own handler `seconds` late, and `draining` says so meanwhile.

    A second SIGTERM, or SIGINT, ends the wait. To be entered on the event loop's thread, which must be the main one, once the server has
    set its handlers; with 0 seconds nothing changes.
    """
    before = signal.getsignal(signal.SIGTERM)
    if seconds <= 0 or not callable(before):
        yield
        return
    loop = asyncio.get_running_loop()

    def begin(number: int, frame: FrameType | None) -> None:
        if draining.begun:
            before(number, frame)
            return
        draining.begun = True
        log.info("leaving: answering for %g s more, while /readyz says 503", seconds)
        loop.call_soon_threadsafe(loop.call_later, seconds, before, number, None)

    signal.signal(signal.SIGTERM, begin)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

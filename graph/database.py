"""The connection to Neo4j: reads with retry, write transactions for the writer, and plain errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar, cast

from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction, AsyncSession, Query, Record, unit_of_work
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from ..errors import BadInput, CairnError, Internal, TooCostly, Unavailable
from .deadlines import seconds_left
from .flights import Closing
from .sealing import Sealed, find_sealed, with_keys
from .statements import Statement
from .tls import client_context
from .turns import Turns

if TYPE_CHECKING:
    from .keyring import Keyring

Row = dict[str, Any]
T = TypeVar("T")
log = logging.getLogger("cairn.graph")

READ_SECONDS = 120.0
"""Neo4j ends a reading transaction that takes longer, or at the deadline of the request that it reads for (`deadlines`)."""
CONNECT_SECONDS = 5.0
BREADTH = 100
"""Memories that the full-text index is asked for by recall; the vector index half of it. More hardly find more, and cost."""
_TIMED_OUT = "Neo.ClientError.Transaction.TransactionTimedOut"
_CHECKED = {"bolt+s": "bolt", "neo4j+s": "neo4j"}
_UNAVAILABLE = ("Neo.TransientError.", "Neo.ClientError.Cluster.", "Neo.DatabaseError.General.")


def plain_error(error: Exception) -> CairnError:
    """`error` from the driver as an error that may be shown: no address, no Cypher. The details go to the log."""
    if isinstance(error, CairnError):
        return error
    if isinstance(error, AuthError):
        return Unavailable("the graph database refused Cairn's credentials; check CAIRN_NEO4J_USER and CAIRN_NEO4J_PASSWORD")
    if isinstance(error, DriverError):
        log.warning("Neo4j does not answer: %s", type(error).__name__)
        return Unavailable("the graph database does not answer; try again, with the same idempotency key if this was a change")
    if isinstance(error, Neo4jError):
        code = error.code or ""
        log.warning("Neo4j refused a statement: %s %s", code, error.message)
        if code.startswith(_TIMED_OUT):
            return TooCostly("the graph database stopped a statement that took too long; ask for less at a time")
        if code.startswith(_UNAVAILABLE):
            return Unavailable("the graph database is busy or restarting; try again")
        if code == "Neo.ClientError.Statement.ArgumentError":
            return BadInput("a value in the request is not one the graph database can hold")
        return Internal("the graph database refused a statement of Cairn's; the details are in the log")
    if isinstance(error, (OverflowError, UnicodeError)):
        return BadInput("a value in the request is not one the graph database can hold")
    if isinstance(error, OSError):
        return Unavailable("the graph database can't be reached; try again")
    raise error


class Database:
    """One Neo4j database. Reads are retried where a failure may pass; results come as plain dicts.

    Guarantee: every error that leaves is a `CairnError` without an address or a statement in it.
    """

    def __init__(self, driver: AsyncDriver, name: str = "neo4j", pool: int = 100) -> None:
        self._driver = driver
        self._name = name
        self.turns = Turns(pool)
        """How many statements read at a time; the rest wait here rather than in Neo4j, where each slows down the others."""
        self.breadth = BREADTH
        """Memories that recall asks each index of this database for."""
        self.round_trips = 0
        self.keyring: Keyring | None = None
        """What opens sealed values and seals new ones; without one they stay shut and new ones are plain."""
        self.closing: Closing = []
        """What ends that would otherwise use this database after it is closed."""
        self._answered = time.monotonic()

    def silent(self, seconds: float) -> bool:
        """Whether nothing at all came back from Neo4j for so long."""
        return time.monotonic() - self._answered >= seconds

    async def read(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a reading statement and return all its rows, sealed values with their keys.

        It is a transaction by itself: one round trip where a transaction around it takes three. When it fails in a way that may
        pass (a lost connection, a server that is busy), the driver's retried transaction runs it again, from the start.
        """
        return await self.keyed(await self.read_stored(statement, parameters))

    async def keyed(self, rows: list[Row]) -> list[Row]:
        """Rows as they are stored, with the keys of their sealed values."""
        values = list(find_sealed(rows))
        return cast("list[Row]", with_keys(rows, await self.keys_of(values))) if values else rows

    async def keys_of(self, values: Sequence[bytes]) -> dict[bytes, Sealed]:
        """For each sealed value the same with its key, where there is a keyring and it has that."""
        return await self.keyring.load(values) if self.keyring is not None else {raw: Sealed(raw) for raw in values}

    async def read_stored(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Like `read`, and sealed values are bytes."""
        self.round_trips += 1
        async with self.turns, self._session(default_access_mode="READ") as session:
            try:
                result = await session.run(
                    Query(cast("LiteralString", statement.text), timeout=seconds_left(READ_SECONDS)), dict(parameters or {})
                )
                rows = [_row(record) async for record in result]
                self._answered = time.monotonic()
                return rows
            except (Neo4jError, DriverError) as error:
                if isinstance(error, Neo4jError):
                    self._answered = time.monotonic()
                if not error.is_retryable():
                    raise plain_error(error) from error
            except (OSError, OverflowError, UnicodeError) as error:
                raise plain_error(error) from error

        async def work(transaction: AsyncManagedTransaction) -> list[Row]:
            return await run(transaction, statement, parameters)

        return await self._session_call("execute_read", unit_of_work(timeout=seconds_left(READ_SECONDS))(work))

    async def write(self, work: Callable[[AsyncManagedTransaction], Awaitable[T]], seconds: float | None = None) -> T:
        """Run `work` in one retried write transaction. Only `graph/writer.py`, migrations and leases call this.

        After `seconds` (None: whenever) it is given up here, and in Neo4j by its own clock, so that a connection that died silently
        neither keeps the caller waiting nor the locks. Raises Unavailable then, and whether it was committed is unknown.
        """
        if seconds is None:
            return await self._session_call("execute_write", work)
        try:
            async with asyncio.timeout(seconds):
                return await self._session_call("execute_write", unit_of_work(timeout=seconds)(work))
        except TimeoutError:
            log.warning("Neo4j did not answer a change within %g s", seconds)
            raise Unavailable("the graph database does not answer; try again, with the same idempotency key") from None

    async def stream(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None, fetch_size: int = 2_000
    ) -> AsyncGenerator[Row]:
        """Rows of a reading statement as they come and are stored, in constant memory. Not retried: a failure midway raises.

        Whoever may stop before the last row wraps it in `contextlib.aclosing`, so that its connection is free at once.
        """
        async with self._session(default_access_mode="READ", fetch_size=fetch_size) as session:
            try:
                result = await session.run(cast("LiteralString", statement.text), dict(parameters or {}))
                async for record in result:
                    yield _row(record)
            except (Neo4jError, DriverError, OSError, OverflowError, UnicodeError) as error:
                raise plain_error(error) from error

    async def _session_call(self, method: str, work: Callable[[AsyncManagedTransaction], Awaitable[T]]) -> T:
        async with self._session() as session:
            try:
                result = await getattr(session, method)(work)
                self._answered = time.monotonic()
                return result
            except (Neo4jError, DriverError, OSError, OverflowError, UnicodeError) as error:
                if isinstance(error, Neo4jError):
                    self._answered = time.monotonic()
                raise plain_error(error) from error

    def _session(self, **config: Any) -> AsyncSession:
        return self._driver.session(database=self._name, **config)  # pyright: ignore[reportUnknownMemberType]

    async def ping(self, place: str | None = None) -> None:
        """Raise `Unavailable` unless Neo4j answers. `place` says where it was looked for; only who runs Cairn may be told that."""
        try:
            await self._driver.verify_connectivity()  # pyright: ignore[reportUnknownMemberType]
        except (Neo4jError, DriverError, OSError) as error:
            plain = plain_error(error)
            raise (Unavailable(f"{plain.message} ({place})") if place else plain) from error


def _row(record: Record) -> Row:
    """A record as a dict. No statement returns nodes or relationships, so there is nothing to look into, as `Record.data` would."""
    return dict(zip(record.keys(), record.values(), strict=True))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


async def run(transaction: AsyncManagedTransaction, statement: Statement, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    """Run one statement inside a transaction and return its rows as dicts."""
    result = await transaction.run(cast("LiteralString", statement.text), dict(parameters or {}))
    return [_row(record) async for record in result]


@asynccontextmanager
async def connect(
    uri: str, user: str = "neo4j", password: str | None = None, name: str = "neo4j", pool: int = 100, ca: Path | None = None
) -> AsyncGenerator[Database]:
    """A `Database` over its own driver, closed at the end. Does not wait for the server: `ping` does.

    With a scheme that ends in `+s` the server's certificate must come from an authority in `ca`, or from a usual one without it.
    Raises BadInput for a `ca` that can't be read.
    """
    scheme, separator, rest = uri.partition("://")
    secured: dict[str, Any] = {}
    if scheme in _CHECKED:  # by our own context, since the driver's takes no file beside such a scheme
        uri, secured = f"{_CHECKED[scheme]}{separator}{rest}", {"ssl_context": client_context(ca)}
    auth = (user, password) if password is not None else None
    driver = AsyncGraphDatabase.driver(  # pyright: ignore[reportUnknownMemberType]
        uri,
        auth=auth,
        max_connection_pool_size=pool,
        connection_timeout=CONNECT_SECONDS,
        connection_acquisition_timeout=30.0,
        max_transaction_retry_time=15.0,
        notifications_min_severity="OFF",
        user_agent="cairn",
        **secured,
    )
    async with driver:
        database = Database(driver, name, pool)
        try:
            yield database
        finally:
            for close in reversed(database.closing):
                await close()

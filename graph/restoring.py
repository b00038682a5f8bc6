"""Restoring: a backup's nodes and relationships into an empty database, in batches, and everything that makes them whole again.

From the first batch to the last a node `Restore` marks the database as incomplete; Cairn does not open such a one, and the next
restore clears what this one left.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from neo4j import AsyncManagedTransaction

from ..errors import BadInput, CairnError, Conflict, Unavailable
from .backup_file import Counts, Header, read_lines
from .backups import read_counts
from .database import Database, Row, run
from .migrations.runner import applied, available, migrate
from .progress import Progress, Report, silent
from .property_values import decoded
from .sealed_file import FileKey
from .statements import load
from .vectors import fit_indexes

__all__ = ["restore"]

_CYPHER = load("backups")
_INCOMPLETE = "The database is incomplete, and Cairn will not open it; run `cairn restore` again, which begins anew"
_NOT_EMPTY = "the database is not empty; restore into a new one: set CAIRN_DATA_DIR to a new folder, or CAIRN_NEO4J_DATABASE"
_ROWS = 2_000
_VALUES = 400_000
"""Of one transaction: characters of text and numbers in lists count as one each."""


async def restore(database: Database, file: Path, header: Header, report: Report = silent, key: FileKey | None = None) -> Counts:
    """Bring a backup into an empty database, with the schema of its time, and then the schema up to date.

    `header` is what `backup_file.whole` said of the file, so that a damaged one is refused before anything is written. Raises BadInput
    when it is from a newer Cairn, Conflict when the database is not empty or another restore is at work, Unavailable when it fails
    midway, after which the database is marked as incomplete.
    """
    unknown = set(header.migrations) - {name for name, _ in available()}
    if unknown:
        raise BadInput(f"{file} was made by a newer Cairn, {header.cairn}; restore it with that version or a later one")
    work = _Restore(database, secrets.token_hex(8), report, key)
    await work.begin()
    try:
        await work.fill(file, header)
    except BaseException as error:
        await work.pause()
        if isinstance(error, CairnError):
            raise Unavailable(f"the restore failed: {error.message}. {_INCOMPLETE}") from error
        raise
    return header.counts


class _Batch(NamedTuple):
    statement: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class _Restore:
    database: Database
    holder: str
    report: Report = field(repr=False)
    key: FileKey | None = None

    async def begin(self) -> None:
        """Mark the database, so that nobody takes it for whole. Raises Conflict when it is not empty or another restore is at work."""
        row = (await self._write("restore_begin", {"holder": self.holder}))[0]
        if row["begun"]:
            return
        if row["busy"]:
            raise Conflict("another restore into this database is under way, or was until a minute ago; wait a minute, then try again")
        raise Conflict(_NOT_EMPTY)

    async def pause(self) -> None:
        """Let the next restore begin at once."""
        try:
            await self._write("restore_pause", {"holder": self.holder})
        except CairnError:
            return  # it then waits a minute

    async def fill(self, file: Path, header: Header) -> None:
        """Everything from the schema to the end of the mark."""
        self.report(Progress("Bringing the schema to where the backup's was"))
        await migrate(self.database, only=header.migrations)
        if set(await applied(self.database)) != set(header.migrations):
            raise BadInput(f"the database has migrations that Cairn {header.cairn} did not know; restore into a new one")
        await self._repeat("clear_relationships")
        await self._repeat("clear_nodes")
        await self._write("restoring_constraint", {})
        await self._load(file, header.counts)
        await self._repeat("restored_nodes")
        await self._write("restoring_constraint_drop", {})
        self.report(Progress("Bringing the schema up to date"))
        await fit_indexes(self.database)
        if await read_counts(self.database) != header.counts:
            raise Conflict("the database does not hold as much as the backup; something else wrote to it meanwhile")
        await migrate(self.database)
        if not (await self._write("restore_end", {"holder": self.holder}))[0]["ended"]:
            raise _taken()

    async def _load(self, file: Path, counts: Counts) -> None:
        total = counts.nodes + counts.relationships
        done = 0
        for batch in _batches(file, self.key):
            made = (await self._held(batch.statement, {"rows": batch.rows}))[0]["made"]
            if made != len(batch.rows):
                raise BadInput(f"{file} has relationships between nodes that it lacks")
            done += made
            self.report(Progress("Restoring", done, total, "nodes and relationships"))

    async def _repeat(self, name: str) -> None:
        while (await self._held(name, {"limit": _ROWS}))[0]["changed"]:
            pass

    async def _held(self, name: str, parameters: Row) -> list[Row]:
        """Run a statement in a transaction that commits only while this restore has the database."""

        async def work(transaction: AsyncManagedTransaction) -> list[Row]:
            if not await run(transaction, _CYPHER["restore_hold"], {"holder": self.holder}):
                raise _taken()
            return await run(transaction, _CYPHER[name], parameters)

        return await self.database.write(work)

    async def _write(self, name: str, parameters: Row) -> list[Row]:
        async def work(transaction: AsyncManagedTransaction) -> list[Row]:
            return await run(transaction, _CYPHER[name], parameters)

        return await self.database.write(work)


def _taken() -> Conflict:
    return Conflict("another restore took over this database")


def _batches(file: Path, key: FileKey | None) -> Generator[_Batch]:
    """A backup's lines in batches of one kind, bounded in rows and in size."""
    batch, size = _Batch("restore_nodes", []), 0
    for line in read_lines(file, key):
        if isinstance(line, Header):
            continue
        statement, row = _row(file, line)
        if batch.rows and (statement != batch.statement or len(batch.rows) >= _ROWS or size >= _VALUES):
            yield batch
            batch, size = _Batch(statement, []), 0
        batch = batch if batch.rows else _Batch(statement, [])
        batch.rows.append(row)
        size += _size(row["properties"].values())
    if batch.rows:
        yield batch


def _row(file: Path, line: list[Any]) -> tuple[str, Row]:
    try:
        if line[0] == "n":
            _, number, labels, properties = line
            return "restore_nodes", {"number": number, "labels": labels, "properties": _properties(properties)}
        _, start, end, type, properties = line
        return "restore_relationships", {"start": start, "end": end, "type": type, "properties": _properties(properties)}
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"{file} holds a line that `cairn backup` never writes") from error


def _properties(encoded: dict[str, Any]) -> Row:
    return {name: decoded(value) for name, value in encoded.items()}


def _size(values: Iterable[Any]) -> int:
    size = 0
    for value in values:
        if isinstance(value, list):
            items = cast("list[Any]", value)
            size += len(items) + _size(item for item in items if isinstance(item, str))
        else:
            size += len(value) if isinstance(value, (str, bytes)) else 1
    return size

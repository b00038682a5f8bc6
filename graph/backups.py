"""Backups: the whole database, all tenants, into one file; and out of it again into a database that is empty.

Neo4j gives a reader no snapshot, not even within a transaction. So a backup compares the marks of all writers before and after: when
one of them committed meanwhile, what was read is thrown away.
"""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import BadInput, Conflict, Unavailable
from .backup_file import Counts, Header, Lines, written
from .database import Database, Row
from .instants import now, stamp
from .migrations.runner import applied
from .progress import Progress, Report, silent
from .property_values import encoded
from .sealed_file import FileKey
from .statements import load

__all__ = ["back_up", "read_counts", "refuse_incomplete"]

_CYPHER = load("backups")
_ATTEMPTS = 3
_REPORT_EVERY = 1_000


async def back_up(database: Database, file: Path, report: Report = silent, key: FileKey | None = None) -> Counts:
    """Write the whole database to `file`: one state of it, in constant memory. What stood there before is replaced at the very end.

    With a `key` the file is encrypted as a whole.

    Raises BadInput when there is nothing of Cairn's or the file can't be written, Conflict when the graph changed under each of three
    attempts, Unavailable when a restore was not finished here.
    """
    await refuse_incomplete(database)
    for _ in range(_ATTEMPTS):
        migrations = await applied(database)
        if not migrations:
            raise BadInput("there is nothing to back up: Cairn has never used this database")
        marks = await database.read(_CYPHER["backup_marks"])
        header = Header(__version__, stamp(now()) or "", tuple(migrations), await read_counts(database))
        try:
            with written(file, key) as lines:
                lines.header(header)
                await _nodes(database, lines, header.counts, report)
                await _relationships(database, lines, header.counts, report)
                lines.trailer(header.counts)
                if marks != await database.read(_CYPHER["backup_marks"]):
                    raise _Changed
        except _Changed:
            continue
        return header.counts
    raise Conflict("the graph changed while it was read, three times, so there is no backup; stop every `cairn up` on it and try again")


async def read_counts(database: Database) -> Counts:
    """How much the database holds."""
    row = (await database.read(_CYPHER["backup_counts"]))[0]
    return Counts(row["nodes"], row["relationships"])


async def refuse_incomplete(database: Database) -> None:
    """Raise Unavailable when a restore into this database began and did not come to its end."""
    if (await database.read(_CYPHER["restore_incomplete"]))[0]["incomplete"]:
        raise Unavailable("this database holds part of a backup only; let `cairn restore FILE` come to its end, or run it again")


class _Changed(Exception):
    """A commit came between; what was read may be of two states."""


async def _nodes(database: Database, lines: Lines, counts: Counts, report: Report) -> None:
    done = 0
    async with aclosing(database.stream(_CYPHER["backup_nodes"])) as rows:
        async for row in rows:
            if done % _REPORT_EVERY == 0:
                report(Progress("Backing up nodes", done, counts.nodes, "nodes"))
            lines.node(_number(row["id"]), sorted(row["labels"]), _properties(row))
            done += 1
    if done != counts.nodes:
        raise _Changed


async def _relationships(database: Database, lines: Lines, counts: Counts, report: Report) -> None:
    done = 0
    async with aclosing(database.stream(_CYPHER["backup_relationships"])) as rows:
        async for row in rows:
            if done % _REPORT_EVERY == 0:
                report(Progress("Backing up relationships", done, counts.relationships, "relationships"))
            lines.relationship(_number(row["start"]), _number(row["end"]), row["type"], _properties(row))
            done += 1
    if done != counts.relationships:
        raise _Changed


def _number(element_id: str) -> int:
    """The part of an element's id that tells it from the others of its database."""
    return int(element_id.rpartition(":")[2])


def _properties(row: Row) -> dict[str, Any]:
    return {name: encoded(value) for name, value in sorted(row["properties"].items())}

"""Imports: what was brought in from where, how far it has come, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ..errors import Conflict, NotFound
from . import tags
from .access import Access
from .changes import Change, Entry, Event, Idempotency, Results, Settled, Step, content_hash
from .database import Database, Row
from .instants import maybe_utc, now, stamp, utc
from .statements import Statement, load
from .writer import Writer

_CYPHER = load("imports")
LEASE = timedelta(seconds=30)
"""A running import whose process was silent for this long is taken for dead."""


class Status(StrEnum):
    """Where an import stands."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Import:
    """One import. `graph` receives what names no graph; `bytes_total` is None where the source does not tell.

    `triples_read` counts repetitions; added and removed are what the graphs gained and lost. `sha256` is of the bytes as they came.
    """

    id: str
    tenant: str
    by: str
    status: Status
    source: str
    graph: str
    format: str | None
    started_at: datetime
    bytes_read: int = 0
    bytes_total: int | None = None
    triples_read: int = 0
    triples_added: int = 0
    triples_removed: int = 0
    sha256: str | None = None
    finished_at: datetime | None = None
    error: str | None = None

    @property
    def hash(self) -> str:
        """The hash of the import as the ledger holds it."""
        values = asdict(self) | {"started_at": stamp(self.started_at), "finished_at": stamp(self.finished_at)}
        return content_hash(["import", values])


_FIELDS = {field.name: "".join((first, *map(str.title, rest))) for field in fields(Import) for first, *rest in [field.name.split("_")]}


async def create_import(writer: Writer, access: Access, new: Import, idempotency: Idempotency | None) -> str:
    """Record a running import; returns its id, or the id of the one that the idempotency key started before.

    Raises Conflict while another import is at work on the same graph, NotFound for an unknown tenant.
    """
    row: Row = {"tenant": new.tenant, "graphs": [new.graph], "at": new.started_at}
    row["properties"] = _properties(new) | {"graphs": [new.graph], "until": new.started_at + LEASE}

    def settle(_: Results) -> Settled:
        return Settled(new.id, (Entry("import.start", f"import:{new.id}", None, new.hash),), (_event(new),))

    change = _change(access, new, _CYPHER["imports_start"], row, settle)
    return await writer.apply(replace(change, check=_check_free, conflicts=frozenset({f"import:{new.graph}"}), idempotency=idempotency))


async def claim_graphs(writer: Writer, access: Access, one: Import, graphs: Sequence[str]) -> None:
    """Keep other imports off `graphs` while this one runs. Raises Conflict when one is at work on any of them."""
    row: Row = {"id": one.id, "tenant": one.tenant, "graphs": list(graphs), "at": now()}
    change = _change(access, one, _CYPHER["imports_claim"], row, lambda _: Settled(None, ()))
    await writer.apply(replace(change, check=_check_free, conflicts=frozenset(f"import:{graph}" for graph in graphs)))


async def record_progress(writer: Writer, access: Access, one: Import) -> None:
    """Say how far the import has come, and that it lives. Raises Conflict when it was taken for dead."""
    row: Row = {"id": one.id, "properties": _properties(one) | {"until": now() + LEASE}}

    def settle(results: Results) -> Settled:
        _check_running(results[0])
        return Settled(None, (), (_event(one),))

    await writer.apply(_change(access, one, _CYPHER["imports_progress"], row, settle))


async def finish_import(
    writer: Writer, access: Access, started: Import, ended: Import, graphs: Sequence[str] = (), about: Row | None = None
) -> None:
    """Record what became of the import; `about` are properties for the graphs it brought in. Raises Conflict when it was not running."""
    row: Row = {"id": ended.id, "tenant": ended.tenant, "properties": _properties(ended), "graphs": list(graphs), "about": about or {}}

    def settle(results: Results) -> Settled:
        _check_running(results[0])
        return Settled(None, (Entry("import.finish", f"import:{ended.id}", started.hash, ended.hash),), (_event(ended),))

    await writer.apply(_change(access, ended, _CYPHER["imports_finish"], row, settle))


async def find_import(database: Database, access: Access, id: str) -> Import | None:
    """The import by its id; None unless the caller started it or may `read` `import`."""
    tags.collect(f"{access.tenant}/import/{id}")
    parameters: Row = {"id": id, "tenant": access.tenant, "principal": access.principal, "all": access.may("import", "read")}
    rows = await database.read(_CYPHER["imports_get"], parameters)
    return _import(rows[0]["import"]) if rows else None


async def orphaned_imports(database: Database) -> list[Import]:
    """Imports of all tenants that are recorded as running although their process is gone."""
    return [_import(row["import"]) for row in await database.read(_CYPHER["imports_orphaned"], {"at": now()})]


def _change(access: Access, one: Import, statement: Statement, row: Row, settle: Callable[[Results], Settled]) -> Change:
    return Change(
        tenant=one.tenant,
        actor=access.principal,
        policy_version=access.policy_version,
        steps=(Step(statement, (row,)),),
        settle=settle,
        tags=frozenset({f"{one.tenant}/import/{one.id}"}),
    )


def _check_free(rows: Sequence[Row]) -> None:
    if not rows:
        raise NotFound("there is no such tenant, or the import is not running any more")
    if rows[0]["busy"]:
        raise Conflict(f"import {rows[0]['busy'][0]} is at work on the same graph; start this one again when that is done")


def _check_running(rows: Sequence[Row]) -> None:
    if not rows:
        raise Conflict("the import was taken for dead, because its process was silent for too long; start it again")


def _event(one: Import) -> Event:
    return Event("import", one.tenant, one.id)


def _properties(one: Import) -> Row:
    return {name: getattr(one, field) for field, name in _FIELDS.items()} | {"status": one.status.value}


def _import(row: Row) -> Import:
    values: Row = {field: row.get(name) for field, name in _FIELDS.items()}
    values |= {"started_at": utc(row["startedAt"]), "finished_at": maybe_utc(row.get("finishedAt")), "status": Status(row["status"])}
    return Import(**values)

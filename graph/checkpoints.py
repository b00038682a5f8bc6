"""Checkpoints: signed sizes and roots of a ledger, kept in the graph with the cosignatures that witnesses gave."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from . import tags
from .access import Access
from .changes import Change, Results, Settled, Step, answered
from .database import Database, Row
from .instants import now, utc
from .ledger import Head
from .pages import Page, check_first, decode, encode, page
from .signing import split_note
from .statements import load
from .writer import Writer

_CYPHER = load("checkpoints")
_ALL = 2**62


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it is kept. `note` is signed by the ledger's owner, `witnesses` names who cosigned it."""

    size: int
    root: str
    at: datetime
    note: str
    witnesses: tuple[str, ...]


async def store(writer: Writer, tenant: str, stands: Head, note: str) -> None:
    """Keep a signed checkpoint. The ledger does not tell of its own checkpoints, so there is no entry."""
    row: Row = {"tenant": tenant, "size": stands.size, "root": stands.root.hex(), "note": note, "at": now()}
    await writer.apply(_change(tenant, stands.size, Step(_CYPHER["checkpoints_store"], (row,))))


async def add_cosignature(writer: Writer, tenant: str, size: int, line: str) -> None:
    """Keep a witness's signature line for the checkpoint of that size."""
    name = line.split(" ")[1]
    row: Row = {"tenant": tenant, "size": size, "name": name, "start": " ".join(line.split(" ")[:2]) + " ", "line": line}
    await writer.apply(_change(tenant, size, Step(_CYPHER["checkpoints_cosign"], (row,))))


def _change(tenant: str, size: int, step: Step) -> Change:
    def settle(results: Results) -> Settled:
        return Settled(len(answered(results[0])), ())

    return Change(tenant=tenant, actor="cairn", steps=(step,), settle=settle, conflicts=frozenset({f"checkpoint/{size}"}))


async def read_due(database: Database, tenants: Sequence[str]) -> dict[str, Head]:
    """Of these tenants where the ledgers stand that grew since their last checkpoint."""
    rows = await database.read(_CYPHER["checkpoints_due"], {"tenants": list(tenants)})
    return {row["tenant"]: Head(row["size"], bytes.fromhex(row["root"])) for row in rows}


async def read_last(database: Database, tenants: Sequence[str]) -> list[tuple[str, Head, str]]:
    """The last checkpoint of each of these tenants, those that have one: tenant, what was signed, the note."""
    rows = await database.read(_CYPHER["checkpoints_last"], {"tenants": list(tenants)})
    return [(row["tenant"], Head(row["size"], bytes.fromhex(row["root"])), row["note"]) for row in rows]


async def list_checkpoints(database: Database, access: Access, first: int, after: str | None = None) -> Page[StoredCheckpoint]:
    """A page of checkpoints, the newest first. Raises Forbidden without `read` on `ledger`."""
    access.require("ledger", "read")
    check_first(first)
    position = decode(after, int)
    tags.collect(f"{access.tenant}/ledger")
    parameters: Row = {"tenant": access.tenant, "before": position[0] if position else _ALL, "limit": first + 1}
    rows = await database.read(_CYPHER["checkpoints_list"], parameters)
    found = [StoredCheckpoint(row["size"], row["root"], utc(row["at"]), full_note(row), _names(row["cosignatures"])) for row in rows]
    return page(found, first, lambda checkpoint: encode(checkpoint.size))


async def stored_checkpoints(database: Database, tenant: str) -> AsyncGenerator[Row]:
    """Every checkpoint as it is stored, the oldest first, unverified. Asks nobody's permission."""
    async with aclosing(database.stream(_CYPHER["checkpoints_all"], {"tenant": tenant})) as rows:
        async for row in rows:
            yield row


def full_note(row: Row) -> str:
    """A stored checkpoint's note with all its cosignatures."""
    return "".join((row["note"], *row["cosignatures"]))


def _names(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in split_note("\n\n" + "".join(lines))[1]) if lines else ()

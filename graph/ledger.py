"""The ledger: per tenant an RFC 6962 Merkle tree over canonical entries, one for each object that changed.

The writer appends within the transaction of the change. Reading gives entries, roots, proofs and checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import BadInput
from . import tags
from .access import Access
from .changes import Change, Entry, canonical
from .database import Database, Row
from .merkle import EMPTY_ROOT, Frontier, Tile, consistency_ranges, inclusion_ranges, leaf_hash
from .pages import Page, check_first, decode, encode, page
from .statements import load
from .tiles import subtree_roots

_CYPHER = load("ledger")
VERSION = 1


@dataclass(frozen=True, slots=True)
class Head:
    """Where a ledger stands: how many entries, and the Merkle root over them (32 bytes)."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry as it was hashed. `seq` counts from 0; `leaf` is its leaf hash in hex; `before` and `after` hash the object."""

    seq: int
    at: datetime
    actor: str
    request: str | None
    operation: str
    target: str
    before: str | None
    after: str | None
    policy_version: int
    leaf: str


def append(heads: Sequence[Row], lines: Sequence[tuple[Change, Entry]], at: datetime) -> tuple[list[Row], list[Row]]:
    """Rows for new entries, written at `at`, and for the moved heads with the tiles that were filled.

    `heads` hold tenant, size and frontier of every tenant in `lines`.
    """
    tiles: dict[str, list[Tile]] = {head["tenant"]: [] for head in heads}
    frontiers = {head["tenant"]: Frontier(head["size"], [bytes.fromhex(h) for h in head["frontier"]]) for head in heads}
    rows: list[Row] = []
    for change, entry in lines:
        frontier = frontiers[change.tenant]
        body = entry_bytes(change, entry, frontier.size, at)
        leaf = leaf_hash(body)
        rows.append(
            {
                "tenant": change.tenant,
                "seq": frontier.size,
                "body": body.decode("utf-8"),
                "leaf": leaf.hex(),
                "operation": entry.operation,
                "target": entry.target,
                "actor": change.actor,
            }
        )
        frontier.append(leaf, tiles[change.tenant])
    moved = [
        {
            "tenant": tenant,
            "size": f.size,
            "frontier": [h.hex() for h in f.hashes],
            "root": f.root().hex(),
            "tiles": [{"level": tile.level, "place": tile.place, "root": tile.root.hex()} for tile in tiles[tenant]],
        }
        for tenant, f in frontiers.items()
    ]
    return rows, moved


def entry_bytes(change: Change, entry: Entry, seq: int, at: datetime) -> bytes:
    """The exact bytes that are hashed: canonical JSON of strings, integers and nulls (RFC 8785)."""
    return canonical(
        {
            "v": VERSION,
            "tenant": change.tenant,
            "seq": seq,
            "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": change.actor,
            "request": change.request,
            "operation": entry.operation,
            "target": entry.target,
            "before": entry.before,
            "after": entry.after,
            "policy": change.policy_version,
        }
    )


def origin(tenant: str) -> str:
    """The name under which a tenant's checkpoints are signed; the origin in them and the name of the key."""
    return f"cairn/{tenant}"


async def read_head(database: Database, tenant: str) -> Head:
    """Where the tenant's ledger stands; asks nobody's permission."""
    rows = await database.read(_CYPHER["ledger_stands"], {"tenant": tenant})
    return Head(rows[0]["size"], bytes.fromhex(rows[0]["root"])) if rows else Head(0, EMPTY_ROOT)


async def head(database: Database, access: Access) -> Head:
    """Where the ledger stands. Raises Forbidden without `read` on `ledger`."""
    access.require("ledger", "read")
    tags.collect(f"{access.tenant}/ledger")
    return await read_head(database, access.tenant)


async def read_heads(database: Database, tenants: Sequence[str]) -> dict[str, Head]:
    """Where the ledgers of several tenants stand, those that have any entry; asks nobody's permission."""
    rows = await database.read(_CYPHER["ledgers_stand"], {"tenants": list(tenants)})
    return {row["tenant"]: Head(row["size"], bytes.fromhex(row["root"])) for row in rows}


def _entry(row: Row) -> LedgerEntry:
    body = json.loads(row["body"])
    return LedgerEntry(
        body["seq"], datetime.fromisoformat(body["at"]), body["actor"], body["request"], body["operation"], body["target"],
        body["before"], body["after"], body["policy"], row["leaf"],
    )  # fmt: skip


async def list_entries(database: Database, access: Access, first: int, after: str | None = None) -> Page[LedgerEntry]:
    """A page of entries, the oldest first, so that a cursor's place never moves. Raises Forbidden without `read` on `ledger`."""
    access.require("ledger", "read")
    check_first(first)
    position = decode(after, int)
    tags.collect(f"{access.tenant}/ledger")
    parameters: Row = {"tenant": access.tenant, "after": position[0] if position else -1, "limit": first + 1}
    rows = await database.read(_CYPHER["ledger_list"], parameters)
    return page([_entry(row) for row in rows], first, lambda entry: encode(entry.seq))


async def inclusion_proof(database: Database, access: Access, seq: int, size: int | None = None) -> list[str]:
    """The audit path, in hex, of entry `seq` in the tree of the first `size` entries (None: of all), nearest sibling first.

    Raises BadInput when there is no such entry or tree, Forbidden without `read` on `ledger`.
    """
    stands = await head(database, access)
    size = stands.size if size is None else size
    if not 0 <= seq < size <= stands.size:
        raise BadInput(f"there is no entry {seq} among the first {size}; the ledger has {stands.size} entries, counted from 0")
    return await _roots(database, access.tenant, inclusion_ranges(seq, size))


async def consistency_proof(database: Database, access: Access, older: int, newer: int) -> list[str]:
    """The proof, in hex, that the first `newer` entries begin with the first `older`.

    Raises BadInput unless 0 < `older` <= `newer` <= the ledger's size, Forbidden without `read` on `ledger`.
    """
    stands = await head(database, access)
    if not 0 < older <= newer <= stands.size:
        raise BadInput(f"from and to must be 1 to {stands.size}, the ledger's size, and from not above to")
    return await _roots(database, access.tenant, consistency_ranges(older, newer))


async def _roots(database: Database, tenant: str, ranges: Sequence[range]) -> list[str]:
    return [root.hex() for root in await subtree_roots(database, tenant, ranges)]

"""The ledger: per tenant an RFC 6962 Merkle tree over canonical entries, one for each object that changed.

The writer appends within the transaction of the change. Reading gives entries, roots, proofs and checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from .changes import Change, Entry, canonical
from .database import Row
from .merkle import Frontier, leaf_hash

VERSION = 1


def append(heads: Sequence[Row], lines: Sequence[tuple[Change, Entry]], at: datetime) -> tuple[list[Row], list[Row]]:
    """Rows for the new entries and for the moved heads. `heads` hold tenant, size and frontier of every tenant in `lines`."""
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
                "at": at,
                "operation": entry.operation,
                "target": entry.target,
                "actor": change.actor,
            }
        )
        frontier.append(leaf)
    moved = [
        {"tenant": tenant, "size": f.size, "frontier": [h.hex() for h in f.hashes], "root": f.root().hex(), "at": at}
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

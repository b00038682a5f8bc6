"""Supersession: a newer memory that says another value of the same takes the place of an older one, which stays.

`(newer)-[:SUPERSEDES {reason}]->(older)`; the older has the newer one's id as `supersededBy` and, as `supersededAt`, the instant in
world time up to which it held. Both are of one scope and agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .changes import Change, Entry, Results, Settled, Step, answered, content_hash
from .database import Row
from .keyring import agent_subject, held_by, sealer_for
from .sealing import Stored, as_stored, opened
from .statements import load
from .writer import Writer

_CYPHER = load("supersessions")


@dataclass(frozen=True, slots=True)
class Supersession:
    """That `newer` takes the place of `older`, and why; with None, that none does."""

    older: str
    scope: str
    newer: str | None
    reason: str | None
    agent: str


def reason_of(older: str, reason: Stored) -> str:
    """Why a memory was superseded, as the link from the newer one keeps it; empty where its key was destroyed."""
    return opened(reason, "SUPERSEDES", older, "reason") or ""


async def supersede(writer: Writer, tenant: str, supersessions: Sequence[Supersession], at: datetime) -> int:
    """Write them in one transaction with its entries in the ledger. How many were still there to be written."""
    sealers = {agent: await sealer_for(writer, tenant, agent_subject(agent)) for agent in sorted({one.agent for one in supersessions})}
    rows: tuple[Row, ...] = tuple(
        {
            "older": one.older,
            "tenant": tenant,
            "scope": one.scope,
            "newer": one.newer,
            "reason": sealers[one.agent].seal(one.reason, "SUPERSEDES", one.older, "reason"),
            "at": at,
        }
        for one in supersessions
    )

    def settle(results: Results) -> Settled:
        written = [rows[i] for i in answered(results[0])]
        entries = [
            Entry(
                "memory.supersede",
                f"validity:{row['scope']}/{row['older']}",
                None,
                content_hash([row["newer"], as_stored(row["reason"])]),
            )
            for row in written
        ]
        return Settled(len(written), tuple(entries))

    touched = [{f"{tenant}/memory/{one.older}", f"{tenant}/memories/{one.scope}"} for one in supersessions]
    return await writer.apply_alone(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(Step(_CYPHER["supersessions_write"], rows),),
            settle=settle,
            tags=frozenset({f"{tenant}/memories"}).union(*touched),
            held=held_by(sealers.values()),
        ),
        "consolidate",
    )

"""Refreshes of communities, as the graph keeps them: one at a time in a tenant, over all replicas, with how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ..errors import Conflict, NotFound
from . import tags
from .access import Access
from .changes import Change, Entry, Idempotency, Results, Settled, Step
from .database import Database, Row
from .instants import maybe_utc, now, utc
from .statements import load
from .writer import Writer

_CYPHER = load("communities")
CAIRN = "cairn"
"""Who begins refreshes that nobody asked for; these leave no entry in the ledger unless they change something."""
LEASE = timedelta(seconds=60)
"""A refresh whose process was silent for this long is taken for dead."""


class RefreshStatus(StrEnum):
    """How a refresh stands."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh of a tenant's communities: units (scopes and graphs) done of all, what they came to, and by whom it was begun.

    `changed`: units whose communities are others than before. `left_out`: graphs with too many links.
    """

    tenant: str
    holder: str
    by: str
    started_at: datetime
    status: RefreshStatus = RefreshStatus.RUNNING
    done: int = 0
    total: int = 0
    communities: int = 0
    changed: int = 0
    left_out: int = 0
    finished_at: datetime | None = None
    error: str | None = None


async def claim(writer: Writer, new: Refresh, idempotency: Idempotency | None = None) -> str:
    """Begin a refresh; the holder it got, or that of the one which the idempotency key began before.

    Raises Conflict while another is at work, NotFound for an unknown tenant.
    """
    row: Row = {"tenant": new.tenant, "at": new.started_at, "properties": {**_properties(new), "until": new.started_at + LEASE}}

    def check(rows: Sequence[Row]) -> None:
        if not rows:
            raise NotFound(f"there is no tenant {new.tenant!r}")
        if rows[0]["busy"]:
            raise Conflict("communities are being refreshed already; look at communityRefresh, and try again when that is done")

    def settle(_: Results) -> Settled:
        asked = (Entry("communities.start", f"refresh:{new.holder}", None, None),) if new.by != CAIRN else ()
        return Settled(new.holder, asked)

    return await writer.apply(
        Change(
            tenant=new.tenant,
            actor=new.by,
            steps=(Step(_CYPHER["refresh_claim"], (row,)),),
            check=check,
            settle=settle,
            conflicts=frozenset({"communities"}),
            tags=_tags(new),
            idempotency=idempotency,
        )
    )


async def move(writer: Writer, one: Refresh) -> None:
    """Say how far the refresh has come or how it ended, and that it lives. Raises Conflict when it was taken for dead."""
    row: Row = {"tenant": one.tenant, "holder": one.holder, "properties": {**_properties(one), "until": now() + LEASE}}

    def settle(results: Results) -> Settled:
        if not results[0]:
            raise Conflict("the refresh was taken for dead, because its process was silent for too long")
        return Settled(None, ())

    step = Step(_CYPHER["refresh_move"], (row,))
    await writer.apply(Change(tenant=one.tenant, actor=CAIRN, steps=(step,), settle=settle, tags=_tags(one)))


async def find_refresh(database: Database, access: Access) -> Refresh | None:
    """The tenant's refresh that is at work, or the last one; None before the first. Raises Forbidden without `read` on `community`."""
    access.require("community", "read")
    tags.collect(f"{access.tenant}/refresh")
    rows = await database.read(_CYPHER["refresh_find"], {"tenant": access.tenant})
    if not rows:
        return None
    row = rows[0]["refresh"]
    found = Refresh(
        row["tenant"], row["holder"], row["by"], utc(row["startedAt"]), RefreshStatus(row["status"]), row["done"], row["total"],
        row["communities"], row["changed"], row["leftOut"], maybe_utc(row.get("finishedAt")), row.get("error"),
    )  # fmt: skip
    if found.status is RefreshStatus.RUNNING:
        until = utc(row["until"])
        tags.collect_until(until)
        if until <= now():
            return replace(found, status=RefreshStatus.FAILED, error="it was interrupted; start it again")
    return found


async def due(database: Database, interval: timedelta) -> list[str]:
    """Tenants in which something changed since their last refresh, which began longer than `interval` ago."""
    return [row["tenant"] for row in await database.read(_CYPHER["refresh_due"], {"before": now() - interval})]


def _tags(one: Refresh) -> frozenset[str]:
    return frozenset({f"{one.tenant}/refresh"})


def _properties(one: Refresh) -> Row:
    return {
        "tenant": one.tenant, "holder": one.holder, "by": one.by, "startedAt": one.started_at, "status": one.status.value,
        "done": one.done, "total": one.total, "communities": one.communities, "changed": one.changed, "leftOut": one.left_out,
        "finishedAt": one.finished_at, "error": one.error,
    }  # fmt: skip

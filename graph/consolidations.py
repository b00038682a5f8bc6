"""Consolidation as the graph keeps it: which jobs a tenant wants, who is at them, how far they have come, what they last did.

One process at a time works on a tenant: it claims it for a while (`LEASE`) and says again and again that it lives. What it then
writes is safe even should two be at it, since every statement looks again at what it is about to change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from ..errors import Conflict
from . import tags
from .access import Access
from .changes import Change, Entry, Results, Settled, Step, content_hash
from .database import Database, Row
from .instants import from_stamp, maybe_utc, now, stamp
from .statements import load
from .writer import Writer

_CYPHER = load("consolidations")
LEASE = timedelta(seconds=60)
"""A run whose process was silent for this long is taken for dead."""
EVERY_MEMORY = "memory:*"
"""The object that consolidating a tenant takes `admin` on."""


class Job(Enum):
    """What can be done to a tenant's memories, in the order in which it is done."""

    EXPIRY = "EXPIRY"
    DUPLICATES = "DUPLICATES"
    DERIVATION = "DERIVATION"
    SUPERSESSION = "SUPERSESSION"
    STRENGTH = "STRENGTH"
    REQUESTS = "REQUESTS"


class State(Enum):
    """How a job's last run stands."""

    NEVER = "NEVER"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that a job found: a memory, the other one that it has to do with, and why. Holds nothing of what they say."""

    scope: str
    memory: str
    other: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """A job's last run. `examined` of `total` memories were looked at; `found` is what was to be changed, `changed` what was."""

    job: Job
    enabled: bool = True
    state: State = State.NEVER
    dry_run: bool = False
    total: int = 0
    examined: int = 0
    found: int = 0
    changed: int = 0
    examples: tuple[Example, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A tenant's consolidation while `holder` is at it. `before`: when the last whole background run began."""

    tenant: str
    holder: str
    at: datetime
    before: datetime | None
    off: frozenset[Job]
    reports: Mapping[Job, Report]


async def read_reports(database: Database, access: Access) -> list[Report]:
    """How each job stands in the caller's tenant. Raises Forbidden without `admin` on every memory (`memory:*`)."""
    access.require(EVERY_MEMORY, "admin")
    tags.collect(_tag(access.tenant))
    rows = await database.read(_CYPHER["consolidations_read"], {"tenant": access.tenant, "now": now()})
    if not rows:
        return [Report(job) for job in Job]
    off, kept = _jobs(rows[0]["off"]), _unpacked(rows[0]["reports"])
    if rows[0]["running"]:
        tags.collect_until(now())
    found = [replace(kept.get(job, Report(job)), enabled=job not in off) for job in Job]
    return found if rows[0]["running"] else [_dead(report) for report in found]


async def due(database: Database, before: datetime, after: str, limit: int) -> list[str]:
    """Tenants, in the order of their ids from the one behind `after`, whose last whole background run began before `before`."""
    rows = await database.read(_CYPHER["consolidations_due"], {"before": before, "after": after, "limit": limit, "now": now()})
    return [row["tenant"] for row in rows]


async def claim(writer: Writer, tenant: str, holder: str) -> Claim:
    """Take the tenant's consolidation for `holder`. Raises Conflict while somebody else is at it."""
    at = now()
    row: Row = {"tenant": tenant, "holder": holder, "at": at, "until": at + LEASE}

    def settle(results: Results) -> Settled:
        found = results[0][0]
        if found["busy"]:
            raise Conflict("this tenant is being consolidated already; see how far it is with the query consolidation, and wait")
        return Settled([stamp(maybe_utc(found["before"])), found["off"], found["reports"]], ())

    before, off, reports = await writer.apply_alone(_change(tenant, "consolidations_claim", row, settle), "consolidation")
    return Claim(tenant, holder, at, from_stamp(before), _jobs(off), _unpacked(reports))


async def tell(writer: Writer, claimed: Claim, reports: Iterable[Report], *, over: bool = False, whole: bool = False) -> None:
    """Say how far the run has come and that it lives, or that it is `over`; `whole`: it was a background run that went well.

    Raises Conflict when it was taken for dead and somebody else is at it.
    """
    at = now()
    kept = {**claimed.reports, **{report.job: report for report in reports}}
    row: Row = {"tenant": claimed.tenant, "holder": claimed.holder, "at": at, "until": at if over else at + LEASE}
    row |= {"reports": _packed(kept.values()), "background": claimed.at if whole else None}

    def settle(results: Results) -> Settled:
        if not results[0]:
            raise Conflict("the consolidation was taken for dead, because its process was silent for too long")
        return Settled(None, ())

    await writer.apply_alone(_change(claimed.tenant, "consolidations_tell", row, settle), "consolidation")


async def switch(writer: Writer, access: Access, job: Job, *, enabled: bool) -> None:
    """Turn a job on or off for the caller's tenant. Raises Forbidden without `admin` on every memory (`memory:*`)."""
    access.require(EVERY_MEMORY, "admin")
    row: Row = {"tenant": access.tenant, "job": job.value, "enabled": enabled, "at": now()}

    def settle(results: Results) -> Settled:
        before, after = (sorted(results[0][0][name]) for name in ("before", "after"))
        lines = (Entry("consolidation.switch", "consolidation", content_hash(before), content_hash(after)),) if before != after else ()
        return Settled(None, lines)

    await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["consolidations_switch"], (row,)),),
            settle=settle,
            conflicts=frozenset({"consolidation"}),
            tags=frozenset({_tag(access.tenant)}),
        )
    )


def _change(tenant: str, statement: str, row: Row, settle: Any) -> Change:
    return Change(tenant=tenant, actor="cairn", steps=(Step(_CYPHER[statement], (row,)),), settle=settle, tags=frozenset({_tag(tenant)}))


def _tag(tenant: str) -> str:
    return f"{tenant}/consolidation"


def _jobs(names: Sequence[str]) -> frozenset[Job]:
    return frozenset(Job(name) for name in names if name in Job.__members__)


def _dead(report: Report) -> Report:
    """A run that nobody is at any more has failed, whatever it said last."""
    if report.state is not State.RUNNING:
        return report
    return replace(report, state=State.FAILED, error="the process that was at it is gone; what it did stays, run it again for the rest")


def _packed(reports: Iterable[Report]) -> str:
    return json.dumps({report.job.value: _plain(report) for report in reports})


def _plain(report: Report) -> Row:
    values = asdict(report) | {"started_at": stamp(report.started_at), "finished_at": stamp(report.finished_at)}
    return values | {"job": report.job.value, "state": report.state.value}


def _unpacked(text: str) -> dict[Job, Report]:
    return {Job(name): _report(values) for name, values in json.loads(text).items() if name in Job.__members__}


def _report(values: Row) -> Report:
    parts: Row = {**values, "job": Job(values["job"]), "state": State(values["state"])}
    parts |= {"examples": tuple(Example(**one) for one in values["examples"])}
    parts |= {name: from_stamp(values[name]) for name in ("started_at", "finished_at")}
    return Report(**parts)

"""Keeping memories in order: `consolidation`, `consolidate`, `switchConsolidation`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

import strawberry

from ..graph import consolidations as verbs
from ..graph.access import Access
from .context import Info

strawberry.enum(
    verbs.Job,
    name="ConsolidationJob",
    description="EXPIRY destroys what was to be temporary; DUPLICATES links what says the same; DERIVATION makes knowledge of what was "
    "said on several occasions; SUPERSESSION links newer statements to those whose place they take; STRENGTH weighs importance with "
    "use; REQUESTS forgets old idempotency keys.",
)
strawberry.enum(verbs.State, name="ConsolidationState", description="How a job's last run stands.")
_WAIT = 0.5
"""The part of a request's time for which it waits for the jobs to end."""


@strawberry.type(description="Something that a job found.")
class ConsolidationExample:
    memory: strawberry.ID = strawberry.field(description="The memory.")
    other: strawberry.ID | None = strawberry.field(description="The one that it has to do with, such as the first of duplicates.")
    reason: str = strawberry.field(description="Why. It holds nothing of what the memories say.")


@strawberry.type(description="A job of consolidation and its last run.")
class ConsolidationReport:
    job: verbs.Job = strawberry.field(description="Which job.")
    enabled: bool = strawberry.field(description="Whether it runs by itself; switchConsolidation changes that.")
    state: verbs.State = strawberry.field(description="How its last run stands.")
    dry_run: bool = strawberry.field(description="Whether that run only looked.")
    total: int = strawberry.field(description="Memories to look at.")
    examined: int = strawberry.field(description="Memories looked at so far.")
    found: int = strawberry.field(description="What was to be changed.")
    changed: int = strawberry.field(description="What was changed.")
    examples: list[ConsolidationExample] = strawberry.field(description="Some of what was found, as far as you may read it.")
    started_at: datetime | None = strawberry.field(description="When that run began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    error: str | None = strawberry.field(description="Why it failed, and what to do.")


def _report(value: verbs.Report, access: Access) -> ConsolidationReport:
    return ConsolidationReport(
        job=value.job,
        enabled=value.enabled,
        state=value.state,
        dry_run=value.dry_run,
        total=value.total,
        examined=value.examined,
        found=value.found,
        changed=value.changed,
        examples=[
            ConsolidationExample(
                memory=strawberry.ID(one.memory), other=None if one.other is None else strawberry.ID(one.other), reason=one.reason
            )
            for one in value.examples
            if one.scope in access.scopes
        ],
        started_at=value.started_at,
        finished_at=value.finished_at,
        error=value.error,
    )


@strawberry.type
class ConsolidationQuery:
    @strawberry.field(description="The jobs that keep memories in order and how they stand. Needs `admin` on `memory:*`.")
    async def consolidation(self, info: Info) -> list[ConsolidationReport]:
        access = info.context.access
        return [_report(one, access) for one in await verbs.read_reports(info.context.database, access)]


@strawberry.type
class ConsolidationMutation:
    @strawberry.mutation(
        description="Keep the tenant's memories in order: run jobs (those that are switched on when left out) and wait for them a while; "
        "those that take longer go on, and `consolidation` says how they stand. With `dryRun` nothing is changed. "
        "Needs `admin` on `memory:*`."
    )
    async def consolidate(self, info: Info, jobs: list[verbs.Job] | None = None, dry_run: bool | None = False) -> list[ConsolidationReport]:
        services, access = info.context.services, info.context.access
        run = await services.consolidator.start(access, jobs, dry_run=bool(dry_run))
        with suppress(TimeoutError):
            await asyncio.wait_for(run.done.wait(), services.settings.request_timeout * _WAIT)
        return [_report(one, access) for one in run.reports]

    @strawberry.mutation(description="Turn a job on or off; it holds for what runs by itself. Needs `admin` on `memory:*`.")
    async def switch_consolidation(self, info: Info, job: verbs.Job, enabled: bool) -> list[ConsolidationReport]:
        context = info.context
        await verbs.switch(context.writer, context.access, job, enabled=enabled)
        return [_report(one, context.access) for one in await verbs.read_reports(context.database, context.access)]

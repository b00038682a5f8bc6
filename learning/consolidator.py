"""The consolidator of one process: runs jobs for a tenant when an administrator asks, and for every tenant from time to time.

One process at a time is at a tenant; who asks meanwhile is told so (Conflict). A job that fails does not keep the others from running.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..errors import CairnError, Conflict, Internal
from ..graph.access import Access
from ..graph.consolidations import EVERY_MEMORY, Claim, Job, Report, State, claim, due, tell
from ..graph.database import Database
from ..graph.instants import now
from ..graph.names import new_id
from ..graph.repertoires import EVER
from ..graph.writer import Writer
from ..settings import Settings
from .consolidation import JOBS, Progress, Task

log = logging.getLogger("cairn.consolidation")
_BEAT_SECONDS = 2.0
_TENANTS = 100
_DAILY = frozenset({Job.STRENGTH, Job.REQUESTS})
"""Jobs that look at everything, and change little from hour to hour: the background does them in a day's first run."""
_TELLING, _SELDOM, _OFTEN = 100, 0.005, 0.1
"""Memories that must have been examined to judge by, and the parts of them below and above which they were so too often or too seldom."""
_OVERLAP = timedelta(minutes=10)
"""A background run looks that much further back than the last one: clocks of replicas differ, and writes take their time."""


@dataclass(slots=True, eq=False)
class Run:
    """Jobs at work on a tenant. `reports` says how each stands; `done` is set when the last has ended."""

    claimed: Claim
    progress: dict[Job, Progress]
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def reports(self) -> list[Report]:
        """How each job of this run stands now, in the order in which they run."""
        return [self.progress[job].report for job in Job if job in self.progress]


class Consolidator:
    """Call `close` at the end; run `work` as a task for the background."""

    def __init__(self, database: Database, writer: Writer, settings: Settings) -> None:
        self._database = database
        self._writer = writer
        self._settings = settings
        self.interval = settings.consolidation_interval
        """Seconds between two consolidations of a tenant in the background; it may be changed at any time, and 0 is never."""
        self._examined = self._changed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, access: Access, jobs: Sequence[Job] | None = None, *, dry_run: bool = False) -> Run:
        """Start jobs (None: those that are switched on) on all memories of the caller's tenant.

        Raises Forbidden without `admin` on every memory (`memory:*`), Conflict while somebody is at this tenant.
        """
        access.require(EVERY_MEMORY, "admin")
        claimed = await claim(self._writer, access.tenant, new_id())
        run = _new_run(claimed, [job for job in Job if job not in claimed.off] if jobs is None else jobs, dry_run=dry_run)
        self._spawn(run, self._task(claimed, dry_run=dry_run))
        return run

    async def consolidate(self, tenant: str) -> Run:
        """Run a tenant's jobs as the background does: on what was recorded since the last time, in a day's first run on everything.

        Raises Conflict like `start`.
        """
        claimed = await claim(self._writer, tenant, new_id())
        last = claimed.before if claimed.before is not None and claimed.before.date() == claimed.at.date() else None
        jobs = [job for job in Job if job not in claimed.off and (last is None or job not in _DAILY)]
        since = EVER if last is None else last - _OVERLAP
        run = _new_run(claimed, jobs, dry_run=False)
        self._spawn(run, self._task(claimed, since=since), background=True)
        await run.done.wait()
        self._learn(run)
        return run

    async def work(self) -> None:
        """Consolidate every tenant once in `consolidation_interval` seconds, whichever replica comes first, until cancelled."""
        while self.interval:
            await asyncio.sleep(self.interval * random.uniform(0.9, 1.1))  # noqa: S311 -- so that replicas do not come all at once
            try:
                await self._round(self.interval)
            except CairnError as error:
                log.warning("consolidation in the background stopped (%s); it goes on in a while", error.code)

    def aim(self) -> float | None:
        """The interval that what the last rounds here found speaks for: longer where next to nothing was to be changed, else shorter.

        None while too little is known, or when it is about right.
        """
        if self._examined < _TELLING:
            return None
        part = self._changed / self._examined
        return self.interval * 2 if part < _SELDOM else self.interval / 2 if part > _OFTEN else None

    def _learn(self, run: Run) -> None:
        """Take in what a background run found; earlier ones count less and less. What looks at everything says nothing of the interval."""
        told = [report for report in run.reports if report.job not in _DAILY]
        self._examined = self._examined // 2 + sum(report.examined for report in told)
        self._changed = self._changed // 2 + sum(report.changed for report in told)

    async def due(self, before: datetime, after: str) -> list[str]:
        """Some of the tenants whose turn it is, since their last whole background run began before `before`."""
        return await due(self._database, before, after, _TENANTS)

    async def close(self) -> None:
        """Stop what is at work. What it did stays; what it had not come to is found again by the next run."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self, interval: float) -> None:
        after, before = "", now() - timedelta(seconds=interval / 2)
        while tenants := await self.due(before, after):
            after = tenants[-1]
            for tenant in tenants:
                try:
                    await self.consolidate(tenant)
                except Conflict:
                    continue

    def _spawn(self, run: Run, task: Task, *, background: bool = False) -> None:
        working = asyncio.create_task(self._run(run, task, background=background), name="cairn-consolidation")
        self._tasks.add(working)
        working.add_done_callback(self._tasks.discard)

    def _task(self, claimed: Claim, *, dry_run: bool = False, since: datetime = EVER) -> Task:
        settings = self._settings
        return Task(
            database=self._database,
            writer=self._writer,
            tenant=claimed.tenant,
            at=claimed.at,
            since=since,
            dry_run=dry_run,
            half_life_days=settings.strength_half_life,
            request_seconds=settings.request_retention,
        )

    async def _run(self, run: Run, task: Task, *, background: bool = False) -> None:
        """Do the jobs one after the other and record what became of them, whatever it is."""
        telling = asyncio.create_task(self._tell(run, asyncio.current_task()))
        try:
            for job, progress in run.progress.items():
                progress.report = replace(progress.report, state=State.RUNNING, started_at=now())
                await _do(job, task, progress)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            for progress in run.progress.values():
                if progress.report.state is not State.DONE and progress.report.finished_at is None:
                    progress.report = replace(progress.report, state=State.FAILED, finished_at=now(), error="it was stopped; run it again")
            whole = background and all(report.state is State.DONE for report in run.reports)
            try:
                await tell(self._writer, run.claimed, run.reports, over=True, whole=whole)
            except CairnError as error:
                log.warning("the end of a consolidation could not be recorded (%s)", error.code)
            run.done.set()

    async def _tell(self, run: Run, working: asyncio.Task[None] | None) -> None:
        """Record now and then how far the run has come; stop it when somebody else took it over."""
        while True:
            try:
                await tell(self._writer, run.claimed, run.reports)
            except Conflict as error:
                log.warning("a consolidation stops: %s", error.message)
                if working is not None:
                    working.cancel()
                return
            except CairnError:
                pass
            await asyncio.sleep(_BEAT_SECONDS)


def _new_run(claimed: Claim, jobs: Sequence[Job], *, dry_run: bool) -> Run:
    return Run(
        claimed,
        {job: Progress(Report(job, enabled=job not in claimed.off, state=State.RUNNING, dry_run=dry_run)) for job in Job if job in jobs},
    )


async def _do(job: Job, task: Task, progress: Progress) -> None:
    state, error = State.DONE, None
    try:
        await JOBS[job](task, progress)
    except CairnError as failure:
        state, error = State.FAILED, failure.message
    except Exception:
        log.exception("the consolidation job %s failed", job.value)
        state, error = State.FAILED, Internal("a defect in Cairn stopped it; the details are in the log").message
    progress.report = replace(progress.report, state=state, finished_at=now(), error=error)

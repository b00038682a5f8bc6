"""The jobs that keep a tenant's memories in order, each for itself: it looks, says what it found, and unless it is a dry run does it.

Guarantees: a job that runs again at once finds nothing; a dry run changes nothing; what is written goes in batches through the one
writer, each with its entries in the ledger; no link reaches over a scope or an agent; no memory is lost but those that expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from ..graph.consolidations import Example, Job, Report
from ..graph.database import Database
from ..graph.derivations import Derivation, Extension, derive, extend
from ..graph.duplicates import Likeness, assign, digest
from ..graph.expiry import count_requests, read_expired, remove_expired, remove_requests
from ..graph.keyring import index_of
from ..graph.memories import Kind, Memory, subject_of
from ..graph.names import new_id
from ..graph.repertoires import EVER, Held, list_repertoires, read_repertoire
from ..graph.searchable import Index
from ..graph.strengths import Strength, Used, keep_strengths, read_uses
from ..graph.supersessions import Supersession, supersede
from ..graph.writer import Writer
from .derivation import Episode, Lesson, lessons
from .duplicates import Origin, Said, origins
from .strength import strength
from .supersession import Statement, successions

T = TypeVar("T")
BATCH = 500
_PAGE = 2_000
_EXAMPLES = 10
"""Examples kept of what a job found."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a job works on. `at` is its present, the same from start to end; `since`: repertoires without a newer memory are left out."""

    database: Database
    writer: Writer
    tenant: str
    at: datetime
    since: datetime = EVER
    dry_run: bool = False
    half_life_days: float = 90.0
    request_seconds: float = 86_400.0


class Progress:
    """A report in the making."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def look(self, examined: int, total: int | None = None) -> None:
        """Add to the memories examined, and say how many there are."""
        self.report = replace(self.report, examined=self.report.examined + examined, total=self.report.total if total is None else total)

    def find(self, found: int, examples: Sequence[Example] = ()) -> None:
        """Add to what was found."""
        kept = (*self.report.examples, *examples)[:_EXAMPLES]
        self.report = replace(self.report, found=self.report.found + found, examples=kept)

    def change(self, changed: int) -> None:
        """Add to what was changed."""
        self.report = replace(self.report, changed=self.report.changed + changed)


async def expire(task: Task, progress: Progress) -> None:
    """Destroy memories whose `expiresAt` has come."""
    after = (EVER, "")
    while batch := await read_expired(task.database, task.tenant, task.at, after, BATCH):
        after = (batch[-1].expires_at, batch[-1].id)
        progress.look(len(batch))
        progress.find(len(batch), [Example(one.scope, one.id, None, f"expired at {one.expires_at.isoformat()}") for one in batch])
        if not task.dry_run:
            progress.change(await remove_expired(task.writer, task.tenant, batch, task.at))


async def link_duplicates(task: Task, progress: Progress) -> None:
    """Link memories that say the same to the first that says so, and mend links that no longer hold."""
    async for held in _repertoires(task, progress):
        wrong = await asyncio.to_thread(_likenesses, task.tenant, held, await index_of(task.database, task.tenant))
        links = [one for one in wrong if one.first is not None]
        progress.find(len(wrong), [Example(one.scope, one.id, one.first, f"similarity {one.similarity:g}") for one in links])
        await _write(task, progress, wrong, lambda batch: assign(task.writer, task.tenant, batch, task.at))


async def derive_lessons(task: Task, progress: Progress) -> None:
    """Make one SEMANTIC memory out of episodes that say the same on three occasions or more."""
    async for held in _repertoires(task, progress):
        made, added = await asyncio.to_thread(_lessons, task, held, await index_of(task.database, task.tenant))
        progress.find(
            len(made) + len(added),
            [
                *(Example(one.memory.scope, one.central, None, f"said in {len(one.episodes)} memories") for one in made),
                *(Example(one.scope, one.derived, one.episodes[0], "said once more") for one in added),
            ],
        )
        await _write(task, progress, made, lambda batch: derive(task.writer, task.tenant, batch))
        await _write(task, progress, added, lambda batch: extend(task.writer, task.tenant, batch, task.at))


async def supersede_statements(task: Task, progress: Progress) -> None:
    """Link newer statements to the older ones whose place they take."""
    async for held in _repertoires(task, progress):
        wrong = await asyncio.to_thread(_supersessions, held)
        links = [one for one in wrong if one.newer is not None]
        progress.find(len(wrong), [Example(one.scope, one.older, one.newer, "another value of the same, later") for one in links])
        await _write(task, progress, wrong, lambda batch: supersede(task.writer, task.tenant, batch, task.at))


async def weigh(task: Task, progress: Progress) -> None:
    """Work out how strong every memory is now."""
    after = ""
    while batch := await read_uses(task.database, task.tenant, after, _PAGE):
        after = batch[-1].id
        moved = [one for one in (_strength(task, used) for used in batch) if one is not None]
        progress.look(len(batch))
        progress.find(len(moved), [Example(one.scope, one.id, None, f"strength {one.strength:g}") for one in moved])
        await _write(task, progress, moved, lambda batch: keep_strengths(task.writer, task.tenant, batch))


async def forget_requests(task: Task, progress: Progress) -> None:
    """Forget idempotency keys that are too old to be repeated."""
    before = task.at - timedelta(seconds=task.request_seconds)
    found = await count_requests(task.database, task.tenant, before)
    progress.look(found, found)
    progress.find(found)
    while not task.dry_run and (removed := await remove_requests(task.writer, task.tenant, before)):
        progress.change(removed)


JOBS: dict[Job, Callable[[Task, Progress], Awaitable[None]]] = {
    Job.EXPIRY: expire,
    Job.DUPLICATES: link_duplicates,
    Job.DERIVATION: derive_lessons,
    Job.SUPERSESSION: supersede_statements,
    Job.STRENGTH: weigh,
    Job.REQUESTS: forget_requests,
}


async def _repertoires(task: Task, progress: Progress) -> AsyncGenerator[list[Held]]:
    wanted = await list_repertoires(task.database, task.tenant, task.since)
    progress.look(0, sum(one.memories for one in wanted))
    for one in wanted:
        yield await read_repertoire(task.database, task.tenant, one, task.at)
        progress.look(one.memories)


async def _write(task: Task, progress: Progress, items: Sequence[T], write: Callable[[Sequence[T]], Awaitable[int]]) -> None:
    for start in range(0, 0 if task.dry_run else len(items), BATCH):
        progress.change(await write(items[start : start + BATCH]))


def _origins(tenant: str, held: Sequence[Held], index: Index) -> dict[str, Origin]:
    """What each memory duplicates, of those that are not linked to one that is out of sight."""
    here = {one.memory.id for one in held}
    seen = [one for one in held if one.duplicate_of is None or one.duplicate_of[0] in here]
    return origins([_said(tenant, one.memory, index) for one in seen])


def _said(tenant: str, memory: Memory, index: Index) -> Said:
    apart = (memory.kind.value, memory.modality.value, memory.speaker)
    return Said(memory.id, memory.text or "", digest(tenant, memory, index) or "", apart, memory.expires_at is None)


def _likenesses(tenant: str, held: Sequence[Held], index: Index) -> list[Likeness]:
    """What is to be written so that the links are as they should be."""
    here = {one.memory.id for one in held}
    origin = _origins(tenant, held, index)
    wrong: list[Likeness] = []
    for one in sorted(held, key=lambda one: one.memory.id):
        id, same, stands = one.memory.id, digest(tenant, one.memory, index) or "", Origin(*one.duplicate_of) if one.duplicate_of else None
        wanted = stands if stands and stands.first not in here else origin.get(id)
        if wanted != stands or one.digest != same or one.duplicate_loose:
            wrong.append(Likeness(id, one.memory.scope, same, *((wanted.first, wanted.similarity) if wanted else (None, 1.0))))
    return wrong


def _lessons(task: Task, held: Sequence[Held], index: Index) -> tuple[list[Derivation], list[Extension]]:
    """Memories to be made, and those made before that further episodes bear out."""
    lasting = [one for one in held if one.memory.kind is Kind.EPISODIC and one.memory.expires_at is None]
    by_id = {one.memory.id: one for one in lasting}
    episodes = [Episode(m.id, m.text or "", m.session, m.importance, m.occurred_at) for m in (one.memory for one in lasting)]
    made: list[Derivation] = []
    added: list[Extension] = []
    for lesson in lessons(episodes, _origins(task.tenant, held, index)):
        known = sorted({derived for id in lesson.episodes for derived in by_id[id].derived})
        new = tuple(id for id in lesson.episodes if not by_id[id].derived)
        if not known:
            central = by_id[lesson.central].memory
            subject = subject_of(central.agent, central.metadata)
            made.append(Derivation(_learnt(central, lesson, task.at), lesson.central, lesson.episodes, subject))
        elif new and known[0][1]:
            added.append(Extension(known[0][0], by_id[new[0]].memory.scope, new))
    return made, added


def _learnt(central: Memory, lesson: Lesson, at: datetime) -> Memory:
    return replace(
        central,
        id=new_id(),
        external_id=None,
        kind=Kind.SEMANTIC,
        session=None,
        importance=lesson.importance,
        occurred_at=lesson.occurred_at,
        recorded_at=at,
        metadata=None,
        hash="",
    )


def _supersessions(held: Sequence[Held]) -> list[Supersession]:
    """What is to be written so that the links are as they should be."""
    here = {one.memory.id for one in held}
    states = [
        Statement(m.id, m.text or "", m.speaker, m.occurred_at)
        for m in (one.memory for one in held)
        if m.kind in (Kind.EPISODIC, Kind.SEMANTIC) and m.expires_at is None
    ]
    found = successions(states)
    wrong: list[Supersession] = []
    for one in sorted(held, key=lambda one: one.memory.id):
        wanted = found.get(one.memory.id)
        pair = (wanted.newer, wanted.reason) if wanted else None
        if pair is None and one.superseded_by is not None and one.superseded_by[0] not in here:
            pair = one.superseded_by
        if pair != one.superseded_by or one.superseded_loose:
            wrong.append(Supersession(one.memory.id, one.memory.scope, *(pair or (None, None)), one.memory.agent))
    return wrong


def _strength(task: Task, used: Used) -> Strength | None:
    value = strength(used.importance, used.last_used, task.at, task.half_life_days)
    if value == used.kept_strength and used.last_used == used.kept_last_used:
        return None
    return Strength(used.id, used.scope, value, used.last_used)

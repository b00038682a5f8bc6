"""The learner: measures feedback and trains the ranker in the background, and tells recall which model ranks.

A candidate replaces the champion only when it does better on feedback that was held back. Every version is kept (`graph.models`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from ..errors import CairnError
from ..graph.access import Access
from ..graph.changes import Event
from ..graph.database import Database
from ..graph.instants import now
from ..graph.models import Trained, Unmeasured, examples, keep_drift, keep_examples, keep_model, standing, unmeasured
from ..graph.writer import Writer
from .drift import drift
from .embedders import Embedders
from .features import NAMES
from .ranking import Model, champion
from .recall import MAX_QUERY, RecallRequest, rank, read_recall_id
from .training import Example, reciprocal, train, unpacked

log = logging.getLogger("cairn.learning")
_AT_ONCE = 50
_REMEMBERED = 2_000
"""The latest feedbacks, which a model is trained on."""
_FIRST_TRAINING = 20
_EVERY = 10
"""Feedbacks after which the ranker is trained again."""


class Learner:
    """Learns from the feedback of every tenant that this process hears of. `work` runs until it is cancelled."""

    def __init__(self, database: Database, writer: Writer, embedders: Embedders, access: Callable[[str, str], Awaitable[Access]]) -> None:
        self._database, self._writer, self._embedders, self._access = database, writer, embedders, access
        self._waiting: dict[str, None] = {}
        self._heard = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._since: dict[str, int] = {}

    async def hear(self, events: Sequence[Event]) -> None:
        """Take note of feedback; a listener of the writer."""
        for event in events:
            if event.kind == "feedback":
                self.request(event.tenant)

    def request(self, tenant: str) -> None:
        """Ask for a tenant's feedback to be looked at."""
        self._waiting[tenant] = None
        self._idle.clear()
        self._heard.set()

    async def settled(self) -> None:
        """Wait until all that was heard of is learned."""
        await self._idle.wait()

    async def work(self) -> None:
        """Learn whenever there is something to learn. A failure is logged and does not end it."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            while self._waiting:
                tenant = next(iter(self._waiting))
                del self._waiting[tenant]
                try:
                    await self.learn(tenant)
                except CairnError as error:
                    log.warning("nothing was learned from the feedback of tenant %s this time: %s", tenant, error.message)
                except Exception:
                    log.exception("learning from the feedback of tenant %s failed", tenant)
            self._idle.set()

    async def learn(self, tenant: str) -> None:
        """Measure what is new, and train when enough is."""
        fresh = 0
        while found := await unmeasured(self._database, tenant, _AT_ONCE):
            measured = [(one, await self._measured(tenant, one)) for one in found]
            await keep_examples(self._writer, tenant, measured)
            fresh += sum(example != "" for _, example in measured)
        due = self._since.get(tenant, _EVERY) + fresh
        if fresh and due >= _EVERY:
            due = 0
            await self.train(tenant)
        self._since[tenant] = due

    async def train(self, tenant: str) -> bool:
        """Train a candidate on a tenant's feedback; True when it ranks from now on."""
        stored = [unpacked(one.principal, one.example) for one in reversed(await examples(self._database, tenant, _REMEMBERED))]
        now_serving = await champion(self._database, tenant)
        outcome = await asyncio.to_thread(train, stored, now_serving.weights)
        if outcome is None:
            return False
        state = await standing(self._database, tenant)
        weights = np.array(now_serving.weights)
        moved = drift([reciprocal([one], weights) for one in stored])
        drifted_at = state.drifted_at if moved.place is None else state.drifted_at or now()
        if (round(moved.level, 3), drifted_at) != (state.drift, state.drifted_at):
            await keep_drift(self._writer, tenant, round(moved.level, 3), drifted_at)
        if not outcome.better:
            return False
        kept = await keep_model(
            self._writer,
            tenant,
            Trained(
                names=NAMES,
                weights=outcome.weights,
                examples=outcome.examples,
                figure=outcome.figure,
                champion_figure=outcome.champion_figure,
                held_back=outcome.held_back,
                champion=now_serving.version,
                promote=not state.pinned,
            ),
        )
        if kept:
            log.info("a new model ranks for tenant %s: %.3f beside %.3f", tenant, outcome.figure, outcome.champion_figure)
        return kept

    async def _measured(self, tenant: str, one: Unmeasured) -> str:
        """The features of the hits of a feedback, as who gave it saw them before; empty when nothing can be learned from it."""
        try:
            _, _, hits = read_recall_id(one.recall)
            access = await self._access(tenant, one.principal)
            request = RecallRequest(agent=one.agent, query=one.query[:MAX_QUERY], limit=max(1, min(100, len(hits))))
            ranked = await rank(self._database, self._embedders, access, request, Model(), frozenset(one.useful))
        except CairnError:
            return ""
        at = {candidate.id: place for place, candidate in enumerate(ranked.found)}
        shown = [hit for hit in hits if hit in at]
        useful = tuple(place for place, hit in enumerate(shown) if hit in one.useful)
        if not useful or len(useful) == len(shown):
            return ""
        return Example(one.principal, ranked.measured.values[[at[hit] for hit in shown]], useful).packed()

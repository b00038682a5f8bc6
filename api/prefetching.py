"""Runs the operations that an agent will probably ask for next, with its own permissions, while there is nothing else to do.

Guarantees: only queries are run; a prefetch runs as its agent through the ordinary execution, and its answer stands in the query cache
under that agent's own key, so nobody sees what he could not ask for; it begins only while requests and prefetches together are fewer
than `most`; what an agent's session and this process spend on it is bounded, and not charged to the agent; one that has not begun when
its agent went on otherwise is dropped. No request waits for learning.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from time import monotonic
from typing import Any

import orjson
from graphql import OperationType

from ..errors import CairnError
from ..graph.tasks import end
from ..learning.anticipation import Anticipation, Anticipations
from ..learning.operations import Operation, values_in
from ..learning.prefetch import Prediction
from ..settings import Settings
from .authentication import Caller
from .cache import Level, QueryCache, Served
from .errors import Refused
from .execution import Answer, Executor, Plan
from .parameters import Parameters, from_body, from_url
from .rates import Buckets, Rate

log = logging.getLogger("cairn.prefetching")
_DOCUMENTS = 512
_WAITING = 256
_STALE = 2.0
"""Seconds after which a prefetch that has not begun is not begun any more."""
_LULL = 0.05
_CROWD_SECONDS = 1.0
"""Seconds for which requests are counted."""
_KEPT = 1_000
_LAPSED = 120.0
"""Seconds after which nobody will ask for what was run for a session."""
_LARGEST = 65_536
_REQUEST = "prefetch"
_LONGEST_SESSION = 100


def session_name(header: str) -> str:
    """What the header X-Cairn-Session says its session is called."""
    return header[:_LONGEST_SESSION]


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """An operation that was answered: as it was planned, or the bytes that asked for it."""

    caller: Caller
    session: str
    asked: Plan | bytes
    body: bytes


@dataclass(slots=True, eq=False)
class _Job:
    """A prefetch, waiting or running. `asked`: its agent asks for it now."""

    agent: tuple[str, str, str]
    key: str
    plan: Plan
    caller: Caller
    since: float
    seconds: float = 0.0
    asked: bool = False


@dataclass(slots=True)
class _Agenda:
    """What runs ahead for one session: jobs by their cache key, those that ended included until they are asked for or forgotten."""

    at: float = 0.0
    jobs: OrderedDict[str, _Job] = field(default_factory=OrderedDict[str, _Job])


class Prefetching:
    """Listens to answered operations, learns, and runs ahead. Transports call `arrived` and `answered`, or `hit`."""

    def __init__(self, executor: Executor, cache: QueryCache, anticipations: Anticipations, settings: Settings) -> None:
        self._executor, self._cache, self._anticipations = executor, cache, anticipations
        self._most = settings.prefetch_concurrency
        self._budget = Buckets(Rate(settings.prefetch_rate, settings.prefetch_rate * 10))
        self._heard: deque[_Heard] = deque()
        self._waiting: deque[_Job] = deque()
        self._agendas: OrderedDict[tuple[str, str, str], _Agenda] = OrderedDict()
        self._documents: OrderedDict[str, tuple[str, str | None]] = OrderedDict()
        self._running: dict[asyncio.Task[None], _Job] = {}
        self._learning: asyncio.Task[None] | None = None
        self._unheard: dict[tuple[str, str, str], int] = {}
        self._requests = self._arrivals = 0
        self._since, self._crowded = monotonic(), False
        self._depth, self._crowd = settings.max_json_depth, settings.prefetch_crowd
        anticipations.closing.append(self.close)
        anticipations.settling.append(self.settled)

    def arrived(self, caller: Caller, session: str, key: str | None) -> None:
        """A request is about to be answered: what was to be run ahead of another one for its session is dropped."""
        self._requests += 1
        self._arrivals += 1
        self._go_on(caller, session, key)

    def hit(self, caller: Caller, session: str, raw: bytes, key: str, body: bytes) -> None:
        """A request of these bytes was answered from the cache before anything else saw it."""
        self._arrivals += 1
        place = (caller.access.tenant, caller.access.principal, session)
        if place not in self._agendas and self._in_crowd():
            self._unheard[place] = self._unheard.get(place, 0) + 1
            self._attend()
            return
        self._go_on(caller, session, key)
        self._settle(caller, session, key, "l1")
        self._hear(_Heard(caller, session, raw, body))

    def _go_on(self, caller: Caller, session: str, key: str | None) -> None:
        place = (caller.access.tenant, caller.access.principal, session)
        agenda = self._agendas.get(place)
        if agenda is None:
            return
        for job in agenda.jobs.values():
            job.asked |= job.key == key
        for job in [job for job in self._waiting if job.agent == place]:
            self._waiting.remove(job)
            agenda.jobs.pop(job.key, None)

    def answered(self, caller: Caller, session: str, plan: Plan, served: Served | None, key: str | None) -> None:
        """A request was answered (`served` None: it failed). Learns from it when there is time."""
        self._requests -= 1
        if served is None or not served.answer.clean or plan.operation.kind is OperationType.SUBSCRIPTION:
            self._wake()
            return
        if plan.operation.kind is OperationType.QUERY:
            self._settle(caller, session, key, served.level)
        self._hear(_Heard(caller, session, plan, served.answer.body))

    def _settle(self, caller: Caller, session: str, key: str | None, level: Level) -> None:
        model = self._anticipations.of(caller.access.tenant)
        agenda = self._agendas.get((caller.access.tenant, caller.access.principal, session)) if self._agendas else None
        job = agenda.jobs.pop(key, None) if agenda is not None and key is not None else None
        if level == "miss":
            model.account.misses += 1
        elif job is not None:
            model.settle(used=True)
        else:
            model.account.hits += 1

    def _hear(self, heard: _Heard) -> None:
        if len(self._heard) == _WAITING:
            self._lose(self._heard.popleft())
        self._heard.append(heard)
        self._attend()

    def _attend(self) -> None:
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._learn(), name="cairn-prefetch-learning")

    async def close(self) -> None:
        """Stop whatever runs, and close the account: what was not asked for until now was in vain."""
        await end(*self._running, *([self._learning] if self._learning is not None else []))
        self._waiting.clear()
        for (tenant, *_), agenda in self._agendas.items():
            self._forget(self._anticipations.of(tenant), agenda, 0)

    async def settled(self) -> None:
        """Wait until all that was heard of is learned, and all that was to be run has run."""
        while (self._learning is not None and not self._learning.done()) or self._running:
            await asyncio.wait({*self._running, *([self._learning] if self._learning is not None else [])})

    async def _learn(self) -> None:
        while self._heard or self._unheard:
            await asyncio.sleep(_LULL if self._busy() else 0)  # whatever waits for the process comes first
            for (tenant, principal, session), hits in self._unheard.items():
                model = self._anticipations.of(tenant)
                model.account.hits += hits
                model.lose(principal, session)
            self._unheard.clear()
            while self._heard and self._busy():
                self._lose(self._heard.popleft())
            if self._heard:
                try:
                    self._take(self._heard.popleft())
                except Exception:
                    log.exception("an operation could not be learned from")
        self._wake()

    def _busy(self) -> bool:
        """Whether there is no time to learn now."""
        return self._in_crowd() or self._requests >= self._most

    def _in_crowd(self) -> bool:
        """Whether more requests came than leave time to learn, since the second began or in the one before."""
        now = monotonic()
        if now - self._since >= _CROWD_SECONDS:
            self._crowded = self._arrivals > self._crowd * (now - self._since)
            self._since, self._arrivals = now, 0
        return self._crowded or self._arrivals > self._crowd * _CROWD_SECONDS

    def _lose(self, heard: _Heard) -> None:
        self._anticipations.of(heard.caller.access.tenant).lose(heard.caller.access.principal, heard.session)

    def _take(self, heard: _Heard) -> None:
        access, plan = heard.caller.access, self._read(heard.asked)
        model = self._anticipations.of(access.tenant)
        try:
            operation = Operation.of(self._shape(plan), plan.parameters.variables)
            found = values_in(orjson.loads(heard.body).get("data")) if len(heard.body) <= _LARGEST else None
        except (TypeError, ValueError):
            return
        predictions = model.heard(access.principal, ",".join(sorted(access.roles)), heard.session, operation, found)
        self._plan(model, heard, predictions)

    def _read(self, asked: Plan | bytes) -> Plan:
        if isinstance(asked, Plan):
            return asked
        read = from_url(asked[1:], self._depth) if asked.startswith(b"?") else from_body(asked, self._depth)
        return self._executor.plan(read)

    def _plan(self, model: Anticipation, heard: _Heard, predictions: list[Prediction]) -> None:
        access = heard.caller.access
        agent = (access.tenant, access.principal, heard.session)
        agenda = self._agendas.setdefault(agent, _Agenda())
        self._agendas.move_to_end(agent)
        agenda.at = monotonic()
        while len(self._agendas) > _KEPT or next(iter(self._agendas.values())).at < agenda.at - _LAPSED:
            (tenant, *_), left = self._agendas.popitem(last=False)
            self._forget(self._anticipations.of(tenant), left, 0)
        self._forget(model, agenda, 2 * self._most)
        for one in predictions[: self._most]:
            plan = self._planned(one.operation)
            key = None if plan is None else self._cache.key(plan, heard.caller)
            if plan is None or key is None or key in agenda.jobs:
                continue
            job = agenda.jobs[key] = _Job(agent, key, plan, heard.caller, monotonic())
            self._waiting.append(job)
        while len(self._waiting) > _WAITING:
            self._drop(self._waiting.popleft())

    def _forget(self, model: Anticipation, agenda: _Agenda, most: int) -> None:
        """Of what was run for a session and not asked for, keep the latest."""
        running = set(map(id, self._running.values()))
        while len(agenda.jobs) > most:
            _, job = agenda.jobs.popitem(last=False)
            if job in self._waiting:
                self._waiting.remove(job)
            elif id(job) not in running:
                model.settle(used=False, seconds=job.seconds)

    def _shape(self, plan: Plan) -> str:
        digest = blake2b(plan.document.text.encode("utf-8", "surrogatepass"), digest_size=12)
        digest.update(b"\0" + (plan.operation.name or "").encode())
        shape = digest.hexdigest()
        self._documents[shape] = plan.document.text, plan.operation.name
        self._documents.move_to_end(shape)
        while len(self._documents) > _DOCUMENTS:
            self._documents.popitem(last=False)
        return shape

    def _planned(self, operation: Operation) -> Plan | None:
        """The request that a predicted operation is; None when it is no query, or its document is not known here."""
        known = self._documents.get(operation.shape)
        if known is None:
            return None
        variables: dict[str, Any] = {name: orjson.loads(text) for name, text in operation.variables.items()}
        try:
            plan = self._executor.plan(Parameters(known[0], known[1], variables))
        except (CairnError, Refused):
            return None
        return plan if plan.operation.kind is OperationType.QUERY else None

    def _wake(self) -> None:
        """Begin what waits, as long as there is room."""
        while self._waiting and not self._busy() and self._requests + len(self._running) < self._most:
            job = self._waiting.popleft()
            agent = "\0".join(job.agent)
            if monotonic() - job.since > _STALE or self._budget.wait("", 1) > 0 or self._budget.wait(agent, 4) > 0:
                self._drop(job)
                continue
            task = asyncio.create_task(self._run(job), name="cairn-prefetch")
            self._running[task] = job
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled() and task.exception() is not None:
            log.error("a prefetch failed", exc_info=task.exception())
        self._wake()

    def _drop(self, job: _Job) -> None:
        agenda = self._agendas.get(job.agent)
        if agenda is not None:
            agenda.jobs.pop(job.key, None)

    async def _run(self, job: _Job) -> None:
        model, began = self._anticipations.of(job.agent[0]), monotonic()
        computed: list[Answer] = []

        async def compute() -> Answer:
            model.account.issued += 1
            computed.append(await self._executor.execute(job.plan, job.caller.access, _REQUEST, spend=partial(self._spend, job)))
            return computed[0]

        served = await self._cache.answer(job.key, compute, job.agent[0])
        job.seconds = monotonic() - began
        if not computed:  # it was in the cache already
            self._drop(job)
            return
        model.account.spent += job.seconds
        if not served.answer.clean:
            self._drop(job)
            model.settle(used=False, seconds=job.seconds)

    async def _spend(self, job: _Job, cost: float) -> float | None:
        """Its cost, charged to all prefetches and, four times, to its session's, which gets a quarter at most."""
        self._budget.spend("", cost)
        self._budget.spend("\0".join(job.agent), 4 * cost)
        return None

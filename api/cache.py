"""The query cache: which answers may be kept, for whom, and under which key.

Guarantees: an answer is only ever given to callers with the same effective permissions in the same tenant, and unless all it
asks for was declared shareable only to the same principal; an answer older than a completed write is never given; callers who
ask the same at the same time cause one execution. Where any of this can't be told, the answer is computed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from time import monotonic
from typing import Literal

import orjson
from graphql import OperationType

from ..errors import CairnError
from ..graph.answers import PLAIN_ANSWERS, Answers
from ..graph.keyring import Keyring
from ..graph.tags import Collected, collecting
from .authentication import Caller, digest
from .epochs import Epochs, Found, Missing
from .execution import Answer, Plan
from .near import Kept, Near
from .s3fifo import S3FIFO
from .stored import Stored, unpack

Level = Literal["l1", "l2", "miss"]
_LARGEST = 1_000_000
_REQUESTS = 8 * 1024 * 1024
"""Bytes that are taken by requests that are recognised."""
_LONGEST_REQUEST = 16_384
_REQUEST_OVERHEAD = 500
_SHORTEST_LIFE = 0.05


@dataclass(frozen=True, slots=True)
class Served:
    """An answer and where it came from."""

    answer: Answer
    level: Level


@dataclass(frozen=True, slots=True)
class Question:
    """A query that may be answered from the cache: all that its answer depends on besides its caller and the data.

    `shared`: callers with equal permissions get equal answers.
    """

    digest: bytes
    shared: bool


class QueryCache:
    """Keeps answers of queries. `life` is in seconds; it bounds how long an answer is kept when nothing it depends on changes.

    `schema_version` names the schema that answers were made with; `shareable` the root fields whose answers depend on nothing
    but the caller's permissions, so that principals with equal permissions may share them. With a `keyring` answers are kept as the
    tenant's encryption wants it.
    """

    def __init__(
        self,
        epochs: Epochs,
        schema_version: str,
        life: float,
        shareable: frozenset[str] = frozenset(),
        keyring: Keyring | None = None,
    ) -> None:
        self._epochs = epochs
        self._schema_version = schema_version
        self._life = life
        self._shareable = shareable
        self._keyring = keyring
        self._flights: dict[str, asyncio.Event] = {}
        self._recognised: S3FIFO[bytes, Question] = S3FIFO(_REQUESTS)
        self.near = epochs.near if epochs is not None else Near(0)  # pyright: ignore[reportUnnecessaryComparison] -- tests of keys need none

    def question(self, plan: Plan) -> Question | None:
        """What `plan` asks; None when its answers may not be kept."""
        operation = plan.operation
        if operation.kind is not OperationType.QUERY or operation.introspects_only or plan.parameters.rate:
            return None
        try:
            variables = orjson.dumps(plan.parameters.variables, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # an integer of more than 64 bits
            return None
        parts = (self._schema_version, plan.document.text, "" if operation.name is None else f"operation {operation.name}")
        digested = digest([*(part.encode("utf-8", "surrogatepass") for part in parts), variables])
        return Question(digested, operation.roots <= self._shareable)

    def key(self, plan: Plan, caller: Caller) -> str | None:
        """The key of this caller's answer to `plan`; None when it may not be kept."""
        question = self.question(plan)
        return None if question is None else key_of(question, caller)

    def recognise(self, raw: bytes) -> Question | None:
        """What a request of these bytes asks, if it was read before; None when it was not."""
        return self._recognised.get(raw)

    def remember(self, raw: bytes, question: Question) -> None:
        """Recognise a request of these bytes from now on. Equal bytes must be read alike."""
        if len(raw) <= _LONGEST_REQUEST:
            self._recognised.put(raw, question, len(raw) + _REQUEST_OVERHEAD)

    async def second(self, key: str, tenant: str) -> Kept | None:
        """The answer under `key` in Redis, if it is true now; it is kept here from now on."""
        answers = await self._kept_with(tenant)
        found = None if answers is None else await self._epochs.lookup(key)
        return self._opened(key, found, answers) if isinstance(found, Found) and answers is not None else None

    async def answer(self, key: str, compute: Callable[[], Awaitable[Answer]], tenant: str = "") -> Served:
        """The kept answer under `key`, or the one that `compute` makes, which is kept if it may be. Raises what `compute` raises."""
        if (near := self.near.get(key)) is not None:
            return Served(Answer(near.stored.body, clean=True), "l1")
        answers = await self._kept_with(tenant)
        if answers is None:
            return Served(await compute(), "miss")
        found = await self._epochs.lookup(key)
        flight = self._flights.get(key)
        if isinstance(found, Missing) and flight is not None:
            await flight.wait()
            found = await self._epochs.lookup(key)  # not simply the other's answer: a write may have completed since it was read
        if isinstance(found, Found) and (second := self._opened(key, found, answers)) is not None:
            return Served(Answer(second.stored.body, clean=True), "l2")
        if not isinstance(found, Missing):
            return Served(await compute(), "miss")
        return Served(await self._lead(key, found, compute, answers), "miss")

    def _opened(self, key: str, found: Found, answers: Answers) -> Kept | None:
        """What was found in Redis, kept here from now on; None when it is not what was kept there."""
        packed = answers.open(key, found.kept)
        stored = None if packed is None else unpack(packed)
        if stored is None:
            return None
        return self.near.put(key, stored, found.slots, found.left, found.generation, found.epoch)

    async def _kept_with(self, tenant: str) -> Answers | None:
        """What the tenant's answers are kept with; None when none can be kept or read now."""
        try:
            return PLAIN_ANSWERS if self._keyring is None else await self._keyring.answers(tenant)
        except CairnError:  # the operation itself will say what is wrong
            return None

    async def _lead(self, key: str, since: Missing, compute: Callable[[], Awaitable[Answer]], answers: Answers) -> Answer:
        flight = None if key in self._flights else asyncio.Event()
        if flight is not None:
            self._flights[key] = flight
        try:
            began = monotonic()
            with collecting() as tags:
                answer = await compute()
            life = self._life_of(answer, tags)
            if life >= _SHORTEST_LIFE and monotonic() - began < self._epochs.longest_read:
                await self._keep(key, since, tags, Stored(answer.body, life, tags.until and tags.until.timestamp()), answers)
            return answer
        finally:
            if flight is not None:
                del self._flights[key]
                flight.set()

    async def _keep(self, key: str, since: Missing, tags: Collected, stored: Stored, answers: Answers) -> None:
        found = await self._epochs.store(key, since, tags, stored.life, answers.seal(key, stored.pack()))
        if found is not None:
            self.near.put(key, stored, found.slots, stored.life, found.generation, found.epoch)

    def _life_of(self, answer: Answer, tags: Collected) -> float:
        """For how long `answer` may be kept; 0 when it may not, as when no verb said what it depends on."""
        if not answer.clean or answer.code is not None or not tags or len(answer.body) > _LARGEST:
            return 0.0
        life = self._life * random.uniform(0.9, 1.0)  # noqa: S311 -- spreads expiry, guards nothing
        if tags.until is None:
            return life
        return min(life, (tags.until - datetime.now(UTC)).total_seconds())


def key_of(question: Question, caller: Caller) -> str | None:
    """The key of this caller's answer; None when it may not be kept, since it is not known what the caller may do."""
    if not caller.access.fingerprint:
        return None
    return f"a:{blake2b((caller.equals if question.shared else caller.own) + question.digest, digest_size=24).hexdigest()}"

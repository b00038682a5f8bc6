"""The query cache's place in Redis: answers, and the epochs that tell which of them are still true.

Guarantees: an answer is found only when nothing it depends on was written since its read began, on any replica; Redis lost,
restarted, failed over or flushed makes answers vanish, never come back; Redis down or slow costs at most `patience` a call
and never raises. `docs/decisions/0005-query-cache.md` argues why.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from typing import Any, cast

from redis.exceptions import RedisError

from ..errors import Unavailable
from .circuit import Circuit
from .redis_client import Client, open_redis
from .tasks import end

log = logging.getLogger("cairn.cache")

_SCRIPT = (files(str(__package__)) / "epochs.lua").read_text(encoding="utf-8")
_MOST_SLOTS = 1_024
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no answer; `generation` and `epoch` say from when one would be that is computed now."""

    generation: str
    epoch: str


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """A write that began: by which task, with which tags, and under which name its marks stand (None: Redis was not reached)."""

    task: asyncio.Task[Any] | None
    tags: frozenset[str]
    marks: str | None


class Epochs:
    """Answers and epochs in one Redis under one namespace, shared by all replicas over the same graph. Made by `open_epochs`.

    `patience`: seconds a call may take. `staleness`: seconds for which a replica may still believe an old cache generation.
    `hold`: seconds for which the marks of a write outlive its writer. It is an `Invalidator` for the graph's writer.
    """

    def __init__(self, redis: Client, namespace: str, *, patience: float = 0.1, staleness: float = 0.5, hold: float = 60.0) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self.prefix = f"cairn:{{{namespace}}}:"
        self._state = f"{self.prefix}epochs"
        self._patience = patience
        self._staleness = staleness
        self._hold = hold
        self._circuit = Circuit()
        self._waiting: dict[str, list[asyncio.Future[bytes | Missing | None]]] = {}
        self._sender: asyncio.Task[None] | None = None
        self._writes: list[_Write] = []
        self.calls: set[asyncio.Task[Any]] = set()

    @property
    def longest_read(self) -> float:
        """Seconds after which an answer is too old to be kept: the marks of a writer that died may be gone."""
        return self._hold / 2

    async def lookup(self, key: str) -> bytes | Missing | None:
        """The answer under `key` if it is true now, else from when a new one would be. None when Redis does not answer.

        Look-ups that wait at the same time go to Redis together, in one round trip.
        """
        if self._circuit.open:
            return None
        future: asyncio.Future[bytes | Missing | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="cairn-cache-lookups")
        return await future

    async def store(self, key: str, since: Missing, tags: Iterable[str], life: float, answer: bytes) -> bool:
        """Keep `answer` for up to `life` seconds if nothing that it depends on was written after `since`; whether it was kept."""
        slots = sorted({slot(tag) for tag in tags})
        if not slots or len(slots) > _MOST_SLOTS:
            return False
        arguments = (since.generation, since.epoch, " ".join(map(str, slots)), max(1, int(life * 1000)), answer)
        return await self._call("store", (self.prefix + key,), arguments) == 1

    async def begin(self, tags: frozenset[str]) -> bool:
        """Before a commit: make what depends on `tags` stale, and unkept until `done`. False when Redis does not answer."""
        if not tags:
            return True
        marks = secrets.token_hex(8)
        told = await self._touch(tags, marks, self._hold)
        self._writes.append(_Write(asyncio.current_task(), tags, marks if told else None))
        return told

    async def done(self, tags: frozenset[str]) -> bool:
        """After the commit, in the task of its `begin`, and before its caller is answered: what was read before is stale from here on.

        False: `begin` reached Redis and this call does not. Then change the tenants' cache generation and call `done` again.
        When `begin` did not reach Redis, and so the generation was changed in the commit, this waits until every replica has
        noticed that, unless Redis answers again.
        """
        if not tags:
            return True
        marks = self._end(tags)
        if marks is None:
            if not await self._touch(tags, secrets.token_hex(8), 0.0):
                await asyncio.sleep(self._staleness)
            return True
        for attempt in range(3):
            if await self._touch(tags, marks, 0.0, forced=True):
                return True
            await asyncio.sleep(self._patience * attempt)
        return False

    def _end(self, tags: frozenset[str]) -> str | None:
        task = asyncio.current_task()
        for write in reversed(self._writes):
            if write.task is task and write.tags == tags:
                self._writes.remove(write)
                return write.marks
        return None

    async def ping(self) -> None:
        """Raise Unavailable when Redis does not answer."""
        if await self._call("lookup", (), (), forced=True) is None:
            raise Unavailable("Redis does not answer; every query is computed")

    async def keep_marks(self) -> None:
        """Renew the marks of writes that take long, until cancelled."""
        while True:
            await asyncio.sleep(self._hold / 4)
            for write in [write for write in self._writes if write.marks is not None]:
                await self._touch(write.tags, write.marks or "", self._hold)
                if write not in self._writes:
                    await self._touch(write.tags, write.marks or "", 0.0)

    async def _touch(self, tags: frozenset[str], marks: str, hold: float, *, forced: bool = False) -> bool:
        slots = sorted({slot(tag) for tag in tags})
        return await self._call("touch", (), (marks, int(hold * 1000), *slots), forced=forced) is not None

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch = {key: self._waiting.pop(key) for key in list(self._waiting)[:_BATCH]}
                found = None
                try:
                    found = await self._call("lookup", [self.prefix + key for key in batch], ())
                finally:
                    _settle(batch, found)
        finally:
            self._sender = None

    async def _call(self, verb: str, keys: Sequence[str], arguments: Sequence[Any], *, forced: bool = False) -> Any:
        """What the script answers; None when Redis does not, in time. `forced`: try even when it failed just now."""
        if self._circuit.open and not forced:
            return None
        script = self._script(keys=[self._state, *keys], args=[verb, secrets.token_hex(8), *arguments])
        call = asyncio.create_task(script)
        self.calls.add(call)
        call.add_done_callback(self._over)
        try:
            await asyncio.wait({call}, timeout=self._patience)
            for _ in range(20):  # the answer may be here while this process was too busy to read it
                if call.done():
                    break
                await asyncio.sleep(0)
            if call.done():
                result = call.result()
                self._circuit.worked()
                return result
            log.warning("Redis took longer than %g s; going on without the query cache", self._patience)
        except (RedisError, OSError) as error:
            log.warning("Redis does not answer (%s); going on without the query cache", type(error).__name__)
        finally:
            call.cancel()
        self._circuit.failed()
        return None

    def _over(self, call: asyncio.Task[Any]) -> None:
        self.calls.discard(call)
        if not call.cancelled():
            call.exception()  # seen, so that nobody complains that it was not


@asynccontextmanager
async def open_epochs(
    url: str, namespace: str, *, patience: float = 0.1, staleness: float = 0.5, hold: float = 60.0
) -> AsyncGenerator[Epochs]:
    """`Epochs` over the Redis at `url`, until the block ends. Redis need not be up, then or ever.

    `namespace` must name the graph: replicas over the same graph share it, others may not.
    """
    async with open_redis(url, patience) as redis:
        epochs = Epochs(redis, namespace, patience=patience, staleness=staleness, hold=hold)
        keeper = asyncio.create_task(epochs.keep_marks(), name="cairn-cache-marks")
        try:
            yield epochs
        finally:
            await end(keeper, *epochs.calls)


def slot(tag: str) -> int:
    """The slot of a tag, 0 to 65,535. Tags that share one make each other's answers stale more often, never less."""
    return int.from_bytes(blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=2).digest())


def _settle(batch: dict[str, list[asyncio.Future[bytes | Missing | None]]], found: list[Any] | None) -> None:
    for position, waiting in enumerate(batch.values()):
        outcome: bytes | Missing | None = None
        if found is not None:
            outcome = cast("bytes | None", found[position + 2]) or Missing(found[0].decode(), found[1].decode())
        for future in waiting:
            if not future.done():
                future.set_result(outcome)

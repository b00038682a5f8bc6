"""The query cache's place in Redis: answers, and the epochs that tell which of them are still true.

Guarantees: an answer is found only when nothing it depends on was written since its read began, on any replica; Redis lost,
restarted, failed over or flushed makes answers vanish, never come back; Redis down or slow costs at most `patience` a call
and never raises. `docs/decisions/0005-query-cache.md` argues why. Before a write is answered, every process that keeps answers itself
(`near`) has heard of it, or gives nothing from there any more: `docs/decisions/0015-the-hot-path.md`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from redis.exceptions import RedisError

from ..errors import Unavailable
from ..graph.tasks import end
from .circuit import Circuit
from .hearing import Hearing
from .near import Near
from .redis_client import Client, open_redis

log = logging.getLogger("cairn.cache")

_SCRIPT = (files(str(__package__)) / "epochs.lua").read_text(encoding="utf-8")
_MOST_SLOTS = 1_024
_BATCH = 256
_MARGIN = 1.25
"""Trust is waited out for so many times as long as it lasts, since clocks run at different speeds."""
_MOST_TRUSTS = 8
"""A process that goes on renewing its trust without hearing is waited for so many times as long as trust lasts."""
_SHORTEST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no answer; `generation` and `epoch` say from when one would be that is computed now."""

    generation: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Found:
    """An answer as it is kept, true at (generation, epoch), what it depends on, and the seconds for which it is kept on."""

    kept: bytes
    slots: tuple[int, ...]
    left: float
    generation: str
    epoch: int


@dataclass(frozen=True, slots=True)
class _Touched:
    """What a touch came to: where the epoch is now, how old the state in Redis is (seconds), and who has not heard yet, with renewals."""

    generation: str
    epoch: int
    age: float
    late: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """A write that began: by which task, with which tags, under which name its marks stand, and what it came to (None: unreached)."""

    task: asyncio.Task[Any] | None
    tags: frozenset[str]
    marks: str
    touched: _Touched | None


class Epochs:
    """Answers and epochs in one Redis under one namespace, shared by all replicas over the same graph. Made by `open_epochs`.

    `patience`: seconds a call may take. `staleness`: seconds for which a replica may still believe an old cache generation.
    `hold`: seconds for which the marks of a write outlive its writer. `near`: where this process keeps answers itself. It is an
    `Invalidator` for the graph's writer.
    """

    def __init__(
        self, redis: Client, namespace: str, near: Near, *, patience: float = 0.1, staleness: float = 0.5, hold: float = 60.0
    ) -> None:
        self.near = near
        self.id = secrets.token_hex(8)
        """What this process is called among those that keep answers themselves; a new one whenever it has to begin anew."""
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self.prefix = f"cairn:{{{namespace}}}:"
        self._state = f"{self.prefix}epochs"
        self._patience = patience
        self._staleness = staleness
        self._hold = hold
        self._circuit = Circuit()
        self._waiting: dict[str, list[asyncio.Future[Found | Missing | None]]] = {}
        self._sender: asyncio.Task[None] | None = None
        self._writes: list[_Write] = []
        self.calls: set[asyncio.Task[Any]] = set()

    @property
    def longest_read(self) -> float:
        """Seconds after which an answer is too old to be kept: the marks of a writer that died may be gone."""
        return self._hold / 2

    async def lookup(self, key: str) -> Found | Missing | None:
        """The answer under `key` if it is true now, else from when a new one would be. None when Redis does not answer.

        Look-ups that wait at the same time go to Redis together, in one round trip.
        """
        if self._circuit.open:
            return None
        future: asyncio.Future[Found | Missing | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="cairn-cache-lookups")
        return await future

    async def store(self, key: str, since: Missing, tags: Iterable[str], life: float, answer: bytes) -> Found | None:
        """Keep `answer` for up to `life` seconds if nothing that it depends on was written after `since`; None when it was not kept."""
        slots = sorted({slot(tag) for tag in tags})
        if not slots or len(slots) > _MOST_SLOTS:
            return None
        arguments = (since.generation, since.epoch, " ".join(map(str, slots)), max(1, int(life * 1000)), answer)
        epoch: int | None = await self._call("store", (self.prefix + key,), arguments)
        return None if epoch is None or epoch < 0 else Found(answer, tuple(slots), life, since.generation, epoch)

    async def begin(self, tags: frozenset[str]) -> bool:
        """Before a commit: make what depends on `tags` stale, and unkept until `done`. False when Redis does not answer."""
        if not tags:
            return True
        marks = secrets.token_hex(8)
        touched = await self._touch(tags, marks, self._hold)
        if touched is None:
            self.near.doubt()
        else:
            self.near.touched(touched.generation, touched.epoch, _slots(tags))
        self._writes.append(_Write(asyncio.current_task(), tags, marks, touched))
        return touched is not None

    async def done(self, tags: frozenset[str]) -> bool:
        """After the commit, in the task of its `begin`, and before its caller is answered: what was read before is stale from here on.

        False: `begin` reached Redis and this call does not. Then change the tenants' cache generation and call `done` again.
        When `begin` did not reach Redis, and so the generation was changed in the commit, this waits until every replica has
        noticed that, unless Redis answers again.
        """
        if not tags:
            return True
        write = self._end(tags)
        if write is None or write.touched is None:
            touched = await self._touch(tags, secrets.token_hex(8), 0.0, tell=True)
            if touched is None or not await self._heard(touched, touched):
                await asyncio.sleep(self._staleness)
            return True
        began = write.touched
        for attempt in range(3):
            touched = await self._touch(tags, write.marks, 0.0, awaited=began.epoch, forced=True)
            if touched is not None and touched.generation == began.generation:
                return await self._heard(began, touched)
            if touched is not None:  # the state is another, where this write has no marks and nobody has heard of it
                touched = await self._touch(tags, write.marks, 0.0, tell=True, forced=True)
            if touched is not None:
                return await self._heard(touched, touched)
            await asyncio.sleep(self._patience * attempt)
        return False

    async def _heard(self, began: _Touched, touched: _Touched) -> bool:
        """Wait until every process has heard of the epoch at which a write began, or gives nothing from itself any more.

        One that has neither heard nor renewed its trust for longer than that lasts is waited for no more. False when Redis does not answer,
        or when one renews its trust again and again and yet does not hear.
        """
        self.near.touched(touched.generation, touched.epoch, ())
        enough = self.near.trust * _MARGIN
        if touched.age < enough:  # who kept answers before this state was made is not known
            await asyncio.sleep(enough - max(0.0, touched.age))
        first = since = time.monotonic()
        seen, late, pause = began.late, touched.late, _SHORTEST_PAUSE
        while late:
            now = time.monotonic()
            if now - first > enough * _MOST_TRUSTS:
                log.warning("%d processes renew their trust and do not hear what was written; the cache generation is changed", len(late))
                return False
            if any(seen.get(id) != renewals for id, renewals in late.items()):
                seen, since = late, now
            if now - since > enough:
                await self._call("leave", (), [part for pair in late.items() for part in pair], forced=True)
                return True
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            answer = await self._call("behind", (), (began.epoch, self.id), forced=True)
            if answer is None or answer[0].decode() != touched.generation:
                return False
            late = _late(answer[1])[1]
        return True

    def _end(self, tags: frozenset[str]) -> _Write | None:
        task = asyncio.current_task()
        for write in reversed(self._writes):
            if write.task is task and write.tags == tags:
                self._writes.remove(write)
                return write
        return None

    async def renew(self, question: str) -> bool:
        """Ask for trust in `near`, answered on this process's own channel with the name of the question. Whether Redis took it."""
        return await self._call("renew", (), (self.id, self.near.epoch, question)) is not None

    async def heard(self) -> None:
        """Say up to where everything was heard here."""
        await self._call("heard", (), (self.id, self.near.epoch))

    async def leave(self) -> None:
        """Be waited for no more."""
        self.near.doubt()
        await self._call("leave", (), (self.id, -1))

    @property
    def channels(self) -> tuple[str, str]:
        """Where it is told what became stale, and what this process itself is told."""
        return f"{self._state}:moved", f"{self._state}:{self.id}"

    async def ping(self) -> None:
        """Raise Unavailable when Redis does not answer."""
        if await self._call("lookup", (), (), forced=True) is None:
            raise Unavailable("Redis does not answer; every query is computed")

    async def keep_marks(self) -> None:
        """Renew the marks of writes that take long, until cancelled."""
        while True:
            await asyncio.sleep(self._hold / 4)
            for write in [write for write in self._writes if write.touched is not None]:
                await self._touch(write.tags, write.marks, self._hold)
                if write not in self._writes:
                    await self._touch(write.tags, write.marks, 0.0)

    async def _touch(
        self, tags: frozenset[str], marks: str, hold: float, *, tell: bool = False, awaited: int = 0, forced: bool = False
    ) -> _Touched | None:
        tell = tell or hold > 0
        arguments = (marks, int(hold * 1000), int(tell), awaited, self.id, *_slots(tags))
        answer = await self._call("touch", (), arguments, forced=forced)
        if answer is None:
            return None
        return _Touched(answer[0].decode(), int(answer[1]), *_late(answer[2]))

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
    url: str,
    namespace: str,
    *,
    patience: float = 0.1,
    staleness: float = 0.5,
    hold: float = 60.0,
    memory: int = 0,
    trust: float = 0.5,
) -> AsyncGenerator[Epochs]:
    """`Epochs` over the Redis at `url`, until the block ends. Redis need not be up, then or ever.

    `namespace` must name the graph: replicas over the same graph share it, others may not. `memory`: bytes of answers that this process
    keeps itself; 0 for none.
    """
    async with open_redis(url, patience) as redis:
        epochs = Epochs(redis, namespace, Near(memory, trust), patience=patience, staleness=staleness, hold=hold)
        keepers = [asyncio.create_task(epochs.keep_marks(), name="cairn-cache-marks")]
        if memory > 0:
            keepers.append(asyncio.create_task(Hearing(epochs, url).work(), name="cairn-cache-hearing"))
        try:
            yield epochs
        finally:
            await end(*keepers, *epochs.calls)


def slot(tag: str) -> int:
    """The slot of a tag, 0 to 65,535. Tags that share one make each other's answers stale more often, never less."""
    return int.from_bytes(blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=2).digest())


def _slots(tags: Iterable[str]) -> list[int]:
    return sorted({slot(tag) for tag in tags})


def _late(answer: list[Any]) -> tuple[float, dict[str, int]]:
    """The age of the state in seconds, and renewals by process, of what `behind` answers."""
    return int(answer[0]) / 1000, {answer[place].decode(): int(answer[place + 1]) for place in range(1, len(answer), 2)}


def _settle(batch: dict[str, list[asyncio.Future[Found | Missing | None]]], found: list[Any] | None) -> None:
    for position, waiting in enumerate(batch.values()):
        outcome = None if found is None else _outcome(found, position)
        for future in waiting:
            if not future.done():
                future.set_result(outcome)


def _outcome(found: list[Any], position: int) -> Found | Missing:
    generation, epoch, entry = found[0].decode(), found[1].decode(), found[position + 2]
    if entry is None or entry[0] is None:
        return Missing(generation, epoch)
    return Found(entry[0], tuple(map(int, entry[1].split())), entry[2] / 1000, generation, int(epoch))

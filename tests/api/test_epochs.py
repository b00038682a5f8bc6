"""The epoch protocol under random interleavings, with two replicas over one real Redis that is emptied, stopped and restarted."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cairn.api.cache import QueryCache
from cairn.api.epochs import Epochs, Found, Missing, open_epochs, slot
from cairn.api.execution import Answer
from cairn.graph.data_dir import private_folder
from cairn.graph.embedded_redis import EmbeddedRedis, server
from cairn.graph.tags import collect

pytestmark = pytest.mark.anyio

STALENESS = 0.05
NAMES = ("x", "y", "z")


@dataclass
class Store:
    """Stands for Neo4j: committed values, which only grow, and the tenant's cache generation."""

    values: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    answered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    generation: int = 0


class Replica:
    """Reads and writes as the endpoint and the writer do: it believes a generation for at most STALENESS seconds."""

    def __init__(self, store: Store, epochs: Epochs) -> None:
        self.store = store
        self.epochs = epochs
        self.cache = QueryCache(epochs, "v", 300)
        self.levels: list[str] = []
        self._generation = (float("-inf"), 0)

    def generation(self) -> int:
        now = asyncio.get_running_loop().time()
        if now - self._generation[0] > STALENESS:
            self._generation = (now, self.store.generation)
        return self._generation[1]

    async def read(self, names: tuple[str, ...], pauses: tuple[int, int]) -> None:
        """Ask, and fail when the answer is older than a write that was answered before."""
        floor = {name: self.store.answered[name] for name in names}

        async def compute() -> Answer:
            found: dict[str, int] = {}
            for name in names:
                collect(f"t/{name}")
                await _pass(pauses[0])
                found[name] = self.store.values[name]
            await _pass(pauses[1])
            return Answer(orjson.dumps(found), clean=True)

        served = await self.cache.answer(f"a:{self.generation()}:{','.join(names)}", compute)
        self.levels.append(served.level)
        answer = orjson.loads(served.answer.body)
        assert all(answer[name] >= floor[name] for name in names), f"{served.level}: {answer} is older than {floor}"

    async def write(self, names: tuple[str, ...], pauses: tuple[int, int]) -> None:
        """Commit new values as the writer does."""
        tags = frozenset(f"t/{name}" for name in names)
        told = await self.epochs.begin(tags)
        await _pass(pauses[0])
        committed = {name: self.store.values[name] + 1 for name in names}
        self.store.values.update(committed)
        if not told:
            self.store.generation += 1
        await _pass(pauses[1])
        if not await self.epochs.done(tags):
            self.store.generation += 1
            await self.epochs.done(tags)
        for name, value in committed.items():
            self.store.answered[name] = max(self.store.answered[name], value)


async def _pass(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0.0005 if turns > 8 else 0)


async def _replicas(
    stack: AsyncExitStack, url: str, space: str, patience: float = 5.0, memory: int = 0, trust: float = 0.5, count: int = 2
) -> list[Replica]:
    store, times = Store(), {"patience": patience, "staleness": 2 * STALENESS, "trust": trust}
    opened = [await stack.enter_async_context(open_epochs(url, space, memory=memory, **times)) for _ in range(count)]
    return [Replica(store, epochs) for epochs in opened]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "read", "read", "write", "flush", "settle"]),
        st.integers(0, 1),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(lambda names: tuple(sorted(names))),
        st.tuples(st.integers(0, 12), st.integers(0, 12)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("memory", [0, 100_000])
@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_no_answer_is_older_than_a_completed_write(redis_url: str, memory: int, steps: Any) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            replicas = await _replicas(stack, redis_url, space := uuid4().hex, memory=memory, trust=0.05)
            redis = await stack.enter_async_context(Redis.from_url(redis_url))
            running: list[asyncio.Task[None]] = []
            for verb, who, names, pauses in steps:
                match verb:
                    case "flush":
                        await redis.delete(f"cairn:{{{space}}}:epochs")
                    case "settle":
                        await asyncio.gather(*running)
                    case _:
                        running.append(asyncio.create_task(getattr(replicas[who], verb)(names, pauses)))
                        await asyncio.sleep(0)
            await asyncio.gather(*running)
            for replica in replicas:
                for name in NAMES:
                    await replica.read((name,), (0, 0))

    asyncio.run(run())


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    """A Redis that this test may stop."""
    running = EmbeddedRedis(private_folder(tmp_path / "redis"), "32mb")
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


async def _up(redis: Redis) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await redis.ping()
                return
            except (OSError, RedisError):
                await asyncio.sleep(0.05)


async def _traffic(replicas: list[Replica], seed: int, until: asyncio.Event) -> None:
    choice = random.Random(seed)
    while not until.is_set():
        replica = choice.choice(replicas)
        names = tuple(sorted(choice.sample(NAMES, choice.randint(1, 2))))
        verb = replica.write if choice.random() < 0.2 else replica.read
        await verb(names, (choice.randint(0, 12), choice.randint(0, 12)))


@pytest.mark.parametrize("memory", [0, 100_000])
@pytest.mark.parametrize("disturbance", ["stop", "kill", "flush"])
async def test_never_wrong_and_never_an_error_while_redis_is_disturbed(
    own_redis: EmbeddedRedis, tmp_path: Path, disturbance: str, memory: int
) -> None:
    async with AsyncExitStack() as stack:
        replicas = await _replicas(stack, own_redis.url, "n", patience=0.1, memory=memory, trust=0.1, count=3)
        redis = await stack.enter_async_context(Redis.from_url(own_redis.url))
        over = asyncio.Event()
        traffic = [asyncio.create_task(_traffic(replicas, seed, over)) for seed in range(8)]
        for _ in range(3):
            await asyncio.sleep(0.5)
            await _up(redis)
            pid = int((tmp_path / "redis" / "pid").read_text())
            if disturbance == "stop":
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(0.4)
                os.kill(pid, signal.SIGCONT)
            elif disturbance == "kill":
                os.kill(pid, signal.SIGKILL)
            else:
                await redis.flushall()
        await asyncio.sleep(0.5)
        over.set()
        await asyncio.gather(*traffic)
        levels = [level for replica in replicas for level in replica.levels]
        assert {"l2", "miss", *(["l1"] if memory else [])} <= set(levels)


async def test_without_redis_all_is_computed_and_writes_change_the_generation() -> None:
    async with AsyncExitStack() as stack:
        replicas = await _replicas(stack, "redis://127.0.0.1:1/0", "n", patience=0.05)
        for number in range(4):
            await replicas[number % 2].write(("x",), (0, 0))
            for replica in replicas:
                await replica.read(("x",), (0, 0))
        assert replicas[0].store.generation == 4
        assert {level for replica in replicas for level in replica.levels} == {"miss"}


async def test_a_redis_that_comes_back_with_an_old_state_is_not_believed(tmp_path: Path) -> None:
    """Redis with a snapshot on disk loses the writes after it, invalidations too."""
    program, socket = server(), tmp_path / "s"

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [program, "--port", "0", "--unixsocket", socket, "--dir", tmp_path, "--save", ""], stdout=subprocess.DEVNULL
        )

    process = start()
    try:
        async with AsyncExitStack() as stack:
            redis = await stack.enter_async_context(Redis.from_url(f"unix://{socket}"))
            await _up(redis)
            replica = (await _replicas(stack, f"unix://{socket}", "n"))[0]
            await replica.read(("x",), (0, 0))
            await replica.read(("x",), (0, 0))
            assert replica.levels == ["miss", "l2"]
            await redis.save()
            await replica.write(("x",), (0, 0))
            process.kill()
            process.wait()
            process = start()
            await _up(redis)
            assert await redis.keys("*a:*")
            await replica.read(("x",), (0, 0))
            for _ in range(3):  # reads that were served the old answer would fail
                await asyncio.sleep(0.6)
                await replica.read(("x",), (0, 0))
            assert replica.levels[2] == "miss"
            assert replica.levels[-1] == "l2"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def epochs(redis_url: str) -> AsyncIterator[Epochs]:
    async with open_epochs(redis_url, uuid4().hex, patience=5.0) as opened:
        yield opened


async def _since(epochs: Epochs, key: str = "a:k") -> Missing:
    found = await epochs.lookup(key)
    assert isinstance(found, Missing)
    return found


async def _found(epochs: Epochs, key: str) -> Found:
    found = await epochs.lookup(key)
    assert isinstance(found, Found)
    return found


async def test_a_read_that_began_before_a_write_is_not_kept(epochs: Epochs) -> None:
    since = await _since(epochs)
    await epochs.begin(frozenset({"t/x"}))
    await epochs.done(frozenset({"t/x"}))
    assert not await epochs.store("a:k", since, ["t/x"], 60, b"old")
    assert await epochs.store("a:k", since, ["t/y"], 60, b"untouched")
    assert (await _found(epochs, "a:k")).kept == b"untouched"


async def test_a_read_during_a_write_is_not_kept_until_both_of_two_writers_are_done(epochs: Epochs) -> None:
    tags = frozenset({"t/x"})
    commit = asyncio.Event()

    async def other() -> None:
        await epochs.begin(tags)
        await commit.wait()
        await epochs.done(tags)

    await epochs.begin(tags)
    writing = asyncio.create_task(other())
    since = await _since(epochs)
    assert not await epochs.store("a:k", since, tags, 60, b"dirty")
    await epochs.done(tags)
    assert not await epochs.store("a:k", await _since(epochs), tags, 60, b"dirty")
    commit.set()
    await writing
    assert not await epochs.store("a:k", since, tags, 60, b"began too early")
    assert await epochs.store("a:k", await _since(epochs), tags, 60, b"clean")


async def test_a_read_that_began_before_redis_forgot_everything_is_not_kept(epochs: Epochs, redis_url: str) -> None:
    for _ in range(5):
        await epochs.begin(frozenset({"t/y"}))
        await epochs.done(frozenset({"t/y"}))
    since = await _since(epochs)
    async with Redis.from_url(redis_url) as redis:
        await redis.delete(f"{epochs.prefix}epochs")
    await epochs.begin(frozenset({"t/x"}))
    await epochs.done(frozenset({"t/x"}))  # at an epoch lower than that of the read, counted anew
    assert not await epochs.store("a:k", since, ["t/x"], 60, b"old")


async def test_a_write_during_which_redis_forgot_everything_is_heard_of_and_ends(redis_url: str) -> None:
    """The epochs are counted anew then: who waits for the one at which the write began waits for ever."""
    space, tags = uuid4().hex, frozenset({"t/x"})
    settings: dict[str, Any] = {"patience": 5.0, "memory": 100_000, "trust": 0.1}
    async with (
        open_epochs(redis_url, space, **settings) as writer,
        open_epochs(redis_url, space, **settings) as reader,
        Redis.from_url(redis_url) as redis,
        asyncio.timeout(20),
    ):
        for _ in range(20):
            await writer.begin(tags)
            await writer.done(tags)
        assert await writer.begin(tags)
        await redis.delete(f"{writer.prefix}epochs")
        since = await _since(reader)
        while not reader.near.trusted or reader.near.generation != since.generation:
            await asyncio.sleep(0.01)
        cache = QueryCache(reader, "v", 300)

        async def compute() -> Answer:
            collect("t/x")
            return Answer(b"{}", clean=True)

        assert (await cache.answer("a:k", compute)).level == "miss"
        assert (await cache.answer("a:k", compute)).level == "l1"
        assert await writer.done(tags)
        assert reader.near.get("a:k") is None


async def test_what_is_kept_is_not_served_while_a_write_is_under_way(epochs: Epochs) -> None:
    assert await epochs.store("a:k", await _since(epochs), ["t/x"], 60, b"answer")
    await epochs.begin(frozenset({"t/x"}))
    assert isinstance(await epochs.lookup("a:k"), Missing)


async def test_marks_of_a_writer_that_died_end_by_themselves_but_not_those_of_a_slow_one(redis_url: str) -> None:
    space, tags = uuid4().hex, frozenset({"t/x"})
    async with open_epochs(redis_url, space, patience=5.0, hold=0.4) as reader:
        async with open_epochs(redis_url, space, patience=5.0, hold=0.4) as writer:
            await writer.begin(tags)
            await asyncio.sleep(1.0)
            assert not await reader.store("a:k", await _since(reader), tags, 60, b"dirty")
        for _ in range(100):
            if await reader.store("a:k", await _since(reader), tags, 60, b"clean"):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the marks of a writer that ended still stand")


async def test_lookups_at_the_same_time_go_in_one_round_trip(epochs: Epochs, redis_url: str) -> None:
    for number in range(50):
        await epochs.store(f"a:{number}", await _since(epochs, f"a:{number}"), ["t/x"], 60, b"%d" % number)
    found = await asyncio.gather(*(_found(epochs, f"a:{number}") for number in range(50)))
    assert [one.kept for one in found] == [b"%d" % number for number in range(50)]


async def test_answers_that_depend_on_nothing_or_too_much_are_not_kept(epochs: Epochs) -> None:
    assert not await epochs.store("a:k", await _since(epochs), [], 60, b"x")
    assert not await epochs.store("a:k", await _since(epochs), [f"t/{number}" for number in range(2_000)], 60, b"x")


async def test_answers_expire_and_the_epochs_do_not(epochs: Epochs, redis_url: str) -> None:
    await epochs.store("a:k", await _since(epochs), ["t/x"], 60, b"x")
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        space = epochs.prefix
        assert 0 < await redis.ttl(f"{space}a:k") <= 60
        assert await redis.ttl(f"{space}epochs") == -1


@given(st.text())
def test_every_tag_has_a_slot(tag: str) -> None:
    assert 0 <= slot(tag) < 65_536

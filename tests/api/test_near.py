"""The first level of the query cache: never staler than the second, whatever is lost, late or forged; and bounded."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from cairn.api.epochs import Epochs, Missing, open_epochs, slot
from cairn.api.hearing import Hearing
from cairn.api.near import Near
from cairn.api.stored import Stored, unpack

pytestmark = pytest.mark.anyio

TAGS = frozenset({"t/x"})
SLOTS = (slot("t/x"),)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def near(clock: Clock) -> Near:
    """One that trusts itself for 2 seconds, from epoch 5 on."""
    opened = Near(10_000, 2.0, clock)
    opened.believe("g", 5, clock.now, anew=True)
    return opened


def put(near: Near, key: str = "k", epoch: int = 5, generation: str = "g", **more: Any) -> None:
    near.put(key, Stored(b"answer", 60.0, **more), SLOTS, 60.0, generation, epoch)


def test_what_was_put_is_found_until_something_it_depends_on_moves(near: Near) -> None:
    put(near)
    near.touched("g", 6, [slot("t/y")])
    assert near.get("k") is not None
    near.touched("g", 7, SLOTS)
    assert near.get("k") is None
    put(near, epoch=7)
    assert near.get("k") is not None


@pytest.mark.parametrize(("epoch", "generation"), [(4, "g"), (6, "other")])
def test_what_redis_vouched_for_before_trust_began_or_in_another_state_is_not_kept(near: Near, epoch: int, generation: str) -> None:
    put(near, epoch=epoch, generation=generation)
    assert near.get("k") is None


def test_an_answer_that_arrives_after_news_of_a_later_write_is_not_kept(near: Near) -> None:
    near.touched("g", 6, SLOTS)
    put(near, epoch=5)
    assert near.get("k") is None


def test_nothing_is_given_without_trust(near: Near, clock: Clock) -> None:
    put(near)
    clock.now += 1.9
    assert near.get("k") is not None
    near.believe("g", 5, clock.now - 1.5, anew=False)
    clock.now += 0.4
    assert near.get("k") is not None
    clock.now += 0.2
    assert near.get("k") is None
    put(near, "later")
    near.believe("g", 5, clock.now, anew=False)
    assert near.get("later") is None, "kept without trust"
    assert near.get("k") is not None, "heard everything meanwhile"


def test_another_generation_or_a_new_beginning_forgets_everything(near: Near, clock: Clock) -> None:
    put(near)
    near.touched("other", 1, SLOTS)
    assert (near.trusted, len(near)) == (False, 0)
    near.believe("other", 1, clock.now, anew=False)
    assert near.trusted
    put(near, epoch=1, generation="other")
    near.believe("other", 9, clock.now, anew=True)
    assert len(near) == 0


def test_answers_end_with_their_time_and_at_the_instant_that_ends_them(near: Near, clock: Clock) -> None:
    near.trust = 1_000.0
    near.believe("g", 5, clock.now, anew=False)
    put(near)
    put(near, "past", until=1.0)
    assert near.get("past") is None
    clock.now += 59.0
    assert near.get("k") is not None
    clock.now += 2.0
    assert near.get("k") is None


def test_a_stale_answer_is_given_only_as_long_as_its_operation_allows(near: Near, clock: Clock) -> None:
    put(near, swr=1.0)
    near.touched("g", 6, SLOTS)
    found = near.find("k")
    assert found is not None and found.stale is not None
    assert near.get("k") is None
    clock.now += 0.9
    assert near.find("k") is not None
    clock.now += 0.2
    assert near.find("k") is None


def test_a_million_names_take_no_more_than_what_is_allowed(near: Near) -> None:
    for number in range(10_000):
        put(near, str(number))
    assert 0 < near.size <= 10_000
    near.resize(0)
    assert (near.size, len(near)) == (0, 0)
    put(near)
    assert near.get("k") is None


def test_what_is_packed_is_unpacked_and_nothing_else() -> None:
    stored = Stored(b'{"data":1}', 60.0, 5.0, 1.0)
    assert unpack(stored.pack()) == stored
    assert unpack(Stored(b"", 1.0).pack()) == Stored(b"", 1.0)
    for other in (b"", b"\x01", b"\x02" + stored.pack()[1:], b'{"data":1}'):
        assert unpack(other) is None


def test_compressed_it_says_the_same() -> None:
    import gzip

    body = b'{"data": "%s"}' % (b"abc " * 1_000)
    zipped = Stored(body, 1.0).zipped
    assert zipped is not None and len(zipped) < len(body) and gzip.decompress(zipped) == body
    assert Stored(b"short", 1.0).zipped is None
    assert Stored(body, 1.0).tag == Stored(body, 2.0).tag != Stored(b"short", 1.0).tag


async def _open(stack: AsyncExitStack, url: str, space: str, trust: float = 0.5) -> Epochs:
    return await stack.enter_async_context(open_epochs(url, space, patience=5.0, memory=100_000, trust=trust))


@pytest.fixture
async def pair(redis_url: str, until: Any) -> AsyncIterator[tuple[Epochs, Epochs]]:
    """Two replicas that trust themselves."""
    async with AsyncExitStack() as stack:
        space = uuid4().hex
        one, other = await _open(stack, redis_url, space), await _open(stack, redis_url, space)
        await until(lambda: one.near.trusted and other.near.trusted)
        yield one, other


async def fill(epochs: Epochs, key: str = "a:k") -> None:
    """Keep an answer in Redis and here."""
    since = await epochs.lookup(key)
    assert isinstance(since, Missing)
    stored = Stored(b"answer", 60.0)
    found = await epochs.store(key, since, TAGS, 60.0, stored.pack())
    assert found is not None
    epochs.near.put(key, stored, found.slots, 60.0, found.generation, found.epoch)


async def test_a_write_on_one_replica_ends_the_answers_of_another_before_it_is_answered(pair: tuple[Epochs, Epochs]) -> None:
    one, other = pair
    for _ in range(20):
        await fill(other)
        assert other.near.get("a:k") is not None
        await one.begin(TAGS)
        await one.done(TAGS)
        assert other.near.get("a:k") is None


async def test_own_writes_count_as_soon_as_they_begin(pair: tuple[Epochs, Epochs]) -> None:
    await fill(pair[0])
    await pair[0].begin(TAGS)
    assert pair[0].near.get("a:k") is None
    await pair[0].done(TAGS)


async def test_a_replica_that_hears_nothing_any_more_is_waited_for_until_it_gives_nothing(redis_url: str, until: Any) -> None:
    async with AsyncExitStack() as stack:
        space = uuid4().hex
        one, other = await _open(stack, redis_url, space), Epochs.__new__(Epochs)
        async with AsyncExitStack() as deaf:
            other = await _open(deaf, redis_url, space, trust=1.0)
            one.near.trust = 1.0
            await until(lambda: one.near.trusted and other.near.trusted)
            (hearing,) = [task for task in asyncio.all_tasks() if task.get_name() == "cairn-cache-hearing" and _of(task, other)]
            await fill(other)
            leaving, other.leave = other.leave, _nothing  # as if killed
            kept = other.near.doubt
            other.near.doubt = lambda: None
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            other.leave, other.near.doubt = leaving, kept
            assert other.near.get("a:k") is not None
            await one.begin(TAGS)
            await one.done(TAGS)
            assert other.near.get("a:k") is None
            began = asyncio.get_running_loop().time()
            await one.begin(TAGS)
            await one.done(TAGS)
            assert asyncio.get_running_loop().time() - began < 1.0, "it was waited for once"


async def _nothing() -> None:
    pass


def _of(task: asyncio.Task[Any], epochs: Epochs) -> bool:
    frame = task.get_coro().cr_frame  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    hearing = frame.f_locals["self"]
    return isinstance(hearing, Hearing) and hearing._epochs is epochs


async def test_a_replica_that_leaves_is_not_waited_for(redis_url: str, until: Any) -> None:
    async with AsyncExitStack() as stack:
        space = uuid4().hex
        one = await _open(stack, redis_url, space, trust=30.0)
        async with AsyncExitStack() as short:
            other = await _open(short, redis_url, space, trust=30.0)
            await until(lambda: one.near.trusted and other.near.trusted)
        async with asyncio.timeout(20):
            await one.begin(TAGS)
            await one.done(TAGS)


async def test_a_state_that_was_lost_ends_everything_that_is_kept_anywhere(pair: tuple[Epochs, Epochs], until: Any) -> None:
    one, other = pair
    await fill(other)
    await one._redis.delete(f"{one.prefix}epochs")
    await one.begin(TAGS)
    await one.done(TAGS)
    assert other.near.get("a:k") is None
    await until(lambda: one.near.trusted and other.near.trusted)
    await fill(other)
    assert other.near.get("a:k") is not None


def test_slots_take_two_bytes_each() -> None:
    assert array("H", [65_535]).itemsize == 2

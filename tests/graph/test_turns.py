"""Turns: never more at a time than there may be, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from cairn.graph.turns import Turns

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seed", range(5))
async def test_never_more_than_there_may_be_and_all_are_done(seed: int) -> None:
    random, turns = Random(seed), Turns(3)
    going, done, given_up = 0, 0, 0

    async def one() -> None:
        nonlocal going, done
        async with turns:
            going += 1
            assert going <= 6
            try:
                for _ in range(random.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                going -= 1
        done += 1

    tasks = [asyncio.create_task(one()) for _ in range(200)]
    for task in tasks:
        await asyncio.sleep(0)
        turns.most = random.randrange(0, 7)
        if random.random() < 0.2:
            task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        given_up += isinstance(outcome, asyncio.CancelledError)
        assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    assert done + given_up == 200
    turns.most = 1
    async with asyncio.timeout(5), turns:
        pass


async def test_more_turns_let_those_go_on_that_wait() -> None:
    turns, began, end = Turns(1), list[int](), asyncio.Event()

    async def one(number: int) -> None:
        async with turns:
            began.append(number)
            await end.wait()

    tasks = [asyncio.create_task(one(number)) for number in range(4)]
    await asyncio.sleep(0.01)
    assert began == [0]
    turns.most = 3
    await asyncio.sleep(0.01)
    assert began == [0, 1, 2]
    end.set()
    await asyncio.gather(*tasks)
    assert began == [0, 1, 2, 3]

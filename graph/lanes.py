"""Lanes: in which transaction a change that waits may go, so that several are under way at once and none waits for another's locks."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    tenant: str
    weight: int
    item: T


class Lanes(Generic[T]):
    """Queues that are emptied at the same time, each by one taker.

    Guarantee: what waits or is under way of one tenant is in one lane, in the order in which it came. So two lanes never touch the same
    ledger, state or idempotency key. A tenant that has nothing there takes the lane with the least in it. `room` is for all together.
    """

    def __init__(self, lanes: int, room: int) -> None:
        self._queues: list[asyncio.Queue[_Waiting[T]]] = [asyncio.Queue() for _ in range(lanes)]
        self._loads = [0] * lanes
        self._room = room
        self._lane_of: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._queues)

    def put(self, tenant: str, item: T, weight: int = 1) -> bool:
        """Have `item` wait; False when there is no room. `weight` counts towards how much is taken at a time."""
        if sum(queue.qsize() for queue in self._queues) >= self._room:
            return False
        lane = self._lane_of.setdefault(tenant, self._loads.index(min(self._loads)))
        self._counts[tenant] += 1
        self._loads[lane] += 1
        self._queues[lane].put_nowait(_Waiting(tenant, weight, item))
        return True

    async def take(self, lane: int, most: int) -> list[T]:
        """What waits in the lane, up to a weight of `most`, once something does. `finish` says that as many of them are over."""
        queue = self._queues[lane]
        taken = [await queue.get()]
        weight = taken[0].weight
        while weight < most and not queue.empty():
            taken.append(queue.get_nowait())
            weight += taken[-1].weight
        return [waiting.item for waiting in taken]

    def finish(self, lane: int, tenants: list[str]) -> None:
        """One item of each of these tenants is over; a tenant may be named several times."""
        for tenant in tenants:
            self._loads[lane] -= 1
            self._counts[tenant] -= 1
            if not self._counts[tenant]:
                del self._counts[tenant], self._lane_of[tenant]
            self._queues[lane].task_done()

    async def join(self) -> None:
        """Wait until all that was put is over."""
        await asyncio.gather(*(queue.join() for queue in self._queues))

"""A cache in memory, bounded by bytes, that keeps what is asked for again: S3-FIFO.

Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023: a small queue that newcomers pass through, a main queue for
those that were asked for there, and a list of the names that left lately, which go to the main queue at once when they come back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_NEWCOMERS = 0.1
_MOST_HITS = 3
_LARGEST = 0.25
"""Of the whole: something larger is not kept, since it would drive out too much else."""


@dataclass(slots=True)
class _Cell(Generic[V]):
    value: V
    size: int
    hits: int = 0
    is_main: bool = False


class S3FIFO(Generic[K, V]):
    """Values by name, of at most `most` bytes together, by the sizes that `put` is told (a value's overhead is the caller's to count).

    Guarantees: `size` is at most `most` at any time; a crowd of names that are asked for once does not drive out those that are asked
    for again and again; as many names are remembered beside as there are values. `get` takes constant time, `put` constant on average.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        self._cells: dict[K, _Cell[V]] = {}
        self._small: OrderedDict[K, None] = OrderedDict()
        self._main: OrderedDict[K, None] = OrderedDict()
        self._left: OrderedDict[K, None] = OrderedDict()
        self._small_size = 0

    def __len__(self) -> int:
        return len(self._cells)

    def __contains__(self, name: K) -> bool:
        """Whether it is here; this does not count as asking for it."""
        return name in self._cells

    def get(self, name: K) -> V | None:
        """The value; None when it is not here."""
        cell = self._cells.get(name)
        if cell is None:
            return None
        if cell.hits < _MOST_HITS:
            cell.hits += 1
        return cell.value

    def put(self, name: K, value: V, size: int) -> bool:
        """Keep a value of so many bytes, in place of an earlier one of the same name; whether it is not too large for that."""
        if size > self.most * _LARGEST:
            self.drop(name)
            return False
        known = self._cells.get(name)
        if known is not None:
            self._grow(known, size - known.size)
            known.value, known.size = value, size
        else:
            self._enter(name, _Cell(value, size, is_main=name in self._left))
        self._shrink()
        return name in self._cells

    def drop(self, name: K) -> None:
        """Keep it no longer."""
        cell = self._cells.pop(name, None)
        if cell is not None:
            del (self._main if cell.is_main else self._small)[name]
            self._grow(cell, -cell.size)

    def clear(self) -> None:
        """Keep nothing."""
        for part in (self._cells, self._small, self._main, self._left):
            part.clear()
        self.size = self._small_size = 0

    def resize(self, most: int) -> None:
        """Keep at most so many bytes from now on."""
        self.most = most
        self._shrink()

    def _enter(self, name: K, cell: _Cell[V]) -> None:
        self._left.pop(name, None)
        self._cells[name] = cell
        (self._main if cell.is_main else self._small)[name] = None
        self._grow(cell, cell.size)

    def _grow(self, cell: _Cell[V], size: int) -> None:
        self.size += size
        if not cell.is_main:
            self._small_size += size

    def _shrink(self) -> None:
        while self.size > self.most:
            if self._small and (self._small_size > self.most * _NEWCOMERS or not self._main):
                self._pass()
            else:
                self._turn()
        while len(self._left) > len(self._cells):
            self._left.popitem(last=False)

    def _pass(self) -> None:
        """Send the oldest newcomer on to the main queue if it was asked for more than once, else away."""
        name, _ = self._small.popitem(last=False)
        cell = self._cells[name]
        self._small_size -= cell.size
        cell.is_main = True
        if cell.hits > 1:
            cell.hits = 0
            self._main[name] = None
        else:
            self.size -= cell.size
            del self._cells[name]
            self._left[name] = None

    def _turn(self) -> None:
        """Give the oldest of the main queue another turn if it was asked for since the last one, else send it away."""
        name, _ = self._main.popitem(last=False)
        cell = self._cells[name]
        if cell.hits:
            cell.hits -= 1
            self._main[name] = None
        else:
            self.size -= cell.size
            del self._cells[name]

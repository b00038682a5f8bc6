"""The deadline of a request, carried down to Neo4j, so that nothing goes on there for a caller who was answered already."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

_deadline: ContextVar[float | None] = ContextVar("cairn_deadline", default=None)
_SHORTEST = 0.001
"""Neo4j takes a timeout of 0 for none."""


@contextmanager
def deadline(seconds: float) -> Generator[None]:
    """What is read within the block, also by tasks started there, has so many seconds from now, or less where an outer block says so."""
    before = _deadline.get()
    until = monotonic() + seconds
    token = _deadline.set(until if before is None else min(before, until))
    try:
        yield
    finally:
        _deadline.reset(token)


def ending() -> float | None:
    """When the deadline is, by the monotonic clock; None without one."""
    return _deadline.get()


@contextmanager
def until(instant: float | None) -> Generator[None]:
    """What is read within the block has until `instant`, as `ending` told it elsewhere."""
    token = _deadline.set(instant)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left(most: float) -> float:
    """How many seconds a transaction may take: what is left of the deadline, at most `most`, never 0 or less."""
    until = _deadline.get()
    return most if until is None else max(_SHORTEST, min(most, until - monotonic()))

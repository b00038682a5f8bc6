"""Cache tags: names of what an answer depends on, collected by the verbs that read, made stale by the verbs that write."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime


class Collected(set[str]):
    """The tags of an answer. `until`: the instant at which the answer ends being true by itself (something in it expires)."""

    until: datetime | None = None


_collected: ContextVar[Collected | None] = ContextVar("cairn_tags", default=None)

MANY = 32
"""A read over more scopes or graphs than this depends on the tag of them all."""


@contextmanager
def collecting() -> Generator[Collected]:
    """Collect into the yielded set the tags that verbs name within the block, also in tasks started there."""
    tags = Collected()
    token = _collected.set(tags)
    try:
        yield tags
    finally:
        _collected.reset(token)


def collect(*tags: str) -> None:
    """Say that the answer in the making depends on `tags`. Outside `collecting` it does nothing."""
    collected = _collected.get()
    if collected is not None:
        collected.update(tags)


def collect_each(tenant: str, noun: str, names: tuple[str, ...]) -> None:
    """Say that the answer depends on each `<tenant>/<noun>/<name>`, or on all of `<tenant>/<noun>` when they are many."""
    if len(names) > MANY:
        collect(f"{tenant}/{noun}")
    else:
        collect(*(f"{tenant}/{noun}/{name}" for name in names))


def collect_until(*instants: datetime | None) -> None:
    """Say that the answer is true only until the earliest of `instants`; None is never."""
    collected = _collected.get()
    if collected is None:
        return
    for instant in instants:
        if instant is not None and (collected.until is None or instant < collected.until):
            collected.until = instant

"""Pages of a list: opaque cursors that stay valid while the list grows, and a page with its end."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from ..errors import BadInput

T = TypeVar("T")
LARGEST = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items with their cursors, in order. `more`: whether the list goes on after the last."""

    items: tuple[T, ...]
    cursors: tuple[str, ...]
    more: bool


def check_first(first: int, largest: int = LARGEST) -> int:
    """`first` when it is a page size. Raises BadInput below 1 and above `largest`."""
    if not 1 <= first <= largest:
        raise BadInput(f"first must be 1 to {largest}, not {first}; ask for the next page with after")
    return first


def encode(*position: Any) -> str:
    """A cursor for a position in an order."""
    raw = json.dumps(position, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def decode(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The position of a cursor that `encode` made from values of `kinds`; None for None. Raises BadInput for any other text."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = json.loads(raw)
    except (ValueError, binascii.Error, UnicodeEncodeError, RecursionError):
        position = None
    values = tuple(cast("list[Any]", position)) if isinstance(position, list) else ()
    if len(values) != len(kinds) or not all(map(isinstance, values, kinds)):
        raise BadInput("after is not a cursor of this list; pass the endCursor of the page before, unchanged")
    return values


def page(rows: Sequence[T], first: int, cursor: Callable[[T], str]) -> Page[T]:
    """A page from up to `first` + 1 rows: the extra row only tells that there is more."""
    items = tuple(rows[:first])
    return Page(items, tuple(cursor(item) for item in items), len(rows) > first)

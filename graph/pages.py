"""Pages of a list: opaque cursors that stay valid while the list grows, and a page with its end."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from ..errors import BadInput
from .instants import stamp

T = TypeVar("T")
LARGEST = 100
_INTEGER_BITS = 63
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


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
    """A cursor for a position in an order. Instants stand in it as `stamp` writes them."""
    raw = _compact(position).encode("utf-8")
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def decode(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The position of a cursor that `encode` made from values of `kinds` (`datetime`: from its stamp); None for None.

    Raises BadInput for any other text.
    """
    if cursor is None:
        return None
    try:
        position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(position, list):
            raise TypeError
        return tuple(_part(value, kind) for value, kind in zip(cast("list[Any]", position), kinds, strict=True))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise BadInput("after is not a cursor of this list; pass the endCursor of the page before, unchanged") from None


def _part(value: Any, kind: type) -> Any:
    """One part of a position. Raises ValueError or TypeError for one that `encode` did not write or that no database holds."""
    if kind is datetime:
        instant = datetime.fromisoformat(value)
        if stamp(instant) != value:
            raise ValueError
        return instant
    if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, int) and value.bit_length() > _INTEGER_BITS):
        raise TypeError
    if isinstance(value, str):
        value.encode("utf-8")
    return value


def page(rows: Sequence[T], first: int, cursor: Callable[[T], str]) -> Page[T]:
    """A page from up to `first` + 1 rows: the extra row only tells that there is more."""
    items = tuple(rows[:first])
    return Page(items, tuple(cursor(item) for item in items), len(rows) > first)

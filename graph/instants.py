"""Instants: always aware, always UTC, with microseconds; Neo4j's own type is converted at the edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """The present."""
    return datetime.now(UTC)


def utc(value: Any) -> datetime:
    """A property read from Neo4j, microseconds since 1970, or an aware datetime, in UTC. Raises TypeError for anything else."""
    if isinstance(value, int):
        return _EPOCH + timedelta(microseconds=value)
    native = value if isinstance(value, datetime) else getattr(value, "to_native", lambda: None)()
    if not isinstance(native, datetime):
        raise TypeError(f"{type(value).__name__} is no instant")
    return native.replace(tzinfo=UTC) if native.tzinfo is None else native.astimezone(UTC)


def micros(value: datetime) -> int:
    """An aware instant in microseconds since 1970: what `utc` takes back. The driver packs it at a hundredth of an instant's price."""
    return (value - _EPOCH) // _MICROSECOND


def maybe_utc(value: Any) -> datetime | None:
    """Like `utc`, and None for None."""
    return None if value is None else utc(value)


def stamp(value: datetime | None) -> str | None:
    """An instant as ISO 8601 in UTC with microseconds, as it stands in hashes and cursors."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")


def from_stamp(text: str | None) -> datetime | None:
    """The instant that `stamp` wrote."""
    return None if text is None else datetime.fromisoformat(text)


def check_instant(what: str, value: datetime) -> datetime:
    """`value` in UTC. Raises BadInput when it has no offset, or when it lies outside the years 1 to 9999 in UTC."""
    if value.tzinfo is None:
        raise BadInput(f"{what} must have an offset, such as 2026-08-01T12:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"{what} lies outside the years 1 to 9999") from None

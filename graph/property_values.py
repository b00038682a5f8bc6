"""Values of properties as JSON, and back without a change: what JSON has no form for is an object with one key, its type."""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC
from math import isfinite
from typing import Any, cast

import pytz
from neo4j.time import DateTime

from ..errors import Internal

__all__ = ["decoded", "encoded"]

_DATE_TIME: Any = DateTime  # the driver leaves its methods half untyped


def encoded(value: Any) -> Any:
    """A value that Neo4j gave, for JSON. Floats keep every bit but NaN's payload, instants their nanoseconds and zone.

    Raises Internal for a type that Cairn stores nowhere: points, durations, and dates or times by themselves.
    """
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else {"float": str(value)}
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if items and all(isinstance(item, float) for item in items):
            return {"floats": _text(struct.pack(f"<{len(items)}d", *items))}
        return [encoded(item) for item in items]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": _text(value)}
    if isinstance(value, DateTime):
        return {"instant": _clock_and_zone(value)}
    kind = type(value).__name__
    raise Internal(f"the graph holds a value of type {kind}, which Cairn never stores; remove what something else wrote there")


def decoded(value: Any) -> Any:
    """What `encoded` made, as it was. The zone named UTC comes back as the offset Z. Raises ValueError for anything else."""
    if isinstance(value, list):
        return [decoded(item) for item in cast("list[Any]", value)]
    if not isinstance(value, Mapping):
        return value
    ((kind, content),) = cast("Mapping[str, Any]", value).items()
    match kind:
        case "float":
            return float(content)
        case "floats":
            packed = b64decode(content, validate=True)
            return list(struct.unpack(f"<{len(packed) // 8}d", packed))
        case "bytes":
            return b64decode(content, validate=True)
        case "instant":
            return _instant(*content)
        case _:
            raise ValueError(f"no value has the type {kind}")


def _text(content: bytes | bytearray) -> str:
    return b64encode(content).decode("ascii")


def _clock_and_zone(value: Any) -> list[str | int | None]:
    """The clock, in UTC where there is a zone; and the zone as a name, as seconds east of UTC, or None."""
    zone = value.tzinfo
    if zone is None:
        return [value.iso_format(), None]
    name: str | None = getattr(zone, "zone", None)
    offset = value.utc_offset()
    clock = value.astimezone(UTC).replace(tzinfo=None).iso_format()
    if name is not None and name != "UTC":
        return [clock, name]
    return [clock, int(offset.total_seconds()) if offset is not None else 0]


def _instant(clock: str, zone: str | int | None) -> DateTime:
    value = _DATE_TIME.from_iso_format(clock)
    if zone is None:
        return value
    if zone == 0:
        return value.replace(tzinfo=UTC)  # pytz's own UTC would be stored as a zone by that name
    there = pytz.timezone(zone) if isinstance(zone, str) else pytz.FixedOffset(zone // 60)
    return value.replace(tzinfo=pytz.UTC).as_timezone(there)

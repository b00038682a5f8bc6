"""The contract's scalars: instants, JSON values, IRIs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.schema.config import StrawberryConfig

from ..errors import BadInput
from ..graph.instants import check_instant
from ..graph.iris import check_iri

IRI = NewType("IRI", str)
JSON = NewType("JSON", object)


def parse_instant(value: Any) -> datetime:
    """An aware datetime from ISO 8601 text. Raises BadInput without an offset, beyond the years 1 to 9999, or for any other text."""
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadInput(f"{value!r} is no instant; write ISO 8601 with an offset, such as 2026-01-31T12:00:00Z") from None
    if instant.tzinfo is None:
        raise BadInput(f"{value!r} has no offset; write for example {value}Z for UTC")
    return check_instant(f"{value!r}", instant)


def serialize_instant(value: datetime) -> str:
    """ISO 8601 in UTC."""
    return f"{(value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat()[:-6]}Z"


def parse_iri(value: Any) -> str:
    """An absolute IRI. Raises BadInput otherwise."""
    if not isinstance(value, str):
        raise BadInput(f"{value!r} is no IRI")
    return value if value.startswith("_:") else check_iri("the IRI", value)


SCALARS: dict[object, Any] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant: ISO 8601 with an offset. Answers are in UTC.",
        serialize=serialize_instant,
        parse_value=parse_instant,
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
    ),
    IRI: strawberry.scalar(
        name="IRI", description="An absolute IRI (RFC 3987), or `_:` and a blank node's id.", serialize=str, parse_value=parse_iri
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    ),
}

CONFIG = StrawberryConfig(scalar_map=SCALARS)

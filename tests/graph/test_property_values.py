"""Values of properties survive JSON as they are, and survive Neo4j behind it."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import pytz
from hypothesis import given
from hypothesis import strategies as st
from neo4j.time import DateTime, Duration

from cairn.errors import Internal
from cairn.graph.property_values import decoded, encoded

NAIVE = st.builds(
    lambda at, nanosecond: DateTime(at.year, at.month, at.day, at.hour, at.minute, at.second, nanosecond),
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001 a clock without a zone is meant
    st.integers(0, 999_999_999),
)
ZONES = st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"])
OFFSETS = st.integers(-18 * 60, 18 * 60).filter(bool)
INSTANTS = st.one_of(
    NAIVE,
    NAIVE.map(lambda at: at.replace(tzinfo=pytz.UTC)),
    st.builds(lambda at, zone: at.replace(tzinfo=pytz.UTC).as_timezone(pytz.timezone(zone)), NAIVE, ZONES),
    st.builds(lambda at, minutes: at.replace(tzinfo=pytz.FixedOffset(minutes)), NAIVE, OFFSETS.filter(lambda m: abs(m) < 1440)),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = [TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=True), st.binary(), INSTANTS]
VALUES = st.one_of(*SCALARS, *(st.lists(scalar, max_size=5) for scalar in SCALARS))


def exact(value: Any) -> Any:
    """A form in which values are equal only when they are the same, with type, sign, zone and all."""
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, DateTime):
        return (value.iso_format(), getattr(value.tzinfo, "zone", None) or str(value.utc_offset()))
    return (type(value).__name__, value)


@given(VALUES)
def test_a_value_survives_json(value: Any) -> None:
    through = decoded(orjson.loads(orjson.dumps(encoded(value))))
    utc = isinstance(value, DateTime) and getattr(value.tzinfo, "zone", None) == "UTC"
    if utc or (isinstance(value, list) and value and isinstance(value[0], DateTime)):
        assert through == value
    else:
        assert exact(through) == exact(value)


def test_an_hour_that_comes_twice_stays_the_one_it_was() -> None:
    berlin = pytz.timezone("Europe/Berlin")
    first = DateTime(2026, 10, 25, 0, 30, 0, 123456789).replace(tzinfo=pytz.UTC).as_timezone(berlin)
    second = DateTime(2026, 10, 25, 1, 30, 0, 123456789).replace(tzinfo=pytz.UTC).as_timezone(berlin)
    offsets = [decoded(encoded(at)).utc_offset() for at in (first, second)]
    assert offsets == [timedelta(hours=2), timedelta(hours=1)]


def test_utc_is_the_offset_that_cairn_writes() -> None:
    assert decoded(encoded(DateTime(2026, 8, 1).replace(tzinfo=pytz.UTC))).tzinfo is UTC


def test_what_cairn_never_stores_is_refused() -> None:
    with pytest.raises(Internal, match="of type Duration, which Cairn never stores"):
        encoded(Duration(days=1))

"""Instants: always in UTC, to the microsecond, through text and through Neo4j's own type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo4j.time import DateTime

from cairn.errors import BadInput
from cairn.graph.instants import check_instant, from_stamp, maybe_utc, stamp, utc

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001


@given(INSTANTS)
def test_an_instant_comes_back_from_its_stamp_and_from_neo4j(instant: datetime) -> None:
    assert from_stamp(stamp(instant)) == utc(instant) == utc(DateTime.from_native(instant)) == check_instant("it", instant) == instant
    assert check_instant("it", instant).tzinfo is UTC


@given(INSTANTS, INSTANTS)
def test_stamps_sort_like_instants(one: datetime, other: datetime) -> None:
    assert ((stamp(one) or "") < (stamp(other) or "")) == (one < other)


def test_nothing_stays_nothing() -> None:
    assert maybe_utc(None) is stamp(None) is from_stamp(None) is None


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
    ],
)
def test_instants_without_an_offset_or_beyond_all_years_are_refused(instant: datetime) -> None:
    with pytest.raises(BadInput, match="it "):
        check_instant("it", instant)


@pytest.mark.parametrize("value", [None, "2026-01-01", 5.5])
def test_what_is_no_instant_is_an_error(value: object) -> None:
    with pytest.raises(TypeError):
        utc(value)


def test_microseconds_are_an_instant() -> None:
    assert utc(1_500_000) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)

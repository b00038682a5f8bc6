"""Pages and their cursors: what was encoded comes back, anything else is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import BadInput
from cairn.graph.instants import stamp
from cairn.graph.pages import check_first, decode, encode, page

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)


@given(TEXT, INTEGERS, st.floats(allow_nan=False, allow_infinity=False), st.datetimes(timezones=st.just(UTC)))
def test_a_position_comes_back(text: str, number: int, fraction: float, instant: datetime) -> None:
    cursor = encode(text, number, fraction, stamp(instant))
    assert decode(cursor, str, int, float, datetime) == (text, number, fraction, instant)


def test_no_cursor_is_no_position() -> None:
    assert decode(None, str) is None


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    try:
        position = decode(text, str, int)
    except BadInput:
        return
    assert position is not None and encode(*position) == text.rstrip("=")


@pytest.mark.parametrize(
    ("position", "kinds"),
    [
        ([], (str,)),
        (["a", "b"], (str,)),
        (["a"], (int,)),
        ([1], (str,)),
        ([True], (int,)),
        ([2**63], (int,)),
        ([10**30], (int,)),
        ([None], (str,)),
        (["\ud800"], (str,)),
        (["2001-01-01"], (datetime,)),
        (["2001-01-01T00:00:00.000000"], (datetime,)),
        (["0001-01-01T00:00:00.000000+23:00"], (datetime,)),
        ([5], (datetime,)),
        ({"a": 1}, (str,)),
        ("a", (str,)),
        (None, ()),
    ],
)
def test_positions_of_another_shape_are_refused(position: Any, kinds: tuple[type, ...]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")
    with pytest.raises(BadInput, match="cursor"):
        decode(cursor, *kinds)


def test_deep_nesting_is_refused() -> None:
    cursor = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    with pytest.raises(BadInput, match="cursor"):
        decode(cursor, str)


def test_the_extra_row_only_tells_that_there_is_more() -> None:
    full = page([1, 2, 3], 2, str)
    assert (full.items, full.cursors, full.more) == ((1, 2), ("1", "2"), True)
    last = page([1, 2], 2, str)
    assert (last.items, last.more) == ((1, 2), False)
    assert page([], 2, str).items == ()


@pytest.mark.parametrize("first", [0, -1, 101])
def test_page_sizes_are_bounded(first: int) -> None:
    with pytest.raises(BadInput, match="1 to 100"):
        check_first(first)
    assert check_first(1) == 1 and check_first(100) == 100

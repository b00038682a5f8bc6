"""JSON in and out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cairn.api.encoding import check_depth, decode, encode
from cairn.errors import BadInput

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(VALUES)
@example([2**64, -(2**63) - 1, '\\"[{'])
def test_what_goes_out_comes_in_again(value: Any) -> None:
    assert decode(encode(value), 100) == value


@given(VALUES, st.integers(1, 6))
def test_the_depth_is_judged_exactly(value: Any, most: int) -> None:
    data = json.dumps(value).encode()
    if depth(value) > most:
        with pytest.raises(BadInput, match=f"deeper than {most}"):
            check_depth(data, most)
    else:
        check_depth(data, most)


@given(st.binary())
def test_any_bytes_give_a_value_or_bad_input(data: bytes) -> None:
    with suppress(BadInput):
        decode(data, 10)


def test_an_endless_number_is_refused() -> None:
    with pytest.raises(BadInput):
        decode(b"9" * 100_000, 10)

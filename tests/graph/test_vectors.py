"""Vectors and their sketches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cairn.graph.profiles import direction
from cairn.graph.vectors import sketch

VECTORS = arrays(np.float64, (4, 64), elements=st.floats(-1, 1, width=32)).filter(
    lambda some: bool((np.abs(some).max(axis=1) > 1e-3).all())
)


@given(VECTORS)
def test_a_sketch_points_nearly_where_its_vector_does(some: np.ndarray) -> None:
    exact = np.array([direction(one.tolist()) for one in some])
    rough = np.array([direction(sketch(one.tolist())) for one in some])
    assert rough[1:] @ exact[0] == pytest.approx(exact[1:] @ exact[0], abs=0.04)


@pytest.mark.parametrize("nothing", [b"", [], [0.0, 0.0], sketch([0.0, 0.0])])
def test_what_has_no_vector_points_nowhere(nothing: bytes | list[float]) -> None:
    assert len(direction(nothing)) == 0

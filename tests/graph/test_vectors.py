"""Vectors and their sketches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cairn.graph.vectors import cosines, sketch

VECTORS = arrays(np.float64, (4, 64), elements=st.floats(-1, 1, width=32)).filter(
    lambda some: bool((np.abs(some).max(axis=1) > 1e-3).all())
)


@given(VECTORS)
def test_cosines_to_sketches_are_nearly_those_to_the_vectors(some: np.ndarray) -> None:
    exact = cosines(some[1:].tolist(), some[:1].tolist())
    assert cosines([sketch(one.tolist()) for one in some[1:]], some[:1].tolist()) == pytest.approx(exact, abs=0.04)


def test_what_has_no_vector_or_a_sketch_of_another_length_is_near_to_nothing() -> None:
    found = cosines([b"", sketch([0.0, 0.0]), sketch([1.0]), [1.0, 0.0], sketch([0.0, 3.0])], [[1.0, 0.0], [0.0, 1.0]])
    assert found.tolist() == [[0, 0], [0, 0], [0, 0], [1, 0], [0, 1]]

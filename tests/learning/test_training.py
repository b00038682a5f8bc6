"""Training the ranker on feedback."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.learning.drift import drift
from cairn.learning.features import NAMES
from cairn.learning.ranking import PRIOR
from cairn.learning.training import FACTOR, MIN_EXAMPLES, MOST_OF_ONE, Example, fitted, reciprocal, train, unpacked

WEIGHTS = np.array([PRIOR[name] for name in NAMES])


def example(favoured: str, principal: str = "ada", misled: str = "answer", seed: int = 0) -> Example:
    """Five hits; the useful one, shown third, is high in `favoured` while others are high in `misled`."""
    values = np.random.default_rng(seed).uniform(0, 0.2, (5, len(NAMES)))
    values[2, NAMES.index(favoured)] = 1.0
    values[[0, 1], NAMES.index(misled)] = 1.0
    return Example(principal, values, (2,))


def test_without_feedback_the_model_is_the_prior() -> None:
    assert fitted([]).tolist() == pytest.approx(WEIGHTS.tolist())


def test_what_is_useful_comes_to_be_ranked_first() -> None:
    examples = [example("meaning", seed=seed, principal=f"p{seed % 4}") for seed in range(100)]
    outcome = train(examples, WEIGHTS.tolist())
    assert outcome is not None
    assert outcome.better
    assert outcome.figure > outcome.champion_figure
    assert outcome.examples + outcome.held_back == 100


def test_too_little_feedback_trains_nothing() -> None:
    assert train([example("meaning")] * (MIN_EXAMPLES - 1), WEIGHTS.tolist()) is None


def test_one_principal_moves_the_model_no_further_by_saying_it_more_often() -> None:
    others = [example("meaning", f"p{seed}", seed=seed) for seed in range(MOST_OF_ONE)]
    lies = [example("answer", "liar", misled="meaning", seed=seed) for seed in range(MOST_OF_ONE)]
    some, many = fitted(others + lies), fitted(others + lies * 5)
    assert np.abs(some - many).max() < 0.05
    assert reciprocal(others, many) >= reciprocal(others, WEIGHTS)


def test_an_example_is_kept_whole() -> None:
    one = example("meaning")
    again = unpacked("ada", one.packed())
    assert again.useful == one.useful
    assert np.allclose(again.values, one.values, atol=1e-4)


def test_features_that_came_later_are_zero_in_old_examples() -> None:
    again = unpacked("ada", '{"names": ["terms", "gone"], "values": [[0.5, 9], [0.25, 9]], "useful": [1]}')
    assert again.values[:, NAMES.index("terms")].tolist() == [0.5, 0.25]
    assert again.values.sum() == 0.75


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, len(NAMES) - 1), st.integers(0, 3), st.sampled_from(["ada", "bea"])), max_size=30), st.integers(0, 9)
)
def test_any_feedback_leaves_the_weights_within_bounds_and_always_the_same(given_: list[tuple[int, int, str]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    examples = [
        Example(who, rng.normal(0, 3, (4, len(NAMES))) * (np.arange(len(NAMES)) == feature), (place,)) for feature, place, who in given_
    ]
    weights = fitted(examples)
    assert (weights >= WEIGHTS / FACTOR - 1e-9).all()
    assert (weights <= WEIGHTS * FACTOR + 1e-9).all()
    assert weights.tolist() == fitted(examples).tolist()


def test_drift_is_seen_when_recall_becomes_worse_and_only_then() -> None:
    rng = np.random.default_rng(1)
    steady = rng.choice([1.0, 0.5, 0.33], 200).tolist()
    assert drift(steady).place is None
    fallen = drift(steady + [0.1] * 60)
    assert fallen.place is not None
    assert fallen.place >= 200
    assert drift([]).place is None

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from islands import IslandsError
from islands.scores import normalise

# Integers, so that scaling by a power of two and shifting stay exact and no tie is made or lost by rounding.
whole_scores = st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=40)
methods = st.sampled_from(["rank", "robust"])


@given(whole_scores, methods)
def test_result_is_ordered_like_the_scores_and_within_zero_and_one(scores, method):
    result = normalise(scores, method)
    assert ((result >= 0) & (result <= 1)).all()
    for one, other in zip(range(len(scores)), range(1, len(scores)), strict=False):
        if scores[one] == scores[other]:
            assert result[one] == result[other]
        elif scores[one] > scores[other]:
            assert result[one] >= result[other]
            assert method == "robust" or result[one] > result[other]


@given(whole_scores, methods, st.integers(-3, 6), st.integers(-1000, 1000))
def test_unit_and_origin_of_the_score_do_not_matter(scores, method, power, shift):
    moved = [score * 2.0**power + shift for score in scores]
    np.testing.assert_allclose(normalise(moved, method), normalise(scores, method), atol=1e-12)


def test_ranks_by_hand():
    np.testing.assert_allclose(normalise([5.0, -1.0, 7.0, 5.0, 0.0], "rank"), [0.625, 0.0, 1.0, 0.625, 0.25])


def test_robust_by_hand():
    # median 3, median deviation 1, so z = (x - 3) / 1.4826 cut at 3 and R = (z + 3) / 6
    result = normalise([1.0, 2.0, 3.0, 4.0, 100.0], "robust")
    np.testing.assert_allclose(result, [0.275170, 0.387585, 0.5, 0.612415, 1.0], atol=1e-6)


def test_robust_falls_back_to_ranks_when_most_are_equal():
    np.testing.assert_allclose(normalise([1.0, 1.0, 1.0, 2.0], "robust"), [1 / 3, 1 / 3, 1 / 3, 1.0])


@pytest.mark.parametrize("method", ["rank", "robust"])
def test_one_score_is_the_best_and_none_is_none(method):
    assert normalise([0.0], method).tolist() == [1.0]
    assert normalise([], method).size == 0


@pytest.mark.parametrize("bad", [[1.0, float("nan")], [float("inf")], [[1.0, 2.0]]])
def test_what_is_not_a_finite_vector_is_refused(bad):
    with pytest.raises(IslandsError, match="finite numbers"):
        normalise(bad)


def test_unknown_method_is_refused():
    with pytest.raises(IslandsError, match="'rank' or 'robust', got 'raw'"):
        normalise([1.0], "raw")

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Invalid
from problems.constructions import first_autocorrelation
from problems.constructions import third_autocorrelation as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)


def peak(heights: object) -> float:
    return problem.score(first_case(problem), heights)["peak"]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert 1.6 < metrics["peak"] < 2
    check_declaration(problem, metrics)


def test_signs_by_hand():
    # heights 3, -1: the autoconvolution is 9, -6, 1 at the ends of steps, the sum 2; the minus 6 does not count for less
    assert problem.exact(first_case(problem), [3, -1]) == Fraction(2 * 2 * 9, 4)
    assert problem.exact(first_case(problem), [1, -3, 4]) == Fraction(2 * 3 * 24, 4)  # 1 -6 17 -24 16


def test_without_signs_it_is_the_first_inequality():
    heights = [0.1, 0.7, 0.3, 0.9, 0.0]
    assert peak(heights) == first_autocorrelation.score(first_case(problem), heights)["peak"]


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12))
def test_it_agrees_with_rational_arithmetic_and_keeps_the_bound(heights: list[int]):
    nodes = [0] * (2 * len(heights) - 1)
    for i, a in enumerate(heights):
        for j, b in enumerate(heights):
            nodes[i + j] += a * b
    if not sum(heights):
        with pytest.raises(Invalid):
            peak(heights)
        return
    expected = Fraction(2 * len(heights) * max(map(abs, nodes)), sum(heights) ** 2)
    assert problem.exact(first_case(problem), heights) == expected >= 1


def test_scale_sign_and_mirror_change_nothing():
    heights = [0.1, -0.7, 0.3, 0.9]
    assert peak([-8 * h for h in heights]) == peak(heights[::-1]) == peak(heights)


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    assert "heights()" in reject(problem, [0.5, 0.5, value])


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([1.0, -1.0], "at least 1/1000 of the sum of their sizes"),
        ([1.0, -1.0 + 1e-9], "at least 1/1000 of the sum of their sizes"),
        ([1e-161] * 10, "0 or at least 2**-64"),
        ([0.0] * 10, "must not be all 0"),
        ([-0.0, 0], "must not be all 0"),
        ([1.0] * 401, "1 to 400 entries, got 401"),
        (np.ones(100_000), "1 to 400 entries"),
        (np.ones((10, 10)), "must be a plain float, got ndarray"),
        ([[1.0], [2.0]], "must be a plain float, got list"),
        (np.ones(5, dtype=complex), "complex128"),
        ({"peak": 1.0}, "must be a list, got dict"),
        (with_entry([1.0] * 9, 4, -1e6 * 1.0000001), "must lie in"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

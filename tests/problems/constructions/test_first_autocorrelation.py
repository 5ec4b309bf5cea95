from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems.constructions import first_autocorrelation as problem
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


@pytest.mark.parametrize("count", [1, 2, 7, 600])
def test_a_box_has_a_peak_of_two(count: int):
    assert peak([0.75] * count) == 2.0


def test_two_steps_by_hand():
    # heights 1, 3: the autoconvolution is 1, 6, 9 at the ends of steps, the sum 4
    assert problem.exact(first_case(problem), [1, 3]) == Fraction(2 * 2 * 9, 16)


def test_one_over_the_root_has_half_a_circle_as_published():
    # Schinzel and Schmidt: f(x) = (x + 1/4) ** -1/2 gives pi / 2; its first step is cut, as it is infinite there
    heights = np.diff(np.sqrt(np.arange(601)))
    heights[0] *= math.sqrt(math.pi / 4)
    assert peak(heights.tolist()) == pytest.approx(math.pi / 2, rel=0.02)


@given(st.lists(st.floats(2**-10, 1e6), min_size=1, max_size=12))
def test_it_agrees_with_rational_arithmetic_and_keeps_the_bound(heights: list[float]):
    exact = [Fraction(h) for h in heights]
    nodes = [Fraction(0)] * (2 * len(exact) - 1)
    for i, a in enumerate(exact):
        for j, b in enumerate(exact):
            nodes[i + j] += a * b
    assert peak(heights) == float(2 * len(exact) * max(nodes) / sum(exact) ** 2) >= 1.28


def test_scale_and_mirror_change_nothing():
    heights = [0.1, 0.7, 0.3, 0.9]
    assert peak([8 * h for h in heights]) == peak(heights[::-1]) == peak(heights)


def test_a_change_of_1e_13_in_one_height_is_seen():
    assert peak([1.0, 0.5, 0.7 + 1e-13]) != peak([1.0, 0.5, 0.7])


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    assert "heights()" in reject(problem, [0.5, 0.5, value])


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([1.0, -1e-13, 1.0], "must lie in [0, 1e+06], got -1e-13"),
        ([1.0, -0.5, 1.0], "must lie in [0, 1e+06]"),
        ([1e-161] * 10, "0 or at least 2**-64"),
        ([0.0] * 10, "must not be all 0"),
        ([-0.0, 0], "must not be all 0"),
        ([1.0] * 601, "1 to 600 entries, got 601"),
        (np.ones(100_000), "1 to 600 entries"),
        (np.ones((10, 10)), "must be a plain float, got ndarray"),
        ([[1.0], [2.0]], "must be a plain float, got list"),
        (np.ones(5, dtype=complex), "complex128"),
        ({"peak": 1.28}, "must be a list, got dict"),
        (with_entry([1.0] * 9, 4, 1e6 * 1.0000001), "must lie in"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

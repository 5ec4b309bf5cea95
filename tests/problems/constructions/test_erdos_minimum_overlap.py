from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems.constructions import erdos_minimum_overlap as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
)


def overlap(heights: object) -> float:
    return problem.score(first_case(problem), heights)["overlap"]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["overlap"] == pytest.approx(0.421429, abs=1e-6)
    check_declaration(problem, metrics)


@pytest.mark.parametrize("height", [0.25, 0.5, 0.75])
def test_a_constant_stands_for_one_half_and_overlaps_by_one_half(height: float):
    assert overlap([height] * 8) == 0.5


def test_the_middle_half_overlaps_by_one_half():
    assert overlap([0.0, 1.0, 1.0, 0.0]) == 0.5
    assert overlap(np.array([0.0, 1.0, 1.0, 0.0])) == 0.5


def test_a_ramp_by_hand():
    # h = 0, 1/2, 1 and 1 - h = 1, 1/2, 0: shifts -2..2 give 1, 1, 1/4, 0, 0 and a step is 2/3 wide.
    assert overlap([0.0, 0.5, 1.0]) == float(Fraction(2, 3))


@given(st.lists(st.floats(0, 1).filter(lambda x: x == 0 or x > 1e-15), min_size=1, max_size=12))
def test_the_score_agrees_with_rational_arithmetic_and_keeps_the_bound(heights: list[float]):
    exact = [Fraction(h) for h in heights]
    n, total = len(exact), sum(exact)
    if total in (0, n):
        return
    valid = (
        [h * n / (2 * total) for h in exact]
        if 2 * total >= n
        else [1 - (1 - h) * n / (2 * (n - total)) for h in exact]
    )
    assert sum(valid) == Fraction(n, 2)
    assert all(0 <= h <= 1 for h in valid)
    largest = max(
        sum(valid[i] * (1 - valid[i + k]) for i in range(n) if 0 <= i + k < n) for k in range(-n + 1, n)
    )
    value = overlap(heights)
    assert value == float(largest * 2 / n)
    assert value >= problem.OBJECTIVE.bound


def test_the_complement_overlaps_as_much():
    heights = [0.0, 0.125, 0.75, 1.0, 1.0, 0.5]
    assert overlap(heights) == overlap([1 - h for h in heights])


def test_a_defect_in_the_last_bit_is_repaired_not_used():
    heights = [0.0, 1.0, 1.0, 1e-16]
    assert overlap(heights) == pytest.approx(overlap([0.0, 1.0, 1.0, 0.0]), abs=1e-15)


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    assert "entry 2 of heights()" in reject(problem, [0.5, 0.5, value])


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([0.5, -1e-13], "must lie in [0, 1], got -1e-13"),
        ([0.5, 1 + 1e-13], "must lie in [0, 1]"),
        ([0.5, 2.0], "must lie in [0, 1], got 2.0"),
        ([0.5, 1e-161], "0 or at least 2**-64"),
        ([0.0] * 5, "must not all be 0"),
        ([1.0] * 5, "must not all be 1"),
        ([0.5] * 201, "1 to 200 entries, got 201"),
        (np.full((4, 4), 0.5), "got ndarray"),
        (np.full(5, 0.5, dtype=complex), "complex128"),
        (np.full(5, np.nan), "got nan"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

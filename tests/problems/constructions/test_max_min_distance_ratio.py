from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems.constructions import max_min_distance_ratio as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)


def square() -> list[list[float]]:
    return [[float(i % 4), float(i // 4)] for i in range(16)]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["ratio_squared"] == pytest.approx(14.738885, abs=1e-6)
    check_declaration(problem, metrics)


def test_the_4_by_4_grid_has_ratio_squared_18_exactly():
    assert problem.score(first_case(problem), square())["ratio_squared"] == 18.0
    assert problem.score(first_case(problem), np.array(square()))["ratio_squared"] == 18.0


def test_the_bound_is_oler_s_and_below_the_best_known():
    assert pytest.approx(10.838, abs=1e-3) == problem.BOUND
    assert problem.BEST_KNOWN.value > problem.BOUND


def test_a_change_of_one_bit_changes_the_score():
    moved = with_entry(square(), 15, 0, 3.0000000000000004)
    assert problem.score(first_case(problem), moved)["ratio_squared"] > 18.0


@given(st.integers(0, 2**32 - 1))
def test_no_points_beat_the_bound_and_scale_does_not_matter(number: int):
    points = np.random.default_rng(number).random((16, 2))
    metrics = problem.score(first_case(problem), points)
    assert metrics["ratio_squared"] > problem.BOUND
    assert problem.score(first_case(problem), points * 4)["ratio_squared"] == metrics["ratio_squared"]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    assert "point 3" in reject(problem, with_entry(square(), 3, 0, value))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (with_entry(square(), 5, [0.0, 0.0]), "points 0 and 5 are equal"),
        (with_entry(square(), 5, [-0.0, 0.0]), "points 0 and 5 are equal"),
        ([[1.0, 1.0]] * 16, "are equal"),
        (square()[:15], "16 entries, got 15"),
        ([*square(), [9.0, 9.0]], "16 entries, got 17"),
        (with_entry(square(), 2, [1.0]), "point 2"),
        (with_entry(square(), 2, [1.0, 1.0, 1.0]), "point 2"),
        (with_entry(square(), 2, 0, 101.0), "must lie in [-100, 100]"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

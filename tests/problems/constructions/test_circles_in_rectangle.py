from __future__ import annotations

import numpy as np
import pytest

from problems.constructions import circles_in_rectangle as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)

R = 0.09375  # exact in binary: three rows of seven, 20 radii = width + height = 1.875


def grid(radius: float = R) -> list[list[float]]:
    return [[(2 * (i % 7) + 1) * R, (2 * (i // 7) + 1) * R, radius] for i in range(21)]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["sum_radii"] == pytest.approx(1.911013, abs=1e-6)
    check_declaration(problem, metrics)


def test_touching_circles_are_scored_exactly():
    metrics = problem.score(first_case(problem), grid())
    assert metrics["sum_radii"] == 21 * R
    assert metrics["aspect"] == 3 / 7
    assert problem.score(first_case(problem), np.array(grid())) == metrics


def test_the_whole_perimeter_may_be_used_and_not_one_bit_more():
    unit = [[0.25 * (i % 7), 0.25 * (i // 7), 0.0] for i in range(21)]  # width 1.5, height 0.5
    assert problem.score(first_case(problem), unit)["sum_radii"] == 0.0
    assert "width + height" in reject(problem, with_entry(unit, 6, 0, 1.5000000000000002))
    assert "9.99e-14 more" in reject(problem, with_entry(unit, 6, 0, 1.5 + 1e-13))


def test_an_overlap_of_1e_13_is_rejected_and_the_recipe_works():
    circles = with_entry(grid(), 8, 2, R + 1e-13)
    reason = reject(problem, circles)
    assert "overlap of 1e-13 between circles" in reason
    slack = [[x, y, r - 5.1e-14] for x, y, r in circles]
    assert problem.score(first_case(problem), slack)["sum_radii"] < 21 * R


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    for column in range(3):
        assert "circle 3" in reject(problem, with_entry(grid(), 3, column, value))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert "pack() must" in reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (with_entry(grid(), 5, 2, -R), "r of circle 5 must be >= 0"),
        (with_entry(grid(), 5, 2, -1e-15), "r of circle 5 must be >= 0"),
        (grid()[:20], "21 entries, got 20"),
        ([*grid(), [0.1, 0.1, 0.0]], "21 entries, got 22"),
        ([grid()[0]] * 21, "overlap"),
        (with_entry(grid(), 0, 0, 4.5), "must lie in [-4, 4]"),
        ([[3 * v for v in row] for row in grid()], "width + height"),
        (np.zeros((21, 3), dtype=complex), "complex128"),
        (np.zeros((3, 21)), "21 entries, got 3"),
        (with_entry(grid(), 4, [0.1, 0.1]), "circle 4"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

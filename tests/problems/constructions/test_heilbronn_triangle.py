from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from benchmarks.baselines.constructions import heilbronn_triangle as baseline
from problems.constructions import heilbronn_triangle as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)

POINTS = seed_output(problem)


def share(points: object) -> float:
    return problem.score(first_case(problem), points)["smallest_share"]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), POINTS)
    assert 0 < metrics["smallest_share"] < 0.01
    check_declaration(problem, metrics)


def test_the_smallest_of_all_triangles_counts():
    # three corners and eight points on a curve; the smallest triangle is found by hand from all 165
    points = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]] + [[k / 32, (k / 32) ** 2 + 1 / 4] for k in range(1, 9)]
    least = min(
        abs((Fraction(b[0]) - Fraction(a[0])) * (Fraction(c[1]) - Fraction(a[1]))
            - (Fraction(b[1]) - Fraction(a[1])) * (Fraction(c[0]) - Fraction(a[0])))
        for i, a in enumerate(points)
        for j, b in enumerate(points[:i])
        for c in points[:j]
    )  # fmt: skip
    assert problem.exact(first_case(problem), points) == least
    assert share(points) == float(least)


def test_the_order_of_points_changes_nothing_and_swapped_axes_neither():
    assert share(POINTS[::-1]) == share([[v, u] for u, v in POINTS]) == share(POINTS)


def test_corners_and_borders_belong_to_the_triangle():
    points = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5], *POINTS[:7]]
    assert problem.score(first_case(problem), points)["on_border"] >= 4
    assert share(points) == 0.0  # three of these lie on a line


def test_a_linear_step_gains_and_stays_inside():
    points = np.random.default_rng(1).dirichlet(np.ones(3), 11)[:, :2]
    after = baseline.linear_step(points, 0.01)
    assert share(after.tolist()) > share(points.tolist())


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    assert "of point 3" in reject(problem, with_entry(POINTS, 3, 0, value))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (POINTS[:-1], "must have 11 entries, got 10"),
        ([*POINTS, [0.1, 0.2]], "must have 11 entries, got 12"),
        (with_entry(POINTS, 0, [0.5, 0.5 + 2**-52]), "point 0 lies outside"),
        (with_entry(POINTS, 0, [1.0, 2**-60]), "point 0 lies outside: u + v is larger than 1 by 8.67e-19"),
        (with_entry(POINTS, 0, [-1e-15, 0.5]), "must lie in [0, 1], got -1e-15"),
        (with_entry(POINTS, 0, [1.0000000001, 0.0]), "must lie in [0, 1]"),
        (with_entry(POINTS, 0, [0.5, 0.2, 0.1]), "must have 2 entries, got 3"),
        (with_entry(POINTS, 0, "uv"), "must be a list, got str"),
        (np.full((11, 2), np.nan), "must lie in [0, 1], got nan"),
        ({"points": POINTS, "smallest_share": 0.1}, "must be a list, got dict"),
    ],
    ids=range(10),
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)


def test_the_same_point_twice_scores_nothing():
    assert share(with_entry(POINTS, 0, POINTS[1])) == 0.0

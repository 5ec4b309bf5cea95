from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from problems.constructions import heilbronn_convex as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)


def parabola() -> list[list[float]]:
    return [[float(i), float(i * i) / 4] for i in range(13)]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["smallest_share"] == pytest.approx(0.000670345, abs=1e-8)
    check_declaration(problem, metrics)


def test_points_on_a_parabola_have_a_closed_form():
    # On y = x^2 a triangle has area |(a-b)(b-c)(c-a)| / 2, at least 1; the hull has area sum of (12^3 - 12)
    # / 6.
    metrics = problem.score(first_case(problem), parabola())
    assert metrics["smallest_share"] == float(Fraction(1, (12**3 - 12) // 6))
    assert metrics["hull_corners"] == 13


def test_a_regular_polygon_agrees_with_its_formula():
    points = [[math.cos(2 * math.pi * k / 13), math.sin(2 * math.pi * k / 13)] for k in range(13)]
    turn = 2 * math.pi / 13
    smallest = (2 * math.sin(turn) - math.sin(2 * turn)) / 2
    expected = smallest / (13 * math.sin(turn) / 2)
    assert problem.score(first_case(problem), points)["smallest_share"] == pytest.approx(expected, rel=1e-12)


def test_points_on_a_line_score_0_and_a_bit_off_scores_more():
    bent = with_entry(parabola(), 1, [1.0, 0.5])
    bent[2] = [2.0, 1.0]
    assert problem.score(first_case(problem), bent)["smallest_share"] == 0.0
    bent[2] = [2.0, math.nextafter(1.0, 2)]
    assert 0 < problem.score(first_case(problem), bent)["smallest_share"] < 1e-15


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_the_score_agrees_with_rational_arithmetic(number: int):
    points = np.random.default_rng(number).random((13, 2)).tolist()
    metrics = problem.score(first_case(problem), points)
    exact = [tuple(Fraction(v) for v in point) for point in points]
    areas = [
        abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
        for a, b, c in combinations(exact, 3)
    ]
    middle = (sum(x for x, _ in exact) / 13, sum(y for _, y in exact) / 13)
    edges = [
        (a, b)
        for a in exact
        for b in exact
        if a != b and all((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0 for c in exact)
    ]
    hull = sum((b[0] - a[0]) * (middle[1] - a[1]) - (b[1] - a[1]) * (middle[0] - a[0]) for a, b in edges)
    assert metrics["smallest_share"] == float(min(areas) / hull)
    assert metrics["smallest_share"] <= problem.OBJECTIVE.bound


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    assert "point 3" in reject(problem, with_entry(parabola(), 3, 0, value))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([[float(i), 2.0 * i] for i in range(13)], "one line"),
        ([[1.0, 1.0]] * 13, "one line"),
        ([[0.0, 0.0], [1.0, 1.0]] * 6 + [[0.0, 0.0]], "one line"),
        (parabola()[:12], "13 entries, got 12"),
        ([*parabola(), [0.5, 9.0]], "13 entries, got 14"),
        (with_entry(parabola(), 2, [1.0]), "point 2"),
        (with_entry(parabola(), 2, 1, 100.5), "must lie in [-100, 100]"),
        (np.zeros((13, 2), dtype=complex), "complex128"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)


def test_a_duplicated_point_gains_nothing():
    assert problem.score(first_case(problem), with_entry(parabola(), 3, [0.0, 0.0]))["smallest_share"] == 0.0

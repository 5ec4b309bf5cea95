from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Case, Invalid
from problems.constructions import circle_packing

CASE = Case(inputs=None)


def grid(radius: float = 0.08) -> list[list[float]]:
    """26 circles on a 6 x 5 grid, far from each other and from the walls."""
    return [[0.1 + 0.16 * (i % 6), 0.1 + 0.2 * (i // 6), radius] for i in range(26)]


def seed_circles() -> list[list[float]]:
    namespace: dict[str, object] = {}
    exec(circle_packing.SEED, namespace)
    return namespace["pack"]()


def reject(output: object) -> str:
    with pytest.raises(Invalid) as caught:
        circle_packing.score(CASE, output)
    return str(caught.value)


def with_value(row: int, column: int, value: object) -> list[list[object]]:
    circles: list[list[object]] = [list(circle) for circle in grid(0.05)]
    circles[row][column] = value
    return circles


def test_the_seed_is_valid_and_crude():
    metrics = circle_packing.score(CASE, seed_circles())
    assert 0.95 <= metrics["sum_radii"] <= 1.0


def test_run_hands_over_what_the_program_packs():
    class Program:
        @staticmethod
        def pack() -> list[list[float]]:
            return grid(0.05)

    assert circle_packing.run(Program, None) == grid(0.05)
    assert len(circle_packing.cases(np.random.default_rng(0), 0)) == 1


def test_the_score_is_the_exact_sum_rounded_once():
    circles = grid(0.0)
    for i, circle in enumerate(circles):
        circle[2] = 0.05 + i / 977
    expected = float(sum(Fraction(circle[2]) for circle in circles))
    assert circle_packing.score(CASE, circles)["sum_radii"] == expected


def test_tuples_and_float_arrays_are_circles_too():
    expected = circle_packing.score(CASE, grid(0.05))
    assert circle_packing.score(CASE, tuple(tuple(circle) for circle in grid(0.05))) == expected
    assert circle_packing.score(CASE, np.array(grid(0.05))) == expected
    assert circle_packing.score(CASE, list(np.array(grid(0.05)))) == expected


def test_touching_is_no_overlap_and_one_bit_more_is():
    circles = [[0.25, 0.25, 0.25], [0.75, 0.25, 0.25], *([[0.5, 0.9, 0.0]] * 24)]
    metrics = circle_packing.score(CASE, circles)
    assert metrics["sum_radii"] == 0.5
    assert metrics["contacts"] > 0
    circles[1] = [math.nextafter(0.75, 0), 0.25, 0.25]
    assert "overlap of 1.11e-16 between circles 0 and 1" in reject(circles)


def test_an_overlap_of_1e_12_is_rejected_with_its_amount_and_the_way_out():
    circles = [[0.25, 0.3, 0.2 + 1e-12], [0.65, 0.3, 0.2], *([x / 30, 0.9, 0.01] for x in range(3, 27))]
    reason = reject(circles)
    assert "overlap of 1e-12 between circles 0 and 1" in reason
    assert "5.05e-13 off every radius would make the packing valid" in reason
    circle_packing.score(CASE, [[x, y, r - 5.05e-13] for x, y, r in circles])


def test_the_worst_overlap_is_the_one_that_is_named():
    circles = grid(0.05)
    circles[7][2] = 0.15
    circles[20][2] = 0.12
    assert "between circles" in reject(circles)
    assert "pairs overlap, this one most" in reject(circles)


def test_a_centre_inside_another_circle_gets_no_recipe():
    circles = [[0.5, 0.5, 0.4], [0.5, 0.5, 0.0], *([0.01, x / 30, 0.001] for x in range(3, 27))]
    assert "overlap of 0.4 between circles 0 and 1" in reject(circles)
    assert "off every radius" not in reject(circles)


@pytest.mark.parametrize(
    ("circle", "wall"),
    [
        ([0.05 - 1e-12, 0.5, 0.05], "left"),
        ([0.95 + 1e-12, 0.5, 0.05], "right"),
        ([0.5, 0.05 - 1e-12, 0.05], "lower"),
        ([0.5, 0.95 + 1e-12, 0.05], "upper"),
    ],
)
def test_1e_12_beyond_a_wall_is_rejected(circle: list[float], wall: str):
    rest = [[0.1 + i / 32, 0.2, 0.0] for i in range(25)]
    reason = reject([*rest, circle])
    assert f"circle 25 reaches 1e-12 beyond the {wall} wall" in reason


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "must lie in [0, 1], got nan"),
        (float("inf"), "got inf"),
        (-float("inf"), "got -inf"),
        (-1e-9, "got -1e-09"),
        (1.0000001, "got 1.0000001"),
        (1e300, "got 1e+300"),
        (1e-300, "at least 2**-64 in size, got 1e-300; use 0.0"),
        (5e-324, "at least 2**-64"),
        pytest.param(1 << 20000, "a huge integer", id="huge"),
        (-1, "got -1"),
        (True, "plain float, got bool"),
        (0.5 + 0j, "plain float, got complex"),
        ("0.5", "plain float, got str"),
        (None, "plain float, got NoneType"),
        ([0.5], "plain float, got list"),
        (np.float64(0.5), "plain float, got float64"),
    ],
)
def test_numbers_that_are_none_are_refused_before_arithmetic(value: object, said: str):
    for column, name in enumerate("xyr"):
        reason = reject(with_value(3, column, value))
        assert f"{name} of circle 3 must" in reason
        assert said in reason


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (None, "got NoneType"),
        ("pack", "got str"),
        ({}, "got dict"),
        ([], "got 0"),
        (grid()[:25], "got 25"),
        ([*grid(), [0.5, 0.5, 0.0]], "got 27"),
        ([[0.5, 0.5]] * 26, "circle 0 [x, y, r] must have 3 entries, got 2"),
        ([[0.5, 0.5, 0.0, 0.0]] * 26, "got 4"),
        ([7] * 26, "circle 0 [x, y, r] must be a list, got int"),
        (np.zeros((25, 3)), "got 25"),
        (np.zeros((26, 3), dtype=complex), "complex128"),
        (np.zeros((26, 3), dtype=bool), "array of bool"),
        (np.zeros((26, 3), dtype=object), "array of object"),
        ([np.zeros(3, dtype=complex)] * 26, "circle 0 [x, y, r] must hold plain numbers"),
    ],
)
def test_wrong_shapes_are_refused(output: object, said: str):
    assert said in reject(output)


def test_negative_zero_and_the_ints_0_and_1_are_numbers():
    circles: list[list[float]] = [[i / 26, 0.5, -0.0] for i in range(24)]
    assert circle_packing.score(CASE, [*circles, [0, 1, 0], [1, 0, 0]])["sum_radii"] == 0.0


def test_measures_describe_the_packing():
    equal = circle_packing.score(CASE, grid(0.05))
    assert (equal["radius_spread"], equal["wall_share"], equal["contacts"]) == (pytest.approx(0), 0, 0)
    wide = grid(0.05)
    wide[0][2] = 0.1
    metrics = circle_packing.score(CASE, wide)
    assert metrics["radius_spread"] > 0
    assert metrics["wall_share"] == 1 / 26
    assert metrics["smallest"] == 0.05
    for measure in circle_packing.MEASURES:
        if measure.source == "metrics":
            assert measure.low <= metrics[measure.name] <= measure.high


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=26, max_size=26))
def test_whatever_is_accepted_has_no_overlap_in_rational_arithmetic_and_keeps_the_bound(circles):
    try:
        metrics = circle_packing.score(CASE, circles)
    except Invalid:
        return
    exact = [tuple(Fraction(value) for value in circle) for circle in circles]
    for i, (x, y, r) in enumerate(exact):
        assert r <= x <= 1 - r
        assert r <= y <= 1 - r
        assert all((x - u) ** 2 + (y - v) ** 2 >= (r + s) ** 2 for u, v, s in exact[:i])
    assert metrics["sum_radii"] <= circle_packing.OBJECTIVE.bound


@given(st.integers(0, 2**32 - 1))
def test_maximal_packings_are_accepted_after_a_slack_and_stay_below_the_bound(number: int):
    rng = np.random.default_rng(number)
    centres = rng.random((26, 2)).tolist()
    radii: list[float] = []
    for i, (x, y) in enumerate(centres):
        others = [math.dist((x, y), other) / 2 for j, other in enumerate(centres) if j != i]
        radii.append(max(0.0, min(x, y, 1 - x, 1 - y, *others) - 1e-12))
    metrics = circle_packing.score(CASE, [[x, y, r] for (x, y), r in zip(centres, radii, strict=True)])
    assert 0 < metrics["sum_radii"] < circle_packing.OBJECTIVE.bound

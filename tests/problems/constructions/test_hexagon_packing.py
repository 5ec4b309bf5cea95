from __future__ import annotations

import math

import numpy as np
import pytest

from problems.constructions import hexagon_packing as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)

ROOT3 = math.sqrt(3)
UP = 1.7320508075688774  # sqrt(3) rounded up


def columns() -> list[list[float]]:
    """Upright hexagons in columns 2 apart: neighbours in a column touch but for rounding, columns do not."""
    return [[2.5 * (i % 3 - 1), UP * (i // 3 - 1.5), 0.0] for i in range(11)]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["side"] == pytest.approx(4.549775, abs=1e-5)
    check_declaration(problem, metrics)


def test_one_hexagon_in_the_middle_and_one_beside_it_need_the_side_that_geometry_says():
    far = [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [-2.0, 0.0, 0.0]]
    rows = [[2.5 * (i - 3.5), 6.0, 0.0] for i in range(8)]
    # The corner (8.75 + 1/2, 6 + sqrt 3 / 2) has |x| + |y| / sqrt 3, and 2 |y| / sqrt 3 is less.
    rows = [[x * 0.8, y, t] for x, y, t in rows]
    corners = [(abs(x) + 0.5) + (y + ROOT3 / 2) / ROOT3 for x, y, _ in rows] + [
        abs(x) + 1 + y / ROOT3 for x, y, _ in rows
    ]
    assert problem.score(first_case(problem), far + rows)["side"] == pytest.approx(max(corners), rel=1e-15)


def test_touching_at_a_rounded_up_distance_is_accepted_and_one_bit_less_is_not():
    assert problem.score(first_case(problem), columns())["side"] > 3
    below = [[x, y - 2.3e-16 if i == 6 else y, t] for i, (x, y, t) in enumerate(columns())]
    assert "hexagons 3 and 6 overlap" in reject(problem, below)


def test_an_overlap_of_1e_13_is_rejected_with_its_amount():
    near = [[x, y - 1e-13 if i >= 9 else y, t] for i, (x, y, t) in enumerate(columns())]
    assert "overlap by 9" in reject(problem, near) or "overlap by 1" in reject(problem, near)
    apart = [[x, y + 1e-13 if i >= 9 else y, t] for i, (x, y, t) in enumerate(columns())]
    problem.score(first_case(problem), apart)


def test_a_turn_by_60_degrees_changes_nothing_but_rounding():
    side = problem.score(first_case(problem), [[1.01 * x, 1.01 * y, 0.0] for x, y, _ in columns()])["side"]
    for t in (math.tan(math.radians(30)), -math.tan(math.radians(30))):
        turned = [[1.01 * x, 1.01 * y, t] for x, y, _ in columns()]
        assert problem.score(first_case(problem), turned)["side"] == pytest.approx(side, rel=1e-14)


def test_exact_and_floating_separation_agree_on_random_pairs():
    rng = np.random.default_rng(5)
    agreed = 0
    for _ in range(300):
        x, y = rng.uniform(-2.1, 2.1, 2).tolist()
        t = float(rng.uniform(-0.6, 0.6))
        rest = [[-7.5 + 2.5 * (i % 5), 6.0 if i < 5 else -6.0, 0.0] for i in range(9)]
        depth = problem._overlap((0, 0, 0), tuple(int(v * problem.ONE) for v in (x, y, t)))
        if 0 < depth < 1e-9:
            continue
        output = [[0.0, 0.0, 0.0], [x, y, t], *rest]
        if depth > 0:
            assert "hexagons 0 and 1 overlap" in reject(problem, output)
        else:
            problem.score(first_case(problem), output)
        agreed += 1
    assert agreed > 290


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    for column in range(3):
        assert "hexagon 3" in reject(problem, with_entry(columns(), 3, column, value))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (columns()[:10], "11 entries, got 10"),
        ([*columns(), [7.0, 7.0, 0.0]], "11 entries, got 12"),
        ([[0.0, 0.0, 0.0]] * 11, "hexagons 0 and 1 overlap"),
        (with_entry(columns(), 4, columns()[3]), "hexagons 3 and 4 overlap"),
        (with_entry(columns(), 4, [0.0, 0.0]), "hexagon 4"),
        (with_entry(columns(), 4, 2, 90.0), "must lie in [-8, 8]"),
        ([[0.3 * x, 0.3 * y, t] for x, y, t in columns()], "overlap"),
        (np.zeros((11, 3), dtype=complex), "complex128"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

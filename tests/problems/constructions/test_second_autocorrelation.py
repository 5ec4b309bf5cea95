from __future__ import annotations

import itertools
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.exact import read_vector
from problems.constructions import second_autocorrelation as problem
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)


def flatness(heights: object) -> float:
    return problem.score(first_case(problem), heights)["flatness"]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["flatness"] == pytest.approx(0.611765, abs=1e-6)
    check_declaration(problem, metrics)


@pytest.mark.parametrize("count", [1, 2, 7, 200])
def test_a_box_has_a_triangle_as_autoconvolution_and_scores_two_thirds(count: int):
    assert flatness([0.75] * count) == float(Fraction(2, 3))


def test_two_steps_apart_by_hand():
    # heights 1, 0, 1: g has nodes 0 1 0 2 0 1 0, so sum(a^2+ab+b^2) = 12, sum = 4, max = 2
    assert flatness([1.0, 0.0, 1.0]) == 0.5
    assert flatness(np.array([1.0, 0.0, 1.0])) == 0.5


@given(st.lists(st.floats(0, 1).filter(lambda x: x == 0 or x > 1e-15), min_size=1, max_size=12))
def test_the_score_agrees_with_rational_arithmetic_and_keeps_the_bound(heights: list[float]):
    if not any(heights):
        return
    exact = [Fraction(h) for h in heights]
    n = len(exact)
    nodes = [Fraction(0)] * (2 * n + 1)
    for i, a in enumerate(exact):
        for j, b in enumerate(exact):
            nodes[i + j + 1] += a * b
    squares = sum(a * a + a * b + b * b for a, b in itertools.pairwise(nodes)) / 3
    expected = squares / (sum(nodes) * max(nodes))
    assert flatness(heights) == float(expected) <= 1


def test_scale_and_padding_change_nothing():
    heights = [0.1, 0.7, 0.3, 0.9]
    assert flatness([8 * h for h in heights]) == flatness([0.0, *heights, 0.0, 0.0]) == flatness(heights)


def test_a_change_of_1e_13_in_one_height_is_seen():
    assert flatness([1.0, 1.0, 1.0 + 1e-13]) != flatness([1.0, 1.0, 1.0])


def test_30_000_steps_are_verified_in_less_than_a_second():
    steps = np.random.default_rng(1).random(30_000)
    started = time.process_time()
    heights = read_vector(steps, "heights()", least=1, most=30_000, low=0, high=1e6)
    value = problem._flatness(heights)
    assert time.process_time() - started < 1.0
    assert 0 < value < 1


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    if value != 1e300:
        assert "entry 2 of heights()" in reject(problem, [0.5, 0.5, value])
    else:
        assert "must lie in [0, 1e+06]" in reject(problem, [0.5, 0.5, value])


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
        ([1.0] * 201, "1 to 200 entries, got 201"),
        (np.ones(100_000), "1 to 200 entries"),
        (np.ones((10, 10)), "must be a plain float, got ndarray"),
        ([[1.0], [2.0]], "must be a plain float, got list"),
        (np.ones(5, dtype=complex), "complex128"),
        (with_entry([1.0] * 9, 4, 1e6 * 1.0000001), "must lie in"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

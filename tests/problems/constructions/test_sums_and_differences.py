from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems.constructions import sums_and_differences as problem
from tests.problems.hostile import (
    NO_LISTS,
    check_declaration,
    first_case,
    reject,
    seed_output,
)


def test_the_seed_is_valid_and_has_its_closed_form():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert (metrics["sums"], metrics["differences"]) == (6**6, 7**6)
    assert metrics["exponent"] == pytest.approx(1 + math.log(7 / 6) / math.log(7), rel=1e-15)
    check_declaration(problem, metrics)


def test_small_sets_by_hand():
    metrics = problem.score(first_case(problem), [0, 1, 3])
    assert (metrics["sums"], metrics["differences"]) == (6, 7)
    assert metrics["exponent"] == pytest.approx(1 + math.log(7 / 6) / math.log(7), rel=1e-15)
    # Conway's set has more sums than differences
    metrics = problem.score(first_case(problem), [0, 2, 3, 4, 7, 11, 12, 14])
    assert (metrics["sums"], metrics["differences"]) == (26, 25)
    assert metrics["exponent"] < 1
    assert problem.score(first_case(problem), np.array([14, 12, 11, 7, 4, 3, 2, 0])) == metrics


@given(st.sets(st.integers(1, 300), min_size=1, max_size=30))
def test_counts_agree_with_sets(members: set[int]):
    numbers = [0, *members]
    metrics = problem.score(first_case(problem), numbers)
    assert metrics["sums"] == len({a + b for a in numbers for b in numbers})
    assert metrics["differences"] == len({a - b for a in numbers for b in numbers})
    assert metrics["exponent"] <= problem.OBJECTIVE.bound


def test_a_set_becomes_a_list():
    program = SimpleNamespace(numbers=lambda: {3, 0, 1})
    assert problem.run(program, None) == [0, 1, 3]


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize("value", [1.0, True, None, "1", 1j, math.nan, -1, 1_200_001, np.int64(1), [1]])
def test_no_integers_in_range_are_refused(value: object):
    assert "entry 1 of numbers() must" in reject(problem, [0, value, 5])


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([0, 3, 5, 3], "3 is there twice"),
        ([0, 0], "0 is there twice"),
        ([1, 2, 5], "0 must be among numbers(), the least is 1"),
        ([0], "2 to 8192 entries, got 1"),
        (list(range(8193)), "got 8193"),
        (np.arange(5.0), "array of float64"),
        (np.array([0, 1, 3], dtype=complex), "complex128"),
        (np.array([True, False]), "array of bool"),
        ([0, 1, 1 << 20000], "a huge integer"),
        (np.arange(4).reshape(2, 2), "plain integer, got ndarray"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

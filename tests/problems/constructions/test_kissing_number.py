from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from benchmarks.baselines.constructions import kissing_number as baseline
from problems.constructions import kissing_number as problem
from tests.problems.hostile import (
    NO_LISTS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)


def roots(scale: int = 1) -> list[list[int]]:
    """The 220 roots of the lattice D11."""
    found = []
    for (i, j), (a, b) in product(combinations(range(11), 2), product((1, -1), repeat=2)):
        vector = [0] * 11
        vector[i], vector[j] = a * scale, b * scale
        found.append(vector)
    return found


def test_the_seed_finds_the_roots_of_d11():
    output = seed_output(problem)
    metrics = problem.score(first_case(problem), output)
    assert metrics["vectors"] == 220
    assert sorted(output.tolist()) == sorted(roots())
    assert metrics["contacts"] == 36  # 4 (n - 2) in D_n
    check_declaration(problem, metrics)


def test_the_baseline_finds_many_more():
    found = baseline.solve(first_case(problem), 0.3, np.random.default_rng(0))
    assert problem.score(first_case(problem), found)["vectors"] >= 438


def test_huge_vectors_are_compared_to_the_last_unit():
    large = roots(10**14)
    assert problem.score(first_case(problem), large)["vectors"] == 220
    moved = with_entry(large, 0, 0, 10**14 + 1)  # now the longest, by 2e14 in 2e28
    reason = reject(problem, moved)
    assert "vectors 0 and" in reason
    assert "too near" in reason
    shorter = with_entry(large, 0, 0, 10**14 - 1)  # nearer to its neighbours by one unit
    assert "too near" in reject(problem, shorter)


def test_vectors_of_different_lengths_must_keep_the_longest_one_s_distance():
    axis = [[2 if i == j else 0 for i in range(11)] for j in range(11)]
    assert problem.score(first_case(problem), axis)["vectors"] == 11
    longer = with_entry(axis, 0, 0, 3)
    assert "must be at least 9" in reject(problem, longer)


def test_integer_arrays_are_fine():
    assert problem.score(first_case(problem), np.array(roots()))["vectors"] == 220


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    "value", [1.0, True, None, "1", 1j, float("nan"), 10**15 + 1, 1 << 20000, [1], np.int64(1)], ids=range(10)
)
def test_no_integers_are_refused(value: object):
    assert "entry 5 of vector 7 must" in reject(problem, with_entry(roots(), 7, 5, value))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([*roots(), [0] * 11], "vector 220 must not be 0"),
        ([*roots(), roots()[4]], "vectors 4 and 220 are too near"),
        ([*roots(), [1] + [0] * 10], "too near"),
        ([*roots(), [1] * 11], "too near"),
        ([v[:10] for v in roots()], "vector 0 must have 11 entries, got 10"),
        (np.array(roots(), dtype=float), "float64"),
        (np.array(roots(), dtype=bool), "bool"),
        ([[0] * 11] * 1737, "got 1737"),
        ([[1] * 11] * 700, "too near"),
        (np.array(roots()).T, "vector 0 must have 11 entries"),
    ],
    ids=range(10),
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)

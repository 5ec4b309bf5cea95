from __future__ import annotations

from itertools import combinations, product
from types import SimpleNamespace

import numpy as np
import pytest

from evaluators.contract import Case
from problems.constructions import cap_set as problem
from tests.problems.hostile import (
    NO_LISTS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)


def cube() -> list[list[int]]:
    """The 256 vectors without a 2: a cap, for 0 and 1 alone never sum to 0 modulo 3 unless all equal."""
    return [list(vector) for vector in product((0, 1), repeat=8)]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["size"] == 293
    check_declaration(problem, metrics)


def test_without_priorities_the_vectors_are_taken_as_they_come():
    output = problem.run(SimpleNamespace(priority=lambda vector, n: 0.0), 8)
    assert problem.score(first_case(problem), output)["size"] == 256
    assert sorted(output.tolist()) == cube()


def test_the_known_sizes_of_small_caps_are_found_by_any_order():
    rng = np.random.default_rng(0)
    largest = {}
    for n, tries in ((1, 1), (2, 20), (3, 60)):
        vectors = np.array(list(product((0, 1, 2), repeat=n)))
        sizes = [len(problem._greedy(vectors, rng.permutation(3**n))) for _ in range(tries)]
        largest[n] = max(sizes)
    assert largest == {1: 2, 2: 4, 3: 9}


def test_greedy_never_makes_a_line_and_leaves_no_room():
    rng = np.random.default_rng(3)
    table = rng.random(3**8)
    program = SimpleNamespace(priority=lambda v, n: table[int("".join(map(str, v)), 3)])
    cap = problem.run(program, 8)
    metrics = problem.score(first_case(problem), cap)
    assert 256 <= metrics["size"] <= 420
    members = {tuple(v) for v in cap.tolist()}
    blocked = {
        tuple((-x - y) % 3 for x, y in zip(a, b, strict=True)) for a, b in combinations(sorted(members), 2)
    }
    assert len(members | blocked) == 3**8


def test_priorities_that_are_nan_or_infinite_still_give_a_cap():
    for value in (float("nan"), float("inf"), -float("inf")):
        program = SimpleNamespace(priority=lambda v, n, value=value: value if v[0] else 1.0)
        assert problem.score(first_case(problem), problem.run(program, 8))["size"] >= 256


def test_a_case_of_another_dimension_is_another_shape():
    assert "vector 0 must have 3 entries" in reject(problem, cube()[:9], Case(inputs=3))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize("value", [3, -1, 0.0, 1.0, True, None, "0", 1j, np.int64(1)])
def test_no_digits_are_refused(value: object):
    assert "entry 4 of vector 9 must" in reject(problem, with_entry(cube(), 9, 4, value))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([*cube(), [2] * 8], "lie on a line"),
        ([*cube(), [0, 0, 0, 0, 0, 0, 0, 2]], "[0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]"),
        ([*cube(), cube()[7]], "is there twice"),
        ([*cube(), *cube()], "is there twice"),
        ([list(v) for v in product((0, 1, 2), repeat=8)], "lie on a line"),
        ([v[:7] for v in cube()], "vector 0 must have 8 entries, got 7"),
        (np.array(cube(), dtype=float), "float64"),
        (np.array(cube(), dtype=bool), "bool"),
        ([0] * 256, "vector 0 must be a list"),
        ([[0] * 8] * 6562, "got 6562"),
    ],
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)


def test_any_part_of_a_cap_is_a_cap():
    assert problem.score(first_case(problem), cube()[:100])["size"] == 100

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.baselines.constructions import matrix_multiplication as baseline
from evaluators.contract import Case
from problems.constructions import matrix_multiplication as problem
from tests.problems.hostile import NO_LISTS, check_declaration, reject, seed_program

CASES = problem.cases(np.random.default_rng(0), 0)
TWO = Case(inputs=[2, 2, 2])


def strassen() -> list[np.ndarray]:
    return baseline.solve(TWO, 0, np.random.default_rng(0))


def school(n: int, m: int, p: int) -> list[np.ndarray]:
    return seed_program(problem).decompose(n, m, p)


def test_the_seed_is_the_school_method():
    metrics = [problem.score(case, problem.run(seed_program(problem), case.inputs)) for case in CASES]
    assert all(one["exponent"] == pytest.approx(3.0, abs=1e-15) for one in metrics)
    assert [one["rank"] for one in metrics] == [12, 27, 40, 64]
    check_declaration(problem, metrics[0])


def test_strassen_has_rank_7_and_his_exponent():
    metrics = problem.score(TWO, strassen())
    assert metrics["rank"] == 7
    assert metrics["exponent"] == pytest.approx(math.log2(7), rel=1e-15)


def test_the_baseline_has_the_ranks_of_strassen_on_blocks():
    found = [problem.score(case, baseline.solve(case, 0, np.random.default_rng(0)))["rank"] for case in CASES]
    assert found == [11, 26, 36, 49]


def test_best_known_lies_between_the_bound_and_the_baseline():
    ranks = (11, 26, 36, 49)
    reached = (
        sum(problem.exponent(rank, *shape) for rank, shape in zip(ranks, problem.SHAPES, strict=True)) / 4
    )
    assert problem.OBJECTIVE.bound < problem.BEST_KNOWN.value < reached


def test_integers_lists_and_halves_are_fine():
    u, v, w = strassen()
    expected = problem.score(TWO, [u, v, w])["rank"]
    assert problem.score(TWO, [u.tolist(), v.astype(int), w.astype(int).tolist()])["rank"] == expected
    assert problem.score(TWO, [u / 2, v * 2, w])["rank"] == expected


def test_gaussian_halves_multiply():
    # scale one factor by i, another by -i: complex entries, the same algorithm
    u, v, w = (np.stack([factor, np.zeros_like(factor)], axis=2) for factor in strassen())
    turned = np.stack([-u[..., 1], u[..., 0]], axis=2)
    back = np.stack([v[..., 1], -v[..., 0]], axis=2)
    assert problem.score(TWO, [turned, back, w])["rank"] == 7
    assert problem.score(TWO, [turned, back, w[..., 0]])["rank"] == 7
    assert "does not multiply" in reject(problem, [turned, v, w], TWO)
    # (1 + i) / 2 times (1 - i) is 1
    half = np.stack([u[..., 0], u[..., 0]], axis=2) / 2
    other = np.stack([v[..., 0], -v[..., 0]], axis=2)
    assert problem.score(TWO, [half, other, w])["rank"] == 7


def test_every_single_wrong_entry_is_found():
    rng = np.random.default_rng(0)
    for _ in range(60):
        factors = strassen()
        side = int(rng.integers(3))
        place = tuple(int(rng.integers(size)) for size in factors[side].shape)
        factors[side][place] += float(rng.choice([-1, -0.5, 0.5, 1]))
        assert "this does not multiply matrices" in reject(problem, factors, TWO)


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output, TWO)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "must lie in [-64, 64]"),
        (float("inf"), "must lie in [-64, 64]"),
        (1e300, "must lie in [-64, 64]"),
        (65, "must lie in [-64, 64]"),
        (1 + 1e-13, "multiples of 1/2"),
        (0.25, "multiples of 1/2, got 0.25"),
        (1e-161, "multiples of 1/2"),
        (1j, "plain numbers, got type complex128"),
        ("1", "plain numbers"),
        (None, "plain numbers, got type object"),
        (1 << 20000, "plain numbers, got type object"),
    ],
    ids=range(11),
)
def test_no_numbers_are_refused(value: object, said: str):
    u, v, w = (factor.tolist() for factor in strassen())
    u[3][2] = value
    assert said in reject(problem, [u, v, w], TWO)


def drop(factors: list[np.ndarray], row: int) -> list[np.ndarray]:
    return [np.delete(factor, row, axis=0) for factor in factors]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (drop(strassen(), 3), "terms are wrong"),
        (strassen()[:2], "3 entries, got 2"),
        ([*strassen()[:2], strassen()[2][:6]], "same number of rows, got [7, 7, 6]"),
        ([factor.T for factor in strassen()], "u must have the shape (rank, 4)"),
        (school(2, 2, 3), "v must have the shape (rank, 4)"),
        ([factor > 0 for factor in strassen()], "got type bool"),
        ([np.vstack([factor] * 20) for factor in strassen()], "a row per multiplication, got 140"),
        ([factor[:0] for factor in strassen()], "a row per multiplication, got 0"),
        ([[[1, 0, 0, 0], [1]], *strassen()[1:]], "rows of different lengths"),
        ([factor * 0 for factor in strassen()], "A[0, 0] * B[0, 0] comes into C[0, 0] 0 times"),
        ([factor * 64 for factor in strassen()], "does not multiply"),
        ([np.zeros((7, 4, 3))] * 3, "u must have the shape"),
    ],
    ids=range(12),
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output, TWO)


def test_an_algorithm_modulo_2_is_not_one_over_the_integers():
    assert "does not multiply" in reject(problem, [abs(factor) for factor in strassen()], TWO)

from __future__ import annotations

from fractions import Fraction
from math import pi

import numpy as np
import pytest
from numpy.polynomial import hermite as reference

from problems.constructions import uncertainty_inequality as problem
from problems.constructions.uncertainty_inequality import _largest_change, _odd_part
from tests.problems.hostile import (
    NO_LISTS,
    NO_NUMBERS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    with_entry,
)


def radius(coefficients: object) -> float:
    return problem.score(first_case(problem), coefficients)["sign_radius"]


def product(*factors: list[int]) -> list[int]:
    found = np.array([1], dtype=object)
    for factor in factors:
        found = np.convolve(found, np.array(factor, dtype=object))
    return [int(c) for c in found]


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["sign_radius"] > 0.5
    check_declaration(problem, metrics)


def test_one_coefficient_by_hand():
    # h_0 - h_1 = 1 - (16 y**2 - 48 y + 12) / 12 = 4 y - 4/3 y**2 is 0 at y = 3
    assert radius([1.0]) == radius([-0.25]) == pytest.approx(3 / (2 * pi), rel=1e-15)


@pytest.mark.parametrize("k", range(13))
def test_hermite_polynomials_are_those_of_numpy(k: int):
    x = 0.7
    own = sum(c * x ** (2 * i) for i, c in enumerate(problem.hermite(k)))
    assert own == pytest.approx(reference.hermval(x, [0] * (4 * k) + [1]), rel=1e-9)


def test_random_sums_change_their_sign_last_where_numpy_finds_it():
    rng = np.random.default_rng(0)
    for _ in range(8):
        coefficients = rng.normal(size=3).tolist()
        total = np.zeros(13)
        for k, c in enumerate([*coefficients, -sum(coefficients)]):
            series = reference.herm2poly([0] * (4 * k) + [1])
            total[: len(series)] += c * series / series[0]
        roots = np.roots(total[2::2][::-1])
        largest = max(root.real for root in roots if abs(root.imag) < 1e-9 and root.real > 0)
        assert radius(coefficients) == pytest.approx(largest / (2 * pi), rel=1e-6)


def test_roots_of_even_multiplicity_are_no_change_of_sign():
    double, triple = [16, -8, 1], [-27, 27, -9, 1]  # (y - 4)**2, (y - 3)**3
    for factors, root in (
        ([[-2, 1], double], 2),
        ([triple, double], 3),
        ([double, double, [-1, 2]], Fraction(1, 2)),
    ):
        low, high = _largest_change(product(*factors))
        assert low <= root <= high
        assert high - low < Fraction(1, 10**20)
    assert len(_odd_part(product(double, double))) == 1


def test_two_roots_that_nearly_coincide_are_told_apart():
    # (y - 4)**2 - 10**-24 changes its sign at 4 + 10**-12, (y - 4)**2 + 10**-24 does not
    ten = 10**24
    low, high = _largest_change(product([-2, 1], [16 * ten - 1, -8 * ten, ten]))
    assert low <= 4 + Fraction(1, 10**12) <= high
    low, high = _largest_change(product([-2, 1], [16 * ten + 1, -8 * ten, ten]))
    assert low <= 2 <= high


def test_a_far_root_is_not_overlooked():
    low, high = _largest_change(product([-2, 1], [-(10**30), 1]))
    assert low <= 10**30 <= high


def test_the_exact_value_is_certain_to_20_digits():
    ball = problem.exact(first_case(problem), seed_output(problem))
    assert 0 < ball.radius < Fraction(1, 10**20)
    assert float(ball) == radius(seed_output(problem))


def test_scale_and_sign_change_nothing():
    coefficients = [-1.0, 0.3, 0.4]
    assert radius([-2 * c for c in coefficients]) == radius(coefficients)


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers_are_refused(value: object):
    assert "coefficients()" in reject(problem, with_entry([-1.0, 0.3, 0.4], 1, value))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([0.0, 0.0], "must not make P vanish"),
        ([-0.0], "must not make P vanish"),
        ([0.1] * 13, "1 to 12 entries, got 13"),
        ([1e-161], "0 or at least 2**-64"),
        ([1.0, 2e6], "must lie in"),
        ([[1.0], [0.5]], "must be a plain float, got list"),
        (np.ones(3, dtype=complex), "complex128"),
        (np.ones((3, 3)), "must be a plain float, got ndarray"),
        ({"sign_radius": 0.21}, "must be a list, got dict"),
        (np.ones(100_000), "1 to 12 entries"),
    ],
    ids=range(10),
)
def test_tricks_are_refused(output: object, said: str):
    assert said in reject(problem, output)


def test_nothing_beats_the_proven_bound():
    rng = np.random.default_rng(1)
    for _ in range(20):
        coefficients = (rng.normal(size=4) * 10.0 ** -rng.uniform(0, 6, 4)).tolist()
        assert radius(coefficients) > 0.2025

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from islands import IslandsError
from islands.emitter import CmaEmitter


def run(emitter, fitness, evaluations):
    best, spent = -np.inf, 0
    while spent < evaluations and not emitter.has_converged:
        points = emitter.ask()
        values = fitness(points)
        emitter.tell(values)
        best, spent = max(best, np.nanmax(values)), spent + len(points)
    return best, spent


def sphere(points):
    return -((points - 0.3) ** 2).sum(axis=1)


def ellipsoid(points):
    return -((points - 0.3) ** 2 * np.logspace(0, 4, points.shape[1])).sum(axis=1)


def rosenbrock(points):
    return -(100 * (points[:, 1:] - points[:, :-1] ** 2) ** 2 + (1 - points[:, :-1]) ** 2).sum(axis=1)


@pytest.mark.parametrize(("fitness", "evaluations"), [(sphere, 2500), (ellipsoid, 5000), (rosenbrock, 8000)])
def test_finds_the_optimum_of_a_smooth_function(fitness, evaluations):
    best, _ = run(CmaEmitter(np.full(10, 0.5), 0.1, seed=1), fitness, evaluations)
    assert best > -1e-9


def test_converges_and_says_so():
    emitter = CmaEmitter(np.full(5, 0.5), 0.1, seed=1)
    _, spent = run(emitter, sphere, 10_000)
    assert emitter.has_converged
    assert spent < 3000
    np.testing.assert_allclose(emitter.mean, 0.3, atol=1e-8)


def test_constants_of_very_different_size_are_told_by_their_own_sigma():
    target = np.array([1e-3, 1.0, 1e4])
    emitter = CmaEmitter(target * 1.5, target * 0.2, seed=2)
    run(emitter, lambda points: -(((points - target) / target) ** 2).sum(axis=1), 2000)
    np.testing.assert_allclose(emitter.mean, target, rtol=1e-6)


def test_one_constant_is_enough():
    emitter = CmaEmitter([2.0], 0.5, seed=3)
    best, _ = run(emitter, sphere, 600)
    assert best > -1e-10


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 8), st.integers(4, 12))
def test_equal_seeds_and_tells_give_equal_asks(seed, dimension, batch):
    one, other = (CmaEmitter(np.zeros(dimension), 0.3, seed=seed, batch=batch) for _ in range(2))
    for _ in range(5):
        points = one.ask()
        np.testing.assert_array_equal(points, other.ask())
        np.testing.assert_array_equal(points, one.ask())  # asking twice changes nothing
        assert points.shape == (batch, dimension)
        one.tell(sphere(points))
        other.tell(sphere(points))
    assert one.sigma == other.sigma


def test_only_the_order_of_fitnesses_matters():
    one, other = (CmaEmitter(np.zeros(4), 0.3, seed=5) for _ in range(2))
    for _ in range(10):
        one.tell(sphere(one.ask()))
        other.tell(np.exp(3 * sphere(other.ask())) + 7)
    np.testing.assert_array_equal(one.ask(), other.ask())


def test_failed_programs_rank_last():
    def half_fails(points):
        return np.where(points[:, 0] > 0.55, np.nan, sphere(points))

    emitter = CmaEmitter(np.full(4, 0.5), 0.2, seed=6)
    best, _ = run(emitter, half_fails, 3000)
    assert best > -1e-9


def test_a_generation_of_failures_only_narrows_the_search():
    emitter = CmaEmitter(np.zeros(3), 0.4, seed=7)
    emitter.ask()
    emitter.tell([-np.inf] * emitter.batch)
    assert emitter.sigma == pytest.approx(0.2)
    np.testing.assert_array_equal(emitter.mean, np.zeros(3))


def test_a_flat_function_has_converged():
    emitter = CmaEmitter(np.zeros(3), 0.4, seed=8)
    emitter.ask()
    emitter.tell([1.0] * emitter.batch)
    assert emitter.has_converged


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 0.1), "x0 must be a finite vector"),
        (([np.nan], 0.1), "x0 must be a finite vector"),
        (([0.0], 0.0), "sigma0 must be > 0"),
        (([0.0, 1.0], [0.1]), "sigma0 must be > 0, one number or 2"),
    ],
)
def test_bad_starts_are_refused(arguments, message):
    with pytest.raises(IslandsError, match=message):
        CmaEmitter(*arguments, seed=0)


def test_bad_turns_are_refused():
    emitter = CmaEmitter([0.0, 0.0], 0.1, seed=0)
    with pytest.raises(IslandsError, match="needs an ask"):
        emitter.tell([0.0] * emitter.batch)
    emitter.ask()
    with pytest.raises(IslandsError, match="must be 6 numbers"):
        emitter.tell([0.0])
    with pytest.raises(IslandsError, match="at least 4"):
        CmaEmitter([0.0], 0.1, seed=0, batch=3)

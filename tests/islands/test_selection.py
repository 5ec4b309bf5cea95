from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from islands import IslandsError
from islands.scores import normalise
from islands.selection import boltzmann, draw, entropy, temperature

normalised = st.lists(st.floats(0, 1), min_size=1, max_size=50).map(np.array)
temperatures = st.floats(1e-4, 1e3)


def shannon(probabilities):
    seen = probabilities[probabilities > 0]
    return float(-(seen * np.log(seen)).sum())


@given(normalised, temperatures)
def test_probabilities_sum_to_one_and_follow_the_scores(scores, tau):
    probabilities = boltzmann(scores, tau)
    assert probabilities.sum() == pytest.approx(1.0)
    assert (probabilities >= 0).all()
    assert (np.diff(probabilities[np.argsort(scores)]) >= 0).all()


@given(normalised, temperatures, st.floats(1.01, 100))
def test_hotter_is_flatter(scores, tau, factor):
    assert shannon(boltzmann(scores, tau * factor)) >= shannon(boltzmann(scores, tau)) - 1e-9


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30), st.integers(-3, 6), st.integers(-99, 99))
def test_selection_is_invariant_under_unit_and_origin_of_the_score(scores, power, shift):
    moved = [score * 2.0**power + shift for score in scores]
    for method in ("rank", "robust"):
        before, after = (boltzmann(normalise(values, method), 0.05) for values in (scores, moved))
        np.testing.assert_allclose(before, after, atol=1e-9)


def test_softmax_by_hand():
    # exp(0), exp(-ln 2), exp(-ln 4) in units of tau = 0.5: weights 1, 1/2, 1/4
    scores = np.array([1.0, 1.0 - 0.5 * math.log(2), 1.0 - 0.5 * math.log(4)])
    np.testing.assert_allclose(boltzmann(scores, 0.5), [4 / 7, 2 / 7, 1 / 7])


def test_cold_takes_the_best_and_hot_takes_anyone():
    scores = np.array([0.2, 1.0, 0.9])
    np.testing.assert_allclose(boltzmann(scores, 1e-4), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(boltzmann(scores, 1e6), [1 / 3] * 3, atol=1e-6)


def test_temperature_by_hand():
    assert temperature(0.0, tau0=1, alpha=1, beta=2) == pytest.approx(2.0)
    assert temperature(0.05, tau0=1, alpha=1, beta=2) == pytest.approx(1.904837)
    assert temperature(0.5, tau0=1, alpha=1, beta=2) == pytest.approx(1.367879)
    assert temperature(1.0, tau0=0.1, alpha=1, beta=2) == pytest.approx(0.1135335)


@given(st.floats(0, 0.99), st.floats(0.001, 10), st.floats(0.01, 20), st.floats(0.01, 20))
def test_temperature_falls_as_diversity_rises(diversity, tau0, alpha, beta):
    low = temperature(diversity, tau0=tau0, alpha=alpha, beta=beta)
    high = temperature(min(1.0, diversity + 0.01), tau0=tau0, alpha=alpha, beta=beta)
    assert tau0 <= high < low <= tau0 * (1 + alpha)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 100))
def test_entropy_is_a_share(counts, occupied):
    assert 0 <= entropy(counts, occupied) <= 1


def test_entropy_by_hand():
    assert entropy([10], 5) == 0.0
    assert entropy([4, 4, 4, 4], 4) == pytest.approx(1.0)
    assert entropy([1, 1, 1], 200) == pytest.approx(1.0)  # three parents cannot spread wider
    assert entropy([2, 2], 4) == pytest.approx(0.5)
    assert entropy([3, 1], 2) == pytest.approx(0.8112781)


def test_entropy_without_evidence_reads_as_diverse():
    assert entropy([], 10) == 1.0
    assert entropy([7], 1) == 1.0


def test_draws_have_the_boltzmann_law():
    scores, tau, rng = np.array([0.0, 0.4, 0.7, 1.0]), 0.5, np.random.default_rng(7)
    draws = 20_000
    counts = np.bincount([draw(scores, tau, rng=rng)[0] for _ in range(draws)], minlength=4)
    expected = boltzmann(scores, tau) * draws
    assert ((counts - expected) ** 2 / expected).sum() < 16.27  # chi-square, 3 degrees of freedom, p = 0.001


def test_second_draw_has_the_law_without_the_first():
    scores, tau, rng = np.array([0.0, 0.5, 1.0]), 0.5, np.random.default_rng(8)
    pairs = [draw(scores, tau, rng=rng, count=2) for _ in range(20_000)]
    second = np.bincount([pair[1] for pair in pairs if pair[0] == 2], minlength=3)
    expected = boltzmann(scores[:2], tau) * second.sum()
    assert second[2] == 0
    assert ((second[:2] - expected) ** 2 / expected).sum() < 10.83  # 1 degree of freedom, p = 0.001


def test_draws_are_distinct_and_as_many_as_there_are():
    rng = np.random.default_rng(1)
    assert sorted(draw(np.array([0.0, 0.5, 1.0]), 1e-3, rng=rng, count=9)) == [0, 1, 2]


@pytest.mark.parametrize("tau", [0.0, -1.0, float("nan"), float("inf")])
def test_temperature_must_be_positive(tau):
    for call in (
        lambda: boltzmann(np.ones(2), tau),
        lambda: draw(np.ones(2), tau, rng=np.random.default_rng(0)),
    ):
        with pytest.raises(IslandsError, match="temperature must be a finite number > 0"):
            call()


def test_bad_arguments_are_refused():
    with pytest.raises(IslandsError, match="add the seed"):
        boltzmann(np.array([]), 1.0)
    with pytest.raises(IslandsError, match="count >= 1"):
        draw(np.ones(2), 1.0, rng=np.random.default_rng(0), count=0)
    with pytest.raises(IslandsError, match=r"diversity within \[0, 1\]"):
        temperature(1.5, tau0=1, alpha=1, beta=1)

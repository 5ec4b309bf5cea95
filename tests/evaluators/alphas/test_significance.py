from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluators.alphas.significance import (
    Moments,
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    fdr,
    moments,
    pbo,
    probabilistic_sharpe,
    spa,
    stationary_indices,
)
from evaluators.contract import ContractError

multitest = pytest.importorskip("statsmodels.stats.multitest")


def test_moments_equal_scipy() -> None:
    values = np.random.default_rng(0).standard_t(5, 400) * 0.01 + 0.001
    gappy = np.insert(values, 7, np.nan)
    found = moments(gappy)
    assert found.sharpe == pytest.approx(values.mean() / values.std(ddof=1), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(values), rel=1e-10)
    assert found.kurtosis == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-10)
    assert found.periods == 400
    assert math.isnan(moments(np.ones(50)).sharpe)


def test_deflated_sharpe_gives_the_figures_of_the_paper() -> None:
    # Bailey and Lopez de Prado (2014), section "A numerical example": annual SR 2.5, 5 years of daily data,
    # 100 trials with variance 1/2, skewness -3, kurtosis 10: DSR about 0.9004, expected maximum about 0.1132.
    daily = Moments(2.5 / math.sqrt(250), -3.0, 10.0, 1250)
    spread = math.sqrt(0.5 / 250)
    assert spread * expected_maximum(100) == pytest.approx(0.1132, abs=2e-4)
    assert deflated_sharpe(daily, trials=100, trials_sd=spread) == pytest.approx(0.9004, abs=5e-4)
    normal = Moments(2.5 / math.sqrt(250), 0.0, 3.0, 1250)
    assert deflated_sharpe(normal, trials=88, trials_sd=spread) == pytest.approx(0.9505, abs=2e-3)


def test_expected_maximum_is_near_the_simulated_one() -> None:
    rng = np.random.default_rng(1)
    for trials in (10, 100, 1000):
        simulated = rng.standard_normal((2000, trials)).max(axis=1).mean()
        assert expected_maximum(trials) == pytest.approx(simulated, rel=0.03)
    assert expected_maximum(1) == 0
    with pytest.raises(ContractError, match="trials must be >= 1"):
        expected_maximum(0)


@given(st.floats(0.01, 0.3), st.integers(100, 3000), st.integers(2, 10_000))
def test_more_trials_and_more_overlap_never_make_a_result_surer(sharpe, periods, trials) -> None:
    found = Moments(sharpe, 0.0, 4.0, periods)
    one = deflated_sharpe(found, trials=trials, trials_sd=0.05)
    assert deflated_sharpe(found, trials=10 * trials, trials_sd=0.05) <= one + 1e-12
    assert one <= probabilistic_sharpe(found) + 1e-12
    assert probabilistic_sharpe(found, overlap=10) <= probabilistic_sharpe(found) + 1e-12


def test_copies_of_one_trial_do_not_lower_the_bar() -> None:
    found = Moments(0.12, 0.0, 3.0, 500)
    bar = deflated_sharpe(found, trials=1000, trials_sd=0.0)
    assert bar == deflated_sharpe(found, trials=1000, trials_sd=1 / math.sqrt(500))


def test_effective_trials_count_independent_series() -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((4000, 20))
    assert effective_trials(noise) == pytest.approx(20, rel=0.02)
    assert effective_trials(np.repeat(noise[:, :1], 20, axis=1)) == pytest.approx(1, rel=1e-6)
    assert effective_trials(np.repeat(noise[:, :4], 5, axis=1)) == pytest.approx(4, rel=0.02)
    wide = rng.standard_normal((30, 400))
    assert effective_trials(wide) <= 30


def test_pbo_is_a_coin_on_noise_and_small_for_a_true_edge() -> None:
    noise, edge = [], []
    for seed in range(4):
        returns = np.random.default_rng(seed).standard_normal((800, 100)) * 0.01
        noise.append(pbo(returns, blocks=10).pbo)
        returns[:, 3] += 0.003
        edge.append(pbo(returns, blocks=10).pbo)
    assert 0.4 < np.mean(noise) < 0.6
    assert max(edge) < 0.1


def test_pbo_equals_a_direct_count_on_a_small_case() -> None:
    rng = np.random.default_rng(5)
    returns = rng.standard_normal((24, 3))
    blocks = np.split(np.arange(24), 4)
    bad = total = 0
    for chosen in combinations(range(4), 2):
        inside = np.concatenate([blocks[i] for i in chosen])
        outside = np.setdiff1d(np.arange(24), inside)
        best = np.argmax(returns[inside].mean(0) / returns[inside].std(0))
        rank = stats.rankdata(returns[outside].mean(0) / returns[outside].std(0))[best]
        bad += math.log((rank / 4) / (1 - rank / 4)) <= 0
        total += 1
    assert pbo(returns, blocks=4).pbo == pytest.approx(bad / total)
    with pytest.raises(ContractError, match="S even"):
        pbo(returns, blocks=5)


def test_stationary_bootstrap_has_geometric_runs_and_covers_evenly() -> None:
    rows = stationary_indices(np.random.default_rng(0), 200, block=10, draws=400)
    goes_on = (np.diff(rows, axis=1) % 200) == 1
    assert goes_on.mean() == pytest.approx(0.9 + 0.1 / 200, abs=0.01)
    counts = np.bincount(rows.ravel(), minlength=200)
    assert counts.min() > 0.6 * counts.mean()
    assert counts.max() < 1.4 * counts.mean()
    with pytest.raises(ContractError, match="block must be >= 1"):
        stationary_indices(np.random.default_rng(0), 20, block=0.5, draws=2)


def test_spa_has_the_right_size_and_power() -> None:
    p_noise, p_edge = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        gains = rng.standard_normal((200, 20)) * 0.01
        found = spa(gains, rng, block=1.0, draws=200)
        assert found.lower <= found.consistent <= found.upper
        p_noise.append(found.consistent)
        gains[:, 4] += 0.004
        found = spa(gains, rng, block=1.0, draws=200)
        p_edge.append(found.consistent)
        assert found.best == 4
    assert np.mean(np.array(p_noise) < 0.1) < 0.25
    assert 0.3 < np.mean(p_noise) < 0.7
    assert np.mean(np.array(p_edge) < 0.05) > 0.9
    losers = -np.abs(np.random.default_rng(0).standard_normal((100, 3)))
    assert spa(losers, np.random.default_rng(0)).consistent == 1.0


def test_spa_knows_that_hopeless_candidates_should_not_count() -> None:
    rng = np.random.default_rng(3)
    gains = rng.standard_normal((300, 30)) * 0.01
    gains[:, 0] += 0.0016
    gains[:, 5:] -= 0.02
    found = spa(gains, rng, draws=400, block=1.0)
    assert found.consistent < found.upper


@pytest.mark.parametrize("seed", range(3))
def test_false_discovery_rates_equal_statsmodels(seed) -> None:
    rng = np.random.default_rng(seed)
    p = np.concatenate([rng.random(60), rng.random(20) * 0.01])
    reject, adjusted, _, _ = multitest.multipletests(p, 0.05, method="fdr_bh")
    got, q = fdr(p)
    np.testing.assert_array_equal(got, reject)
    np.testing.assert_allclose(q, adjusted, atol=1e-12)
    share = (1 + (p > 0.5).sum()) / (80 * 0.5)
    np.testing.assert_allclose(fdr(p, method="storey")[1], np.minimum(1, q * share), atol=1e-12)
    with pytest.raises(ContractError, match="numbers in"):
        fdr(np.array([0.1, 1.2]))

from __future__ import annotations

import numpy as np
import pytest

from evaluators.alphas.admission import COGALPHA_ELITE, Gate, admit, noise_factor, noise_floor
from evaluators.alphas.markets.labels import make_labels
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.rank_ic import RankScorer, has_numba
from evaluators.alphas.significance import moments, pbo
from evaluators.contract import ContractError

MARKET = synthesize(12, days=600, names=120)
LABELS = make_labels(MARKET.panel)
SCORER = RankScorer(LABELS.values, LABELS.mask, LABELS.min_names)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Daily RankIC of 1,000 factors that know nothing, (days, 1000)."""
    if not has_numba():
        pytest.skip("too slow without numba")
    rng = np.random.default_rng(0)
    series = np.stack([SCORER(noise_factor(rng, MARKET.panel.shape)) for _ in range(1000)], axis=1)
    return series[np.isfinite(series).all(axis=1)]


def test_none_of_a_thousand_noise_factors_is_admitted(noise) -> None:
    icir = noise.mean(axis=0) / noise.std(axis=0, ddof=1)
    naive = [moments(column).sharpe * np.sqrt(len(noise)) for column in noise.T]
    assert max(naive) > 5  # by the naive t statistic the best is beyond all doubt
    for spread in (icir.std(ddof=1), noise_floor(LABELS, np.random.default_rng(1), factors=100).icir_sd):
        verdicts = [admit(column, trials=1000, trials_sd=spread, horizon_days=10) for column in noise.T]
        assert sum(verdict.admitted for verdict in verdicts) == 0
    best = verdicts[int(np.argmax(icir))]
    assert "the best of 1000 worthless factors" in best.reason
    assert 0.1 < best.deflated < 0.95


def test_a_planted_alpha_is_admitted_after_a_thousand_trials(noise) -> None:
    spread = float((noise.mean(axis=0) / noise.std(axis=0, ddof=1)).std(ddof=1))
    verdict = admit(SCORER(MARKET.latents["steady"]), trials=1000, trials_sd=spread, horizon_days=10)
    assert verdict.admitted
    assert verdict.reason == ""


def test_the_noise_floor_is_what_noise_reaches(noise) -> None:
    floor = noise_floor(LABELS, np.random.default_rng(2), factors=150)
    rank_ic, icir = floor.best_of(1000)
    assert rank_ic == pytest.approx(noise.mean(axis=0).max(), rel=0.35)
    assert icir == pytest.approx((noise.mean(axis=0) / noise.std(axis=0, ddof=1)).max(), rel=0.35)
    with pytest.raises(ContractError, match="at least 20 days"):
        noise_floor(LABELS.rows(0, 10), np.random.default_rng(0))


def test_overfitting_on_noise_is_a_coin(noise) -> None:
    found = [pbo(noise[:, start : start + 200], blocks=12).pbo for start in range(0, 1000, 200)]
    assert 0.4 < np.mean(found) < 0.6


def test_gates_ask_for_floor_and_percentile() -> None:
    gate = Gate({"ic": 0.01}, 80.0)
    generation = [{"ic": value / 100} for value in range(11)]
    assert gate.reason({"ic": 0.09}, generation) is None
    assert gate.reason({"ic": 0.07}, generation) == "ic is 0.07, at least 0.08 is needed"
    assert gate.reason({"ic": 0.012}) is None
    assert gate.reason({}, ()) == "ic is nan, at least 0.01 is needed"
    assert "rank_ic" in COGALPHA_ELITE.reason({"ic": 1.0, "rank_ic": 0.001})

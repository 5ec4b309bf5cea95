from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from evaluators.alphas import metrics
from evaluators.alphas.markets.labels import Horizon, Labels
from evaluators.contract import ContractError
from tests.evaluators.alphas.arrays import gappy

sm = pytest.importorskip("statsmodels.api")


def labelled(seed: int, *, ties: bool = False) -> tuple[np.ndarray, Labels]:
    data = gappy(np.random.default_rng(seed), ties=ties)
    mask = data["mask"] & np.isfinite(data["y"])
    least = np.full(60, 30)
    return data["x"], Labels(data["y"], mask, least, np.full(60, 80), Horizon())


def frame_of(x: np.ndarray, labels: Labels) -> pd.DataFrame:
    use = labels.mask & np.isfinite(x)
    rows, columns = np.nonzero(use)
    frame = pd.DataFrame({"t": rows, "i": columns, "x": x[use], "y": labels.values[use]})
    return frame[frame.groupby("t")["x"].transform("size") >= 30]


@pytest.mark.parametrize("seed", range(3))
def test_daily_correlations_and_summary_equal_pandas_and_statsmodels(seed) -> None:
    x, labels = labelled(seed)
    pearson, spearman = metrics.daily_ics(x, labels)
    with np.errstate(invalid="ignore"):
        frame = frame_of(x, labels).groupby("t")[["x", "y"]]
        want = frame.apply(lambda day: day["x"].corr(day["y"]) if day.nunique().min() > 1 else np.nan)
        ranked = frame.apply(
            lambda day: day["x"].rank().corr(day["y"].rank()) if day.nunique().min() > 1 else np.nan
        )
    np.testing.assert_allclose(pearson, want.reindex(range(60)), atol=1e-10, rtol=0)
    np.testing.assert_allclose(spearman, ranked.reindex(range(60)), atol=1e-10, rtol=0)
    summary = metrics.summarise(spearman, horizon_days=10)
    valid = ranked.dropna().to_numpy()
    fit = sm.OLS(valid, np.ones(len(valid))).fit(
        cov_type="HAC", cov_kwds={"maxlags": 18, "use_correction": False}
    )
    assert summary.valid_days == len(valid) == 56
    assert summary.days == 60
    assert summary.mean == pytest.approx(valid.mean(), abs=1e-12)
    assert summary.ir == pytest.approx(valid.mean() / valid.std(ddof=1), abs=1e-10)
    assert summary.t_nw == pytest.approx(fit.tvalues[0], rel=1e-10)


def test_newey_west_lag_covers_the_overlap_and_the_rule_of_thumb() -> None:
    assert metrics.lag_of(100, 10) == 18
    assert metrics.lag_of(2500, 1) == int(4 * 25 ** (2 / 9))
    assert np.isnan(metrics.newey_west_t(np.array([1.0]), 3))


def test_overlapping_labels_deflate_the_naive_t() -> None:
    rng = np.random.default_rng(0)
    daily = rng.standard_normal(3009)
    overlapping = np.convolve(daily, np.ones(10) / 10, mode="valid") + 0.05
    naive = overlapping.mean() / overlapping.std(ddof=1) * np.sqrt(len(overlapping))
    assert metrics.summarise(overlapping, horizon_days=10).t_nw < 0.5 * naive


def test_coverage_is_the_mean_share_of_the_universe() -> None:
    x, labels = labelled(1)
    counts = (np.isfinite(x) & labels.mask).sum(axis=1)
    assert metrics.coverage(x, labels) == pytest.approx((counts / 80).mean(), abs=1e-12)
    nothing = Labels(labels.values, np.zeros_like(labels.mask), labels.min_names, labels.universe, Horizon())
    assert metrics.coverage(x, nothing) == 0.0


@pytest.mark.parametrize("ties", [False, True])
def test_quantile_returns_equal_a_group_by(ties) -> None:
    x, labels = labelled(2, ties=ties)
    frame = frame_of(x, labels)
    ranks = frame.groupby("t")["x"].rank()
    size = frame.groupby("t")["x"].transform("size")
    frame["bin"] = np.floor((ranks - 0.5) / size * 5).astype(int)
    want = frame.pivot_table(index="t", columns="bin", values="y", aggfunc="mean").reindex(range(60))
    np.testing.assert_allclose(
        metrics.quantile_returns(x, labels), want.reindex(columns=range(5)), atol=1e-10, rtol=0
    )


def test_long_short_weights_give_half_of_the_spread() -> None:
    x, labels = labelled(3)
    weights = metrics.quantile_weights(x, labels.mask)
    bins = metrics.quantile_returns(x, labels)
    full = np.isfinite(bins).all(axis=1)
    gross = np.nansum(weights * np.where(labels.mask, labels.values, 0.0), axis=1)
    np.testing.assert_allclose(gross[full], ((bins[:, 4] - bins[:, 0]) / 2)[full], atol=1e-12)
    np.testing.assert_allclose(np.abs(weights[full]).sum(axis=1), 1.0)
    np.testing.assert_allclose(weights.sum(axis=1), 0.0, atol=1e-12)
    turnover = metrics.weight_turnover(weights)
    assert np.isnan(turnover[0])
    assert turnover[1] == pytest.approx(0.5 * np.abs(weights[1] - weights[0]).sum())
    with pytest.raises(ContractError, match=r"share must be in \(0, 0.5\]"):
        metrics.quantile_weights(x, labels.mask, share=0.7)


def test_rank_autocorrelation_and_half_life_follow_the_memory_of_the_factor() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((400, 60))
    for t in range(1, 400):
        x[t] += 0.9 * x[t - 1]
    mask = np.ones_like(x, bool)
    want = np.mean([stats.spearmanr(x[t], x[t - 3]).statistic for t in range(3, 400)])
    assert metrics.rank_autocorrelation(x, mask, 3) == pytest.approx(want, abs=1e-12)
    assert metrics.half_life_days(x, mask) == pytest.approx(np.log(0.5) / np.log(0.9), rel=0.15)
    assert metrics.half_life_days(np.tile(x[0], (100, 1)), mask[:100]) == 60
    assert metrics.half_life_days(rng.standard_normal((200, 60)), mask[:200]) < 0.6


def test_information_equals_sklearn_and_is_zero_for_noise() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 6, 500), rng.integers(0, 6, 500)
    assert metrics._plug_in_information(x, y, 6) == pytest.approx(mutual_info_score(x, y), abs=1e-12)
    values = rng.standard_normal((300, 80))
    labels = Labels(values, np.ones_like(values, bool), np.full(300, 30), np.full(300, 80), Horizon())
    noise = metrics.mutual_information(rng.standard_normal((300, 80)), labels, np.random.default_rng(0))
    assert abs(noise) < 1e-3
    bent = metrics.mutual_information(values**2, labels, np.random.default_rng(0))
    assert bent > 0.3  # no linear relation at all, yet much information


@pytest.mark.parametrize("grouped", [False, True])
def test_neutralised_factors_are_the_residuals_of_statsmodels(grouped) -> None:
    rng = np.random.default_rng(7)
    x, labels = labelled(8)
    exposures = rng.standard_normal((3, 60, 80))
    exposures[0][rng.random((60, 80)) < 0.05] = np.nan
    groups = np.arange(80) % 4 if grouped else None
    got = metrics.neutralise(x, labels.mask, exposures, groups)
    for t in (0, 5, 30):
        use = labels.mask[t] & np.isfinite(x[t]) & np.isfinite(exposures[:, t]).all(axis=0)
        dummies = np.eye(4)[groups[use]] if grouped else np.ones((use.sum(), 1))
        fit = sm.OLS(x[t, use], np.column_stack([dummies, exposures[:, t, use].T])).fit()
        np.testing.assert_allclose(got[t, use], fit.resid, atol=1e-10)
        assert np.isnan(got[t, ~use]).all()

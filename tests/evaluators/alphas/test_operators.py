from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluators.alphas import operators as op


def frame(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((60, 9))
    values[rng.random(values.shape) < 0.08] = np.nan
    values[10:30, 2] = np.nan
    return pd.DataFrame(values)


ROLLING = {
    "ts_sum": lambda r: r.sum(),
    "ts_mean": lambda r: r.mean(),
    "ts_std": lambda r: r.std(),
}


@pytest.mark.parametrize("name", ROLLING)
@pytest.mark.parametrize("days", [4, 20])
def test_windows_equal_pandas(name, days) -> None:
    x = frame()
    want = ROLLING[name](x.rolling(days, min_periods=max(2 if name == "ts_std" else 1, (days + 1) // 2)))
    np.testing.assert_allclose(getattr(op, name)(x.to_numpy(), days), want, atol=1e-10)


def test_other_windows_equal_pandas() -> None:
    x, y = frame(), frame(1)
    np.testing.assert_array_equal(op.ts_max(x, 7), x.rolling(7, min_periods=1).max())
    np.testing.assert_array_equal(op.ts_min(x, 7), x.rolling(7, min_periods=1).min())
    both = x.notna() & y.notna()
    want = x.where(both).rolling(12, min_periods=6).corr(y.where(both))
    np.testing.assert_allclose(op.ts_corr(x, y, 12), want, atol=1e-9)
    ranks = x.rolling(10, min_periods=5).rank(method="max") / x.rolling(10, min_periods=5).count()
    np.testing.assert_allclose(op.ts_rank(x, 10), ranks.where(x.notna()), atol=1e-12)
    np.testing.assert_array_equal(op.delta(x, 3), x.diff(3))
    np.testing.assert_array_equal(op.delay(x, 3), x.shift(3))
    np.testing.assert_allclose(op.returns(x, 2), x / x.shift(2) - 1, atol=1e-9)
    smooth = x.ewm(halflife=5, ignore_na=False).mean().where(x.notna())
    np.testing.assert_allclose(op.ewma(x, 5), smooth, atol=1e-10)


def test_cross_sections_equal_pandas_and_scipy() -> None:
    x, y = frame().round(1), frame(1)
    share = (x.rank(axis=1) - 0.5).div(x.count(axis=1), axis=0)
    np.testing.assert_allclose(op.cs_rank(x), share, atol=1e-12)
    np.testing.assert_allclose(op.cs_demean(x), x.sub(x.mean(axis=1), axis=0), atol=1e-12)
    want = x.sub(x.mean(axis=1), axis=0).div(x.std(axis=1, ddof=0), axis=0)
    np.testing.assert_allclose(op.cs_zscore(x), want, atol=1e-10)
    use = x.loc[5].notna() & y.loc[5].notna()
    line = stats.linregress(y.loc[5][use], x.loc[5][use])
    want_row = x.loc[5][use] - line.intercept - line.slope * y.loc[5][use]
    np.testing.assert_allclose(op.cs_residual(x, y)[5][use], want_row, atol=1e-10)


def test_decay_weights_rise_to_today() -> None:
    x = np.arange(6.0)[:, None]
    assert op.decay_linear(x, 3)[-1, 0] == pytest.approx((3 * 1 + 4 * 2 + 5 * 3) / 6)
    assert np.isnan(op.decay_linear(np.array([[1.0], [np.nan], [np.nan]]), 3)[-1, 0])


def test_bad_values_become_unknown_and_never_spread() -> None:
    x = np.array([[1.0], [np.inf], [-1.0], [0.0], [4.0]])
    assert np.isfinite(op.ts_mean(x, 2)[3:]).all()
    np.testing.assert_array_equal(np.isnan(op.log(x))[:, 0], [False, True, True, True, False])
    assert np.isnan(op.divide(x, np.zeros_like(x))).all()
    np.testing.assert_allclose(op.signed_power([[-4.0, 9.0]], 0.5), [[-2.0, 3.0]])
    assert np.isnan(op.ts_zscore(np.ones((5, 1)), 3)).all()
    assert op.delay(np.ones((3, 1)), 10).shape == (3, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, n: op.ts_std(x, 20),
        lambda x, n: op.ts_rank(x, 20),
        lambda x, n: op.ts_corr(x, x**2, 20),
        lambda x, n: op.ewma(x, 5),
        lambda x, n: op.decay_linear(x, 9),
        lambda x, n: op.ts_zscore(op.cs_rank(x), 9),
        lambda x, n: op.ts_max(op.delay(x, 3), 5),
    ],
)
def test_operators_are_causal_to_the_bit(call) -> None:
    x = frame(2).to_numpy()
    changed = x.copy()
    changed[41:] = 1e9
    np.testing.assert_array_equal(call(x, 41)[:41], call(changed, 41)[:41])
    np.testing.assert_array_equal(call(x, 41)[:41], call(x[:41], 41))

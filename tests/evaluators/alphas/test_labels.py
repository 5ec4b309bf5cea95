from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluators.alphas.markets.labels import (
    Horizon,
    delisted_prices,
    forward_returns,
    make_labels,
    min_names,
)
from evaluators.alphas.markets.panel import make_panel
from evaluators.contract import ContractError


@pytest.mark.parametrize(("days", "delay"), [(1, 1), (10, 1), (5, 0), (3, 2)])
def test_labels_equal_the_shifted_frame(days, delay) -> None:
    close = pd.DataFrame(np.exp(np.random.default_rng(0).standard_normal((30, 4)) * 0.02).cumprod(axis=0))
    close.iloc[12, 1] = np.nan
    want = close.shift(-delay - days) / close.shift(-delay) - 1
    np.testing.assert_allclose(forward_returns(close.to_numpy(), Horizon(days, delay)), want, rtol=1e-14)


def test_a_panel_shorter_than_the_horizon_has_no_labels() -> None:
    assert np.isnan(forward_returns(np.ones((5, 2)), Horizon(10))).all()
    with pytest.raises(ContractError, match="days >= 1"):
        Horizon(0)


def test_mask_asks_for_universe_today_and_a_trade_at_the_delay() -> None:
    close = np.full((8, 3), 5.0)
    fields = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": close}
    tradable = np.ones((8, 3), bool)
    tradable[3, 0] = False
    universe = np.ones((8, 3), bool)
    universe[2, 1] = False
    panel = make_panel(np.arange(8), ["a", "b", "c"], fields, universe=universe, tradable=tradable)
    labels = make_labels(panel, Horizon(2, 1))
    want = np.zeros((8, 3), bool)
    want[:5] = True
    want[2, 0] = want[2, 1] = False
    np.testing.assert_array_equal(labels.mask, want)
    assert labels.universe.tolist() == [3, 3, 2, 3, 3, 3, 3, 3]
    assert labels.rows(2, 4).mask.shape == (2, 3)


def test_min_names_is_half_the_universe_but_at_least_thirty() -> None:
    assert min_names(np.array([10, 60, 61, 500])).tolist() == [30, 30, 31, 250]


def test_a_delisting_may_end_in_a_loss() -> None:
    close = np.array([[10.0, 10.0], [10.0, 10.0], [10.0, np.nan], [10.0, np.nan]])
    np.testing.assert_allclose(delisted_prices(close, loss=0.3)[:, 1], [10, 10, 7, 7])
    np.testing.assert_allclose(delisted_prices(close, loss=0.3)[:, 0], 10)

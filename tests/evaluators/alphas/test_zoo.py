from __future__ import annotations

import numpy as np
import pytest

from evaluators.alphas.factors import as_factor, measure
from evaluators.alphas.leaks import lookahead_reason, order_reason
from evaluators.alphas.markets.labels import make_labels
from evaluators.alphas.markets.splits import make_split
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.zoo import FAMILIES, ZOO, compute_zoo

MARKET = synthesize(3, days=500, names=60)
FEATURES = {name: MARKET.panel.fields[name] for name in ("open", "high", "low", "close", "volume", "vwap")}


def test_there_are_thirty_and_no_two_are_the_same() -> None:
    assert len(ZOO) == 30
    assert sum(map(len, FAMILIES.values())) == 30
    values = compute_zoo(FEATURES)
    assert values.shape == (30, 500, 60)
    flat = np.nan_to_num(values[:, 200:].reshape(30, -1))
    alike = np.corrcoef(flat) - np.eye(30)
    assert np.abs(alike).max() < 0.99


@pytest.mark.parametrize("name", ZOO)
def test_every_factor_is_honest_and_can_be_scored(name) -> None:
    factor = ZOO[name]
    base = as_factor(factor(FEATURES), (500, 60))
    assert np.isfinite(base[200:][MARKET.panel.universe[200:] & MARKET.panel.tradable[200:]]).mean() > 0.9
    assert lookahead_reason(factor, FEATURES, base, np.random.default_rng(0), cuts=2) is None
    assert order_reason(factor, FEATURES, base, np.random.default_rng(0)) is None


def test_the_zoo_finds_what_shows_in_volume() -> None:
    market = synthesize(4, days=800, names=100)
    split = make_split(800, warm_up_days=120)
    labels = make_labels(market.panel)
    found = measure(ZOO["volume_surge"](market.panel.fields), labels, train=split.train, valid=split.valid)
    assert found["rank_ic"] > 0.01
    assert found["net_rank_ic"] == pytest.approx(found["rank_ic"] - found["cost_rank_ic"])

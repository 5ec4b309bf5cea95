from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluators.alphas.markets.panel import Panel, make_panel
from evaluators.alphas.portfolio import (
    BacktestRules,
    annual_figures,
    capacity,
    net_returns,
    topk_dropout,
    trailing_mean,
    trailing_sd,
    universe_returns,
)
from evaluators.contract import ContractError


def market(seed: int, days: int = 90, names: int = 25) -> tuple[np.ndarray, Panel]:
    rng = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(0.02 * rng.standard_normal((days, names)), axis=0))
    close[:20, 3] = np.nan
    close[50:, 4] = np.nan
    close[30:33, 5] = np.nan
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    fields["volume"] = np.where(np.isfinite(close), 1e5 * rng.lognormal(size=close.shape), np.nan)
    tradable = np.isfinite(close) & (rng.random(close.shape) < 0.97)
    panel = make_panel(np.arange(days), [f"s{i}" for i in range(names)], fields, tradable=tradable)
    score = rng.standard_normal((days, names))
    score[rng.random(score.shape) < 0.05] = np.nan
    return score, panel


def by_hand(score: np.ndarray, panel: Panel, rules: BacktestRules) -> pd.DataFrame:
    """An independent account book in dicts and Series, after the text of qlib's strategy."""
    close = pd.DataFrame(panel.close.astype(float), columns=panel.symbols)
    carried = close.ffill()
    rows, cash, held = [], 1.0, {}
    for day in range(len(close)):
        start = cash + sum(held.values())
        price, before = carried.iloc[day], carried.iloc[max(day - 1, 0)]
        for name in list(held):
            held[name] *= price[name] / before[name]
            if close[name].iloc[day:].isna().all():
                cash += held.pop(name) * (1 - rules.delisting_loss)
        gross = (cash + sum(held.values())) / start - 1
        cost = traded = 0.0
        if day >= rules.delay:
            pred = pd.Series(score[day - rules.delay], panel.symbols)
            pred = pred[panel.universe[day - rules.delay]].dropna()
            owned = [name for name in panel.symbols if name in held]
            last = pred.reindex(owned).sort_values(ascending=False, na_position="last").index
            today = pred[~pred.index.isin(last)].sort_values(ascending=False).index
            today = today[: max(0, rules.n_drop + rules.topk - len(last))]
            both = pred.reindex(last.append(today)).sort_values(ascending=False, na_position="last").index
            sell = last[last.isin(both[-rules.n_drop :])]
            buy = today[: max(0, len(sell) + rules.topk - len(last))]
            can = pd.Series(panel.tradable[day], panel.symbols)
            for name in sell:
                if can[name]:
                    amount = held.pop(name)
                    cash += amount * (1 - rules.sell_cost)
                    cost, traded = cost + amount * rules.sell_cost, traded + amount
            buy = [name for name in buy if can[name]]
            if buy:
                share = cash / (1 + rules.buy_cost) / len(buy)
                held.update(dict.fromkeys(buy, share))
                cost, traded = cost + share * len(buy) * rules.buy_cost, traded + share * len(buy)
                cash = 0.0
        rows.append((gross, cost / start, traded / 2 / start, len(held)))
    return pd.DataFrame(rows, columns=["returns", "costs", "turnover", "holdings"])


@pytest.mark.parametrize("seed", range(4))
def test_topk_dropout_equals_an_independent_account_book(seed) -> None:
    score, panel = market(seed)
    rules = BacktestRules(topk=8, n_drop=2)
    got, want = topk_dropout(score, panel, rules), by_hand(score, panel, rules)
    for name in ("returns", "costs", "turnover", "holdings"):
        np.testing.assert_allclose(getattr(got, name), want[name], atol=1e-10, rtol=0, err_msg=name)
    close = pd.DataFrame(panel.close.astype(float))
    inside = pd.DataFrame(panel.universe).shift(1, fill_value=True)
    bench = close.pct_change(fill_method=None).where(inside).mean(axis=1).fillna(0)
    np.testing.assert_allclose(universe_returns(panel), bench, atol=1e-10)
    np.testing.assert_allclose(got.excess, got.returns - bench - got.costs, atol=1e-10)


def test_nothing_is_bought_at_limit_up_nor_sold_at_limit_down() -> None:
    close = np.full((4, 3), 10.0)
    close[1:, 0] = 11.0  # up 10 % on the first trading day
    fields = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    panel = make_panel(np.arange(4), ["a", "b", "c"], fields)
    score = np.tile([3.0, 2.0, 1.0], (4, 1))
    rules = BacktestRules(topk=1, n_drop=1, limit=0.095)
    assert topk_dropout(score, panel, rules).holdings.tolist() == [0, 0, 1, 1]
    assert topk_dropout(score, panel, BacktestRules(topk=1, n_drop=1)).holdings.tolist() == [0, 1, 1, 1]


def test_a_delisted_holding_costs_its_holder() -> None:
    close = np.full((6, 2), 10.0)
    close[3:, 0] = np.nan
    fields = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    panel = make_panel(np.arange(6), ["gone", "stays"], fields)
    score = np.tile([2.0, 1.0], (6, 1))
    got = topk_dropout(score, panel, BacktestRules(topk=1, n_drop=1, delisting_loss=0.4))
    assert got.returns[3] == pytest.approx(-0.4)


@pytest.mark.parametrize("bad", [{"topk": 2, "n_drop": 3}, {"delay": -1}, {"delisting_loss": 2.0}])
def test_impossible_rules_are_refused(bad) -> None:
    with pytest.raises(ContractError):
        BacktestRules(**bad)


@pytest.mark.parametrize("days", [252, 238])
def test_annual_figures_follow_qlib(days) -> None:
    r = pd.Series(0.001 + 0.01 * np.random.default_rng(0).standard_normal(300))
    total = annual_figures(r.to_numpy(), days_per_year=days)
    assert total.aer == pytest.approx(r.mean() * days, rel=1e-12)
    assert total.ir == pytest.approx(r.mean() / r.std(ddof=1) * days**0.5, rel=1e-12)
    assert total.drawdown == pytest.approx((r.cumsum() - r.cumsum().cummax()).min(), rel=1e-12)
    assert (total.days_per_year, total.mode) == (days, "sum")
    curve = (1 + r).cumprod()
    product = annual_figures(r.to_numpy(), days_per_year=days, mode="product")
    assert product.aer == pytest.approx(curve.iloc[-1] ** (days / 300) - 1, rel=1e-12)
    assert product.drawdown == pytest.approx((curve / curve.cummax() - 1).min(), rel=1e-12)
    mean = curve.iloc[-1] ** (1 / 300) - 1
    assert product.ir == pytest.approx(mean / np.log1p(r).std(ddof=1) * days**0.5, rel=1e-10)
    with pytest.raises(ContractError, match="mode must be"):
        annual_figures(r.to_numpy(), mode="log")
    assert np.isnan(annual_figures(np.array([0.1])).ir)


def test_net_returns_follow_a_frame() -> None:
    score, panel = market(7)
    weights = np.nan_to_num(score) * np.isfinite(panel.close)
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    moves = pd.DataFrame(panel.close.astype(float)).pct_change(fill_method=None).fillna(0)
    held = pd.DataFrame(weights).shift(2).fillna(0)
    gross = (held * moves).sum(axis=1)
    before, move = held.shift(1).fillna(0), moves.shift(1).fillna(0)
    drifted = before.mul(1 + move).div(1 + gross.shift(1).fillna(0), axis=0)
    want = gross - 0.002 * (held - drifted).abs().sum(axis=1)
    got_gross, got_net = net_returns(weights, panel, cost=0.002)
    np.testing.assert_allclose(got_gross, gross, atol=1e-10)
    np.testing.assert_allclose(got_net, want, atol=1e-10)


def test_capacity_is_where_impact_eats_half_of_the_gross() -> None:
    _, panel = market(8)
    weights = np.nan_to_num(
        np.roll(pd.DataFrame(panel.close.astype(float)).pct_change(fill_method=None), -2, axis=0)
    )
    weights /= np.maximum(np.abs(weights).sum(axis=1, keepdims=True), 1e-12)
    found = capacity(weights, panel)
    sigma = trailing_sd(pd.DataFrame(panel.close.astype(float)).pct_change(fill_method=None).to_numpy(), 20)
    adv = trailing_mean((panel.fields["volume"] * panel.close).astype(float), 20)
    trade = found.capital * np.abs(np.diff(weights, axis=0, prepend=weights[:1]))
    cost = np.nansum(trade / found.capital * 0.1 * sigma * np.sqrt(trade / adv), axis=1).mean()
    gross, _ = net_returns(weights, panel, cost=0)
    assert gross.mean() > 0
    assert cost == pytest.approx(0.5 * gross.mean(), rel=1e-9)
    want = np.sum(np.minimum(trade, 0.05 * adv), axis=1, where=np.isfinite(sigma * adv)).mean()
    assert found.daily_trade == pytest.approx(want, rel=1e-9)
    assert capacity(-weights, panel).capital == 0


def test_trailing_figures_equal_pandas() -> None:
    values = np.random.default_rng(9).standard_normal((70, 4))
    values[3:25, 1] = np.nan
    frame = pd.DataFrame(values).rolling(20, min_periods=10)
    np.testing.assert_allclose(trailing_mean(values, 20), frame.mean(), atol=1e-12)
    np.testing.assert_allclose(trailing_sd(values, 20), frame.std(ddof=0), atol=1e-10)

"""What a factor earns: the TopkDropout backtest with costs, annual figures, drawdown, capacity.

TopkDropout(topk, n_drop) follows qlib's `TopkDropoutStrategy` (method_buy top, method_sell bottom): rank
held and best new names together, sell those held that are among the n_drop worst, buy the best new ones
instead. Signals of day t are traded at the close of t + delay. Bought names share the cash equally; later
weights drift. A name without a tradable day is neither bought nor sold; one that never has a price again is
settled at once with `delisting_loss`. Costs default to 5 bp on buys and 15 bp on sells (China).

Annual figures of a daily series r (qlib's `risk_analysis`; the number of days N and the mode are always
stated):
    mode sum       AER = N mean(r), volatility = sqrt(N) sd(r, ddof = 1), IR = sqrt(N) mean / sd,
                   drawdown = min_t (c_t - max_{s<=t} c_s), c the running sum: no compounding
    mode product   AER = prod(1 + r)^(N / T) - 1, IR = sqrt(N) (prod(1 + r)^(1/T) - 1) / sd(log(1 + r), ddof
    = 1),
                   drawdown = min_t (C_t / max_{s<=t} C_s - 1), C the running product
N = 252 by default; qlib's code uses 238 (its docstring says 252).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.labels import DELISTING_LOSS
from evaluators.alphas.markets.panel import Bools, Floats, Panel, daily_returns
from evaluators.contract import ContractError

Array = NDArray[np.float64]

DAYS_PER_YEAR = 252
QLIB_DAYS_PER_YEAR = 238


@dataclass(frozen=True, slots=True)
class BacktestRules:
    """How the portfolio trades; costs are fractions of the traded value, `limit` a daily return or None.

    With `limit` (0.095, say) nothing is bought on a day that rose by it, nor sold on one that fell by it.
    """

    topk: int = 50
    n_drop: int = 5
    delay: int = 1
    min_hold_days: int = 1
    buy_cost: float = 0.0005
    sell_cost: float = 0.0015
    limit: float | None = None
    delisting_loss: float = DELISTING_LOSS

    def __post_init__(self) -> None:
        if not 1 <= self.n_drop <= self.topk:
            raise ContractError(f"need 1 <= n_drop <= topk, got n_drop {self.n_drop} and topk {self.topk}")
        if self.delay < 0 or self.min_hold_days < 0 or min(self.buy_cost, self.sell_cost) < 0:
            raise ContractError("delay, min_hold_days, buy_cost and sell_cost must be >= 0")
        if not 0 <= self.delisting_loss <= 1:
            raise ContractError(f"delisting_loss must be in [0, 1], got {self.delisting_loss}")


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Daily series (T,): gross return, cost and turnover (both of the value at the day's start), benchmark.

    Turnover is (bought + sold) / 2; `holdings` is how many names are held at the close.
    """

    returns: Array
    costs: Array
    turnover: Array
    benchmark: Array
    holdings: NDArray[np.int64]

    @property
    def excess(self) -> Array:
        """Returns the daily return over the benchmark, net of cost."""
        return np.asarray(self.returns - self.benchmark - self.costs)


@dataclass(frozen=True, slots=True)
class AnnualFigures:
    """Annual excess return, volatility, information ratio and largest drawdown (<= 0) of a daily series."""

    aer: float
    volatility: float
    ir: float
    drawdown: float
    days_per_year: int
    mode: str


def topk_dropout(factor: Floats, panel: Panel, rules: BacktestRules | None = None) -> Backtest:
    """Returns the backtest of holding the names with the largest factor values.

    The benchmark is the equally weighted return of the universe of the day before.
    """
    rules = rules or BacktestRules()
    length, width = panel.shape
    moves = daily_returns(_carried(panel.close))
    moves[~np.isfinite(moves)] = 0.0
    can_buy, can_sell = _tradable(panel, rules.limit)
    known = np.isfinite(panel.close)
    last = length - 1 - np.argmax(known[::-1], axis=0)
    value, cash = np.zeros(width), 1.0
    age = np.zeros(width, dtype=np.int64)
    series = np.zeros((3, length))
    holdings = np.zeros(length, dtype=np.int64)
    for day in range(length):
        start = cash + value.sum()
        gone = (value > 0) & (last < day)
        value *= 1.0 + moves[day]
        if gone.any():
            cash += float(value[gone].sum()) * (1 - rules.delisting_loss)
            value[gone] = 0.0
        series[0, day] = (cash + value.sum()) / start - 1.0
        age[value > 0] += 1
        if day >= rules.delay:
            signal_day = day - rules.delay
            score = np.where(panel.universe[signal_day], factor[signal_day], np.nan)
            sell, buy = _orders(score, value > 0, rules)
            sell = sell[can_sell[day, sell] & (age[sell] >= rules.min_hold_days)]
            buy = buy[can_buy[day, buy]]
            sold = float(value[sell].sum())
            cash += sold * (1 - rules.sell_cost)
            value[sell], age[sell] = 0.0, 0
            bought = cash / (1 + rules.buy_cost) if len(buy) else 0.0
            if len(buy):
                value[buy] = bought / len(buy)
                age[buy] = 0
                cash = 0.0
            series[1, day] = (sold * rules.sell_cost + bought * rules.buy_cost) / start
            series[2, day] = 0.5 * (sold + bought) / start
        holdings[day] = int((value > 0).sum())
    return Backtest(series[0], series[1], series[2], universe_returns(panel), holdings)


def _orders(score: Floats, held: Bools, rules: BacktestRules) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the names to sell and to buy; ties go to the earlier name, no score is the worst score."""
    keys = np.where(np.isfinite(score), -np.where(np.isfinite(score), score, 0.0), np.inf)
    order = np.argsort(keys, kind="stable")
    count = int(held.sum())
    fresh = order[~held[order] & np.isfinite(score[order])][: max(0, rules.n_drop + rules.topk - count)]
    pool = held.copy()
    pool[fresh] = True
    worst = order[pool[order]][-rules.n_drop :]
    sell = worst[held[worst]]
    return sell, fresh[: max(0, len(sell) + rules.topk - count)]


def _tradable(panel: Panel, limit: float | None) -> tuple[Bools, Bools]:
    base = panel.tradable & np.isfinite(panel.close)
    if limit is None:
        return base, base
    moves = np.nan_to_num(daily_returns(panel.close))
    return base & (moves < limit), base & (moves > -limit)


def _carried(close: Floats) -> Array:
    """Returns closes with gaps filled by the last known price, for accounting only."""
    known = np.isfinite(close)
    row = np.maximum.accumulate(np.where(known, np.arange(len(close))[:, None], 0), axis=0)
    return np.asarray(np.take_along_axis(np.asarray(close, np.float64), row, axis=0))


def universe_returns(panel: Panel) -> Array:
    """Returns the mean return of yesterday's universe per day, (T,); 0 where there is none."""
    moves = daily_returns(panel.close)
    use = np.isfinite(moves)
    use[1:] &= panel.universe[:-1]
    total = np.sum(moves, axis=1, where=use)
    return np.asarray(total / np.maximum(use.sum(axis=1), 1))


def annual_figures(
    daily: Array, *, days_per_year: int = DAYS_PER_YEAR, mode: Literal["sum", "product"] = "sum"
) -> AnnualFigures:
    """Returns the annual figures of a daily series (NaN days are left out); formulas above."""
    values = daily[np.isfinite(daily)]
    if len(values) < 2:
        return AnnualFigures(math.nan, math.nan, math.nan, math.nan, days_per_year, mode)
    root = math.sqrt(days_per_year)
    if mode == "sum":
        mean, sd = float(values.mean()), float(values.std(ddof=1))
        curve = np.cumsum(values)
        aer, drawdown = mean * days_per_year, float((curve - np.maximum.accumulate(curve)).min())
    elif mode == "product":
        curve = np.asarray(np.cumprod(1 + values))
        mean = float(curve[-1]) ** (1 / len(values)) - 1
        sd = float(np.log1p(values).std(ddof=1))
        aer = float(curve[-1]) ** (days_per_year / len(values)) - 1
        drawdown = float((curve / np.maximum.accumulate(curve) - 1).min())
    else:
        raise ContractError(f"mode must be 'sum' or 'product', got {mode!r}")
    return AnnualFigures(
        aer, sd * root, mean / sd * root if sd > 0 else math.nan, drawdown, days_per_year, mode
    )


def net_returns(weights: Array, panel: Panel, *, delay: int = 1, cost: float = 0.001) -> tuple[Array, Array]:
    """Returns (gross, net) daily returns of weights (T, N) set at the close of t + delay.

    gross_t = sum_i w_{t-1-delay,i} r_ti; net subtracts `cost` times sum |dw|, dw against the drifted weights.
    """
    moves = np.nan_to_num(daily_returns(panel.close))
    held = np.zeros_like(weights)
    held[delay + 1 :] = weights[: len(weights) - delay - 1]
    gross = np.einsum("tn,tn->t", held, moves)
    drifted = np.zeros_like(weights)
    drifted[1:] = held[:-1] * (1 + moves[:-1]) / (1 + gross[:-1, None])
    return gross, gross - cost * np.abs(held - drifted).sum(axis=1)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much money a factor carries, in units of price x volume.

    Attributes:
        capital: the capital A at which impact eats half of the gross return (0 where there is none to eat).
            Impact per traded unit is 0.1 sigma sqrt(trade / ADV), sigma and ADV over 20 days, trade = A |dw|,
            so mean cost = K sqrt(A) and A = (gross / 2 K)^2.
        daily_trade: mean over the days of sum_i min(A |dw_i|, 5 % of ADV_i): what really trades there.
    """

    capital: float
    daily_trade: float


def capacity(weights: Array, panel: Panel, *, participation: float = 0.05, impact: float = 0.1) -> Capacity:
    """Returns the capacity of the weights (T, N) on this panel."""
    gross, _ = net_returns(weights, panel, cost=0.0)
    moves = daily_returns(panel.close)
    volume = panel.fields["amount"] if "amount" in panel.fields else panel.fields["volume"] * panel.close
    sigma, adv = trailing_sd(moves, 20), trailing_mean(np.asarray(volume, np.float64), 20)
    trade = np.zeros_like(weights)
    trade[1:] = np.abs(np.diff(weights, axis=0))
    use = np.isfinite(sigma) & (adv > 0) & (trade > 0)
    safe = np.where(use, adv, 1.0)
    slope = np.where(use, impact * np.where(use, sigma, 0.0) * trade * np.sqrt(trade / safe), 0.0)
    unit, gain = float(slope.sum(axis=1).mean()), float(gross.mean())
    capital = (0.5 * gain / unit) ** 2 if gain > 0 and unit > 0 else 0.0
    traded = np.where(use, np.minimum(capital * trade, participation * safe), 0.0)
    return Capacity(capital, float(traded.sum(axis=1).mean()))


def trailing_mean(values: Array, days: int) -> Array:
    """Returns the mean of the finite values of the last `days` rows; NaN where fewer than half are there."""
    known = np.isfinite(values)
    total, count = (
        _window_sum(np.where(known, values, 0.0), days),
        _window_sum(known.astype(np.float64), days),
    )
    return np.where(count >= days / 2, total / np.maximum(count, 1), np.nan)


def trailing_sd(values: Array, days: int) -> Array:
    """Returns the population sd of the finite values among the last `days` rows, as `trailing_mean`."""
    centre = np.nanmean(values) if np.isfinite(values).any() else 0.0
    square = trailing_mean((values - centre) ** 2, days)
    return np.sqrt(np.maximum(square - trailing_mean(values - centre, days) ** 2, 0.0))


def _window_sum(values: Array, days: int) -> Array:
    running = np.cumsum(values, axis=0)
    out = running.copy()
    out[days:] -= running[:-days]
    return out

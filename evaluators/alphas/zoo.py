"""Thirty classic factors, the yardstick and the first generation: what a new alpha must add to.

Each takes the features by name, (T, N) arrays, and returns a (T, N) array, NaN where unknown; large means
that the literature expects a high return (its sign is a convention only: combination and measurement fit it
on the training days). `ZOO` has them by name, in families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas import operators as op

Features: TypeAlias = Mapping[str, NDArray[np.floating[Any]]]
Array = NDArray[np.float64]


def momentum_120(x: Features) -> Array:
    """Returns the change over 120 days, the last 10 left out."""
    return op.returns(op.delay(x["close"], 10), 110)


def momentum_60(x: Features) -> Array:
    """Returns the change over 60 days, the last 5 left out."""
    return op.returns(op.delay(x["close"], 5), 55)


def momentum_20(x: Features) -> Array:
    """Returns the change over 20 days."""
    return op.returns(x["close"], 20)


def smooth_momentum(x: Features) -> Array:
    """Returns the mean daily return of 60 days over its standard deviation."""
    daily = op.returns(x["close"])
    return op.divide(op.ts_mean(daily, 60), op.ts_std(daily, 60))


def moving_averages(x: Features) -> Array:
    """Returns the 10-day mean price over the 60-day one."""
    return op.divide(op.ts_mean(x["close"], 10), op.ts_mean(x["close"], 60)) - 1.0


def convergence(x: Features) -> Array:
    """Returns the fast less the slow exponential average (12, 26 days), less its own 9-day average."""
    gap = op.divide(op.ewma(x["close"], 12), op.ewma(x["close"], 26)) - 1.0
    return gap - op.ewma(gap, 9)


def near_high(x: Features) -> Array:
    """Returns the price over the highest of 120 days."""
    return op.divide(x["close"], op.ts_max(x["high"], 120))


def above_low(x: Features) -> Array:
    """Returns the price over the lowest of 60 days."""
    return op.divide(x["close"], op.ts_min(x["low"], 60))


def reversal_1(x: Features) -> Array:
    """Returns minus the last day's return."""
    return -op.returns(x["close"], 1)


def reversal_5(x: Features) -> Array:
    """Returns minus the return of 5 days."""
    return -op.returns(x["close"], 5)


def below_average(x: Features) -> Array:
    """Returns how far the price is below its 20-day mean, in standard deviations."""
    return -op.ts_zscore(x["close"], 20)


def oscillator(x: Features) -> Array:
    """Returns minus the share of gains in the moves of 14 days (relative strength)."""
    move = op.delta(x["close"])
    return -op.divide(op.ts_sum(np.maximum(move, 0.0), 14), op.ts_sum(np.abs(move), 14))


def overnight_reversal(x: Features) -> Array:
    """Returns minus the mean overnight gap of 10 days."""
    return -op.ts_mean(op.divide(x["open"], op.delay(x["close"])) - 1.0, 10)


def intraday_momentum(x: Features) -> Array:
    """Returns the mean open-to-close return of 20 days."""
    return op.ts_mean(op.divide(x["close"], x["open"]) - 1.0, 20)


def low_volatility(x: Features) -> Array:
    """Returns minus the standard deviation of 20 daily returns."""
    return -op.ts_std(op.returns(x["close"]), 20)


def low_range(x: Features) -> Array:
    """Returns minus the mean log range of 20 days (Parkinson)."""
    return -op.ts_mean(op.log(op.divide(x["high"], x["low"])), 20)


def calming(x: Features) -> Array:
    """Returns minus the 5-day mean range over the 60-day one."""
    spread = op.log(op.divide(x["high"], x["low"]))
    return -op.divide(op.ts_mean(spread, 5), op.ts_mean(spread, 60))


def downside(x: Features) -> Array:
    """Returns minus the share of losses in the squared returns of 40 days."""
    daily = op.returns(x["close"])
    return -op.divide(op.ts_mean(np.minimum(daily, 0.0) ** 2, 40), op.ts_mean(daily**2, 40))


def lottery(x: Features) -> Array:
    """Returns minus the largest daily return of 20 days."""
    return -op.ts_max(op.returns(x["close"]), 20)


def skewness(x: Features) -> Array:
    """Returns minus the skewness of 60 daily returns."""
    score = op.ts_zscore(op.returns(x["close"]), 60)
    return -op.ts_mean(score**3, 60)


def close_location(x: Features) -> Array:
    """Returns the mean place of the close between low and high over 10 days."""
    return op.ts_mean(op.divide(x["close"] - x["low"], x["high"] - x["low"]), 10)


def upper_shadow(x: Features) -> Array:
    """Returns minus the mean upper shadow of 10 days, as a share of the range."""
    body = np.maximum(x["open"], x["close"])
    return -op.ts_mean(op.divide(x["high"] - body, x["high"] - x["low"]), 10)


def average_price(x: Features) -> Array:
    """Returns the 5-day mean of the day's average price over its close."""
    return op.ts_mean(op.log(op.divide(x["vwap"], x["close"])), 5)


def volume_surge(x: Features) -> Array:
    """Returns the 5-day mean log volume less the 60-day one."""
    volume = op.log(x["volume"])
    return op.ts_mean(volume, 5) - op.ts_mean(volume, 60)


def volume_shock(x: Features) -> Array:
    """Returns today's log volume in standard deviations of 20 days."""
    return op.ts_zscore(op.log(x["volume"]), 20)


def steady_volume(x: Features) -> Array:
    """Returns minus the standard deviation of log volume over 20 days."""
    return -op.ts_std(op.log(x["volume"]), 20)


def price_volume_correlation(x: Features) -> Array:
    """Returns minus the correlation of price and volume over 10 days."""
    return -op.ts_corr(x["close"], x["volume"], 10)


def return_volume_correlation(x: Features) -> Array:
    """Returns minus the correlation of return and change of log volume over 20 days."""
    return -op.ts_corr(op.returns(x["close"]), op.delta(op.log(x["volume"])), 20)


def illiquidity(x: Features) -> Array:
    """Returns the log of the mean |return| per traded value over 20 days (Amihud)."""
    return op.log(op.ts_mean(op.divide(np.abs(op.returns(x["close"])), x["close"] * x["volume"]), 20))


def signed_volume(x: Features) -> Array:
    """Returns the 20-day volume-weighted sign of returns (on-balance volume)."""
    volume = x["volume"]
    return op.divide(op.ts_sum(np.sign(op.returns(x["close"])) * volume, 20), op.ts_sum(volume, 20))


FAMILIES: Mapping[str, tuple[Callable[[Features], Array], ...]] = {
    "momentum": (momentum_120, momentum_60, momentum_20, smooth_momentum, moving_averages, convergence),
    "anchor": (near_high, above_low),
    "reversal": (reversal_1, reversal_5, below_average, oscillator, overnight_reversal, intraday_momentum),
    "volatility": (low_volatility, low_range, calming, downside, lottery, skewness),
    "bar": (close_location, upper_shadow, average_price),
    "volume": (volume_surge, volume_shock, steady_volume),
    "liquidity": (price_volume_correlation, return_volume_correlation, illiquidity, signed_volume),
}
ZOO: Mapping[str, Callable[[Features], Array]] = {
    function.__name__: function for members in FAMILIES.values() for function in members
}


def compute_zoo(features: Features) -> Array:
    """Returns all thirty, (30, T, N), in the order of `ZOO`."""
    return np.stack([factor(features) for factor in ZOO.values()])

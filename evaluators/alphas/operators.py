"""Causal building blocks for factor programs: nothing here looks ahead, whatever is put in.

Every function takes and returns (T, N) arrays, row = day, NaN where nothing is known (infinities count as
NaN). `ts_` functions look back over the last `days` rows of each name, today included, and need half of
them (two at least where a spread is asked for); `cs_` functions compare the names of one day.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def _array(values: ArrayLike) -> Array:
    array = np.array(values, dtype=np.float64)
    array[np.isinf(array)] = np.nan
    return array


def _days(days: float) -> int:
    return max(1, round(days))


def _rolling_sum(values: Array, days: int) -> Array:
    out = np.cumsum(values, axis=0)
    out[days:] = out[days:] - out[:-days]
    return out


def _moments(values: Array, days: int) -> tuple[Array, Array]:
    """Returns the sum of the known values and their count over each window."""
    known = np.isfinite(values)
    return _rolling_sum(np.where(known, values, 0.0), days), _rolling_sum(known.astype(np.float64), days)


def _windows(values: Array, days: int) -> Array:
    """Returns a (T, N, days) view, padded with NaN before the first day, the oldest day first."""
    padded = np.concatenate([np.full((days - 1, values.shape[1]), np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, days, axis=0)


def delay(x: ArrayLike, days: float = 1) -> Array:
    """Returns the value `days` rows before."""
    values = _array(x)
    lag = max(0, round(days))
    out = np.full_like(values, np.nan)
    if lag < len(values):
        out[lag:] = values[: len(values) - lag]
    return out


def delta(x: ArrayLike, days: float = 1) -> Array:
    """Returns x minus its value `days` rows before."""
    return _array(x) - delay(x, _days(days))


def returns(x: ArrayLike, days: float = 1) -> Array:
    """Returns the relative change over `days` rows."""
    return divide(x, delay(x, _days(days))) - 1.0


def divide(a: ArrayLike, b: ArrayLike) -> Array:
    """Returns a / b, NaN where b is 0 or unknown."""
    top, bottom = _array(a), _array(b)
    bottom[bottom == 0] = np.nan
    return np.asarray(top / bottom)


def log(x: ArrayLike) -> Array:
    """Returns the natural logarithm, NaN where x <= 0."""
    values = _array(x)
    values[values <= 0] = np.nan
    return np.asarray(np.log(values))


def signed_power(x: ArrayLike, exponent: float) -> Array:
    """Returns sign(x) |x|^exponent."""
    values = _array(x)
    return np.asarray(np.sign(values) * np.abs(values) ** exponent)


def ts_sum(x: ArrayLike, days: float) -> Array:
    """Returns the sum over the window."""
    total, count = _moments(_array(x), _days(days))
    return np.where(count * 2 >= _days(days), total, np.nan)


def ts_mean(x: ArrayLike, days: float) -> Array:
    """Returns the mean over the window."""
    total, count = _moments(_array(x), _days(days))
    return np.where(count * 2 >= _days(days), total / np.maximum(count, 1), np.nan)


def ts_std(x: ArrayLike, days: float) -> Array:
    """Returns the standard deviation (ddof = 1) over the window."""
    values, window = _array(x), max(2, _days(days))
    total, count = _moments(values, window)
    square, _ = _moments(values * values, window)
    variance = (square - total * total / np.maximum(count, 1)) / np.maximum(count - 1, 1)
    return np.where((count * 2 >= window) & (count >= 2), np.sqrt(np.maximum(variance, 0.0)), np.nan)


def ts_zscore(x: ArrayLike, days: float) -> Array:
    """Returns how many standard deviations of the window x is above its mean."""
    return divide(_array(x) - ts_mean(x, days), ts_std(x, days))


def ts_corr(x: ArrayLike, y: ArrayLike, days: float) -> Array:
    """Returns the correlation of x and y over the window, over the days where both are known."""
    a, b = _array(x), _array(y)
    window = max(3, _days(days))
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, np.nan), np.where(both, b, np.nan)
    sum_a, count = _moments(a, window)
    sum_b, _ = _moments(b, window)
    n = np.maximum(count, 1)
    cross = _moments(a * b, window)[0] - sum_a * sum_b / n
    vary_a = _moments(a * a, window)[0] - sum_a**2 / n
    vary_b = _moments(b * b, window)[0] - sum_b**2 / n
    scale = np.sqrt(np.maximum(vary_a, 0.0) * np.maximum(vary_b, 0.0))
    enough = (count * 2 >= window) & (count >= 3) & (scale > 1e-12 * np.abs(sum_a * sum_b) / n)
    out = np.full_like(cross, np.nan)
    np.divide(cross, scale, out=out, where=enough & (scale > 0))
    return np.clip(out, -1.0, 1.0)


def ts_max(x: ArrayLike, days: float) -> Array:
    """Returns the largest value of the window."""
    return np.asarray(np.fmax.reduce(_windows(_array(x), _days(days)), axis=2))


def ts_min(x: ArrayLike, days: float) -> Array:
    """Returns the smallest value of the window."""
    return np.asarray(np.fmin.reduce(_windows(_array(x), _days(days)), axis=2))


def ts_rank(x: ArrayLike, days: float) -> Array:
    """Returns the share of the window's known values that are <= today's, in (0, 1]."""
    values, window = _array(x), _days(days)
    seen = _windows(values, window)
    count = np.isfinite(seen).sum(axis=2)
    below = (seen <= values[:, :, None]).sum(axis=2)
    enough = np.isfinite(values) & (count * 2 >= window)
    return np.asarray(np.where(enough, below / np.maximum(count, 1), np.nan))


def ewma(x: ArrayLike, days: float) -> Array:
    """Returns the exponentially weighted mean with half-life `days`; unknown days are skipped."""
    values = _array(x)
    keep = 0.5 ** (1.0 / max(0.1, float(days)))
    known = np.isfinite(values)
    sums = np.stack([np.where(known, values, 0.0), known], axis=1)
    kept = np.empty(sums.shape[1:])
    for before, day in pairwise(sums):
        np.multiply(before, keep, out=kept)
        np.add(day, kept, out=day)
    out = np.full_like(values, np.nan)
    np.divide(sums[:, 0], sums[:, 1], out=out, where=known)
    return out


def decay_linear(x: ArrayLike, days: float) -> Array:
    """Returns the mean over the window with weights 1, 2, ... days, the last day the heaviest."""
    window = _days(days)
    seen = _windows(_array(x), window)
    weights = np.arange(1.0, window + 1.0)
    known = np.isfinite(seen)
    total, weight = np.where(known, seen, 0.0) @ weights, known @ weights
    return np.asarray(np.where(known.sum(axis=2) * 2 >= window, total / np.maximum(weight, 1.0), np.nan))


def cs_rank(x: ArrayLike) -> Array:
    """Returns the day's average-tie rank scaled to (0, 1)."""
    values = _array(x)
    known = np.isfinite(values)
    values[~known] = np.inf  # far quicker to sort than NaN
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    place = np.arange(values.shape[1])[None, :]
    begins = np.ones(values.shape, dtype=np.bool_)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones(values.shape, dtype=np.bool_)
    ends[:, :-1] = begins[:, 1:]
    first = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, values.shape[1])[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, 0.5 * (first + last + 1), axis=1)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.where(known, ranks / count, np.nan))


def cs_demean(x: ArrayLike) -> Array:
    """Returns x minus the day's mean."""
    values = _array(x)
    known = np.isfinite(values)
    total = np.sum(values, axis=1, where=known, keepdims=True)
    return np.asarray(values - total / np.maximum(known.sum(axis=1, keepdims=True), 1))


def cs_zscore(x: ArrayLike) -> Array:
    """Returns x in standard deviations from the day's mean."""
    spread = cs_demean(x)
    known = np.isfinite(spread)
    square = np.sum(spread * spread, axis=1, where=known, keepdims=True)
    return divide(spread, np.sqrt(square / np.maximum(known.sum(axis=1, keepdims=True), 1)))


def cs_residual(y: ArrayLike, x: ArrayLike) -> Array:
    """Returns the day's residual of y regressed on x and a constant."""
    a, b = _array(y), _array(x)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = cs_demean(np.where(both, a, np.nan)), cs_demean(np.where(both, b, np.nan))
    cross = np.sum(a * b, axis=1, where=both, keepdims=True)
    square = np.sum(b * b, axis=1, where=both, keepdims=True)
    return a - divide(cross, square) * b

"""What a factor predicts: summaries of daily correlations, information, stability, quantiles, decay.

Definitions (x factor, y label, M_t the names of the day, see labels.py):
    IC, RankIC        mean over the valid days of the daily correlation (rank_ic.py)
    ICIR, RankICIR    mean / sd(ddof = 1) of the daily values, NOT annualised (as qlib)
    t_nw              mean / sqrt(S / T), S = g_0 + 2 sum_{l<=L} (1 - l/(L+1)) g_l with g_l = (1/T) sum of
    products
                      of deviations at lag l (Newey and West 1987), L = max(2 (h - 1), floor(4
                      (T/100)^(2/9))); missing days are left out before the lags are taken. Labels overlap
                      for h - 1 days; L = h - 1 would find only 2/3 of that variance, 2 (h - 1) finds 5/6
    coverage          mean over the days of |M_t| / |U_t|
    turnover          mean over the days of 1/2 sum_i |w_it - w_i,t-1| with the weights of `quantile_weights`
    autocorrelation   mean over the days of the rank correlation of x_t with x_{t-k}
    half-life         the lag at which that autocorrelation falls below 1/2, in days, interpolated
    MI                plug-in information of the pooled within-day ranks in equally filled bins, in nats,
    minus
                      its mean under permutations within days; bins = clip(floor((n/5)^(1/3)), 4, 16)
    quantile return   mean label of the names in each fifth of the day's ranks, from low x to high x
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.labels import Horizon, Labels, finite_in, make_labels
from evaluators.alphas.markets.panel import Bools, Floats, Panel
from evaluators.alphas.rank_ic import average_ranks, ic, rank_ic
from evaluators.contract import ContractError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """A daily series in short: mean, sd (ddof = 1), ir = mean / sd, Newey-West t, days valid of days seen."""

    mean: float
    sd: float
    ir: float
    t_nw: float
    valid_days: int
    days: int


def summarise(series: Array, *, horizon_days: int) -> Summary:
    """Returns the summary of a daily series; NaN days are left out but counted."""
    values = series[np.isfinite(series)]
    count = len(values)
    mean = float(values.mean()) if count else math.nan
    sd = float(values.std(ddof=1)) if count > 1 else math.nan
    ratio = mean / sd if sd > 0 else math.nan
    return Summary(mean, sd, ratio, newey_west_t(values, lag_of(count, horizon_days)), count, len(series))


def lag_of(count: int, horizon_days: int) -> int:
    """Returns the Newey-West lag: at least twice the overlap of the labels, at least the rule of thumb."""
    rule = int(4 * (count / 100) ** (2 / 9)) if count else 0
    return max(2 * (horizon_days - 1), rule)


def newey_west_t(series: Array, lag: int) -> float:
    """Returns the t statistic of the mean with Bartlett weights up to `lag`; NaN days are left out."""
    values = series[np.isfinite(series)]
    count = len(values)
    if count < 2:
        return math.nan
    variance = float(sum_variance(values - values.mean(), lag)) / count**2
    return float(values.mean()) / math.sqrt(variance) if variance > 0 else math.nan


def sum_variance(spread: Array, lag: int) -> Array:
    """Returns the variance of the sum of deviations (..., T), with Bartlett weights up to `lag` (Newey and West 1987)."""
    variance = (spread * spread).sum(axis=-1)
    for step in range(1, min(lag, spread.shape[-1] - 1) + 1):
        together = (spread[..., step:] * spread[..., :-step]).sum(axis=-1)
        variance += 2 * (1 - step / (lag + 1)) * together
    return np.asarray(variance)


def coverage(factor: Floats, labels: Labels) -> float:
    """Returns the mean of |M_t| / |U_t| over the days that have labels; 0 where there are none."""
    use = labels.mask.any(axis=1)
    names = finite_in(factor, labels.mask).sum(axis=1)
    return float((names[use] / np.maximum(labels.universe[use], 1)).mean()) if use.any() else 0.0


def quantile_weights(factor: Floats, mask: Bools, *, share: float = 0.2) -> Array:
    """Returns long-short weights (T, N): +1/2 spread over the top `share`, -1/2 over the bottom.

    Names tied across the border all stay inside or outside. The day's return `sum w y` is then qlib's
    (long - short) / 2. Days with an empty side are all zero.
    """
    if not 0 < share <= 0.5:
        raise ContractError(f"share must be in (0, 0.5], got {share}")
    use = mask & np.isfinite(factor)
    count = use.sum(axis=1, keepdims=True)
    place = (average_ranks(factor, use) - 0.5) / np.maximum(count, 1)
    long, short = use & (place > 1 - share), use & (place < share)
    sizes = np.stack([long.sum(axis=1), short.sum(axis=1)])
    scale = np.where((sizes > 0).all(axis=0), 0.5, 0.0) / np.maximum(sizes, 1)
    return np.asarray(long * scale[0][:, None] - short * scale[1][:, None])


def weight_turnover(weights: Array) -> Array:
    """Returns 1/2 sum |w_t - w_{t-1}| per day, (T,); the first day, which only builds up, is NaN."""
    out = np.full(len(weights), np.nan)
    out[1:] = 0.5 * np.abs(np.diff(weights, axis=0)).sum(axis=1)
    return out


def rank_autocorrelation(factor: Floats, mask: Bools, lag: int) -> float:
    """Returns the mean over days of the rank correlation between x_t and x_{t-lag} over common names."""
    daily = rank_ic(factor[lag:], factor[:-lag], mask[lag:] & mask[:-lag], 10)
    return float(np.nanmean(daily)) if np.isfinite(daily).any() else math.nan


def half_life_days(factor: Floats, mask: Bools, *, lags: tuple[int, ...] = (1, 2, 5, 10, 20, 60)) -> float:
    """Returns the lag in days where the rank autocorrelation falls below 1/2; the last lag if it never does.

    Between the lags it is interpolated linearly, from an autocorrelation of 1 at lag 0.
    """
    before, above = 0.0, 1.0
    for lag in lags:
        if lag >= len(factor):
            break
        here = rank_autocorrelation(factor, mask, lag)
        if not here >= 0.5:
            here = -1.0 if math.isnan(here) else here
            return before + (lag - before) * (above - 0.5) / (above - here)
        before, above = float(lag), here
    return before


def quantile_returns(factor: Floats, labels: Labels, *, quantiles: int = 5) -> Array:
    """Returns (T, quantiles) mean labels from low x to high x; NaN on days without IC or in an empty bin.

    A name's bin is floor((rank - 1/2) / |M_t| * quantiles), ranks averaged over ties.
    """
    use = finite_in(factor, labels.mask)
    count = use.sum(axis=1, keepdims=True)
    place = (average_ranks(factor, use) - 0.5) / np.maximum(count, 1) * quantiles
    out = np.full((len(factor), quantiles), np.nan)
    enough = count[:, 0] >= labels.min_names
    for bin_ in range(quantiles):
        inside = use & (place >= bin_) & (place < bin_ + 1)
        size = inside.sum(axis=1)
        total = np.sum(labels.values, axis=1, where=inside)
        rows = enough & (size > 0)
        out[rows, bin_] = total[rows] / size[rows]
    return out


def mutual_information(
    factor: Floats, labels: Labels, rng: np.random.Generator, *, permutations: int = 10
) -> float:
    """Returns the debiased mutual information of factor and label in nats (about 0 for noise, may be < 0)."""
    use = finite_in(factor, labels.mask)
    use &= (use.sum(axis=1) >= labels.min_names)[:, None]
    rows, columns = np.nonzero(use)
    if not len(rows):
        return 0.0
    bins = int(np.clip((len(rows) / 5) ** (1 / 3), 4, 16))
    count = use.sum(axis=1)[rows]
    x = ((average_ranks(factor, use)[rows, columns] - 0.5) / count * bins).astype(np.int64)
    y = ((average_ranks(labels.values, use)[rows, columns] - 0.5) / count * bins).astype(np.int64)
    noise = 0.0
    for _ in range(permutations):
        shuffled = np.lexsort((rng.random(len(rows)), rows))
        noise += _plug_in_information(x[shuffled], y, bins) / permutations
    return _plug_in_information(x, y, bins) - noise


def _plug_in_information(x: NDArray[np.int64], y: NDArray[np.int64], bins: int) -> float:
    table = np.bincount(x * bins + y, minlength=bins * bins).reshape(bins, bins) / len(x)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True)
    filled = table > 0
    return float((table[filled] * np.log(table[filled] / expected[filled])).sum())


def decay(
    factor: Floats,
    panel: Panel,
    *,
    horizons: tuple[int, ...] = (1, 2, 5, 10, 20),
    delays: tuple[int, ...] = (0, 1, 2, 3),
) -> Mapping[tuple[int, int], float]:
    """Returns the mean RankIC by (horizon in days, delay): one curve over h at d = 1, one over d at h = 1."""
    wanted = [(days, 1) for days in horizons] + [(1, delay) for delay in delays]
    found = {}
    for days, delay in dict.fromkeys(wanted):
        labels = make_labels(panel, Horizon(days, delay))
        daily = rank_ic(factor, labels.values, labels.mask, labels.min_names)
        found[days, delay] = float(np.nanmean(daily)) if np.isfinite(daily).any() else math.nan
    return found


def daily_ics(factor: Floats, labels: Labels) -> tuple[Array, Array]:
    """Returns the daily IC and RankIC, exact, (T,) each."""
    return (
        ic(factor, labels.values, labels.mask, labels.min_names),
        rank_ic(factor, labels.values, labels.mask, labels.min_names),
    )


def neutralise(
    factor: Floats, mask: Bools, exposures: Floats, groups: NDArray[np.int64] | None = None
) -> Array:
    """Returns the residual of each day's least squares of x on a constant and `exposures` (K, T, N).

    With `groups` (N,) of industry codes >= 0, every industry has its own constant. Names with a missing
    exposure are NaN. The usual exposures are log size, beta, 20-day volatility and 5-day reversal.
    """
    use = mask & np.isfinite(factor) & np.isfinite(exposures).all(axis=0)
    codes = np.zeros(factor.shape[1], dtype=np.int64) if groups is None else groups
    constants = [np.broadcast_to(codes == code, use.shape) for code in np.unique(codes)]
    design = np.stack([*constants, *np.where(use, exposures, 0.0)]).astype(np.float64) * use
    spread = design.sum(axis=2) / np.maximum(use.sum(axis=1), 1)
    design[len(constants) :] = (design[len(constants) :] - spread[len(constants) :, :, None]) * use
    target = np.where(use, factor, 0.0).astype(np.float64)
    gram = np.einsum("ktn,ltn->tkl", design, design, optimize=True)
    right = np.einsum("ktn,tn->tk", design, target)
    weights = np.einsum("tkl,tl->tk", np.linalg.pinv(gram, hermitian=True), right)
    residual = target - np.einsum("tk,ktn->tn", weights, design)
    return np.where(use, residual, np.nan)

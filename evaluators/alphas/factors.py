"""One factor, measured: first whether it can be scored at all, then every figure of its worth.

A factor that cannot be scored is `Invalid`, with a reason that tells its author what to change: wrong type or
shape, infinities, constant or missing values, too few names or days (answering only when sure is no edge).

The figure to maximise is the net RankIC. A portfolio of h tranches, each renewed every h days, trades
|w_t - w_{t-h}| per h days with the quintile weights w (gross exposure 1). A RankIC of r earns about 1.40 r
s per h days with them, s the cross-sectional sd of the labels and 1.40 the mean of the upper fifth of a
standard normal. So the RankIC that just pays the cost c per traded unit is

    cost_rank_ic = c mean_t sum_i |w_t - w_{t-h}| / (1.40 s),        net RankIC = RankIC - cost_rank_ic

and a factor's sign is chosen on the training days alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas import metrics
from evaluators.alphas.markets.labels import Labels, finite_in
from evaluators.alphas.markets.panel import Bools, Floats, Panel, daily_returns
from evaluators.alphas.portfolio import trailing_mean, trailing_sd
from evaluators.alphas.rank_ic import ic, rank_ic
from evaluators.alphas.twins import both_worlds
from evaluators.contract import Invalid

Array = NDArray[np.float64]

LEAST_COVERAGE = 0.8
LEAST_VALID_DAYS = 0.95
UNIT_COST = 0.001
"""Cost of one traded unit: the mean of 5 bp on buys and 15 bp on sells."""
UPPER_FIFTH = 1.3998
"""Mean of the upper fifth of a standard normal."""


def as_array(values: Any, shape: tuple[int, int], *, name: str = "the factor") -> Array:
    """Returns a program's answer as (T, N) float64.

    Raises:
        Invalid: it is no numeric array of this shape.
    """
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        what = f"an array of {values.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
        raise Invalid(f"{name} must be an array of floats of shape (days, names), got {what}")
    if values.shape != shape:
        raise Invalid(f"{name} must have the shape of the features, {shape}, got {values.shape}")
    return np.asarray(values, dtype=np.float64)


def as_factor(values: Any, shape: tuple[int, int], *, name: str = "the factor") -> Array:
    """Returns a program's answer as (T, N) float64 with NaN where it has no value.

    Raises:
        Invalid: it is no such array, holds infinities, or has not a single value.
    """
    array = as_array(values, shape, name=name)
    bad = np.isinf(array)
    if bad.any():
        raise Invalid(
            f"{name} holds {int(bad.sum())} infinities, the first on day {int(bad.any(axis=1).argmax())}; "
            "guard the division or the logarithm, NaN marks a missing value"
        )
    if not np.isfinite(array).any():
        raise Invalid(f"{name} is NaN everywhere")
    return array


def check_answers(factor: Array, labels: Labels, *, name: str = "the factor") -> float:
    """Returns the coverage of `factor` on the days of `labels`.

    Raises:
        Invalid: it answers for too few names, on too few days, or does not tell the names apart.
    """
    use = finite_in(factor, labels.mask)
    names = use.sum(axis=1)
    days = labels.mask.any(axis=1) & (labels.mask.sum(axis=1) >= labels.min_names)
    covered = metrics.coverage(factor, labels)
    if covered < LEAST_COVERAGE:
        raise Invalid(
            f"{name} has values for {covered:.0%} of the universe on average ({names[days].mean():.1f} names a "
            f"day), at least {LEAST_COVERAGE:.0%} are needed; fall back to a neutral value instead of NaN"
        )
    highest = np.max(factor, axis=1, where=use, initial=-np.inf)
    lowest = np.min(factor, axis=1, where=use, initial=np.inf)
    valid = days & (names >= labels.min_names) & (highest > lowest)
    share = valid.sum() / max(1, days.sum())
    if share < LEAST_VALID_DAYS:
        flat = int((days & (names >= labels.min_names) & ~(highest > lowest)).sum())
        why = f"on {flat} of them all names have the same value" if flat else "the others have too few names"
        raise Invalid(
            f"{name} can be ranked on {share:.0%} of the days, at least {LEAST_VALID_DAYS:.0%} are needed; {why}"
        )
    return covered


def cost_rank_ic(factor: Array, labels: Labels, *, unit_cost: float = UNIT_COST) -> float:
    """Returns the RankIC that just pays for trading the factor; see the module for the formula."""
    horizon = labels.horizon.days
    weights = metrics.quantile_weights(factor, labels.mask)
    if len(weights) <= horizon:
        return math.nan
    traded = np.abs(weights[horizon:] - weights[:-horizon]).sum(axis=1)
    count = np.maximum(labels.mask.sum(axis=1), 1)
    mean = np.sum(labels.values, axis=1, where=labels.mask) / count
    square = np.sum((labels.values - mean[:, None]) ** 2, axis=1, where=labels.mask) / count
    spread = np.sqrt(square[labels.mask.any(axis=1)])
    return float(unit_cost * traded.mean() / (UPPER_FIFTH * spread.mean()))


def measure(
    factor: Array, labels: Labels, *, train: slice, valid: slice, twin: Labels | None = None
) -> dict[str, float]:
    """Returns the figures of a factor on the VALID days, its sign chosen on the TRAIN days, and train_rank_ic.

    Raises:
        Invalid: the factor cannot be scored.
    """
    learned = labels.rows(train.start, train.stop)
    check_answers(factor[train], learned, name="on the training days the factor")
    fitted = float(np.nanmean(rank_ic(factor[train], learned.values, learned.mask, learned.min_names)))
    other = None if twin is None else twin.rows(valid.start, valid.stop)
    turned = factor[valid] if fitted >= 0 else -factor[valid]
    found = figures(turned, labels.rows(valid.start, valid.stop), other)
    return {**found, "train_rank_ic": abs(fitted)}


def figures(factor: Array, labels: Labels, twin: Labels | None = None) -> dict[str, float]:
    """Returns what a factor (T, N) is worth on the days of `labels`, large values meaning buy.

    fair_rank_ic and twin_t (see twins.py), rank_ic, ic (means),
    rank_icir, icir, t_nw (of RankIC), coverage, turnover (share of the quintile portfolio renewed in h days),
    cost_rank_ic, net_rank_ic (fair_rank_ic less the cost), log2_half_life (of the rank autocorrelation, in days).

    Raises:
        Invalid: the factor cannot be scored.
    """
    covered = check_answers(factor, labels)
    horizon = labels.horizon.days
    ranked = metrics.summarise(
        rank_ic(factor, labels.values, labels.mask, labels.min_names), horizon_days=horizon
    )
    plain = metrics.summarise(ic(factor, labels.values, labels.mask, labels.min_names), horizon_days=horizon)
    cost = cost_rank_ic(factor, labels)
    weights = metrics.quantile_weights(factor, labels.mask)
    half_life = metrics.half_life_days(factor, labels.mask)
    worlds = both_worlds(factor, labels, twin)
    found = {
        "net_rank_ic": worlds["fair_rank_ic"] - cost,
        **worlds,
        "rank_ic": ranked.mean,
        "ic": plain.mean,
        "rank_icir": ranked.ir,
        "icir": plain.ir,
        "t_nw": ranked.t_nw,
        "cost_rank_ic": cost,
        "coverage": covered,
        "turnover": float(0.5 * np.abs(weights[horizon:] - weights[:-horizon]).sum(axis=1).mean()),
        "log2_half_life": math.log2(max(half_life, 0.25)),
    }
    return {name: value if math.isfinite(value) else 0.0 for name, value in found.items()}


def exposures(panel: Panel) -> Mapping[str, Array]:
    """Returns what a factor may merely repeat: log dollar volume (size) and 20-day volatility, (T, N) each."""
    traded = np.asarray(panel.fields["volume"], np.float64) * panel.close
    with np.errstate(divide="ignore"):
        size = np.log(trailing_mean(traded, 20))
    return {"size": size, "volatility": trailing_sd(daily_returns(panel.close), 20)}


def exposure(factor: Array, other: Floats, mask: Bools) -> float:
    """Returns the mean daily rank correlation of a factor with an exposure."""
    daily = rank_ic(factor, other, mask, 10)
    return float(np.nanmean(daily)) if np.isfinite(daily).any() else 0.0

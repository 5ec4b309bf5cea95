"""Pools of factors: standardised members, ridge weights from the training days, what one more factor adds.

Members are compared and combined on ranks, so no single value can dominate: z_t is the day's average-tie
rank, centred and scaled to unit variance over the names with a value, 0 for names without one. With C the
mean over days of z_k z_l / |U_t| (mutual rank correlation) and b that of z_k z_label (close to each
member's RankIC), the ridge weights are w = (C + lambda I)^-1 b. In both means a day counts half as much as one
250 days, a year, later, for edges fade; and each b_k is brought nearer to 0 by one standard error (Newey and West), for
most of a weak edge is luck (docs/alphas.md has the figures of both). The pool's signal is sum_k w_k z_k, its RankIC is
measured like a factor's.

    contribution   RankIC(pool + f) - RankIC(pool), weights of both refit on the TRAIN days only, measured
    on VALID overlap        the largest |mutual rank correlation| of f with a member, on the TRAIN days (at
    most 0.7 is asked)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.labels import Labels
from evaluators.alphas.markets.panel import Bools, Floats
from evaluators.alphas.metrics import sum_variance
from evaluators.alphas.rank_ic import average_ranks, rank_ic

Array = NDArray[np.float64]

MAX_OVERLAP = 0.7
RIDGE = 0.05
RECENT_DAYS = 250.0
"""Half-life of the days from which weights are learned."""
SHRINK = 1.0
"""Standard errors by which a member's match with the labels is brought nearer to 0,"""
LEAST_LEFT = 0.01
"""of which so much is left at least, so that a pool of weak members has a signal all the same."""
POOL_SIZE = 8
"""Members that a pool may have."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a factor adds to a pool; correlations are means over days, RankICs are those of VALID."""

    gain: float
    pool_rank_ic: float
    joint_rank_ic: float
    overlap: float
    weight: float


def standardise(factor: Floats, universe: Bools) -> NDArray[np.float32]:
    """Returns z (T, N): ranks within universe and day, mean 0 and variance 1, NaN where there is no value."""
    use = universe & np.isfinite(factor)
    ranks = average_ranks(factor, use)
    count = np.maximum(use.sum(axis=1), 1)[:, None]
    z = np.where(use, ranks - 0.5 * (count + 1), 0.0)
    sd = np.sqrt((z * z).sum(axis=1, keepdims=True) / count)
    scaled = np.divide(z, sd, out=np.zeros_like(z), where=sd > 0)
    return np.asarray(np.where(use, scaled, np.nan), dtype=np.float32)


def mutual_correlations(
    members: NDArray[np.float32], universe: Bools, days: slice, shares: Array | None = None
) -> Array:
    """Returns C (K, K): the mean over `days` of the members' daily rank correlations, by `shares` if given."""
    size = np.maximum(universe[days].sum(axis=1), 1)
    scale = np.sqrt((1.0 / len(size) if shares is None else shares) / size).astype(np.float32)
    flat = (np.nan_to_num(members[:, days]) * scale[None, :, None]).reshape(len(members), -1)
    return np.asarray((flat @ flat.T).astype(np.float64))


def recent_shares(count: int, *, half_life_days: float = RECENT_DAYS) -> Array:
    """Returns what each of `count` days in a row counts, (count,): half as much as one half-life later; sums to 1."""
    shares = 0.5 ** (np.arange(count)[::-1] / half_life_days)
    return np.asarray(shares / shares.sum())


def ridge_moments(
    members: NDArray[np.float32], labels: Labels, universe: Bools, days: slice
) -> tuple[Array, Array]:
    """Returns C (K, K) and the shrunk b (K,) on `days`; those of a part of the members are parts of them."""
    match = daily_matches(members, labels, universe, days)
    shares = recent_shares(match.shape[1])
    return (
        mutual_correlations(members, universe, days, shares),
        shrunk_match(match, shares, lag=2 * (labels.horizon.days - 1)),
    )


def daily_matches(members: NDArray[np.float32], labels: Labels, universe: Bools, days: slice) -> Array:
    """Returns each member's daily rank correlation with the labels, over all of the universe, (K, days)."""
    target = standardise(labels.values[days], labels.mask[days])
    size = np.maximum(universe[days].sum(axis=1), 1)
    match = np.einsum("ktn,tn->kt", np.nan_to_num(members[:, days]), np.nan_to_num(target))
    return np.asarray(match / size, dtype=np.float64)


def shrunk_match(match: Array, shares: Array, *, lag: int, shrink: float = SHRINK) -> Array:
    """Returns the mean of `match` (K, T) by `shares` (T,), each brought nearer to 0 by `shrink` standard errors.

    The variance of the mean is that of Newey and West with Bartlett weights up to `lag`.
    """
    mean = match @ shares
    variance = sum_variance((match - mean[:, None]) * shares, lag)
    error = np.sqrt(np.maximum(variance, 0.0))
    return np.asarray(np.sign(mean) * np.maximum(np.abs(mean) - shrink * error, LEAST_LEFT * np.abs(mean)))


def solve_ridge(correlations: Array, match: Array, *, ridge: float = RIDGE) -> Array:
    """Returns w = (C + lambda I)^-1 b."""
    return np.asarray(np.linalg.solve(correlations + ridge * np.eye(len(match)), match))


def ridge_weights(
    members: NDArray[np.float32], labels: Labels, universe: Bools, days: slice, *, ridge: float = RIDGE
) -> Array:
    """Returns w (K,) fitted on `days`; zeros for no members."""
    if not len(members):
        return np.zeros(0)
    return solve_ridge(*ridge_moments(members, labels, universe, days), ridge=ridge)


def combined_signal(members: NDArray[np.float32], weights: Array) -> Array:
    """Returns the pool's signal sum_k w_k z_k, (T, N); NaN where no member has a value."""
    signal = np.tensordot(weights, np.nan_to_num(members), axes=1)
    return np.where(np.isfinite(members).any(axis=0), signal, np.nan)


def pool_rank_ic(
    members: NDArray[np.float32], labels: Labels, universe: Bools, *, train: slice, valid: slice
) -> Array:
    """Returns the daily RankIC of the pool on VALID with weights from TRAIN; all 0 for an empty pool."""
    if not len(members):
        return np.zeros(len(range(*valid.indices(len(universe)))))
    weights = ridge_weights(members, labels, universe, train)
    signal = combined_signal(members[:, valid], weights)
    return rank_ic(signal, labels.values[valid], labels.mask[valid], labels.min_names[valid])


def contribution(
    pool: Sequence[Floats] | NDArray[np.float32],
    factor: Floats,
    labels: Labels,
    universe: Bools,
    *,
    train: slice,
    valid: slice,
) -> Contribution:
    """Returns what `factor` adds to the members `pool`, all standardised by `standardise`, (T, N) each."""
    before = np.asarray(pool, dtype=np.float32).reshape(-1, *factor.shape)
    after = np.concatenate([before, np.asarray(factor, dtype=np.float32)[None]])
    old = _mean(pool_rank_ic(before, labels, universe, train=train, valid=valid))
    new = _mean(pool_rank_ic(after, labels, universe, train=train, valid=valid))
    mutual = mutual_correlations(after, universe, train)[-1, :-1]
    weight = ridge_weights(after, labels, universe, train)[-1]
    return Contribution(new - old, old, new, float(np.abs(mutual).max(initial=0.0)), float(weight))


def _mean(series: Array) -> float:
    return float(np.nanmean(series)) if np.isfinite(series).any() else math.nan

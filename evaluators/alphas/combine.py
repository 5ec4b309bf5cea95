"""Pools of factors: standardised members, ridge weights from the training days, what one more factor adds.

Members are compared and combined on ranks, so no single value can dominate: z_t is the day's average-tie
rank, centred and scaled to unit variance over the names with a value, 0 for names without one. With C the
mean over days of z_k z_l / |U_t| (mutual rank correlation) and b that of z_k z_label (close to each
member's RankIC), the ridge weights are w = (C + lambda I)^-1 b. The pool's signal is sum_k w_k z_k, its
RankIC is measured like a factor's.

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

from evaluators.alphas.labels import Labels
from evaluators.alphas.panel import Bools, Floats
from evaluators.alphas.rank_ic import average_ranks, rank_ic

Array = NDArray[np.float64]

MAX_OVERLAP = 0.7
RIDGE = 0.05


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


def mutual_correlations(members: NDArray[np.float32], universe: Bools, days: slice) -> Array:
    """Returns C (K, K): the mean over `days` of the members' daily rank correlations."""
    size = np.maximum(universe[days].sum(axis=1), 1).astype(np.float32)
    part = np.nan_to_num(members[:, days]) / np.sqrt(size)[None, :, None]
    flat = part.reshape(len(members), -1)
    return np.asarray((flat @ flat.T).astype(np.float64) / part.shape[1])


def ridge_moments(
    members: NDArray[np.float32], labels: Labels, universe: Bools, days: slice
) -> tuple[Array, Array]:
    """Returns C (K, K) and b (K,) on `days`; those of a part of the members are parts of them."""
    target = standardise(labels.values[days], labels.mask[days])
    size = np.maximum(universe[days].sum(axis=1), 1)
    match = np.einsum("ktn,tn->kt", np.nan_to_num(members[:, days]), np.nan_to_num(target)) / size
    return mutual_correlations(members, universe, days), np.asarray(match.mean(axis=1))


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

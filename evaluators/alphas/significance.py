"""Was it luck? Corrections for the number of trials, for choosing the best, and for testing many at once.

    deflated_sharpe   P(true Sharpe > 0) given that it is the best of N tries (Bailey and Lopez de Prado 2014)
    pbo               probability of backtest overfitting by CSCV (Bailey, Borwein, Lopez de Prado, Zhu 2017)
    spa               Hansen's (2005) test of superior predictive ability; its upper variant is White's (2000)
                      reality check; both by the stationary bootstrap of Politis and Romano (1994)
    fdr               Benjamini and Hochberg (1995), or Storey's (2002) adaptive variant
    effective_trials  how many independent tries correlated ones amount to
Sharpe ratios here are per period (mean / sd), not annualised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import ContractError

Array = NDArray[np.float64]

EULER_GAMMA = 0.5772156649015329
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Moments:
    """What the significance of a Sharpe ratio depends on: per-period Sharpe, skewness, raw kurtosis, length."""

    sharpe: float
    skewness: float
    kurtosis: float
    periods: int


def moments(series: Array) -> Moments:
    """Returns the moments of a series (NaN left out), sd with ddof = 1, skewness and kurtosis unadjusted."""
    values = series[np.isfinite(series)]
    count = len(values)
    spread = values - values.mean() if count else values
    variance = float(spread @ spread) / count if count else 0.0
    if count < 3 or variance <= 0:
        return Moments(math.nan, 0.0, 3.0, count)
    sharpe = float(values.mean()) / math.sqrt(variance * count / (count - 1))
    skewness = float((spread**3).mean()) / variance**1.5
    return Moments(sharpe, skewness, float((spread**4).mean()) / variance**2, count)


def expected_maximum(trials: float) -> float:
    """Returns the expected largest of `trials` standard normal draws (the paper's approximation; 0 for one)."""
    if trials < 1:
        raise ContractError(f"trials must be >= 1, got {trials}")
    if trials <= 1:
        return 0.0
    near, far = NORMAL.inv_cdf(1 - 1 / trials), NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return (1 - EULER_GAMMA) * near + EULER_GAMMA * far


def probabilistic_sharpe(found: Moments, benchmark: float = 0.0, *, overlap: int = 1) -> float:
    """Returns P(true Sharpe > benchmark); NaN where the series has no variance.

    Phi((SR - SR0) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1)/4 SR^2)), with T / overlap in place of T where each
    period overlaps with overlap - 1 others (labels of h days: overlap = h).
    """
    if overlap < 1:
        raise ContractError(f"overlap must be >= 1, got {overlap}")
    periods = found.periods / overlap
    square = 1 - found.skewness * found.sharpe + (found.kurtosis - 1) / 4 * found.sharpe**2
    if not math.isfinite(found.sharpe) or periods <= 1 or square <= 0:
        return math.nan
    return NORMAL.cdf((found.sharpe - benchmark) * math.sqrt(periods - 1) / math.sqrt(square))


def deflated_sharpe(found: Moments, *, trials: float, trials_sd: float, overlap: int = 1) -> float:
    """Returns P(true Sharpe > what the best of `trials` worthless ones reaches), the admission figure.

    The benchmark is sd(SR over trials) x `expected_maximum(trials)`. An sd below the sampling error
    1 / sqrt(T / overlap) would say that the trials are copies of one another; the sampling error is used
    then.
    """
    if trials_sd < 0:
        raise ContractError(f"trials_sd must be >= 0, got {trials_sd}")
    least = math.sqrt(overlap / max(found.periods, 1))
    return probabilistic_sharpe(found, max(trials_sd, least) * expected_maximum(trials), overlap=overlap)


def effective_trials(series: Array) -> float:
    """Returns (sum e)^2 / sum e^2 over the eigenvalues e of the correlations of `series` (periods, trials).

    1 for copies, the number of trials for independent ones (bounded by the number of periods).
    """
    values = series[:, np.nanstd(series, axis=0) > 0]
    if not values.shape[1]:
        return 1.0
    spread = np.nan_to_num(values - np.nanmean(values, axis=0))
    spread /= np.sqrt((spread**2).sum(axis=0))
    gram = spread.T @ spread if spread.shape[1] <= spread.shape[0] else spread @ spread.T
    return float(np.trace(gram) ** 2 / (gram**2).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """`pbo`: share of the splits where the best in sample is below the median out of sample; `logits` of them."""

    pbo: float
    logits: Array
    loss_probability: float


def pbo(performance: Array, *, blocks: int = 16) -> Overfitting:
    """Returns the probability of backtest overfitting by combinatorially symmetric cross-validation.

    Args:
        performance: (T, K) per-period performance of K candidates, K >= 2, no NaN.
        blocks: even number S of time blocks; all C(S, S/2) choices of half of them are in-sample once.
    """
    length, count = performance.shape
    if blocks < 2 or blocks % 2 or count < 2 or length < 2 * blocks or not np.isfinite(performance).all():
        raise ContractError(
            f"pbo needs finite (T, K) with K >= 2 and T >= 2 S, S even, got {performance.shape} and S {blocks}"
        )
    edges = np.linspace(0, length, blocks + 1).round().astype(int)
    pairs = list(pairwise(edges))
    sums = np.stack([performance[a:b].sum(axis=0) for a, b in pairs])
    squares = np.stack([(performance[a:b] ** 2).sum(axis=0) for a, b in pairs])
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    inside = np.zeros((len(chosen), blocks))
    np.put_along_axis(inside, chosen, 1.0, axis=1)
    sizes = np.diff(edges)
    train = _sharpes(inside @ sums, inside @ squares, inside @ sizes)
    test = _sharpes((1 - inside) @ sums, (1 - inside) @ squares, (1 - inside) @ sizes)
    rows = np.arange(len(chosen))
    best = test[rows, train.argmax(axis=1)]
    below = (test < best[:, None]).sum(axis=1) + 0.5 * ((test == best[:, None]).sum(axis=1) - 1)
    share = (below + 1) / (count + 1)
    logits = np.log(share / (1 - share))
    return Overfitting(float((logits <= 0).mean()), logits, float((best < 0).mean()))


def _sharpes(sums: Array, squares: Array, sizes: Array) -> Array:
    mean = sums / sizes[:, None]
    variance = np.maximum(squares / sizes[:, None] - mean**2, 1e-300)
    return np.asarray(mean / np.sqrt(variance))


def stationary_indices(
    rng: np.random.Generator, length: int, *, block: float, draws: int
) -> NDArray[np.int64]:
    """Returns (draws, length) row numbers: runs of geometric length with mean `block`, around the end to row 0."""
    if block < 1:
        raise ContractError(f"block must be >= 1, got {block}")
    starts = rng.integers(0, length, (draws, length))
    fresh = rng.random((draws, length)) < 1.0 / block
    fresh[:, 0] = True
    where = np.maximum.accumulate(np.where(fresh, np.arange(length), 0), axis=1)
    return np.asarray((np.take_along_axis(starts, where, axis=1) + np.arange(length) - where) % length)


@dataclass(frozen=True, slots=True)
class Superiority:
    """p-values that no candidate beats the benchmark: Hansen's lower <= consistent <= upper (White's)."""

    lower: float
    consistent: float
    upper: float
    best: int


def spa(
    performance: Array, rng: np.random.Generator, *, block: float = 10.0, draws: int = 500
) -> Superiority:
    """Returns Hansen's SPA test of `performance` (T, K), each column a candidate's gain over the benchmark.

    Choose `block` at least as long as the labels overlap. Studentised by the bootstrap's own variance.
    """
    length, count = performance.shape
    if length < 10 or count < 1 or not np.isfinite(performance).all():
        raise ContractError(f"spa needs finite (T >= 10, K >= 1) gains, got {performance.shape}")
    mean = performance.mean(axis=0)
    rows = stationary_indices(rng, length, block=block, draws=draws)
    weights = np.zeros((draws, length))
    np.add.at(weights, (np.arange(draws)[:, None], rows), 1.0 / length)
    means = weights @ performance
    root = math.sqrt(length)
    scale = np.maximum(root * np.sqrt(((means - mean) ** 2).mean(axis=0)), 1e-12)
    statistic = max(0.0, float((root * mean / scale).max()))
    threshold = -math.sqrt(2 * math.log(math.log(length)))
    centres = {
        "lower": np.maximum(mean, 0.0),
        "consistent": np.where(root * mean / scale >= threshold, mean, 0.0),
        "upper": mean,
    }
    p = {}
    for name, centre in centres.items():
        largest = np.maximum(0.0, (root * (means - centre) / scale).max(axis=1))
        p[name] = float((largest >= statistic).mean()) if statistic > 0 else 1.0
    return Superiority(p["lower"], p["consistent"], p["upper"], int(np.argmax(mean / scale)))


def fdr(
    p_values: Array, *, level: float = 0.05, method: Literal["bh", "storey"] = "bh", cut: float = 0.5
) -> tuple[NDArray[np.bool_], Array]:
    """Returns which hypotheses are rejected at false discovery rate `level`, and their adjusted p-values.

    Storey's variant multiplies by the estimated share of true nulls, (1 + #{p > cut}) / (m (1 - cut)).
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ContractError("p_values must be a vector of numbers in [0, 1]")
    count = len(p)
    share = 1.0
    if method == "storey":
        share = min(1.0, (1 + int((p > cut).sum())) / (count * (1 - cut)))
    order = np.argsort(p)[::-1]
    ranks = np.arange(count, 0, -1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(share * p[order] * count / ranks))
    return adjusted <= level, adjusted

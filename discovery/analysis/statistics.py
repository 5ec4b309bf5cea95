"""Statistics of paired runs: is one configuration better than another, by how much, and how many seeds does it take?

A pair is two runs with the same seed. The test is the exact two-sided Wilcoxon signed-rank test (F. Wilcoxon,
"Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945), which holds its level for any sample size
and any symmetric distribution of differences; ties and zeros are handled exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float64]

RANK_EFFICIENCY = 3 / math.pi
"""Pitman efficiency of the signed-rank test against the t test where differences are normal."""


def signed_rank(differences: Vector) -> tuple[float, float]:
    """Returns the rank balance and the exact two-sided p value of the Wilcoxon signed-rank test.

    Args:
        differences: (n,) paired differences; zeros are dropped, ties share their mean rank.

    Returns:
        The balance in [-1, 1], 1 where all differences are positive; and the p value, from the rank sums of all 2^n
        signs, by convolution.
    """
    values = differences[differences != 0]
    if values.size == 0:
        return 0.0, 1.0
    sizes = np.abs(values)
    ordered = np.sort(sizes)
    ranks = (  # doubled, so that they are whole
        np.searchsorted(ordered, sizes, "left") + np.searchsorted(ordered, sizes, "right") + 1
    )
    counts = np.ones(1)
    for rank in ranks.tolist():
        counts = np.concatenate([counts, np.zeros(rank)]) + np.concatenate([np.zeros(rank), counts])
    share = counts / counts.sum()
    positive = int(ranks[values > 0].sum())
    p = min(1.0, 2 * min(share[: positive + 1].sum(), share[positive:].sum()))
    return float(2 * positive / ranks.sum() - 1), float(p)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between its bounds."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """What n paired runs say.

    Attributes:
        difference: median of a - b, with its interval.
        balance: rank balance in [-1, 1]; positive where a is better.
        p: exact two-sided p value.
        wins, losses: pairs in which a is better, and worse.
        required_pairs: how many pairs find a difference of the size seen with the power asked for; None where no
            difference was seen.
    """

    difference: Interval
    balance: float
    p: float
    wins: int
    losses: int
    required_pairs: int | None

    def verdict(self, level: float = 0.05) -> str:
        """Returns "better", "worse", or "not told apart" at a level of significance."""
        if self.p >= level:
            return "not told apart"
        return "better" if self.balance > 0 else "worse"


def compare_pairs(
    a: Sequence[float], b: Sequence[float], *, power: float = 0.8, level: float = 0.05
) -> Paired:
    """Returns what paired results say; larger is better.

    Args:
        a: (n,) results of one configuration, by seed.
        b: (n,) results of the other, in the same order.
        power: for `required_pairs`, in (0, 1).
        level: of the test and of the interval's complement, in (0, 1).
    """
    differences = np.asarray(a, float) - np.asarray(b, float)
    balance, p = signed_rank(differences)
    return Paired(
        median_interval(differences, level),
        balance,
        p,
        int((differences > 0).sum()),
        int((differences < 0).sum()),
        required_pairs(differences, power=power, level=level),
    )


def median_interval(values: Vector, level: float = 0.05) -> Interval:
    """Returns the median with its distribution-free interval from order statistics (binomial, at least 1 - level).

    With fewer than six values no such interval exists at 95 %: the bounds are then infinite, and say so.
    """
    ordered = np.sort(values)
    n, below = ordered.size, 0.0
    index = -1
    for k in range(n):
        below += math.comb(n, k) / 2**n
        if below > level / 2:
            break
        index = k
    middle = float(np.median(ordered)) if n else math.nan
    if index < 0:
        return Interval(-math.inf, middle, math.inf)
    return Interval(float(ordered[index]), middle, float(ordered[n - 1 - index]))


def required_pairs(differences: Vector, *, power: float = 0.8, level: float = 0.05) -> int | None:
    """Returns how many pairs a signed-rank test needs to find a mean difference like this one.

    The normal approximation of a paired t test with Guenther's term for small samples (The American Statistician 35,
    1981), divided by the rank test's efficiency: an estimate for planning, from
    the spread and the mean that were seen. None where there is no spread or no mean to speak of.
    """
    if differences.size < 2:
        return None
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    if mean == 0 or not math.isfinite(mean / (sd or 1.0)):
        return None
    if sd == 0:
        return smallest_n(level)
    quantile = NormalDist().inv_cdf
    two_sided = quantile(1 - level / 2)
    need = ((two_sided + quantile(power)) * sd / mean) ** 2 / RANK_EFFICIENCY + two_sided**2 / 2
    return max(smallest_n(level), math.ceil(need))


def smallest_n(level: float = 0.05) -> int:
    """Returns the fewest pairs with which the signed-rank test can reach a level at all."""
    return math.ceil(math.log2(2 / level))


def reached(costs: Sequence[Sequence[float]], bests: Sequence[Sequence[float]], target: float) -> list[float]:
    """Returns what each run had spent when it first reached a target; infinity where it never did.

    Args:
        costs: per run, what was spent up to each step, rising.
        bests: per run, the best fitness at each step.
        target: the fitness asked for.
    """
    found: list[float] = []
    for spent, best in zip(costs, bests, strict=True):
        steps = np.flatnonzero(np.asarray(best) >= target)
        found.append(float(spent[steps[0]]) if steps.size else math.inf)
    return found


def survival(times: Sequence[float], at: Sequence[float]) -> list[float]:
    """Returns the share of runs that have not reached the target, at each of some costs."""
    ordered = np.sort(np.asarray(times, float))
    done = np.searchsorted(ordered, np.asarray(at, float), side="right")
    return [float(share) for share in 1 - done / max(1, ordered.size)]

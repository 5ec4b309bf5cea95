"""How much faster one program is than another: a paired estimate that noise can only lower.

A round gives log(baseline's time / program's time). Times of one process are alike in ways those of another are not
(its pages, its cache lines), so rounds come from several pairs of processes, and the interval counts both:
means of sessions where there are enough of them, else the rounds within.
Measured on 2 busy cores: sequential medians erred by up to 67 %, medians of paired CPU-time ratios by 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95
LEAST_ROUNDS = 12
MOST_ROUNDS = 60
HALF_WIDTH = 0.02
GATE_HALF_WIDTH = 0.05


@dataclass(frozen=True, slots=True)
class Interval:
    """A median of logarithms of ratios, and the ends of its 95 % interval."""

    middle: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Returns half of its length: about the relative error of the ratio."""
        return (self.high - self.low) / 2

    def ratios(self) -> tuple[float, float, float]:
        """Returns (low, middle, high) as ratios."""
        return math.exp(self.low), math.exp(self.middle), math.exp(self.high)


def bootstrap(sessions: Sequence[Sequence[float]], rng: np.random.Generator) -> Interval:
    """Returns the interval of the median of all rounds, by a bootstrap over sessions and rounds within.

    Args:
        sessions: logarithms of ratios, one sequence per pair of processes; at least one round in all.
        rng: of the resampling.

    Raises:
        ValueError: there is no round.

    Source: percentile bootstrap, Efron and Tibshirani 1993, ch. 13; two-stage resampling, Davison and Hinkley
    1997, sec. 3.8.
    """
    groups = [np.asarray(group, float) for group in sessions if len(group)]
    if not groups:
        raise ValueError("there must be at least one round, got none")
    middle = float(np.median(np.concatenate(groups)))
    medians = np.array([_resample(groups, rng) for _ in range(RESAMPLES)])
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(value) for value in np.quantile(medians, (tail, 1 - tail)))
    return Interval(middle, min(low, middle), max(high, middle))


def _resample(groups: list[NDArray[np.float64]], rng: np.random.Generator) -> float:
    chosen = rng.integers(len(groups), size=len(groups)) if len(groups) > 2 else range(len(groups))
    parts = [groups[index][rng.integers(groups[index].size, size=groups[index].size)] for index in chosen]
    return float(np.median(np.concatenate(parts)))


def is_precise(interval: Interval, rounds: int) -> bool:
    """Returns whether more rounds would tell little."""
    return rounds >= LEAST_ROUNDS and interval.half_width < HALF_WIDTH


def gate(interval: Interval) -> str:
    """Returns why the machine is too noisy, going by the baseline against itself; "" if it is not."""
    low, middle, high = interval.ratios()
    if interval.half_width >= GATE_HALF_WIDTH:
        return f"the baseline against itself is known to {interval.half_width:.1%} only"
    if not interval.low <= 0.0 <= interval.high:
        return f"the baseline against itself came out as {middle:.3f} [{low:.3f}, {high:.3f}], not as 1"
    return ""

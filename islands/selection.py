"""Boltzmann selection with an adaptive temperature.

Source: LoongFlow (arXiv:2512.24077), equation 7 and section 4.2.3: p_i = exp(R_i / tau) / sum_j exp(R_j /
    tau) and
tau = tau0 * (1 + alpha * exp(-beta * H)). A diverse archive exploits, a converged one explores. The paper
leaves R and H open; here R is a normalised fitness (scores.py) and H the entropy of the recent parents over
the occupied cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from islands import IslandsError
from islands.scores import FloatArray


def boltzmann(normalised: FloatArray, tau: float) -> FloatArray:
    """Returns (n,) probabilities of being drawn as parent; they sum to 1.

    Args:
        normalised: (n,) normalised fitnesses R, n >= 1.
        tau: temperature > 0, in units of R.

    Raises:
        IslandsError: `tau` is not a positive number, or there is nothing to draw from.
    """
    _require_temperature(tau)
    if normalised.size == 0:
        raise IslandsError("normalised must hold at least one fitness; add the seed program before selecting")
    weights = np.exp((normalised - normalised.max()) / tau)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def draw(normalised: FloatArray, tau: float, *, rng: np.random.Generator, count: int = 1) -> list[int]:
    """Returns up to `count` distinct positions, drawn one after the other without replacement by `boltzmann`.

    The `count` largest of R / tau + Gumbel noise have exactly that law (Vieira 2014; Kool et al. 2019,
    arXiv:1903.06059), with no running product of probabilities to underflow.

    Raises:
        IslandsError: `tau` is not a positive number, `count` < 1, or there is nothing to draw from.
    """
    _require_temperature(tau)
    if count < 1 or normalised.size == 0:
        raise IslandsError(
            f"draw needs count >= 1 and a fitness to draw from, got {count} of {normalised.size}"
        )
    keys = normalised / tau + rng.gumbel(size=normalised.size)
    if count == 1:
        return [int(keys.argmax())]
    return [int(position) for position in np.argsort(-keys)[:count]]


def temperature(diversity: float, *, tau0: float, alpha: float, beta: float) -> float:
    """Returns tau0 * (1 + alpha * exp(-beta * H)): falls as the diversity H rises.

    Args:
        diversity: H in [0, 1], see `entropy`.
        tau0: temperature of a perfectly diverse archive, > 0, in units of R.
        alpha: how much hotter a converged archive is, >= 0.
        beta: how fast heat is lost with diversity, >= 0.

    Raises:
        IslandsError: an argument is out of its range.
    """
    _require_temperature(tau0)
    if not (alpha >= 0 and beta >= 0 and 0 <= diversity <= 1):
        raise IslandsError(
            f"alpha and beta must be >= 0 and diversity within [0, 1], got {alpha}, {beta} and {diversity}"
        )
    return tau0 * (1 + alpha * math.exp(-beta * diversity))


def entropy(counts: Iterable[int], occupied: int) -> float:
    """Returns how evenly the recent parents came from the occupied cells, as a share of the most, in [0, 1].

    It is their Shannon entropy over log(min(parents, cells)): a window of 30 parents cannot spread over 200
    cells. With fewer than two parents, or a single cell, there is no evidence of convergence and nothing to
    choose: 1.

    Args:
        counts: how often each cell gave a parent recently, all > 0.
        occupied: number of occupied cells.
    """
    seen = [count for count in counts if count > 0]
    total = sum(seen)
    room = min(total, max(occupied, len(seen)))
    if room < 2:
        return 1.0
    value = math.log(total) - sum(count * math.log(count) for count in seen) / total
    return min(1.0, max(0.0, value / math.log(room)))


def _require_temperature(tau: float) -> None:
    if not (tau > 0 and math.isfinite(tau)):
        raise IslandsError(
            f"temperature must be a finite number > 0, got {tau}; take the best elite for the limit at 0"
        )

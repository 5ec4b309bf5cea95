"""Fitnesses on a common scale: what selection sees instead of raw scores.

A softmax of raw scores depends on the problem's unit (0.90 against 0.99 is nothing at temperature 1, 90
against 99 is everything). Both scales here are unchanged by fitness -> a * fitness + b with a > 0.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from islands import IslandsError
from islands.config import Normalisation

FloatArray: TypeAlias = NDArray[np.float64]

_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_CLIP_SIGMAS = 3.0


def normalise(fitnesses: ArrayLike, method: Normalisation = "rank") -> FloatArray:
    """Returns (n,) fitnesses on [0, 1], better is larger, equal ones equal.

    Args:
        fitnesses: (n,) finite numbers, larger is better; n may be 0.
        method: "rank" spaces the ranks evenly, ties share their mean rank; "robust" takes the distance to
            the median in units of the median absolute deviation, cut at 3 of them on either side.

    Raises:
        IslandsError: `fitnesses` is not a finite vector, or `method` is unknown.
    """
    values = np.asarray(fitnesses, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise IslandsError("fitnesses must be a vector of finite numbers; leave failed programs out")
    if method == "rank":
        return _ranks(values)
    if method == "robust":
        return _robust(values)
    raise IslandsError(f"method must be 'rank' or 'robust', got {method!r}")


def _ranks(values: FloatArray) -> FloatArray:
    if values.size < 2:
        return np.ones_like(values)
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    ranks: FloatArray = (below + not_above - 1) / (2 * (values.size - 1))
    return ranks


def _robust(values: FloatArray) -> FloatArray:
    if values.size < 2:
        return np.ones_like(values)
    deviations = values - np.median(values)
    spread = _MAD_TO_SIGMA * np.median(np.abs(deviations))
    if spread == 0:  # more than half are equal: the deviation says nothing, their order still does
        return _ranks(values)
    clipped: FloatArray = np.clip(deviations / spread, -_CLIP_SIGMAS, _CLIP_SIGMAS)
    return (clipped + _CLIP_SIGMAS) / (2 * _CLIP_SIGMAS)

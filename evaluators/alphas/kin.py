"""Which family of classic factors a new one is nearest to: an axis of the archive, so that kinds survive."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.combine import standardise
from evaluators.alphas.markets.panel import Bools, Floats
from evaluators.alphas.zoo import FAMILIES, compute_zoo

Array = NDArray[np.float64]

HISTORY_DAYS, SAMPLE_DAYS = 300, 40


class Kin:
    """The zoo on a sample of days, and the family of whatever is compared with it.

    Args:
        features: of the whole panel, (T, N) each.
        universe: (T, N).
        stop: the sample is every other day of the last ones before this one.
    """

    def __init__(self, features: Mapping[str, Floats], universe: Bools, stop: int) -> None:
        first = max(0, stop - HISTORY_DAYS)
        self.days = np.arange(max(first, stop - 2 * SAMPLE_DAYS), stop, 2)
        self._universe = universe[self.days]
        zoo = compute_zoo({name: values[first:stop] for name, values in features.items()})
        self._zoo = np.nan_to_num(self._standard(zoo[:, self.days - first]))
        self._families = np.repeat(np.arange(len(FAMILIES)), [len(members) for members in FAMILIES.values()])

    def of(self, factor: Array) -> int:
        """Returns the place in `zoo.FAMILIES` of the zoo factor with the largest |mean rank correlation|."""
        own = np.nan_to_num(self._standard(factor[self.days][None]))[0]
        size = np.maximum(self._universe.sum(axis=1), 1)
        correlations = (np.einsum("ktn,tn->kt", self._zoo, own) / size).mean(axis=1)
        return int(self._families[int(np.argmax(np.abs(correlations)))])

    def _standard(self, factors: Array) -> NDArray[np.float32]:
        return np.stack([standardise(factor, self._universe) for factor in factors])

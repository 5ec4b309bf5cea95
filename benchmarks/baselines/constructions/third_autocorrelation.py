"""Third autocorrelation inequality: as the first one, with heights of any sign."""

from __future__ import annotations

import numpy as np

from benchmarks.baselines.constructions import first_autocorrelation
from evaluators.contract import Case


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[float]:
    """Returns the best heights found in so many seconds of CPU time."""
    return first_autocorrelation.solve(case, seconds, rng, is_signed=True)

"""Random panels with gaps and ties, for tests."""

from __future__ import annotations

import numpy as np


def gappy(rng: np.random.Generator, days: int = 60, names: int = 80, *, ties: bool = False) -> dict:
    """Returns x, y, mask (T, N): gaps, infinities, days that are too thin, constant days, ties on demand."""
    x = rng.standard_normal((days, names))
    y = 0.2 * x + rng.standard_t(4, (days, names))
    if ties:
        x, y = np.round(x, 1), np.round(y, 1)
    x[rng.random(x.shape) < 0.07] = np.nan
    y[rng.random(y.shape) < 0.05] = np.nan
    x[3, 5], x[4, 6] = np.inf, -np.inf
    x[7] = np.where(np.isfinite(x[7]), 2.0, np.nan)
    y[8] = 0.0
    x[9, 4:] = np.nan
    x[10] = np.nan
    mask = rng.random(x.shape) < 0.9
    return {"x": x, "y": y, "mask": mask}

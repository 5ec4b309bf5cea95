"""Max/min distance ratio: SLSQP from random starts, smallest squared distance 1, largest one minimised."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluators.contract import Case

COUNT = 16
FIRST, SECOND = np.triu_indices(COUNT, 1)
PAIRS = np.arange(len(FIRST))


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[list[float]]:
    """Returns the best points found in so many seconds of CPU time."""
    del case
    best, least = None, np.inf
    end = time.process_time() + seconds
    slope = np.append(np.zeros(2 * COUNT), 1.0)
    while best is None or time.process_time() < end:
        found = minimize(
            lambda z: (z[-1], slope),
            np.append(rng.uniform(0, 3.5, 2 * COUNT), 14.0),
            jac=True,
            method="SLSQP",
            constraints={"type": "ineq", "fun": limits, "jac": limit_slopes},
            options={"maxiter": 300, "ftol": 1e-16},
        )
        points = found.x[:-1].reshape(2, COUNT)
        squares = ((points[:, FIRST] - points[:, SECOND]) ** 2).sum(axis=0)
        if squares.max() < least * squares.min():
            best, least = points.T.tolist(), squares.max() / squares.min()
    return best


def limits(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what must be >= 0: squared distances less 1, and the largest less each."""
    x, y = z[:COUNT], z[COUNT:-1]
    squares = (x[FIRST] - x[SECOND]) ** 2 + (y[FIRST] - y[SECOND]) ** 2
    return np.concatenate([squares - 1, z[-1] - squares])


def limit_slopes(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the derivatives of `limits`."""
    slopes = np.zeros((len(FIRST), len(z)))
    for offset in (0, COUNT):
        step = 2 * (z[offset + FIRST] - z[offset + SECOND])
        slopes[PAIRS, offset + FIRST], slopes[PAIRS, offset + SECOND] = step, -step
    upper = -slopes
    upper[:, -1] = 1
    return np.vstack([slopes, upper])

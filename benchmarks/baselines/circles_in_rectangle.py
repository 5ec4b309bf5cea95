"""Circles in a rectangle: SLSQP with analytic derivatives, shrunk until exactly valid.

Every other start is random; the rest move a few circles of the best packing so far.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluators.contract import Case

COUNT = 21
FIRST, SECOND = np.triu_indices(COUNT, 1)
PAIRS = np.arange(len(FIRST))


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[list[float]]:
    """Returns the best packing found in so many seconds of CPU time."""
    del case
    best, largest, basin = None, 0.0, None
    end = time.process_time() + seconds
    while best is None or time.process_time() < end:
        width = rng.uniform(0.8, 1.2)
        start = np.concatenate(
            [rng.uniform(0, width, COUNT), rng.uniform(0, 2 - width, COUNT), np.full(COUNT, 0.05), [width]]
        )
        if basin is not None and rng.random() < 0.5:
            moved = rng.choice(COUNT, int(rng.integers(1, 4)), replace=False)
            random, start = start, basin.copy()
            for offset in (0, COUNT, 2 * COUNT):
                start[offset + moved] = random[offset + moved]
        found = minimize(
            lambda z: (-z[2 * COUNT : 3 * COUNT].sum(), OBJECTIVE_SLOPE),
            start,
            jac=True,
            method="SLSQP",
            constraints={"type": "ineq", "fun": gaps, "jac": gap_slopes},
            options={"maxiter": 300, "ftol": 1e-15},
        )
        packing = shrunk(found.x)
        total = sum(r for _, _, r in packing)
        if total > largest:
            best, largest, basin = packing, total, found.x
    return best


OBJECTIVE_SLOPE = np.concatenate([np.zeros(2 * COUNT), -np.ones(COUNT), [0.0]])


def gaps(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what must be >= 0: gaps between circles (of squares), and to the four walls."""
    x, y, r, width = z[:COUNT], z[COUNT : 2 * COUNT], z[2 * COUNT : 3 * COUNT], z[-1]
    between = (x[FIRST] - x[SECOND]) ** 2 + (y[FIRST] - y[SECOND]) ** 2 - (r[FIRST] + r[SECOND]) ** 2
    return np.concatenate([between, x - r, width - x - r, y - r, 2 - width - y - r, r])


def gap_slopes(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the derivatives of `gaps`."""
    x, y, r = z[:COUNT], z[COUNT : 2 * COUNT], z[2 * COUNT : 3 * COUNT]
    between = np.zeros((len(FIRST), len(z)))
    for offset, values, sign in ((0, x, -1), (COUNT, y, -1), (2 * COUNT, r, 1)):
        first, second = values[FIRST], values[SECOND]
        between[PAIRS, offset + FIRST] = 2 * (first - second) if sign < 0 else -2 * (first + second)
        between[PAIRS, offset + SECOND] = -2 * (first - second) if sign < 0 else -2 * (first + second)
    one, none, edge = np.eye(COUNT), np.zeros((COUNT, COUNT)), np.ones((COUNT, 1))
    walls = [
        np.hstack([one, none, -one, 0 * edge]),
        np.hstack([-one, none, -one, edge]),
        np.hstack([none, one, -one, 0 * edge]),
        np.hstack([none, -one, -one, -edge]),
        np.hstack([none, none, one, 0 * edge]),
    ]
    return np.vstack([between, *walls])


def shrunk(z: NDArray[np.float64]) -> list[list[float]]:
    """Returns the circles with all radii less by the worst overlap, scaled to fit the perimeter."""
    x, y, r = z[:COUNT], z[COUNT : 2 * COUNT], z[2 * COUNT : 3 * COUNT]
    reach = r[FIRST] + r[SECOND]
    worst = max(0.0, float((reach - np.hypot(x[FIRST] - x[SECOND], y[FIRST] - y[SECOND])).max()))
    r = np.maximum(r - worst / 2 - 1e-15, 0.0)
    left, low = (x - r).min(), (y - r).min()
    scale = (2 - 1e-14) / ((x + r).max() - left + (y + r).max() - low)
    table = np.stack([(x - left) * scale, (y - low) * scale, r * scale], axis=1)
    table[:, 2] = np.maximum(table[:, 2] - 1e-15, 0.0)
    return table.tolist()

"""Circles in a rectangle of perimeter 4: SLSQP with analytic derivatives, shrunk until exactly valid.

Every other start is random; the rest move a few circles of the best packing so far.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluators.contract import Case

COUNT = 21
WIDTHS = (0.8, 1.2)


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[list[float]]:
    """Returns the best packing found in so many seconds of CPU time."""
    del case
    return search(COUNT, WIDTHS, seconds, rng)


def search(
    n: int, widths: tuple[float, float], seconds: float, rng: np.random.Generator
) -> list[list[float]]:
    """Returns the best packing of n circles found; the rectangle's width lies between `widths`."""
    best, largest, basin = None, 0.0, None
    is_square = widths[0] == widths[1]
    bounds = [(None, None)] * (3 * n) + [widths if is_square else (None, None)]
    slope = np.concatenate([np.zeros(2 * n), -np.ones(n), [0.0]])
    end = time.process_time() + seconds
    while best is None or time.process_time() < end:
        width = rng.uniform(*widths)
        start = np.concatenate(
            [rng.uniform(0, width, n), rng.uniform(0, 2 - width, n), np.full(n, 0.05), [width]]
        )
        if basin is not None and rng.random() < 0.5:
            moved = rng.choice(n, int(rng.integers(1, 4)), replace=False)
            random, start = start, basin.copy()
            for offset in (0, n, 2 * n):
                start[offset + moved] = random[offset + moved]
        found = minimize(
            lambda z: (-z[2 * n : 3 * n].sum(), slope),
            start,
            jac=True,
            method="SLSQP",
            bounds=bounds if is_square else None,
            constraints={"type": "ineq", "fun": gaps, "jac": gap_slopes},
            options={"maxiter": 300, "ftol": 1e-15},
        )
        packing = shrunk(found.x, is_square=is_square)
        total = sum(r for _, _, r in packing)
        if total > largest:
            best, largest, basin = packing, total, found.x
    return best


def gaps(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what must be >= 0: gaps between circles (of squares), and to the four walls."""
    (x, y, r), width = np.split(z[:-1], 3), z[-1]
    first, second = np.triu_indices(len(x), 1)
    between = (x[first] - x[second]) ** 2 + (y[first] - y[second]) ** 2 - (r[first] + r[second]) ** 2
    return np.concatenate([between, x - r, width - x - r, y - r, 2 - width - y - r, r])


def gap_slopes(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the derivatives of `gaps`."""
    x, y, r = np.split(z[:-1], 3)
    n = len(x)
    first, second = np.triu_indices(n, 1)
    pairs = np.arange(len(first))
    between = np.zeros((len(first), len(z)))
    for offset, values, sign in ((0, x, -1), (n, y, -1), (2 * n, r, 1)):
        one, two = values[first], values[second]
        between[pairs, offset + first] = 2 * (one - two) if sign < 0 else -2 * (one + two)
        between[pairs, offset + second] = -2 * (one - two) if sign < 0 else -2 * (one + two)
    one, none, edge = np.eye(n), np.zeros((n, n)), np.ones((n, 1))
    walls = [
        np.hstack([one, none, -one, 0 * edge]),
        np.hstack([-one, none, -one, edge]),
        np.hstack([none, one, -one, 0 * edge]),
        np.hstack([none, -one, -one, -edge]),
        np.hstack([none, none, one, 0 * edge]),
    ]
    return np.vstack([between, *walls])


def shrunk(z: NDArray[np.float64], *, is_square: bool = False) -> list[list[float]]:
    """Returns the circles with all radii less by the worst overlap, scaled to fit the perimeter, or the unit square."""
    x, y, r = np.split(z[:-1], 3)
    first, second = np.triu_indices(len(x), 1)
    reach = r[first] + r[second]
    worst = max(0.0, float((reach - np.hypot(x[first] - x[second], y[first] - y[second])).max()))
    r = np.maximum(r - worst / 2 - 1e-15, 0.0)
    left, low = (x - r).min(), (y - r).min()
    width, height = (x + r).max() - left, (y + r).max() - low
    scale = (1 - 1e-14) / max(width, height) if is_square else (2 - 1e-14) / (width + height)
    table = np.stack([(x - left) * scale, (y - low) * scale, r * scale], axis=1)
    table[:, 2] = np.maximum(table[:, 2] - 1e-15, 0.0)
    return table.tolist()

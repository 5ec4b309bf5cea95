"""Heilbronn in convex regions: SLSQP with orientations and hull fixed, the hull's area being 1.

Starts are random, or move one or two points of the best set so far.
"""

from __future__ import annotations

import time
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import ConvexHull

from evaluators.contract import Case
from problems.constructions import heilbronn_convex as problem

COUNT = 13
TRIPLES = np.array(list(combinations(range(COUNT), 3)))
ROWS = np.arange(len(TRIPLES))


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[list[float]]:
    """Returns the best points found in so many seconds of CPU time."""
    best, largest = None, -1.0
    end = time.process_time() + seconds
    while best is None or time.process_time() < end:
        points = rng.normal(size=(COUNT, 2))
        if best is not None and rng.random() < 0.7:  # move one or two points of the best
            base = np.array(best)
            kept = rng.permutation(COUNT)[int(rng.integers(1, 3)) :]
            points = base.mean(axis=0) + points * base.std(axis=0)
            points[kept] = base[kept]
        for _ in range(3):  # the hull may change on the way
            points = improved(points)
        value = problem.score(case, points.tolist())["smallest_share"]
        if value > largest:
            best, largest = points.tolist(), value
    return best


def improved(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a local optimum of the same order type."""
    hull = ConvexHull(points)
    points = points / np.sqrt(hull.volume)
    corners = hull.vertices
    signs = np.sign(areas(points.ravel(), TRIPLES))
    fan = np.array([(corners[0], a, b) for a, b in pairwise(corners)])

    def rules(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.append(signs * areas(z[:-1], TRIPLES) - z[-1], 1 - areas(z[:-1], fan).sum())

    def slopes(z: NDArray[np.float64]) -> NDArray[np.float64]:
        first = np.column_stack([signs[:, None] * area_slopes(z[:-1], TRIPLES), -np.ones(len(TRIPLES))])
        return np.vstack([first, np.append(-area_slopes(z[:-1], fan).sum(axis=0), 0.0)])

    start = np.append(points.ravel(), np.abs(areas(points.ravel(), TRIPLES)).min())
    goal = np.append(np.zeros(2 * COUNT), -1.0)
    found = minimize(
        lambda z: (-z[-1], goal),
        start,
        jac=True,
        method="SLSQP",
        constraints={"type": "ineq", "fun": rules, "jac": slopes},
        options={"maxiter": 100, "ftol": 1e-14},
    )
    ended = found.x[:-1].reshape(COUNT, 2)
    return ended if np.isfinite(ended).all() and np.abs(ended).max() < 90 else points


def areas(z: NDArray[np.float64], triples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns signed areas of triangles of the points z = x0, y0, x1, ..."""
    a, b, c = (z.reshape(-1, 2)[triples[:, k]] for k in range(3))
    return ((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])) / 2


def area_slopes(z: NDArray[np.float64], triples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the derivatives of `areas`."""
    rows = np.arange(len(triples))
    points = z.reshape(-1, 2)
    slopes = np.zeros((len(triples), len(z)))
    for k in range(3):
        after, before = points[triples[:, (k + 1) % 3]], points[triples[:, (k + 2) % 3]]
        slopes[rows, 2 * triples[:, k]] += (after[:, 1] - before[:, 1]) / 2
        slopes[rows, 2 * triples[:, k] + 1] += (before[:, 0] - after[:, 0]) / 2
    return slopes

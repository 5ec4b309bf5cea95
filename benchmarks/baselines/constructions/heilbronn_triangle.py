"""Heilbronn problem in a triangle: from random points, a sequence of linear programs with a trust region."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from evaluators.contract import Case

COUNT = 11
TRIPLES = np.array(list(combinations(range(COUNT), 3)))


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[list[float]]:
    """Returns the best points found in so many seconds of CPU time."""
    del case
    best, largest = None, 0.0
    end = time.process_time() + seconds
    while best is None or time.process_time() < end:
        points = rng.dirichlet(np.ones(3), COUNT)[:, :2]
        radius, value = 0.05, smallest(points)
        while radius > 1e-11:
            new = linear_step(points, radius)
            after = smallest(new)
            if after > value:
                points, value, radius = new, after, min(0.1, 1.5 * radius)
            else:
                radius /= 4
            if value < 0.7 * largest and radius < 1e-3:
                break
        if value > largest:
            best, largest = points, value
    return inside(best).tolist()


def inside(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the points with those that rounding took outside brought back."""
    points = np.where(points < 1e-12, 0.0, points)
    over = points.sum(axis=1, keepdims=True)
    return np.where(over > 1 - 1e-15, points / np.maximum(over, 0.5) * (1 - 1e-15), points)


def areas(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns twice the signed areas of all triangles."""
    a, b, c = (points[TRIPLES[:, k]] for k in range(3))
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


def smallest(points: NDArray[np.float64]) -> float:
    """Returns the smallest share."""
    return float(np.abs(areas(points)).min())


def linear_step(points: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Returns the points that maximise the linearised smallest area within a box, inside the triangle."""
    now = areas(points)
    signs = np.sign(now)
    rows = np.arange(len(TRIPLES))
    slopes = np.zeros((len(TRIPLES), 2 * COUNT + 1))
    for k in range(3):
        after, before = points[TRIPLES[:, (k + 1) % 3]], points[TRIPLES[:, (k + 2) % 3]]
        slopes[rows, 2 * TRIPLES[:, k]] = signs * (after[:, 1] - before[:, 1])
        slopes[rows, 2 * TRIPLES[:, k] + 1] = signs * (before[:, 0] - after[:, 0])
    sums = np.zeros((COUNT, 2 * COUNT + 1))
    sums[np.arange(COUNT), 2 * np.arange(COUNT)] = sums[np.arange(COUNT), 2 * np.arange(COUNT) + 1] = 1.0
    slopes[:, -1] = -1.0
    goal = np.zeros(2 * COUNT + 1)
    goal[-1] = -1.0
    bounds = [(max(-radius, -x), radius) for x in points.ravel()] + [(None, None)]
    found = linprog(
        goal,
        A_ub=np.vstack([-slopes, sums]),
        b_ub=np.concatenate([np.abs(now), 1 - points.sum(axis=1)]),
        bounds=bounds,
        method="highs",
    )
    return points if found.x is None else inside(points + found.x[:-1].reshape(-1, 2))

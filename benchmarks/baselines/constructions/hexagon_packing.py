"""Hexagons in a hexagon: a sequence of linear programs with a trust region.

In each, every pair keeps the side that separates it best, linearised in all positions and angles; the outer
side is minimised, overlaps being penalised. At the end the centres are moved apart until all are disjoint.
Starts are random, or move one or two hexagons of the best packing so far.
"""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from evaluators.contract import Case

COUNT = 11
FIRST, SECOND = np.triu_indices(COUNT, 1)
SIXTH = math.pi / 3
PENALTY = 20.0


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[list[float]]:
    """Returns the best packing found in so many seconds of CPU time."""
    del case
    best, least = None, np.inf
    end = time.process_time() + seconds
    while best is None or time.process_time() < end:
        z = np.concatenate([rng.uniform(-3, 3, 2 * COUNT), rng.uniform(0, SIXTH, COUNT)])
        if best is not None and rng.random() < 0.7:  # move one or two hexagons of the best
            kept = rng.permutation(COUNT)[int(rng.integers(1, 3)) :]
            for offset in (0, COUNT, 2 * COUNT):
                z[offset + kept] = best[offset + kept]
        z = apart(descend(z, end, least))
        if outer_side(z)[0] < least:
            best, least = z, outer_side(z)[0]
    x, y, angle = best[:COUNT], best[COUNT : 2 * COUNT], best[2 * COUNT :]
    folded = (angle + SIXTH / 2) % SIXTH - SIXTH / 2
    return np.stack([x, y, np.tan(folded / 2)], axis=1).tolist()


def descend(z: NDArray[np.float64], end: float, least: float) -> NDArray[np.float64]:
    """Returns a local optimum of the outer side plus penalised overlaps, cut short where `least` is out of reach."""
    radius = 0.5
    value = merit(z)
    while radius > 1e-10 and time.process_time() < end + 1:
        if radius < 1e-2 and value > least + 0.05:
            return z
        step = linear_step(z, radius)
        if step is None:
            return z
        new = merit(z + step)
        if new < value - 1e-13:
            z, value, radius = z + step, new, min(0.5, 1.5 * radius)
        else:
            radius /= 3
    return z


def merit(z: NDArray[np.float64]) -> float:
    """Returns the outer side plus the penalised overlaps."""
    depth = -separations(z).max(axis=1)
    return outer_side(z)[0] + PENALTY * float(np.maximum(depth, 0).sum())


def separations(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns, per pair and side (6 of each hexagon), the gap along the side's normal."""
    x, y, angle = z[:COUNT], z[COUNT : 2 * COUNT], z[2 * COUNT :]
    dx, dy = x[SECOND] - x[FIRST], y[SECOND] - y[FIRST]
    columns = []
    for own, other, sign in ((FIRST, SECOND, 1), (SECOND, FIRST, -1)):
        for k in range(6):
            normal = angle[own] + SIXTH / 2 + k * SIXTH
            turn = (normal + math.pi - angle[other] + SIXTH / 2) % SIXTH - SIXTH / 2
            along = sign * (dx * np.cos(normal) + dy * np.sin(normal))
            columns.append(along - math.sqrt(3) / 2 - np.cos(turn))
    return np.stack(columns, axis=1)


def outer_side(z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Returns the side needed, and what each hexagon needs in each of 6 directions, (6, count)."""
    x, y, angle = z[:COUNT], z[COUNT : 2 * COUNT], z[2 * COUNT :]
    needs = []
    for k in range(6):
        normal = SIXTH / 2 + k * SIXTH
        turn = (normal - angle + SIXTH / 2) % SIXTH - SIXTH / 2
        needs.append((x * math.cos(normal) + y * math.sin(normal) + np.cos(turn)) * 2 / math.sqrt(3))
    table = np.array(needs)
    return float(table.max()), table


def linear_step(z: NDArray[np.float64], radius: float) -> NDArray[np.float64] | None:
    """Returns the best step within a box, by linear programming; variables: step, side, one overlap per pair."""
    size, pairs = 3 * COUNT, len(FIRST)
    gap = separations(z)
    side = gap.argmax(axis=1)
    rows = np.arange(pairs)
    best = gap[rows, side]
    near = np.flatnonzero(best < 4 * radius + 0.1)
    slopes = np.zeros((pairs, size))
    width = 1e-7
    for j in range(size):
        moved = z.copy()
        moved[j] += width
        slopes[:, j] = (separations(moved)[rows, side] - best) / width
    hold = np.zeros((len(near), size + 1 + pairs))
    hold[:, :size] = -slopes[near]
    hold[np.arange(len(near)), size + 1 + near] = -1
    _, needs = outer_side(z)
    inside = np.zeros((6 * COUNT, size + 1 + pairs))
    angle = z[2 * COUNT :]
    for k in range(6):
        normal = SIXTH / 2 + k * SIXTH
        turn = (normal - angle + SIXTH / 2) % SIXTH - SIXTH / 2
        block = slice(k * COUNT, (k + 1) * COUNT)
        inside[block, :COUNT] = np.eye(COUNT) * math.cos(normal) * 2 / math.sqrt(3)
        inside[block, COUNT : 2 * COUNT] = np.eye(COUNT) * math.sin(normal) * 2 / math.sqrt(3)
        inside[block, 2 * COUNT : size] = np.diag(np.sin(turn)) * 2 / math.sqrt(3)
        inside[block, size] = -1
    cost = np.concatenate([np.zeros(size), [1.0], np.full(pairs, PENALTY)])
    found = linprog(
        cost,
        A_ub=np.vstack([hold, inside]),
        b_ub=np.concatenate([best[near], -needs.ravel()]),
        bounds=[(-radius, radius)] * size + [(None, None)] + [(0, None)] * pairs,
        method="highs",
    )
    return found.x[:size] if found.status == 0 else None


def apart(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the packing with its centres scaled until no two overlap."""
    scale = 1.0
    moved = z.copy()
    while separations(moved).max(axis=1).min() < 1e-14:
        scale += max(1e-13, scale - 1)
        moved[: 2 * COUNT] = z[: 2 * COUNT] * scale
    return moved

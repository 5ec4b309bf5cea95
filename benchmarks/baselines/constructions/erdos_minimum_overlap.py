"""Minimum overlap: from random humps, a sequence of linear programs with a trust region."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from evaluators.contract import Case

STEPS = (51, 75, 101)


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[float]:
    """Returns the best heights found in so many seconds of CPU time."""
    del case
    best, least = None, np.inf
    end = time.process_time() + seconds
    while best is None or time.process_time() < end:
        count = int(rng.choice(STEPS))
        t = np.linspace(-1, 1, count)
        h = np.clip(
            1.3 * np.exp(-((t / 0.6) ** 2) * rng.uniform(0.7, 1.5)) + rng.normal(0, 0.15, count), 0, 1
        )
        h = projected(h)
        radius, value = 0.2, overlap(h)
        while radius > 1e-9 and time.process_time() < end:
            new = linear_step(h, radius)
            after = overlap(new) if new is not None else np.inf
            if after < value - 1e-14:
                h, value, radius = new, after, min(0.3, 1.3 * radius)
            else:
                radius /= 3
        if value < least:
            best, least = h.tolist(), value
    return best


def projected(h: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns heights of mean 1/2."""
    return h / (2 * h.mean()) if h.mean() > 0.5 else 1 - (1 - h) / (2 * (1 - h).mean())


def overlap(h: NDArray[np.float64]) -> float:
    """Returns the largest overlap."""
    return float(np.correlate(h, 1 - h, mode="full").max()) * 2 / len(h)


def linear_step(h: NDArray[np.float64], radius: float) -> NDArray[np.float64] | None:
    """Returns the heights that minimise the linearised largest overlap within a box."""
    n = len(h)
    now = np.correlate(h, 1 - h, mode="full")
    rows = []
    for k in range(-n + 1, n):  # sum of h[i] (1 - h[i - k]), as np.correlate orders it
        slope = np.zeros(n)
        i = np.arange(max(0, k), min(n, n + k))
        slope[i] += 1 - h[i - k]
        slope[i - k] -= h[i]
        rows.append(np.append(slope, -1.0))
    found = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.array(rows),
        b_ub=-now,
        A_eq=[np.append(np.ones(n), 0.0)],
        b_eq=[n / 2 - h.sum()],
        bounds=[(max(-radius, -x), min(radius, 1 - x)) for x in h] + [(None, None)],
        method="highs",
    )
    return np.clip(h + found.x[:n], 0, 1) if found.status == 0 else None

"""First autocorrelation inequality: L-BFGS on p-norms of the autoconvolution, then linear programs with a trust region."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

from evaluators.contract import Case

STEPS = (60, 100, 150)
POWERS = (8.0, 30.0, 100.0, 400.0)


def solve(case: Case, seconds: float, rng: np.random.Generator, *, is_signed: bool = False) -> list[float]:
    """Returns the best heights found in so many seconds of CPU time."""
    del case
    best, least = [1.0], np.inf
    end = time.process_time() + seconds
    while time.process_time() < end:
        count = int(rng.choice(STEPS))
        x = rng.uniform(0.1, 1.0, count) ** rng.uniform(0.5, 3.0)
        for power in POWERS:
            options = {"maxiter": 300, "maxfun": 400}
            x = minimize(loss, x, args=(power, is_signed), jac=True, method="L-BFGS-B", options=options).x
        heights = x if is_signed else x * x
        heights = polished(heights / heights.sum(), end, is_signed)
        heights[np.abs(heights) < 1e-12] = 0.0
        if peak(heights) < least:
            best, least = (heights / np.abs(heights).max()).tolist(), peak(heights)
    return best


def peak(heights: NDArray[np.float64]) -> float:
    """Returns the score, in floats."""
    return float(2 * len(heights) * np.abs(np.convolve(heights, heights)).max() / heights.sum() ** 2)


def loss(x: NDArray[np.float64], power: float, is_signed: bool) -> tuple[float, NDArray[np.float64]]:
    """Returns the log of the score with a p-norm for the maximum, and its derivative."""
    a = x if is_signed else x * x
    b = np.convolve(a, a)
    top = np.abs(b).max()
    ratio = np.abs(b) / top
    norm = (ratio**power).sum()
    slope = np.sign(b) * ratio ** (power - 1) / (norm * top)
    d_a = 2 * np.correlate(slope, a, mode="valid") - 2 / a.sum()
    value = np.log(top) + np.log(norm) / power - 2 * np.log(abs(a.sum()))
    return float(value), d_a if is_signed else 2 * x * d_a


def polished(h: NDArray[np.float64], end: float, is_signed: bool) -> NDArray[np.float64]:
    """Returns heights after linear programs that minimise the linearised peak, the sum kept, within a box."""
    n, radius, value = len(h), 0.3 / len(h), peak(h)
    at = np.arange(2 * n - 1)[:, None] - np.arange(n)[None]
    inside = (at >= 0) & (at < n)
    while radius > 1e-10 and time.process_time() < end:
        now = np.convolve(h, h)
        slopes = 2 * np.where(inside, h[np.clip(at, 0, n - 1)], 0.0)
        rows = np.hstack([slopes, -np.ones((2 * n - 1, 1))])
        limits = -now
        if is_signed:
            rows = np.vstack([rows, np.hstack([-slopes, -np.ones((2 * n - 1, 1))])])
            limits = np.concatenate([-now, now])
        low = -radius if is_signed else 0.0
        bounds = [(low if is_signed else max(-radius, -x), radius) for x in h] + [(None, None)]
        found = linprog(
            np.append(np.zeros(n), 1.0),
            A_ub=rows,
            b_ub=limits,
            A_eq=np.append(np.ones(n), 0.0)[None],
            b_eq=[0.0],
            bounds=bounds,
            method="highs",
        )
        after = np.inf if found.x is None else peak(h + found.x[:-1])
        if after < value - 1e-13:
            h, value, radius = h + found.x[:-1], after, 1.5 * radius
        else:
            radius /= 3
    return h if is_signed else np.maximum(h, 0.0)

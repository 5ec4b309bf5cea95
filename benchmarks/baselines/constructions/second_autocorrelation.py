"""Second autocorrelation inequality: L-BFGS on squares of variables, the maximum norm approached by p-norms."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluators.contract import Case
from problems.constructions import second_autocorrelation as problem

STEPS = (50, 50, 50, 100, 200)
POWERS = (8.0, 30.0, 100.0, 400.0, 1500.0)


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[float]:
    """Returns the best heights found in so many seconds of CPU time."""
    best, largest = None, 0.0
    end = time.process_time() + seconds
    while best is None or time.process_time() < end:
        count = int(rng.choice(STEPS))
        x = rng.uniform(0.1, 1.0, count) ** rng.uniform(0.5, 3.0)
        for power in POWERS:
            options = {"maxiter": 400, "maxfun": 500}
            x = minimize(loss, x, args=(power,), jac=True, method="L-BFGS-B", options=options).x
        heights = x**2 / (x**2).max()
        heights[heights < 1e-12] = 0.0
        value = problem.score(case, heights)["flatness"]
        if value > largest:
            best, largest = heights.tolist(), value
    return best


def loss(x: NDArray[np.float64], power: float) -> tuple[float, NDArray[np.float64]]:
    """Returns -log of the score with a p-norm for the maximum, and its derivative."""
    a = x * x
    b = np.convolve(a, a)
    left, right = np.append(b, 0.0), np.append(0.0, b)
    squares = float((left * left + left * right + right * right).sum())
    d_squares = 4 * b + np.append(b[1:], 0.0) + np.append(0.0, b[:-1])
    top = b.max()
    ratio = (b / top) ** power
    norm = top * ratio.sum() ** (1 / power)
    d_norm = (b / top) ** (power - 1) * ratio.sum() ** (1 / power - 1)
    slope = d_squares / squares - 1 / b.sum() - d_norm / norm
    value = np.log(squares) - np.log(b.sum()) - np.log(norm)
    d_a = 2 * np.correlate(slope, a, mode="valid")
    return -value, -2 * x * d_a

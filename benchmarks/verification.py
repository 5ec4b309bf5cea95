"""How long exact verification takes: 26 circles, and the autoconvolution of 30,000 steps.

python -m benchmarks.verification
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.baselines.constructions.circle_packing import solve
from evaluators.contract import Case
from evaluators.exact import read_vector
from problems.constructions import circle_packing, second_autocorrelation

STEPS = 30_000
REPEATS = 7


def measure(call: Callable[[], object]) -> str:
    """Returns median and range of the CPU milliseconds of a call."""
    spent = []
    for _ in range(REPEATS):
        began = time.process_time()
        call()
        spent.append(1000 * (time.process_time() - began))
    return f"{statistics.median(spent):.2f} ms ({min(spent):.2f} to {max(spent):.2f}, n = {REPEATS})"


def flatness(heights: list[float]) -> object:
    """Returns the exact score of heights, read as the problem reads them but for their number."""
    return second_autocorrelation._flatness(
        read_vector(heights, "heights()", least=1, most=STEPS, low=0, high=1e6)
    )


def main() -> None:
    """Measures and prints."""
    rng = np.random.default_rng(0)
    case = Case(None)
    packing = solve(case, 2.0, rng)
    heights = rng.random(STEPS).tolist()
    print(f"load {os.getloadavg()[0]:.1f}")
    print(
        "circle_packing, score and exact:",
        measure(lambda: (circle_packing.score(case, packing), circle_packing.exact(case, packing))),
    )
    print(f"autoconvolution of {STEPS:,} steps:", measure(lambda: flatness(heights)))


if __name__ == "__main__":
    main()

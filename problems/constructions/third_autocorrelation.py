"""Find a step function of any sign whose autoconvolution is nowhere large, in absolute value.

The program defines `heights()`, which returns the heights of at most 400 equal steps of a function f on
[-1/4, 1/4] (plain floats in [-1e6, 1e6]). With
f * f for its autoconvolution, the score is max(|f * f|) / (integral of f) ** 2, to be made as small as possible.
It does not change when f is scaled; the integral must not vanish. f * f is linear between the ends of steps, so the score is computed
exactly.
"""

# Matolcsi and Vinuesa (2010); C3' in AlphaEvolve (arXiv 2506.13131, B.3), where C3 leaves the absolute value out. f * f has
# the integral (integral of f)**2 over an interval of length 1, so the score is at least 1.

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import convolve, read_vector

STEPS = 400

SEED = '''"""A step function, set by hand."""

# EVOLVE-BLOCK-START
HEIGHTS = [
    0.9, 0.5, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3, 0.2, 0.2,
    0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2,
]


def heights():
    return HEIGHTS
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Changes the heights of a few steps that follow each other."""

import time

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.3  # largest standard deviation of a change, as a share of the greatest height
DECADES = 4.0  # how far below it changes may go
WIDEST = 8  # steps changed at once


def worth(heights):
    return 2 * len(heights) * np.abs(np.convolve(heights, heights)).max() / heights.sum() ** 2


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    heights = np.array(best, dtype=float)
    heights /= np.abs(heights).max()
    value = worth(heights)
    while time.monotonic() < end:
        has_gained = False
        for _ in range(200):
            changed = heights.copy()
            at, width = rng.integers(len(heights)), rng.integers(1, WIDEST + 1)
            changed[at : at + width] += STEP * 10 ** -rng.uniform(0, DECADES) * rng.standard_normal()
            changed[np.abs(changed) < 1e-12] = 0.0
            if worth(changed) < value:
                heights, value, has_gained = changed, worth(changed), True
        if has_gained:
            report((heights / np.abs(heights).max()).tolist())
# EVOLVE-BLOCK-END
'''

SMALLEST_MEAN = 1000
OBJECTIVE = Objective("peak", "minimize", bound=1.0)
MEASURES = (
    Measure("low_share", 0.0, 1.0, bins=12),
    Measure("centre", 0.0, 1.0, bins=12),
    Measure("steps", 1, 401, bins=8),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = BestKnown(
    1.4670345309805095,
    "benchmarks/baselines in 15 s; published: 1.4687620697, AlphaEvolve, arXiv 2506.13131, B.3, 150 steps",
    "2026",
    certified=True,
)
BASELINE = Baseline(
    1.4670345309805095, "benchmarks/baselines/constructions/third_autocorrelation.py, seed 0", 15.0
)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"at most {STEPS} steps")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's heights."""
    del inputs
    return program.heights()


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `peak`, exact and rounded once, and what the function looks like.

    `low_share` is the share of steps whose size is below half of the largest, `centre` where the centre of the sizes lies
    (1 is the middle; a mirrored function counts as the same), `steps` their number.

    Raises:
        Invalid: the output is not a list of at most 400 ordinary numbers, or their sum vanishes.
    """
    del case
    heights = _heights(output)
    sizes = [abs(height) for height in heights]
    middle = sum(size * (2 * i + 1) for i, size in enumerate(sizes)) / (2 * len(sizes) * sum(sizes))
    return {
        "peak": float(_peak(heights)),
        "low_share": sum(2 * size < max(sizes) for size in sizes) / len(sizes),
        "centre": min(middle, 1 - middle) * 2,
        "steps": float(len(sizes)),
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the peak."""
    del case
    return _peak(_heights(output))


def _heights(output: Any) -> list[int]:
    heights = read_vector(output, "heights()", least=1, most=STEPS, low=-1e6, high=1e6)
    if abs(sum(heights)) * SMALLEST_MEAN < sum(abs(height) for height in heights):
        raise Invalid(f"the sum of heights() must be at least 1/{SMALLEST_MEAN} of the sum of their sizes")
    if not any(heights):
        raise Invalid("heights() must not be all 0")
    return heights


def _peak(heights: Sequence[int]) -> Fraction:
    """Returns the score of heights whose sum is not 0, in any unit."""
    above = [max(height, 0) for height in heights]
    below = [max(-height, 0) for height in heights]
    parts = zip(convolve(above, above), convolve(below, below), convolve(above, below), strict=True)
    largest = max(abs(a + b - 2 * c) for a, b, c in parts)
    return Fraction(2 * len(heights) * largest, sum(heights) ** 2)

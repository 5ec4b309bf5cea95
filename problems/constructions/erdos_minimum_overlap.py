"""Find a step function that bounds Erdos's minimum overlap constant from above as tightly as possible.

The program defines `heights()`, which returns the heights of at most 200 equal steps of a function h on [0,
2] (plain floats in [0, 1]). h must have integral 1, that is mean height 1/2; if the mean is larger, h is
multiplied by what is missing, and if it is smaller, 1 - h is, so every list of heights stands for a valid
h. The score is the largest overlap, over all shifts x, of h(t) with 1 - h(t + x), where both are 0 outside
[0, 2]: the integral of their product over t. It is to be made as small as possible, and is computed
exactly.
"""

# Haugland (arXiv 1609.08000) gives this form of the problem. The overlap is piecewise linear in the shift,
# so its largest value is at a whole number of steps.

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import ONE, convolve, read_vector

STEPS = 200

SEED = '''"""A step function: a hump in the middle, set by hand."""

# EVOLVE-BLOCK-START
HEIGHTS = [
    0.00, 0.10, 0.20, 0.30, 0.50, 0.70, 0.80, 0.90, 0.95, 1.00,
    1.00, 0.95, 0.90, 0.80, 0.70, 0.50, 0.30, 0.20, 0.10, 0.00,
]


def heights():
    return [min(1.0, max(0.0, height)) for height in HEIGHTS]
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Changes the heights of a few steps that follow each other."""

import time

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.3  # largest standard deviation of a change
DECADES = 4.0  # how far below it changes may go
WIDEST = 8  # steps changed at once


def overlap(heights):
    mean = heights.mean()
    h = heights / (2 * mean) if mean >= 0.5 else 1 - (1 - heights) / (2 * (1 - mean))
    return np.convolve(h, (1 - h)[::-1]).max() * 2 / len(h)


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    heights = np.array(best, dtype=float)
    value = overlap(heights)
    while time.monotonic() < end:
        has_gained = False
        for _ in range(200):
            changed = heights.copy()
            at, width = rng.integers(len(heights)), rng.integers(1, WIDEST + 1)
            changed[at : at + width] += STEP * 10 ** -rng.uniform(0, DECADES) * rng.standard_normal()
            changed = np.clip(changed, 0.0, 1.0)
            changed[changed < 1e-12] = 0.0
            if overlap(changed) < value:
                heights, value, has_gained = changed, overlap(changed), True
        if has_gained:
            report(heights.tolist())
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("overlap", "minimize", bound=0.379005)  # White, arXiv 2201.05704
MEASURES = (
    Measure("full_share", 0.0, 1.0, bins=12),
    Measure("roughness", 0.0, 0.5, bins=12),
    Measure("steps", 1, 201, bins=8),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = (
    BestKnown(0.38092303510845016, "AlphaEvolve, arXiv 2506.13131, 95 steps", "2025-06", certified=True),
    BestKnown(
        0.3808753232177187,
        "TTT-Discover, artefact of its repository",
        "2026-01",
        certified=True,
        scope="600 steps",
    ),
)
BASELINE = Baseline(
    0.38102646282927005, "benchmarks/baselines/constructions/erdos_minimum_overlap.py, seed 0"
)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"at most {STEPS} steps")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's heights."""
    del inputs
    return program.heights()


def picture(output: Any) -> list[dict[str, Any]]:
    """Returns the function as a curve."""
    points = [point for i, height in enumerate(output) for point in ([i, height], [i + 1, height])]
    curve = {"name": "", "points": points}
    return [{"kind": "lines", "title": "The function", "x": "step", "y": "height", "series": [curve]}]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `overlap`, exact and rounded once, and what the function looks like.

    `full_share` is the share of steps above 0.9 of full height, `roughness` the mean step from one height
    to the next, `steps` their number.

    Raises:
        Invalid: the output is not a list of at most 200 ordinary numbers in [0, 1], or all of them are 0,
        or all 1.
    """
    del case
    part, whole = _projected(_heights(output))
    values = [value / whole for value in part]
    return {
        "overlap": float(_overlap(part, whole)),
        "full_share": sum(value > 0.9 for value in values) / len(values),
        "roughness": float(np.abs(np.diff(values)).mean()) if len(values) > 1 else 0.0,
        "steps": float(len(part)),
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the largest overlap."""
    del case
    return _overlap(*_projected(_heights(output)))


def _heights(output: Any) -> list[int]:
    heights = read_vector(output, "heights()", least=1, most=STEPS, low=0, high=1)
    if len(set(heights)) == 1 and heights[0] in (0, ONE):
        raise Invalid(f"heights() must not all be {heights[0] // ONE}: no multiple of that has mean 1/2")
    return heights


def _overlap(part: list[int], whole: int) -> Fraction:
    """Returns the largest overlap of the steps part / whole with what they leave."""
    overlaps = convolve(part, [whole - value for value in part][::-1])
    return Fraction(2 * max(overlaps), len(part) * whole * whole)


def _projected(heights: list[int]) -> tuple[list[int], int]:
    """Returns (numerators, denominator) of the heights of mean 1/2 that `heights` stand for."""
    count, total = len(heights), sum(heights)
    if 2 * total >= count * ONE:
        return [count * height for height in heights], 2 * total
    rest = 2 * (count * ONE - total)
    return [rest - count * (ONE - height) for height in heights], rest

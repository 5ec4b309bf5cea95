"""Find a non-negative step function whose autoconvolution is as flat-topped as possible.

The program defines `heights()`, which returns the heights of at most 200 equal steps of a function f (plain
floats in [0, 1e6]). With g = f * f (convolution), the score is |g|_2^2 / (|g|_1 |g|_inf), to be made as large
as possible; it is below 1 for every f, and does not change when f is scaled or stretched. g is piecewise
linear, so the score is computed exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import convolve, read_vector

STEPS = 200

SEED = '''"""A step function: two slopes and a hump, set by hand."""

# EVOLVE-BLOCK-START
HEIGHTS = [
    0.9, 0.8, 0.5, 0.6, 0.7, 0.7, 0.6, 0.5, 0.6, 0.8,
    0.8, 0.6, 0.5, 0.5, 0.5, 0.5, 0.6, 0.8, 0.9, 1.0,
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
    nodes = np.concatenate([[0.0], np.convolve(heights, heights), [0.0]])
    a, b = nodes[:-1], nodes[1:]
    return (a * a + a * b + b * b).sum() / (3 * nodes.sum() * nodes.max())


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    heights = np.array(best, dtype=float)
    heights /= heights.max()
    value = worth(heights)
    while time.monotonic() < end:
        has_gained = False
        for _ in range(200):
            changed = heights.copy()
            at, width = rng.integers(len(heights)), rng.integers(1, WIDEST + 1)
            changed[at : at + width] += STEP * 10 ** -rng.uniform(0, DECADES) * rng.standard_normal()
            changed = np.maximum(changed, 0.0)
            changed[changed < 1e-12] = 0.0
            if worth(changed) > value:
                heights, value, has_gained = changed, worth(changed), True
        if has_gained:
            report((heights / heights.max()).tolist())
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("flatness", "maximize", bound=1.0)  # |g|_2^2 <= |g|_1 |g|_inf
MEASURES = (
    Measure("low_share", 0.0, 1.0, bins=12),
    Measure("centre", 0.0, 1.0, bins=12),
    Measure("steps", 1, 201, bins=8),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = (
    BestKnown(
        0.9102264682006189,
        "benchmarks/baselines in 60 s; published: 0.9027021077, LoongFlow",
        "2026",
        certified=True,
    ),
    BestKnown(
        0.9610210777840241,
        "AlphaEvolve, artefact of its repository",
        "2025-11",
        certified=True,
        scope="50,000 steps",
    ),
    BestKnown(
        0.96264, "EinsteinArena, arXiv 2606.10402", "2026-06", certified=False, scope="steps without limit"
    ),
)
BASELINE = Baseline(
    0.9102264682006189, "benchmarks/baselines/constructions/second_autocorrelation.py, seed 0"
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
    """Returns `flatness`, exact and rounded once, and what the function looks like.

    `low_share` is the share of steps below half of the highest, `centre` where the centre of mass
    lies (0.5 is the middle; a mirrored function counts as the same), `steps` their number.

    Raises:
        Invalid: the output is not a list of at most 200 ordinary numbers >= 0, or all of them are 0.
    """
    del case
    heights = _heights(output)
    total = sum(heights)
    middle = sum(height * (2 * i + 1) for i, height in enumerate(heights)) / (2 * len(heights) * total)
    return {
        "flatness": float(_flatness(heights)),
        "low_share": sum(2 * height < max(heights) for height in heights) / len(heights),
        "centre": min(middle, 1 - middle) * 2,
        "steps": float(len(heights)),
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the flatness."""
    del case
    return _flatness(_heights(output))


def _heights(output: Any) -> list[int]:
    heights = read_vector(output, "heights()", least=1, most=STEPS, low=0, high=1e6)
    if not any(heights):
        raise Invalid("heights() must not be all 0")
    return heights


def _flatness(heights: Sequence[int]) -> Fraction:
    """Returns the score of heights >= 0 that are not all 0, in any unit."""
    nodes = [0, *convolve(heights, heights), 0]  # g at the ends of its linear pieces
    squares = sum(a * a + a * b + b * b for a, b in itertools.pairwise(nodes))
    return Fraction(squares, 3 * sum(nodes) * max(nodes))

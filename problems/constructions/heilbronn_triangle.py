"""Place 11 points in a triangle so that the smallest triangle of three of them is as large as possible.

The program defines `points()`, which returns 11 points as a list of [u, v] (plain floats): u, v >= 0 and u + v <= 1 are
shares, so a point lies in the triangle with corners (0, 0), (1, 0) and (0, 1), on its border or inside. An affine map
takes this triangle to any other and keeps all ratios of areas. The score is (smallest area of a triangle of three
points) / (area of the whole triangle), to be made as large as possible. It is computed exactly; three points on a line
give 0.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import ONE, amount, read_table

POINTS = 11

SEED = '''"""Places 11 points: rings around the middle of the triangle."""

import math

# EVOLVE-BLOCK-START
RINGS = [(3, 0.12, 0.1), (3, 0.2, 1.3), (5, 0.27, 0.4)]  # points, radius, turn


def points():
    result = []
    for count, radius, turn in RINGS:
        for k in range(count):
            angle = turn + 2 * math.pi * k / count
            u = max(0.0, 1 / 3 + radius * math.cos(angle))
            v = max(0.0, 1 / 3 + radius * math.sin(angle))
            over = max(1.0, (u + v) * (1 + 1e-12))
            result.append([u / over, v / over])
    return result
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Moves one point at a time."""

import time
from itertools import combinations

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.1  # largest standard deviation of a move
DECADES = 4.0  # how far below it moves may go

TRIPLES = np.array(list(combinations(range(11), 3)))


def worth(points):
    a, b, c = (points[TRIPLES[:, k]] for k in range(3))
    areas = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return np.abs(areas).min()


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    points = np.array(best, dtype=float)
    value = worth(points)
    while time.monotonic() < end:
        moved = points.copy()
        at = rng.integers(len(points))
        moved[at] += STEP * 10 ** -rng.uniform(0, DECADES) * rng.standard_normal(2)
        moved[at] = np.where(moved[at] < 1e-12, 0.0, moved[at])
        if moved[at].sum() > 1:
            moved[at] /= moved[at].sum() * (1 + 1e-15)
        if moved[at].sum() <= 1 and worth(moved) > value:
            points, value = moved, worth(moved)
            report(points.tolist())
# EVOLVE-BLOCK-END
'''

# A triangulation of n points in general position that uses them all has at least n - 2 triangles.
OBJECTIVE = Objective("smallest_share", "maximize", bound=1 / (POINTS - 2))
MEASURES = (
    Measure("on_border", 0, 12, bins=12),
    Measure("evenness", 0.0, 0.6, bins=16),
    Measure("ast_nodes", 0, 1600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=10, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = BestKnown(
    0.036529889880030135,
    "AlphaEvolve, arXiv 2506.13131, B.9, a point that lies outside by 6e-17 moved in",
    "2025-11",
    certified=True,
)
BASELINE = Baseline(
    0.02823796636845664, "benchmarks/baselines/constructions/heilbronn_triangle.py, seed 0", 20.0
)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{POINTS} points")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's points."""
    del inputs
    return program.points()


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `smallest_share`, exact and rounded once, and what the points look like.

    `on_border` is the number of points within 1e-6 of the triangle's border, `evenness` the root of the smallest over
    the median area.

    Raises:
        Invalid: the output is not 11 points of ordinary numbers in the triangle.
    """
    del case
    points = _points(output)
    areas = _twice_areas(points)
    return {
        "smallest_share": areas[0] / (ONE * ONE),
        "on_border": float(sum(min(u, v, ONE - u - v) < ONE // 10**6 for u, v in points)),
        "evenness": math.sqrt(areas[0] / areas[len(areas) // 2]) if areas[0] else 0.0,
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the smallest triangle's share of the whole."""
    del case
    return Fraction(_twice_areas(_points(output))[0], ONE * ONE)


def _points(output: Any) -> list[tuple[int, ...]]:
    points = read_table(output, "points()", row="point", rows=POINTS, columns="uv", low=0, high=1)
    for i, (u, v) in enumerate(points):
        if u + v > ONE:
            raise Invalid(f"point {i} lies outside: u + v is larger than 1 by {amount(u + v - ONE)}")
    return points


def _twice_areas(points: list[tuple[int, ...]]) -> list[int]:
    """Returns twice the areas of all triangles, sorted, in units of 1/ONE**2 (the whole has ONE**2)."""
    return sorted(
        abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
        for a, b, c in combinations(points, 3)
    )

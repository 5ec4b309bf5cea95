"""Place 16 points in the plane with the least ratio of the largest distance to the smallest one.

The program defines `points()`, which returns 16 points as a list of [x, y] (plain floats in [-100, 100]).
The score is (largest distance / smallest distance) squared, to be made as small as possible. It does not
change when the points are moved, turned or scaled. It is computed exactly.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import ONE, read_table

POINTS = 16

SEED = '''"""Places 16 points: one in the middle, a ring of 5 and a ring of 10 around it."""

import math

# EVOLVE-BLOCK-START
RINGS = [(1, 0.0, 0.0), (5, 1.0, 0.3), (10, 1.9, 0.0)]  # points, radius, turn


def points():
    result = []
    for count, radius, turn in RINGS:
        for k in range(count):
            angle = turn + 2 * math.pi * k / count
            result.append([radius * math.cos(angle), radius * math.sin(angle)])
    return result
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Moves a few points at a time."""

import time

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.3  # largest standard deviation of a move, as a share of the smallest distance
DECADES = 4.0  # how far below it moves may go
SHARE = 0.3  # of the points that is moved at once

FIRST, SECOND = np.triu_indices(16, 1)


def squares(points):
    return ((points[FIRST] - points[SECOND]) ** 2).sum(axis=1)


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    points = np.array(best, dtype=float)
    found = squares(points)
    value = found.max() / found.min()
    while time.monotonic() < end:
        has_gained = False
        for _ in range(200):
            moved = points.copy()
            size = STEP * found.min() ** 0.5 * 10 ** -rng.uniform(0, DECADES)
            chosen = rng.random(len(points)) < SHARE
            moved[chosen] += size * rng.standard_normal((chosen.sum(), 2))
            other = squares(moved)
            if other.max() / other.min() < value:
                points, found, value, has_gained = moved, other, other.max() / other.min(), True
        if has_gained:
            report(points.tolist())
# EVOLVE-BLOCK-END
'''

# Oler (1961): a compact convex set of area A and perimeter P holds at most 2A/sqrt(3) + P/2 + 1 points at
# mutual distance >= 1. The hull has diameter D, so A <= pi D^2 / 4 and P <= pi D; 16 points need pi D^2 /
# (2 sqrt 3) + pi D / 2 >= 15.
_A, _B, _C = math.pi / (2 * math.sqrt(3)), math.pi / 2, 1.0 - POINTS
BOUND = ((-_B + math.sqrt(_B * _B - 4 * _A * _C)) / (2 * _A)) ** 2
OBJECTIVE = Objective("ratio_squared", "minimize", bound=BOUND - 1e-9)
MEASURES = (
    Measure("hull_share", 0.0, 1.0, bins=16),
    Measure("spread", 0.0, 0.6, bins=12),
    Measure("ast_nodes", 0, 1600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=10, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = BestKnown(
    12.889229907694, "SLSQP multi-start, 0.2 s of CPU (measured by this project)", "2026", certified=True
)
BASELINE = Baseline(
    12.889229907694022, "benchmarks/baselines/constructions/max_min_distance_ratio.py, seed 0"
)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{POINTS} points")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's points."""
    del inputs
    return program.points()


def picture(output: Any) -> list[dict[str, Any]]:
    """Returns the points, the pairs that are nearest, and those that are farthest apart."""
    pairs = [(math.dist(a, b), a, b) for i, a in enumerate(output) for b in output[:i]]
    least, most = min(pairs)[0], max(pairs)[0]
    near = [{"path": [a, b], "style": 0} for far, a, b in pairs if far < least * 1.001]
    wide = [{"path": [a, b], "style": 1} for far, a, b in pairs if far > most * 0.999]
    items = [*near, *wide, {"points": output}]
    return [{"kind": "shapes", "title": "Nearest (blue) and farthest pairs", "items": items}]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `ratio_squared`, the exact ratio rounded once, and what the points look like.

    `hull_share` is the share of points at more than 0.8 of the largest distance from the centroid, `spread` the
    deviation of the distances from the centroid over their mean.

    Raises:
        Invalid: the output is not 16 points of ordinary numbers, or two points are equal.
    """
    del case
    points, ratio = _measured(output)
    return {"ratio_squared": float(ratio), **_shape(points)}


def exact(case: Case, output: Any) -> Fraction:
    """Returns the ratio of the squared distances."""
    del case
    return _measured(output)[1]


def _measured(output: Any) -> tuple[list[tuple[int, ...]], Fraction]:
    points = read_table(output, "points()", row="point", rows=POINTS, columns="xy", low=-100, high=100)
    squares = {
        (x - u) ** 2 + (y - v) ** 2: (j, i)
        for i, (x, y) in enumerate(points)
        for j, (u, v) in enumerate(points[:i])
    }
    if 0 in squares:
        first, second = squares[0]
        raise Invalid(f"all points must differ, but points {first} and {second} are equal")
    return points, Fraction(max(squares), min(squares))


def _shape(points: list[tuple[int, ...]]) -> dict[str, float]:
    table = np.array([[x / ONE, y / ONE] for x, y in points])
    far = np.hypot(*(table - table.mean(axis=0)).T)
    return {"hull_share": float((far > 0.8 * far.max()).mean()), "spread": float(far.std() / far.mean())}

"""Place 13 points so that the smallest triangle of three of them is as large as possible against their hull.

The program defines `points()`, which returns 13 points as a list of [x, y] (plain floats in [-100, 100]).
The score is (smallest area of a triangle of three points) / (area of the convex hull of all points). It
does not change when the points are moved, scaled, or sheared. It is computed exactly; three points on a
line give 0.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any, TypeAlias

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import read_table

POINTS = 13

Point: TypeAlias = tuple[int, ...]

SEED = '''"""Places 13 points: three rings around the middle."""

import math

# EVOLVE-BLOCK-START
RINGS = [(3, 0.25, 0.1), (4, 0.6, 0.4), (6, 1.0, 0.0)]  # points, radius, turn


def points():
    result = []
    for count, radius, turn in RINGS:
        for k in range(count):
            angle = turn + 2 * math.pi * k / count
            result.append([radius * math.cos(angle), radius * math.sin(angle)])
    return result
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Moves one point at a time."""

import time
from itertools import combinations

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.2  # largest standard deviation of a move
DECADES = 4.0  # how far below it moves may go

TRIPLES = np.array(list(combinations(range(13), 3)))


def worth(points):
    a, b, c = (points[TRIPLES[:, k]] for k in range(3))
    areas = np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
    return areas.min() / hull(points)


def hull(points):
    ordered = sorted(map(tuple, points))
    area, corners = 0.0, []
    for sweep in (ordered, ordered[::-1]):
        chain = []
        for p in sweep:
            while len(chain) > 1 and turn(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        corners += chain[:-1]
    for (x, y), (u, v) in zip(corners, corners[1:] + corners[:1]):
        area += x * v - y * u
    return area


def turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    points = np.array(best, dtype=float)
    value = worth(points)
    while time.monotonic() < end:
        moved = points.copy()
        size = STEP * 10 ** -rng.uniform(0, DECADES)
        moved[rng.integers(len(points))] += size * rng.standard_normal(2)
        if worth(moved) > value:
            points, value = moved, worth(moved)
            report(points.tolist())
# EVOLVE-BLOCK-END
'''

# A triangulation of n points in general position that uses them all has at least n - 2 triangles, which
# fill the hull.
OBJECTIVE = Objective("smallest_share", "maximize", bound=1 / (POINTS - 2))
MEASURES = (
    Measure("hull_corners", 3, 14, bins=11),
    Measure("evenness", 0.0, 0.6, bins=16),
    Measure("ast_nodes", 0, 1600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=10, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = BestKnown(0.03093688903489562, "AlphaEvolve, arXiv 2506.13131, B.9", "2025-06", certified=True)
BASELINE = Baseline(0.027889300663241773, "benchmarks/baselines/constructions/heilbronn_convex.py, seed 0")


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{POINTS} points")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's points."""
    del inputs
    return program.points()


def picture(output: Any) -> list[dict[str, Any]]:
    """Returns the points and the smallest of their triangles."""

    def area(triangle: Any) -> float:
        (ax, ay), (bx, by), (cx, cy) = triangle
        return float(abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)))

    smallest = [list(point) for point in min(combinations(output, 3), key=area)]
    items = [{"path": smallest, "closed": True, "style": 1}, {"points": output}]
    return [{"kind": "shapes", "title": "The points and their smallest triangle", "items": items}]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `smallest_share`, exact and rounded once, and what the points look like.

    `hull_corners` is the number of corners of the convex hull, `evenness` the root of the smallest
    over the median area.

    Raises:
        Invalid: the output is not 13 points of ordinary numbers, or all of them lie on one line.
    """
    del case
    triangles, hull, corners = _areas(output)
    return {
        "smallest_share": triangles[0] / hull,
        "hull_corners": float(corners),
        "evenness": math.sqrt(triangles[0] / triangles[len(triangles) // 2]) if triangles[0] else 0.0,
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the smallest triangle's share of the hull."""
    del case
    triangles, hull, _ = _areas(output)
    return Fraction(triangles[0], hull)


def _areas(output: Any) -> tuple[list[int], int, int]:
    """Returns twice the areas of all triangles, sorted, and of the hull, in one unit, and the hull's corners."""
    points = read_table(output, "points()", row="point", rows=POINTS, columns="xy", low=-100, high=100)
    corners = _hull(points)
    hull = sum(_twice_area(corners[0], a, b) for a, b in pairwise(corners[1:]))
    if hull == 0:
        raise Invalid("the points must not all lie on one line")
    triangles = sorted(abs(_twice_area(*three)) for three in combinations(points, 3))
    return triangles, hull, len(corners)


def _twice_area(a: Point, b: Point, c: Point) -> int:
    """Returns twice the area of a triangle, positive when it turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _hull(points: list[Point]) -> list[Point]:
    """Returns the corners of the convex hull, turning left (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    halves = []
    for sweep in (ordered, ordered[::-1]):
        chain: list[Point] = []
        for point in sweep:
            while len(chain) > 1 and _twice_area(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        halves.append(chain[:-1])
    return halves[0] + halves[1]

"""Place 21 disjoint circles in a rectangle of perimeter 4 with the largest sum of radii.

The program defines `pack()`, which returns 21 circles as a list of [x, y, r] (plain floats in [-4, 4], r >=
0). The rectangle is the smallest one with sides along the axes that holds all circles; you choose its shape,
but its width plus its height must be at most 2. Two circles may touch but not overlap. The check is exact,
without any tolerance: an overlap of 1e-13 is rejected, so leave a slack of about 1e-12. The score is the sum
of the radii.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import ONE, amount, read_table
from problems.constructions.discs import check_disjoint, radius_spread

CIRCLES = 21

SEED = '''"""Places 21 circles: three bent rows, each circle as large as its nearest neighbour allows, then
scaled to fit."""

import math

# EVOLVE-BLOCK-START
CENTRES = [
    (0.10, 0.12), (0.24, 0.10), (0.38, 0.13), (0.52, 0.09), (0.66, 0.12), (0.80, 0.10), (0.94, 0.12),
    (0.12, 0.30), (0.26, 0.28), (0.40, 0.31), (0.54, 0.29), (0.68, 0.30), (0.82, 0.28), (0.96, 0.31),
    (0.10, 0.48), (0.24, 0.50), (0.38, 0.49), (0.52, 0.47), (0.66, 0.50), (0.80, 0.48), (0.94, 0.50),
]


def radii(centres):
    """Every circle takes half the distance to its nearest neighbour."""
    return [min(math.dist(a, b) for j, b in enumerate(centres) if j != i) / 2 for i, a in enumerate(centres)]


def layout():
    return CENTRES, radii(CENTRES)
# EVOLVE-BLOCK-END


def pack():
    """Returns [x, y, r] of every circle, scaled so that width plus height is 2, less a slack for rounding."""
    centres, sizes = layout()
    left = min(x - r for (x, y), r in zip(centres, sizes))
    low = min(y - r for (x, y), r in zip(centres, sizes))
    width = max(x + r for (x, y), r in zip(centres, sizes)) - left
    height = max(y + r for (x, y), r in zip(centres, sizes)) - low
    scale = (2 - 1e-12) / (width + height)
    scaled = [((x - left) * scale, (y - low) * scale, r * scale) for (x, y), r in zip(centres, sizes)]
    return [[x, y, max(0.0, r - 1e-13)] for x, y, r in scaled]
'''

HEURISTIC_SEED = '''"""Moves one circle at a time while a neighbour gives way; steps back are taken, too; the whole is scaled to fit."""

import math
import time

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.03  # standard deviation of a move
YIELD = 0.3  # share of its radius that a neighbour may give up
HEAT = 0.001  # how much a step may cost at first


def room(circles, i):
    x, y, _ = circles[i]
    return min(math.dist((x, y), c[:2]) - c[2] for j, c in enumerate(circles) if j != i)


def extent(circles):
    return sum(max(c[k] + c[2] for c in circles) - min(c[k] - c[2] for c in circles) for k in (0, 1))


def worth(circles):
    return 2 * sum(c[2] for c in circles) / extent(circles)


def improve(inputs, best, report, deadline_s):
    begun = time.monotonic()
    rng = np.random.default_rng(int(1e9 * worth(best)))
    circles = [list(c) for c in best]
    value = top = worth(best)
    while (spent := (time.monotonic() - begun) / (0.9 * deadline_s)) < 1:
        has_gained = False
        heat = HEAT * (1 - spent) ** 3
        for _ in range(100):
            i, j = (int(k) for k in rng.choice(len(circles), 2, replace=False))
            former = list(circles[i]), list(circles[j])
            size = STEP * 10 ** -rng.uniform(0, 4)
            circles[i][0] += size * rng.standard_normal()
            circles[i][1] += size * rng.standard_normal()
            circles[j][2] *= 1 - YIELD * rng.random()
            for k in (i, j):
                circles[k][2] = room(circles, k)
            found = worth(circles)
            if min(circles[i][2], circles[j][2]) > 0 and found > value - heat * rng.exponential():
                value = found
                if value > top + 1e-12:
                    top, kept, has_gained = value, [list(c) for c in circles], True
            else:
                circles[i], circles[j] = former
        if has_gained:
            scale = (2 - 1e-12) / extent(kept)
            report([[x * scale, y * scale, max(0.0, r * scale - 1e-13)] for x, y, r in kept])
# EVOLVE-BLOCK-END
'''

# The rectangle's area is at most 1 and the circles' areas sum to at most that; Cauchy-Schwarz gives the rest.
OBJECTIVE = Objective("sum_radii", "maximize", bound=math.sqrt(CIRCLES / math.pi))
MEASURES = (
    Measure("radius_spread", 0.0, 0.8, bins=16),
    Measure("aspect", 0.0, 1.0, bins=16),
    Measure("ast_nodes", 0, 1600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=10, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = BestKnown(
    2.3658323759107605,
    "benchmarks/baselines in 60 s; published: 2.3658322295, LoongFlow",
    "2026",
    certified=True,
)
BASELINE = Baseline(2.3658323759107605, "benchmarks/baselines/constructions/circles_in_rectangle.py, seed 0")


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{CIRCLES} circles")]


def run(program: Any, inputs: None) -> Any:
    """Returns what the program packs."""
    del inputs
    return program.pack()


def picture(output: Any) -> list[dict[str, Any]]:
    """Returns the rectangle and its circles."""
    left, right = min(x - r for x, _, r in output), max(x + r for x, _, r in output)
    foot, top = min(y - r for _, y, r in output), max(y + r for _, y, r in output)
    frame = {"path": [[left, foot], [right, foot], [right, top], [left, top]], "closed": True, "style": 5}
    return [
        {"kind": "shapes", "title": "The packing", "items": [frame, *({"circle": row} for row in output)]}
    ]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `sum_radii`, exact and rounded once, and what the packing looks like.

    `radius_spread` is the radii's deviation over their mean, `aspect` the short side over the long one.

    Raises:
        Invalid: the output is not 21 circles, or two overlap, or the rectangle is too large, by however
        little.
    """
    del case
    circles, width, height = _checked(output)
    long = max(width, height)
    return {
        "sum_radii": sum(circle[2] for circle in circles) / ONE,
        "radius_spread": radius_spread(circles),
        "aspect": min(width, height) / long if long else 1.0,
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the sum of the radii."""
    del case
    return Fraction(sum(circle[2] for circle in _checked(output)[0]), ONE)


def _checked(output: Any) -> tuple[list[tuple[int, ...]], int, int]:
    """Returns the circles, and the rectangle's width and height, in units of 1/ONE."""
    circles = read_table(output, "pack()", row="circle", rows=CIRCLES, columns="xyr", low=-4, high=4)
    for i, (_, _, r) in enumerate(circles):
        if r < 0:
            raise Invalid(f"r of circle {i} must be >= 0, got {amount(r)}")
    width, height = (
        max(circle[axis] + circle[2] for circle in circles)
        - min(circle[axis] - circle[2] for circle in circles)
        for axis in (0, 1)
    )
    excess = width + height - 2 * ONE
    if excess > 0:
        raise Invalid(
            f"width + height of the rectangle must be at most 2, got {amount(excess)} more; "
            f"multiply everything by {1 - 0.505 * excess / ONE:.17g}"
        )
    check_disjoint(circles)
    return circles, width, height

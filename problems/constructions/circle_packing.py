"""Place 26 circles in the unit square without overlap; make the sum of their radii as large as possible.

The program defines `pack()`, which returns 26 circles as a list of [x, y, r] (plain floats): centre, radius.
Every circle lies inside the square: r >= 0, r <= x <= 1 - r and r <= y <= 1 - r. Two circles may touch but
not overlap. The check is exact, without any tolerance: an overlap of 1e-12 is rejected. So leave a slack of
about 1e-12 between circles and towards the walls. The score is the sum of the radii.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import ONE, amount, read_table
from problems.constructions.discs import check_disjoint, radius_spread

CIRCLES = 26
TOUCHING = 1e-6  # gap up to which two circles count as neighbours in the measures (not in the check)

SEED = '''"""Places 26 circles in the unit square: centres by hand, radii as large as the neighbours allow."""

import math

# EVOLVE-BLOCK-START
# One circle in the middle, a ring of 8 and a ring of 17 around it.
CENTRES = [
    (0.5, 0.5),
    (0.6, 0.5), (0.57, 0.57), (0.5, 0.6), (0.43, 0.57),
    (0.4, 0.5), (0.43, 0.43), (0.5, 0.4), (0.57, 0.43),
    (0.7, 0.5), (0.69, 0.57), (0.65, 0.63), (0.59, 0.68), (0.52, 0.7), (0.45, 0.69),
    (0.38, 0.66), (0.33, 0.61), (0.3, 0.54), (0.3, 0.46), (0.33, 0.39), (0.38, 0.34),
    (0.45, 0.31), (0.52, 0.3), (0.59, 0.32), (0.65, 0.37), (0.69, 0.43),
]


def radii(centres):
    """Every circle starts at half the room it has; then each one in turn grows until it touches something."""
    gaps = [[math.dist(a, b) for b in centres] for a in centres]
    walls = [min(x, 1 - x, y, 1 - y) for x, y in centres]
    result = []
    for i, gap in enumerate(gaps):
        result.append(min(walls[i], min(gap[:i] + gap[i + 1 :]) / 2))
    for i, gap in enumerate(gaps):
        room = min(gap[j] - result[j] for j in range(len(centres)) if j != i)
        result[i] = max(result[i], min(walls[i], room))
    return result


def layout():
    centres = [(min(max(x, 0), 1), min(max(y, 0), 1)) for x, y in CENTRES]
    return centres, radii(centres)
# EVOLVE-BLOCK-END


def pack():
    """Returns [x, y, r] of every circle; the slack keeps rounding from making two of them overlap."""
    centres, sizes = layout()
    return [[x, y, max(0.0, r - 1e-12)] for (x, y), r in zip(centres, sizes)]
'''

HEURISTIC_SEED = '''"""Moves one circle at a time while a neighbour gives way; steps back are taken, too, ever smaller ones."""

import math
import time

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.03  # standard deviation of a move
YIELD = 0.3  # share of its radius that a neighbour may give up
HEAT = 0.003  # how much a step may cost at first
JUMP = 0.02  # share of moves that go anywhere


def room(circles, i):
    x, y, _ = circles[i]
    others = (math.dist((x, y), c[:2]) - c[2] for j, c in enumerate(circles) if j != i)
    return min(x, 1 - x, y, 1 - y, *others) - 1e-12


def improve(inputs, best, report, deadline_s):
    begun = time.monotonic()
    rng = np.random.default_rng(int(1e9 * sum(c[2] for c in best)))
    circles = [list(c) for c in best]
    value = top = sum(c[2] for c in best)
    while (spent := (time.monotonic() - begun) / (0.9 * deadline_s)) < 1:
        has_gained = False
        heat = HEAT * (1 - spent) ** 3
        for _ in range(100):
            i, j = (int(k) for k in rng.choice(len(circles), 2, replace=False))
            former = list(circles[i]), list(circles[j])
            if rng.random() < JUMP:
                circles[i][:2] = rng.random(2).tolist()
            else:
                size = STEP * 10 ** -rng.uniform(0, 4)
                circles[i][0] += size * rng.standard_normal()
                circles[i][1] += size * rng.standard_normal()
            circles[j][2] *= 1 - YIELD * rng.random()
            for k in (i, j):
                circles[k][2] = room(circles, k)
            gain = circles[i][2] + circles[j][2] - former[0][2] - former[1][2]
            if min(circles[i][2], circles[j][2]) > 0 and gain > -heat * rng.exponential():
                value += gain
                if value > top + 1e-12:
                    top, kept, has_gained = value, [list(c) for c in circles], True
            else:
                circles[i], circles[j] = former
        if has_gained:
            report(kept)
# EVOLVE-BLOCK-END
'''

# The areas of disjoint circles sum to at most 1, so by Cauchy-Schwarz
# sum(r) <= sqrt(26 * sum(r * r)) <= sqrt(26 / pi) = 2.8768.
OBJECTIVE = Objective("sum_radii", "maximize", bound=math.sqrt(CIRCLES / math.pi))
MEASURES = (
    Measure("radius_spread", 0.0, 0.8, bins=16),
    Measure("wall_share", 0.0, 1.0, bins=13),
    Measure("ast_nodes", 0, 1600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=10, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = BestKnown(
    2.6359830773881194, "ThetaEvolve, artefact of its repository", "2025-11", certified=True
)
BASELINE = Baseline(2.6306700446768168, "benchmarks/baselines/constructions/circle_packing.py, seed 0")


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{CIRCLES} circles")]


def run(program: Any, inputs: None) -> Any:
    """Returns what the program packs."""
    del inputs
    return program.pack()


def picture(output: Any) -> list[dict[str, Any]]:
    """Returns the square and its circles."""
    square = {"path": [[0, 0], [1, 0], [1, 1], [0, 1]], "closed": True, "style": 5}
    return [
        {"kind": "shapes", "title": "The packing", "items": [square, *({"circle": row} for row in output)]}
    ]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns the sum of the radii and what the packing looks like.

    `sum_radii` is the exact sum, rounded once. `radius_spread` is the radii's standard deviation over their
    mean, `wall_share` the share of circles that touch a wall, `contacts` the mean number of circles that a
    circle touches, `smallest` the smallest radius.

    Raises:
        Invalid: the output is not 26 circles of ordinary numbers, or a circle leaves the square, or two
            overlap, by however little; the message names the worst offence, its amount and the way out.
    """
    del case
    circles = _checked(output)
    return {"sum_radii": sum(r for _, _, r in circles) / ONE, **_shape(circles)}


def exact(case: Case, output: Any) -> Fraction:
    """Returns the sum of the radii."""
    del case
    return Fraction(sum(r for _, _, r in _checked(output)), ONE)


def _checked(output: Any) -> list[tuple[int, ...]]:
    """Returns the circles (x, y, r), in units of 1/ONE."""
    circles = read_table(output, "pack()", row="circle", rows=CIRCLES, columns="xyr", low=0, high=1)
    excess, index, wall = max(
        (r - gap, i, wall)
        for i, (x, y, r) in enumerate(circles)
        for wall, gap in (("left", x), ("right", ONE - x), ("lower", y), ("upper", ONE - y))
    )
    if excess > 0:
        raise Invalid(
            f"circle {index} reaches {amount(excess)} beyond the {wall} wall; "
            f"{1.01 * excess / ONE:.3g} off its radius would keep it inside"
        )
    check_disjoint(circles)
    return circles


def _shape(circles: Sequence[tuple[int, ...]]) -> dict[str, float]:
    table = np.array([[x / ONE, y / ONE, r / ONE] for x, y, r in circles])
    centres, radii = table[:, :2], table[:, 2]
    walls = np.minimum(centres, 1 - centres).min(axis=1) - radii
    offsets = centres[:, None, :] - centres[None, :, :]
    gaps = np.sqrt((offsets**2).sum(axis=2)) - radii[:, None] - radii[None, :]
    np.fill_diagonal(gaps, np.inf)
    return {
        "radius_spread": radius_spread(circles),
        "wall_share": float((walls <= TOUCHING).mean()),
        "contacts": float((gaps <= TOUCHING).sum() / CIRCLES),
        "smallest": float(radii.min()),
    }

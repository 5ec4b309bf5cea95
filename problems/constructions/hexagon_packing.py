"""Place 11 disjoint regular hexagons of side 1, each turned as you like, in the smallest regular hexagon.

The program defines `pack()`, which returns 11 hexagons as a list of [x, y, t] (plain floats in [-8, 8]):
the centre, and the rotation as t = tan(angle / 2), angle 0 meaning that two corners lie on the horizontal
through the centre. t runs over [-1, 1] for angles from -90 to 90 degrees; turns by 60 degrees change
nothing. The outer hexagon has its centre at the origin and angle 0; the score is the side it needs to hold
everything, to be made as small as possible. Two hexagons may touch but not overlap. The check is exact,
without any tolerance: an overlap of 1e-13 is rejected, so leave a slack of about 1e-12.
"""

# With t rational, cosine and sine are rational, and every corner lies in Q(sqrt 3): all signs below are
# decided exactly.

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import ONE, Ball, ball_sqrt3, largest, read_table, sign_sqrt3, value_sqrt3

HEXAGONS = 11

SEED = '''"""Places 11 unit hexagons: hand-set centres and angles, moved apart together until no two
overlap."""

import math

# EVOLVE-BLOCK-START
CENTRES = [
    (0.0, 0.1),
    (1.8, 0.9), (0.1, 2.0), (-1.8, 1.0), (-1.7, -1.1), (0.1, -1.8), (1.8, -0.9),
    (3.4, 0.2), (1.6, 2.9), (-1.7, 2.9), (-3.5, 0.0),
]
DEGREES = [0.0, 4.0, -3.0, 2.0, 0.0, 5.0, -4.0, 1.0, 0.0, 3.0, -2.0]


def layout():
    return CENTRES, DEGREES
# EVOLVE-BLOCK-END


def reach(angle, direction):
    """How far a unit hexagon extends from its centre."""
    turn = (direction - angle + math.pi / 6) % (math.pi / 3) - math.pi / 6
    return math.cos(turn)


def needed_scale(a, b):
    """The smallest factor on the centres at which some side of one hexagon separates it from the other."""
    (x, y, alpha), (u, v, beta) = a, b
    best = math.inf
    for angle in (alpha, beta):
        for k in range(6):
            direction = angle + math.pi / 6 + k * math.pi / 3
            along = (u - x) * math.cos(direction) + (v - y) * math.sin(direction)
            if along > 1e-9:
                best = min(best, (reach(alpha, direction) + reach(beta, direction + math.pi)) / along)
    return best


def pack():
    """Returns [x, y, t] of every hexagon; the slack keeps rounding from making two of them overlap."""
    centres, degrees = layout()
    bodies = [(x, y, math.radians((d + 30) % 60 - 30)) for (x, y), d in zip(centres, degrees)]
    scale = max(needed_scale(a, b) for i, a in enumerate(bodies) for b in bodies[:i]) + 1e-11
    return [[x * scale, y * scale, math.tan(angle / 2)] for x, y, angle in bodies]
'''

HEURISTIC_SEED = '''"""Moves and turns one hexagon at a time, then moves all of them together until they touch."""

import math
import time

import numpy as np

# EVOLVE-BLOCK-START
STEP = 0.2  # largest standard deviation of a move
TURN = 0.1  # largest standard deviation of a turn, in radians
DECADES = 3.0  # how far below them they may go
# EVOLVE-BLOCK-END

SIXTHS = np.arange(6) * math.pi / 3


def reach(angle, direction):
    """How far unit hexagons extend from their centre in some directions."""
    return np.cos((direction - angle + math.pi / 6) % (math.pi / 3) - math.pi / 6)


def scale(bodies):
    """The smallest factor on the centres at which each two have a side between them."""
    i, j = np.triu_indices(len(bodies), 1)
    directions = np.concatenate([bodies[i, 2, None] + SIXTHS, bodies[j, 2, None] + SIXTHS], axis=1) + math.pi / 6
    offset = bodies[j, :2] - bodies[i, :2]
    along = offset[:, :1] * np.cos(directions) + offset[:, 1:] * np.sin(directions)
    width = reach(bodies[i, 2, None], directions) + reach(bodies[j, 2, None], directions + math.pi)
    with np.errstate(divide="ignore"):
        needed = np.where(along > 1e-9, width / along, np.inf).min(axis=1)
    return needed.max() + 1e-11


def side(bodies):
    corners = bodies[:, None, 2] + SIXTHS
    x = np.abs(bodies[:, :1] + np.cos(corners))
    y = np.abs(bodies[:, 1:2] + np.sin(corners)) / math.sqrt(3)
    return max((x + y).max(), 2 * y.max())


# EVOLVE-BLOCK-START
def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    bodies = np.array([[x, y, 2 * math.atan(t)] for x, y, t in best])
    value = side(bodies)
    while time.monotonic() < end:
        moved = bodies.copy()
        size = 10 ** -rng.uniform(0, DECADES)
        i = rng.integers(len(bodies) + 1)
        if i == len(bodies):
            moved[:, :2] += STEP * size * rng.standard_normal(2)
            i = 0
        moved[i, :2] += STEP * size * rng.standard_normal(2)
        moved[i, 2] = (moved[i, 2] + TURN * size * rng.standard_normal() + math.pi / 6) % (math.pi / 3) - math.pi / 6
        moved[:, :2] *= scale(moved)
        if side(moved) < value - 1e-12 and np.isfinite(moved).all():
            bodies, value = moved, side(moved)
            report([[x, y, math.tan(angle / 2)] for x, y, angle in bodies.tolist()])
# EVOLVE-BLOCK-END
'''

# The areas alone: side**2 >= 11.
OBJECTIVE = Objective("side", "minimize", bound=math.sqrt(HEXAGONS))
MEASURES = (
    Measure("turned_share", 0.0, 1.0, bins=12),
    Measure("middle", 0.0, 2.0, bins=16),
    Measure("ast_nodes", 0, 2000, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=10, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = (
    BestKnown(3.9245, "ImprovEvolve, arXiv 2602.10233", "2026-02", certified=False),
    BestKnown(3.928906855463712, "LoongFlow, artefact of its repository", "2025-12", certified=True),
)
BASELINE = Baseline(3.9858757711149386, "benchmarks/baselines/constructions/hexagon_packing.py, seed 0")


class Hexagon(NamedTuple):
    """One hexagon: centre in units of 1/ONE; cosine / scale and sine / scale of its angle."""

    x: int
    y: int
    cosine: int
    sine: int
    scale: int


class Corner(NamedTuple):
    """The point ((xa + xb sqrt 3), (ya + yb sqrt 3)) / scale."""

    xa: int
    xb: int
    ya: int
    yb: int
    scale: int


_CORNERS = ((2, 0), (1, 1), (-1, 1), (-2, 0), (-1, -1), (1, -1))  # (p, q): the corner (p, q sqrt 3) / 2
_NORMALS = (
    (1, 1),
    (0, 2),
    (-1, 1),
    (-1, -1),
    (0, -2),
    (1, -1),
)  # (e, f): the outward normal (e sqrt 3, f) / 2


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{HEXAGONS} hexagons")]


def run(program: Any, inputs: None) -> Any:
    """Returns what the program packs."""
    del inputs
    return program.pack()


def picture(output: Any) -> list[dict[str, Any]]:
    """Returns the hexagons, and the smallest one round the origin that holds them."""
    turns = [k * math.pi / 3 for k in range(6)]
    hexagons = [
        [[x + math.cos(2 * math.atan(t) + turn), y + math.sin(2 * math.atan(t) + turn)] for turn in turns]
        for x, y, t in output
    ]
    normals = [turn + math.pi / 6 for turn in turns]
    apothem = max(
        x * math.cos(n) + y * math.sin(n) for corners in hexagons for x, y in corners for n in normals
    )
    side = apothem / math.cos(math.pi / 6)
    outer = [[side * math.cos(turn), side * math.sin(turn)] for turn in turns]
    items = [{"path": outer, "closed": True, "style": 5}]
    items += [{"path": corners, "closed": True, "style": 0} for corners in hexagons]
    return [{"kind": "shapes", "title": "The packing", "items": items}]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns the outer `side`, exact in Q(sqrt 3) and rounded once, and what the packing looks like.

    `turned_share` is the share of hexagons turned by more than half a degree against the outer one,
    `middle` the distance of the innermost centre from the origin.

    Raises:
        Invalid: the output is not 11 hexagons of ordinary numbers, or two overlap, by however little.
    """
    del case
    rows, corners = _checked(output)
    angles = [math.degrees(2 * math.atan2(t, ONE)) for _, _, t in rows]
    return {
        "side": max(value_sqrt3(*side) for corner in corners for side in _needed_sides(corner)),
        "turned_share": sum(abs((angle + 30) % 60 - 30) > 0.5 for angle in angles) / HEXAGONS,
        "middle": min(math.hypot(x / ONE, y / ONE) for x, y, _ in rows),
    }


def exact(case: Case, output: Any) -> Ball:
    """Returns a ball round the outer side, which lies in Q(sqrt 3)."""
    del case
    return largest(ball_sqrt3(*side) for corner in _checked(output)[1] for side in _needed_sides(corner))


def _checked(output: Any) -> tuple[list[tuple[int, ...]], list[Corner]]:
    """Returns the rows (x, y, t) and the corners of hexagons of which no two overlap."""
    rows = read_table(output, "pack()", row="hexagon", rows=HEXAGONS, columns="xyt", low=-8, high=8)
    hexagons = [Hexagon(x, y, ONE * ONE - t * t, 2 * t * ONE, ONE * ONE + t * t) for x, y, t in rows]
    corners = [_corners(hexagon) for hexagon in hexagons]
    for j, hexagon in enumerate(hexagons):
        for i in range(j):
            if not (_is_beyond_a_side(hexagons[i], corners[j]) or _is_beyond_a_side(hexagon, corners[i])):
                raise Invalid(
                    f"hexagons {i} and {j} overlap by {_overlap(rows[i], rows[j]):.3g}; "
                    "move their centres apart by that"
                )
    return rows, [corner for six in corners for corner in six]


def _corners(h: Hexagon) -> list[Corner]:
    double = 2 * h.scale
    return [
        Corner(
            h.x * double + ONE * h.cosine * p,
            -ONE * h.sine * q,
            h.y * double + ONE * h.sine * p,
            ONE * h.cosine * q,
            double * ONE,
        )
        for p, q in _CORNERS
    ]


def _needed_sides(c: Corner) -> list[tuple[int, int, int]]:
    """Returns (a, b, c), the largest (a + b sqrt 3) / c of which is the outer side with this point on its boundary.

    That is max(|x| + |y| / sqrt 3, 2 |y| / sqrt 3).
    """
    x = (3 * c.xa, 3 * c.xb)
    y = (3 * c.yb, c.ya)  # y / sqrt 3, times 3
    candidates = [(2 * sign * y[0], 2 * sign * y[1]) for sign in (1, -1)]
    candidates += [(s * x[0] + z * y[0], s * x[1] + z * y[1]) for s in (1, -1) for z in (1, -1)]
    return [(a, b, 3 * c.scale) for a, b in candidates]


def _is_beyond_a_side(h: Hexagon, corners: list[Corner]) -> bool:
    """Returns whether some side of `h` has all `corners` on its outer side, or on it."""
    turned = []
    for c in corners:
        shift = c.scale // ONE
        xa, ya = c.xa - h.x * shift, c.ya - h.y * shift
        x = (h.cosine * xa + h.sine * ya, h.cosine * c.xb + h.sine * c.yb)
        y = (h.cosine * ya - h.sine * xa, h.cosine * c.yb - h.sine * c.xb)
        turned.append((x, y, c.scale * h.scale))
    return any(
        all(sign_sqrt3(3 * e * x[1] + f * y[0], e * x[0] + f * y[1] - scale) >= 0 for x, y, scale in turned)
        for e, f in _NORMALS
    )


def _overlap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Returns about how deep two overlapping hexagons lie in each other, for the message."""
    depths = []
    for one, other, sign in ((a, b, 1), (b, a, -1)):
        angle = 2 * math.atan2(one[2], ONE)
        turn = 2 * math.atan2(other[2], ONE)
        for k in range(6):
            direction = angle + math.pi / 6 + k * math.pi / 3
            offset = sign * complex((b[0] - a[0]) / ONE, (b[1] - a[1]) / ONE)
            along = offset.real * math.cos(direction) + offset.imag * math.sin(direction)
            width = max(math.cos(turn + m * math.pi / 3 - direction) for m in range(6))
            depths.append(math.sqrt(3) / 2 + width - along)
    return max(0.0, min(depths))

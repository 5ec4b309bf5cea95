"""Place 26 circles in the unit square without overlap; make the sum of their radii as large as possible.

The program defines `pack()`, which returns 26 circles as a list of [x, y, r] (plain floats): centre, radius.
Every circle lies inside the square: r >= 0, r <= x <= 1 - r and r <= y <= 1 - r. Two circles may touch but
not overlap. The check is exact, without any tolerance: an overlap of 1e-12 is rejected. So leave a slack of
about 1e-12 between circles and towards the walls. The score is the sum of the radii.
"""

# How it is exact: the layout is checked in integers. A float is an integer times a power of two, so once its
# exponent is bounded all numbers have a common denominator 2**SHIFT, and sums, products and comparisons on it
# have no rounding at all.

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from evaluators.contract import Case, Invalid, Limits, Measure, Objective

CIRCLES = 26
SMALLEST_EXPONENT = -64  # a number is 0 or at least 2**-64 (5.4e-20) in size
SHIFT = 53 - SMALLEST_EXPONENT  # so that its last bit is worth at least 2**-SHIFT
ONE = 1 << SHIFT
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


class Circle(NamedTuple):
    """One circle in units of 2**-SHIFT."""

    x: int
    y: int
    r: int


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{CIRCLES} circles")]


def run(program: Any, inputs: None) -> Any:
    """Returns what the program packs."""
    del inputs
    return program.pack()


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
    circles = [_circle(i, row) for i, row in enumerate(_rows(output))]
    _check_walls(circles)
    _check_overlaps(circles)
    return {"sum_radii": sum(c.r for c in circles) / ONE, **_shape(circles)}


def _rows(output: Any) -> list[Any]:
    if isinstance(output, np.ndarray):
        if output.shape != (CIRCLES, 3) or output.dtype.kind != "f":
            raise Invalid(
                f"pack() must return {CIRCLES} circles [x, y, r] of floats, "
                f"got an array of shape {output.shape} and type {output.dtype}"
            )
        output = output.tolist()
    if type(output) not in (list, tuple):
        raise Invalid(
            f"pack() must return a list of {CIRCLES} circles [x, y, r], got {type(output).__name__}"
        )
    if len(output) != CIRCLES:
        raise Invalid(f"pack() must return {CIRCLES} circles [x, y, r], got {len(output)}")
    return list(output)


def _circle(index: int, row: Any) -> Circle:
    if isinstance(row, np.ndarray) and row.shape == (3,) and row.dtype.kind == "f":
        row = row.tolist()
    if type(row) not in (list, tuple) or len(row) != 3:
        what = f"{len(row)} values" if type(row) in (list, tuple) else type(row).__name__
        raise Invalid(f"circle {index} must be [x, y, r], got {what}")
    x, y, r = (_units(index, name, value) for name, value in zip("xyr", row, strict=True))
    return Circle(x, y, r)


def _units(index: int, name: str, value: Any) -> int:
    """Returns `value * 2**SHIFT` as an exact integer; refuses bad numbers before any arithmetic on them."""
    where = f"{name} of circle {index}"
    if type(value) is int:
        if value not in (0, 1):
            raise Invalid(
                f"{where} must lie in [0, 1], got {value if value.bit_length() < 64 else 'a huge integer'}"
            )
        return value << SHIFT
    if type(value) is not float:
        raise Invalid(f"{where} must be a plain float, got {type(value).__name__}")
    if not 0.0 <= value <= 1.0:  # also refuses NaN
        raise Invalid(f"{where} must lie in [0, 1], got {value!r}")
    if value == 0.0:
        return 0
    if value < 2.0**SMALLEST_EXPONENT:
        raise Invalid(f"{where} must be 0 or at least 2**{SMALLEST_EXPONENT}, got {value!r}; use 0.0")
    numerator, denominator = value.as_integer_ratio()
    return numerator * (ONE // denominator)


def _check_walls(circles: list[Circle]) -> None:
    excess, index, wall = max(
        (c.r - gap, i, wall)
        for i, c in enumerate(circles)
        for wall, gap in (("left", c.x), ("right", ONE - c.x), ("lower", c.y), ("upper", ONE - c.y))
    )
    if excess > 0:
        raise Invalid(
            f"circle {index} reaches {excess / ONE:.3g} beyond the {wall} wall; "
            f"{1.01 * excess / ONE:.3g} off its radius would keep it inside"
        )


def _check_overlaps(circles: list[Circle]) -> None:
    offenders: list[tuple[float, int, int]] = []
    for i, (x, y, r) in enumerate(circles):
        for j in range(i):
            other = circles[j]
            reach = r + other.r
            squared = (x - other.x) ** 2 + (y - other.y) ** 2
            if squared < reach * reach:
                # reach - sqrt(squared), written so that nothing cancels
                overlap = (reach * reach - squared) / (reach + math.isqrt(squared)) / ONE
                offenders.append((overlap, j, i))
    if not offenders:
        return
    amount, first, second = max(offenders)
    reason = f"overlap of {amount:.3g} between circles {first} and {second}"
    if len(offenders) > 1:
        reason += f" ({len(offenders)} pairs overlap, this one most)"
    if min(c.r for c in circles) / ONE > amount:
        reason += f"; {0.505 * amount:.3g} off every radius would make the packing valid"
    raise Invalid(reason)


def _shape(circles: list[Circle]) -> dict[str, float]:
    table = np.array([[c.x / ONE, c.y / ONE, c.r / ONE] for c in circles])
    centres, radii = table[:, :2], table[:, 2]
    mean = float(radii.mean())
    walls = np.minimum(centres, 1 - centres).min(axis=1) - radii
    offsets = centres[:, None, :] - centres[None, :, :]
    gaps = np.sqrt((offsets**2).sum(axis=2)) - radii[:, None] - radii[None, :]
    np.fill_diagonal(gaps, np.inf)
    return {
        "radius_spread": float(radii.std()) / mean if mean > 0 else 0.0,
        "wall_share": float((walls <= TOUCHING).mean()),
        "contacts": float((gaps <= TOUCHING).sum() / CIRCLES),
        "smallest": float(radii.min()),
    }

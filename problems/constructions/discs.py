"""Disjoint discs, checked exactly: shared by the circle packings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evaluators.contract import Invalid
from evaluators.exact import ONE, amount


def check_disjoint(circles: Sequence[tuple[int, ...]]) -> None:
    """Checks that no two circles (x, y, r), in units of 1/ONE, overlap; touching is no overlap.

    Raises:
        Invalid: two do, by however little; the message names the worst pair, the amount and the way out.
    """
    offenders: list[tuple[int, int, int]] = []
    for i, (x, y, r) in enumerate(circles):
        for j in range(i):
            other_x, other_y, other_r = circles[j]
            reach = r + other_r
            squared = (x - other_x) ** 2 + (y - other_y) ** 2
            if squared < reach * reach:
                offenders.append((reach - math.isqrt(squared), j, i))
    if not offenders:
        return
    overlap, first, second = max(offenders)
    reason = f"overlap of {amount(overlap)} between circles {first} and {second}"
    if len(offenders) > 1:
        reason += f" ({len(offenders)} pairs overlap, this one most)"
    if min(circle[2] for circle in circles) > overlap:
        reason += f"; {0.505 * overlap / ONE:.3g} off every radius would make the packing valid"
    raise Invalid(reason)


def radius_spread(circles: Sequence[tuple[int, ...]]) -> float:
    """Returns the standard deviation of the radii over their mean; 0 where all are 0."""
    radii = np.array([circle[2] / ONE for circle in circles])
    mean = float(radii.mean())
    return float(radii.std()) / mean if mean > 0 else 0.0

"""Landscapes for benchmarks/search.py: programs of ten constants, judged in microseconds.

A landscape is a family of problems: a seed draws one (where its optimum lies, how it is rotated), so that paired seeds
compare contenders on many problems and none can be fitted. Scores lie in [0, 1], larger is better. The measures are what
a problem's author would declare without knowing the answer: where a policy ends up, how large and how spread the
constants are, how many parts are switched on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from islands.archive import Axis

CONSTANTS = 10

Vector: TypeAlias = NDArray[np.float64]
Judge: TypeAlias = Callable[[Vector], tuple[float, tuple[float, ...]]]


@dataclass(frozen=True, slots=True)
class Landscape:
    """A family of problems over [0, 1]^10.

    Attributes:
        name: how the tables call it.
        is_deceptive: whether following the score leads away from the optimum.
        axes: the measures.
        draw: returns one problem of the family: its first program and its judge (program -> score, measures).
    """

    name: str
    is_deceptive: bool
    axes: tuple[Axis, ...]
    draw: Callable[[np.random.Generator], tuple[Vector, Judge]]


def _shape(x: Vector) -> tuple[float, float]:
    return float(x.sum()) / CONSTANTS, float(x.std())


_SHAPE_AXES = (Axis("mean", 0.0, 1.0, 16), Axis("spread", 0.0, 0.5, 16))


def _rugged(rng: np.random.Generator) -> tuple[Vector, Judge]:
    """One basin under ripples: benign, and the home ground of greedy hill climbing."""
    optimum, phase = rng.uniform(0.15, 0.85, CONSTANTS), rng.uniform(3.0, 6.0, CONSTANTS)

    def judge(x: Vector) -> tuple[float, tuple[float, ...]]:
        away = x - optimum
        basin = math.exp(-4.0 * float(away @ away) / CONSTANTS)
        ripples = float(np.cos(2 * math.pi * phase * away).sum()) / CONSTANTS
        return basin * (0.7 + 0.3 * ripples), _shape(x)

    return rng.random(CONSTANTS), judge


def _funnels(rng: np.random.Generator) -> tuple[Vector, Judge]:
    """Two rippled funnels (after Lunacek's double funnel): the wide one, where everything starts, ends at 0.7.

    The better one is narrow, elsewhere, and between them lies a valley.
    """
    wide = rng.uniform(0.4, 0.6, CONSTANTS)
    narrow = wide + rng.choice([-1.0, 1.0]) * rng.uniform(0.15, 0.3, CONSTANTS)
    start = np.clip(wide + rng.normal(0, 0.2, CONSTANTS), 0, 1)

    def judge(x: Vector) -> tuple[float, tuple[float, ...]]:
        to_wide, to_narrow = x - wide, x - narrow
        ripples = float(np.cos(10 * math.pi * to_wide).sum()) / CONSTANTS
        far_wide, far_narrow = float(to_wide @ to_wide), float(to_narrow @ to_narrow)
        height = max(0.7 * math.exp(-0.5 * far_wide), math.exp(-2.0 * far_narrow))
        return height * (0.96 + 0.04 * ripples), _shape(x)

    return start, judge


_MOVES, _STEPS_PER_MOVE, _STEP = 10, 5, 0.04


def _maze(rng: np.random.Generator) -> tuple[Vector, Judge]:
    """Ten headings steer a walker, scored by how near it ends to a goal behind a wall (after Lehman and Stanley).

    The straight way ends in a cup, close to the goal; the way round leads away from it at first, past the cup and
    back into a chamber that opens on the far side.
    """
    bottom = rng.uniform(0.66, 0.74)
    mouth = bottom - rng.uniform(0.3, 0.4)
    low, high = rng.uniform(0.14, 0.24), rng.uniform(0.76, 0.86)
    goal_x, goal_y = bottom + rng.uniform(0.14, 0.18), rng.uniform(0.4, 0.6)
    turn, wall, chamber = rng.random(), 0.05, 0.1

    def is_free(x: float, y: float) -> bool:
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            return False
        if low - wall < y < high + wall:
            if bottom < x < bottom + wall:
                return False
            if mouth < x <= bottom and (y < low or y > high):
                return False
        is_side = abs(y - goal_y) > chamber and abs(y - goal_y) < chamber + wall
        return not (is_side and bottom < x < bottom + 0.24)

    def judge(headings: Vector) -> tuple[float, tuple[float, ...]]:
        x, y = 0.12, 0.5
        for heading in headings.tolist():
            angle = 2 * math.pi * (heading + turn)
            step_x, step_y = _STEP * math.cos(angle), _STEP * math.sin(angle)
            for _ in range(_STEPS_PER_MOVE):
                if not is_free(x + step_x, y + step_y):
                    break
                x, y = x + step_x, y + step_y
        return 1.0 - math.hypot(goal_x - x, goal_y - y) / math.sqrt(2), (x, y)

    return rng.random(_MOVES), judge


_PARTS = 5
_BARE, _COMPLETE = 0.5, 0.3
_PARTIAL = (
    0.42,
    0.36,
    0.33,
    0.33,
)  # ceiling with 1 to 4 parts: each costs, and nothing is gained before the last


def _assembly(rng: np.random.Generator) -> tuple[Vector, Judge]:
    """Five parts, each with a switch and a setting; they only pay together, and only when they are set well.

    A program with no part scores 0.5; with some, less; with all five, up to 1. The way leads down through a valley.
    """
    settings, width = rng.uniform(0.1, 0.9, _PARTS), 0.15
    order = rng.permutation(CONSTANTS)
    switches, values = order[:_PARTS], order[_PARTS:]
    start = rng.random(CONSTANTS)
    start[switches] = rng.uniform(0.0, 0.5, _PARTS)

    def judge(x: Vector) -> tuple[float, tuple[float, ...]]:
        is_on = x[switches] > 0.5
        parts = int(is_on.sum())
        measures = (float(parts), float(x.sum()) / CONSTANTS)
        if parts == 0:
            return _BARE - 0.1 * float(x[switches].mean()), measures
        fit = np.exp(-(((x[values] - settings)[is_on] / width) ** 2))
        if parts < _PARTS:
            return _PARTIAL[parts - 1] * (0.8 + 0.2 * float(fit.mean())), measures
        return _COMPLETE + (1 - _COMPLETE) * float(fit.mean()) ** 3, measures

    return start, judge


LANDSCAPES = (
    Landscape("rugged", is_deceptive=False, axes=_SHAPE_AXES, draw=_rugged),
    Landscape("funnels", is_deceptive=True, axes=_SHAPE_AXES, draw=_funnels),
    Landscape("maze", is_deceptive=True, axes=(Axis("x", 0.0, 1.0, 16), Axis("y", 0.0, 1.0, 16)), draw=_maze),
    Landscape(
        "assembly",
        is_deceptive=True,
        axes=(Axis("parts", -0.5, _PARTS + 0.5, _PARTS + 1), Axis("mean", 0.0, 1.0, 16)),
        draw=_assembly,
    ),
)

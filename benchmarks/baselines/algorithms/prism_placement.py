"""PRISM placement, solved exactly: a packing is improved until a search proves that none is better.

A pressure below L on a GPU with free memory means sum(rate / slo) + L * sum(size) < 80 L: a packing of
items of weight rate / slo + L * size into bins of 80 L, decided by depth-first search in integers.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Case

MEMORY = 80
UNIT = math.lcm(*range(5, 10))  # every rate / slo is a multiple of 1 / UNIT


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[list[int]]:
    """Returns optimal placements; takes about a second, whatever the budget."""
    del seconds, rng
    return [optimal(instance["gpus"], instance["models"]) for instance in case.inputs]


def optimal(gpus: int, models: list[list[int]]) -> list[int]:
    """Returns the placement with the least largest pressure."""
    best: list[int] = []
    load = sum(rate * (UNIT // slo) for _, rate, slo in models)
    low = Fraction(load, gpus * MEMORY - sum(size for size, _, _ in models))
    limit, high = 2 * low, None
    while True:  # bisect down to a narrow gap, then prove
        placement = _pack(gpus, models, limit)
        if placement is None:
            if high == limit:
                return best
            low = limit
        else:
            best, high = placement, _pressure(gpus, models, placement)
        if high is None:
            limit = 2 * limit
        else:
            limit = (low + high) / 2 if high - low > low / 500 else high
            limit = min(high, limit.limit_denominator(10**6))


def _pressure(gpus: int, models: list[list[int]], placement: list[int]) -> Fraction:
    """Returns the largest pressure, in units of 1 / UNIT."""
    load, free = [0] * gpus, [MEMORY] * gpus
    for (size, rate, slo), gpu in zip(models, placement, strict=True):
        load[gpu] += rate * (UNIT // slo)
        free[gpu] -= size
    return max(Fraction(busy, left) for busy, left in zip(load, free, strict=True))


def _pack(gpus: int, models: list[list[int]], limit: Fraction) -> list[int] | None:
    """Returns a placement with all pressures below `limit`, None if there is none."""
    top, bottom = limit.numerator, limit.denominator
    weights = [rate * (UNIT // slo) * bottom + top * size for size, rate, slo in models]
    room = MEMORY * top - 1  # strictly below
    order = sorted(range(len(models)), key=lambda i: -weights[i])
    rest = [0] * (len(models) + 1)
    for place in range(len(models) - 1, -1, -1):
        rest[place] = rest[place + 1] + weights[order[place]]
    left = [room] * gpus
    placement = [0] * len(models)
    smallest = min(weights)

    def place_from(place: int, usable: Any) -> bool:
        if place == len(order):
            return True
        if rest[place] > usable:
            return False
        weight = weights[order[place]]
        tried = set()
        for gpu in range(gpus):
            before = left[gpu]
            if before < weight or before in tried:
                continue
            tried.add(before)
            after = before - weight
            left[gpu] = after
            lost = after if after < smallest else 0
            placement[order[place]] = gpu
            if place_from(place + 1, usable - weight - lost):
                return True
            left[gpu] = before
        return False

    return placement if place_from(0, room * gpus) else None

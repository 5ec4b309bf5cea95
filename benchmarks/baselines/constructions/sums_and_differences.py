"""Sums and differences: numbers whose digits have a bounded sum (after Gyarmati, Hennecart, Ruzsa), then hill climbing."""

from __future__ import annotations

import time
from itertools import product

import numpy as np

from evaluators.contract import Case
from problems.constructions import sums_and_differences as problem


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[int]:
    """Returns the best set found in so many seconds of CPU time."""
    end = time.process_time() + seconds
    best: list[int] = [0, 1, 3]
    value = problem.score(case, best)["exponent"]
    for places, total in product(range(2, 13), range(1, 12)):
        for base in range(total + 1, 2 * total + 4):
            numbers = bounded(places, total, base)
            if numbers and time.process_time() < end:
                new = problem.score(case, numbers)["exponent"]
                if new > value:
                    best, value = numbers, new
    while time.process_time() < end:
        changed = set(best)
        for _ in range(int(rng.integers(1, 4))):
            if rng.random() < 0.5 and len(changed) > 3:
                changed.discard(int(rng.choice(sorted(changed - {0}))))
            else:
                changed.add(int(rng.integers(max(best) + 1)))
        candidate = sorted(changed)
        new = problem.score(case, candidate)["exponent"]
        if new > value:
            best, value = candidate, new
    return best


def bounded(places: int, total: int, base: int) -> list[int]:
    """Returns all numbers of so many digits (each at most `total`) with digit sum at most `total`."""
    numbers = {0: 0}  # number: digit sum
    power = 1
    for _ in range(places):
        if total * power > problem.LARGEST:
            return []
        numbers = {n + d * power: s + d for n, s in numbers.items() for d in range(total - s + 1)}
        if len(numbers) > problem.MOST:
            return []
        power *= base
    return sorted(numbers)

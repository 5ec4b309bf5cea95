"""Kissing number: greedy over vectors of four +-1, ordered by random weights on products of neighbouring entries."""

from __future__ import annotations

import time
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Case

DIMENSIONS, ENTRIES = 11, 4


def solve(case: Case, seconds: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns the largest set found in so many seconds of CPU time."""
    del case
    candidates = np.zeros((0, DIMENSIONS), dtype=np.int64)
    signs = np.array(list(product((1, -1), repeat=ENTRIES)))
    for places in combinations(range(DIMENSIONS), ENTRIES):
        block = np.zeros((len(signs), DIMENSIONS), dtype=np.int64)
        block[:, places] = signs
        candidates = np.vstack([candidates, block])
    axes = 2 * np.vstack([np.eye(DIMENSIONS, dtype=np.int64), -np.eye(DIMENSIONS, dtype=np.int64)])
    candidates = np.vstack([candidates, axes])
    is_near = candidates @ candidates.T > ENTRIES // 2
    np.fill_diagonal(is_near, False)
    best: list[int] = []
    end = time.process_time() + seconds
    while time.process_time() < end:
        rank = (candidates * np.roll(candidates, -1, axis=1)) @ rng.normal(size=DIMENSIONS)
        kept, is_open = [], np.ones(len(candidates), dtype=bool)
        for index in np.argsort(rank, kind="stable").tolist():
            if is_open[index]:
                kept.append(index)
                is_open &= ~is_near[index]
        best = max(best, kept, key=len)
    return candidates[best]

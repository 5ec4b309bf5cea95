"""Cap set: greedy under random priorities that depend only on digit counts within blocks of coordinates."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Case
from problems.constructions.cap_set import _greedy


def solve(case: Case, seconds: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns the largest cap found in so many seconds of CPU time."""
    n = case.inputs
    vectors = np.array(list(product((0, 1, 2), repeat=n)))
    best = vectors[:1]
    end = time.process_time() + seconds
    while time.process_time() < end:
        size = int(rng.choice([1, 2, 4, 8]))
        blocks = vectors.reshape(len(vectors), n // size, size)
        counts = np.stack([(blocks == digit).sum(axis=2) for digit in (1, 2)], axis=2)
        codes = counts @ (size + 1, 1) if rng.random() < 0.5 else counts.sum(axis=2)
        if rng.random() < 0.5:
            codes = np.sort(codes, axis=1)  # the blocks' order does not matter
        _, classes = np.unique(codes, axis=0, return_inverse=True)
        priority = rng.random(classes.max() + 1)[classes.ravel()]
        cap = _greedy(vectors, np.argsort(-priority, kind="stable"))
        best = max(best, cap, key=len)
    return best

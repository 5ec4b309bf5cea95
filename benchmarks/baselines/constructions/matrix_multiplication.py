"""Matrix multiplication by Strassen's algorithm on 2 x 2 blocks where both halves exist, else the school method.

Odd sides are split into an even part and a rest of 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Case

Term = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

# A product of blocks: what is taken from A (2 x 2), from B, and where it goes in C (Strassen 1969).
STRASSEN = (
    ([[1, 0], [0, 1]], [[1, 0], [0, 1]], [[1, 0], [0, 1]]),
    ([[0, 0], [1, 1]], [[1, 0], [0, 0]], [[0, 0], [1, -1]]),
    ([[1, 0], [0, 0]], [[0, 1], [0, -1]], [[0, 1], [0, 1]]),
    ([[0, 0], [0, 1]], [[-1, 0], [1, 0]], [[1, 0], [1, 0]]),
    ([[1, 1], [0, 0]], [[0, 0], [0, 1]], [[-1, 1], [0, 0]]),
    ([[-1, 0], [1, 0]], [[1, 1], [0, 0]], [[0, 0], [0, 1]]),
    ([[0, 1], [0, -1]], [[0, 0], [1, 1]], [[1, 0], [0, 0]]),
)


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Returns [u, v, w]; takes milliseconds, whatever the budget."""
    del seconds, rng
    terms = decompose(*case.inputs)
    return [np.array([term[side].ravel() for term in terms]) for side in range(3)]


def decompose(n: int, m: int, p: int) -> list[Term]:
    """Returns the terms of an algorithm for <n, m, p>, each three matrices."""
    if min(n, m, p) == 1:
        return [_unit(n, m, p, i, j, k) for i, j, k in np.ndindex(n, m, p)]
    if n % 2 == m % 2 == p % 2 == 0:
        inner = decompose(n // 2, m // 2, p // 2)
        blocks = [tuple(np.array(block, dtype=float) for block in outer) for outer in STRASSEN]
        return [
            tuple(np.kron(o, i) for o, i in zip(outer, term, strict=True))
            for outer in blocks
            for term in inner
        ]
    for side, size in enumerate((n, m, p)):
        if size % 2:
            return _split((n, m, p), side, size - 1)
    raise AssertionError("one side is odd here")


def _split(shape: tuple[int, int, int], side: int, at: int) -> list[Term]:
    """Returns the terms of two algorithms, for the two parts into which one side is cut."""
    terms = []
    for first, size in ((0, at), (at, shape[side] - at)):
        part = [size if s == side else length for s, length in enumerate(shape)]
        start = [first if s == side else 0 for s in range(3)]
        for term in decompose(*part):
            whole = []
            for matrix, (a, b) in zip(term, ((0, 1), (1, 2), (0, 2)), strict=True):
                table = np.zeros((shape[a], shape[b]))
                table[start[a] : start[a] + part[a], start[b] : start[b] + part[b]] = matrix
                whole.append(table)
            terms.append(tuple(whole))
    return terms


def _unit(n: int, m: int, p: int, i: int, j: int, k: int) -> Term:
    u, v, w = np.zeros((n, m)), np.zeros((m, p)), np.zeros((n, p))
    u[i, j] = v[j, k] = w[i, k] = 1
    return u, v, w

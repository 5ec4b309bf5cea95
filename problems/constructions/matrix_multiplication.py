"""Multiply small matrices with few multiplications: decompose the tensors <n, m, p> into few products.

The program defines `decompose(n, m, p)`, which returns [u, v, w]: three arrays with one row per
multiplication, of n*m, m*p and n*p columns. They stand for the algorithm that multiplies an n x m matrix
A by an m x p matrix B: product r is (sum of u[r, i*m + j] * A[i, j]) * (sum of v[r, j*p + k] * B[j, k]),
and C[i, k] is the sum over r of w[r, i*p + k] * product r. All entries are multiples of 1/2, of size at
most 64; complex ones, for Gaussian halves, are given as pairs [real, imaginary] in one more axis, in all
three arrays. The shapes asked for are <2, 2, 3>, <3, 3, 3>, <2, 4, 5> and <4, 4, 4>. The score is the
mean over them of 3 log(number of products) / log(n m p), the exponent of matrix multiplication that the
algorithm implies: 3 for the school method; smaller is better. Every algorithm is checked exactly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import Ball, log_ratio, read_list

SHAPES = ((2, 2, 3), (3, 3, 3), (2, 4, 5), (4, 4, 4))
LARGEST = 64

SEED = '''"""The school method: one multiplication for each triple (i, j, k)."""

import numpy as np

# EVOLVE-BLOCK-START
def decompose(n, m, p):
    u, v, w = np.zeros((n * m * p, n * m)), np.zeros((n * m * p, m * p)), np.zeros((n * m * p, n * p))
    for r, (i, j, k) in enumerate(np.ndindex(n, m, p)):
        u[r, i * m + j] = v[r, j * p + k] = w[r, i * p + k] = 1
    return [u, v, w]
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Walks through algorithms of equal rank by flips of two products that share a factor, until one can be left out.

u(x)v(x)w + u(x)v'(x)w' = u(x)(v + v')(x)w + u(x)v'(x)(w' - w) (Kauers and Moosbauer, arXiv 2212.01175).
"""

import time

import numpy as np

# EVOLVE-BLOCK-START
LARGEST = 1  # entries may not grow beyond


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    if np.array(best[0]).ndim > 2:
        return best  # complex entries are not for this walk
    factors = [[tuple(row) for row in np.array(table, dtype=float).tolist()] for table in best]
    while time.monotonic() < end:
        for _ in range(200):
            flip(factors, rng)
        if reduce(factors):
            report([np.array(table) for table in factors])


def flip(factors, rng):
    rank = len(factors[0])
    a, b, c = (int(k) for k in rng.permutation(3))
    i = int(rng.integers(rank))
    shared = factors[a][i]
    opposite = tuple(-x for x in shared)
    near = [j for j in range(rank) if j != i and factors[a][j] in (shared, opposite)]
    if not near:
        return
    j = near[int(rng.integers(len(near)))]
    if factors[a][j] == opposite:
        factors[a][j], factors[b][j] = shared, tuple(-x for x in factors[b][j])
    sign = 1 if rng.random() < 0.5 else -1
    total = tuple(x + sign * y for x, y in zip(factors[b][i], factors[b][j]))
    rest = tuple(y - sign * x for x, y in zip(factors[c][i], factors[c][j]))
    if max(map(abs, total + rest)) <= LARGEST:
        factors[b][i], factors[c][j] = total, rest


def reduce(factors):
    """Leaves out products with a factor 0 and joins those that share two factors; returns whether there were any."""
    before = len(factors[0])
    products = [list(one) for one in zip(*factors) if all(any(row) for row in one)]
    for a, b, c in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        joined = {}
        for one in products:
            key = one[a], one[b]
            if key in joined:
                joined[key][c] = tuple(x + y for x, y in zip(joined[key][c], one[c]))
            else:
                joined[key] = one
        products = [one for one in joined.values() if any(one[c])]
    factors[:] = [list(table) for table in zip(*products)]
    return len(products) < before
# EVOLVE-BLOCK-END
'''


def exponent(rank: int, n: int, m: int, p: int) -> float:
    """Returns the exponent that `rank` multiplications for <n, m, p> imply."""
    return 3 * math.log(rank) / math.log(n * m * p)


# Least ranks that are proven: <2, 2, 3> 11 (Alekseyev 1985); <n, n, n> 2 n n + n - 2 for n >= 3 (Blaser
# 1999), which is 19 and 34; <2, 4, 5> at least 20, the dimension of one factor.
_LEAST = (11, 19, 20, 34)
_BEST = (
    11,
    23,
    32,
    48,
)  # Alekseyev; Laderman 1976; AlphaEvolve; Dumas, Pernet, Sedoglavic (arXiv 2506.13242)
OBJECTIVE = Objective(
    "exponent",
    "minimize",
    bound=sum(exponent(rank, *shape) for rank, shape in zip(_LEAST, SHAPES, strict=True)) / len(SHAPES)
    - 1e-12,
)
BEST_KNOWN = BestKnown(
    sum(exponent(rank, *shape) for rank, shape in zip(_BEST, SHAPES, strict=True)) / len(SHAPES),
    "ranks 11, 23, 32 and 48: Alekseyev, Laderman, AlphaEvolve, arXiv 2506.13242",
    "2025-06",
    certified=False,
)
BASELINE = Baseline(2.8955673392966563, "benchmarks/baselines/constructions/matrix_multiplication.py, seed 0")
MEASURES = (
    Measure("density", 0.0, 1.0, bins=12),
    Measure("largest", 0.0, 8.0, bins=8),
    Measure("ast_nodes", 0, 2000, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=512, output_mib=2)
PRELOAD = ("numpy",)
CERTIFICATE = True


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one case per shape; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=list(shape), name=f"<{shape[0]}, {shape[1]}, {shape[2]}>") for shape in SHAPES]


def run(program: Any, inputs: list[int]) -> Any:
    """Returns the program's decomposition."""
    return program.decompose(*inputs)


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `exponent` and `rank` of a decomposition, its share of nonzero entries and the size of its largest.

    Raises:
        Invalid: an entry is no multiple of 1/2 within the limits, or the algorithm does not multiply matrices; the
            message names an entry of the product that comes out wrong.
    """
    n, m, p = case.inputs
    factors = _checked(case, output)
    rank = len(factors[0])
    nonzero = [float((factor != 0).any(axis=2).mean()) for factor in factors]
    return {
        "exponent": exponent(rank, n, m, p),
        "rank": float(rank),
        "density": sum(nonzero) / 3,
        "largest": min(8.0, max(float(abs(factor).max()) for factor in factors) / 2),
    }


def exact(case: Case, output: Any) -> Ball:
    """Returns a ball round the exponent."""
    rank = len(_checked(case, output)[0])
    return log_ratio(rank**3, 1) / log_ratio(math.prod(case.inputs), 1)


def _checked(case: Case, output: Any) -> list[NDArray[np.int64]]:
    """Returns the factors times 2, which do multiply matrices."""
    n, m, p = case.inputs
    factors = _read(read_list(output, "[u, v, w]", 3, 3), (n * m, m * p, n * p))
    _check(factors, n, m, p)
    return factors


def _read(arrays: list[Any], widths: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Returns the factors times 2, as integers (rank, width, 2): real and imaginary parts."""
    factors = []
    for name, array, width in zip("uvw", arrays, widths, strict=True):
        try:
            table = array if isinstance(array, np.ndarray) else np.array(array)
        except ValueError as error:  # rows of different lengths
            raise Invalid(f"{name} must be an array, got rows of different lengths") from error
        if table.dtype.kind not in "iuf":
            raise Invalid(f"{name} must be an array of plain numbers, got type {table.dtype}")
        if table.ndim not in (2, 3) or table.shape[1:] not in ((width,), (width, 2)):
            raise Invalid(
                f"{name} must have the shape (rank, {width}) or (rank, {width}, 2), got {table.shape}"
            )
        if not 1 <= len(table) <= math.prod(widths):
            raise Invalid(f"{name} must have a row per multiplication, got {len(table)}")
        if not (np.abs(table.astype(float)) <= LARGEST).all():  # also refuses NaN
            raise Invalid(f"the entries of {name} must lie in [-{LARGEST}, {LARGEST}]")
        doubled = 2 * table.astype(float)
        if (doubled != np.rint(doubled)).any():
            wrong = table[doubled != np.rint(doubled)][0]
            raise Invalid(f"the entries of {name} must be multiples of 1/2, got {float(wrong)!r}")
        whole = doubled.astype(np.int64)
        factors.append(whole if whole.ndim == 3 else np.stack([whole, np.zeros_like(whole)], axis=2))
    ranks = [len(factor) for factor in factors]
    if len(set(ranks)) > 1:
        raise Invalid(f"u, v and w must have the same number of rows, got {ranks}")
    return factors


def _check(factors: list[NDArray[np.int64]], n: int, m: int, p: int) -> None:
    """Checks that the products add up to the tensor <n, m, p>; all sums stay far below 2**63."""
    u, v, w = factors
    real = v[:, :, None, 0] * w[:, None, :, 0] - v[:, :, None, 1] * w[:, None, :, 1]
    imaginary = v[:, :, None, 0] * w[:, None, :, 1] + v[:, :, None, 1] * w[:, None, :, 0]
    real, imaginary = real.reshape(len(u), -1), imaginary.reshape(len(u), -1)
    total_real = u[:, :, 0].T @ real - u[:, :, 1].T @ imaginary
    total_imaginary = u[:, :, 0].T @ imaginary + u[:, :, 1].T @ real
    wanted = np.zeros((n, m, m, p, n, p), dtype=np.int64)
    i, j, k = np.ogrid[:n, :m, :p]
    wanted[i, j, j, k, i, k] = 8
    wrong = np.argwhere(
        (total_real.reshape(wanted.shape) != wanted) | (total_imaginary.reshape(wanted.shape) != 0)
    )
    if len(wrong):
        a, b, c, d, e, f = wrong[0].tolist()
        got = complex(total_real.reshape(wanted.shape)[a, b, c, d, e, f], 0) / 8
        raise Invalid(
            f"this does not multiply matrices: A[{a}, {b}] * B[{c}, {d}] comes into C[{e}, {f}] {got.real:g} times "
            f"(real part), not {wanted[a, b, c, d, e, f] // 8}; {len(wrong)} terms are wrong"
        )

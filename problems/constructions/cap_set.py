"""Find a large cap set in 8 dimensions: vectors over {0, 1, 2}, no three of which lie on a line.

Three different vectors lie on a line if they sum to 0 modulo 3 in every coordinate. The program defines
`priority(vector, n)`, which returns a number for a vector (a tuple of n = 8 digits 0, 1, 2). All vectors are
then taken in order of falling priority (ties: in the order of counting), and each is kept unless it completes
a line with two kept ones. The score is the number of vectors kept; larger is better. So `priority` should
prefer vectors that leave much room, and symmetry usually helps.
"""

# FunSearch (Romera-Paredes et al., Nature 625, 2024) poses the problem in this form.

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import read_integer_table

DIMENSIONS = 8

SEED = '''"""Rates the vectors for a cap set that is built greedily."""

# EVOLVE-BLOCK-START
BY_SUPPORT = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]  # by the number of digits that are not 0
BY_PAIR = [  # of neighbouring digits, the last one and the first one included
    [0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0],
]


def priority(vector, n):
    support = sum(digit > 0 for digit in vector)
    return BY_SUPPORT[support] + sum(BY_PAIR[vector[i]][vector[(i + 1) % n]] for i in range(n))
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Takes some vectors away and fills up again in another order."""

import itertools
import time

import numpy as np

# EVOLVE-BLOCK-START
SHARE = 0.1  # of the vectors that is taken away

POWERS = 3 ** np.arange(8)[::-1]
VECTORS = np.array(list(itertools.product((0, 1, 2), repeat=8)))


def fill(kept, order):
    """Adds vectors in this order where no line is completed."""
    kept = list(kept)
    is_open = np.ones(len(VECTORS), dtype=bool)
    for i, number in enumerate(kept):
        is_open[(-VECTORS[kept[: i + 1]] - VECTORS[number]) % 3 @ POWERS] = False
    for number in order:
        if is_open[number]:
            kept.append(int(number))
            is_open[(-VECTORS[kept] - VECTORS[number]) % 3 @ POWERS] = False
    return kept


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.8 * deadline_s
    rng = np.random.default_rng(0)
    kept, size = (np.array(best) @ POWERS).tolist(), len(best)
    while time.monotonic() < end:
        stay = rng.random(len(kept)) >= SHARE * 4 ** -rng.random()
        other = fill([number for number, keep in zip(kept, stay) if keep], rng.permutation(len(VECTORS)))
        if len(other) >= len(kept):
            kept = other
        if len(kept) > size:
            size = len(kept)
            report(VECTORS[kept].tolist())
# EVOLVE-BLOCK-END
'''

# A cap in 6 dimensions has at most 112 vectors (Potechin 2008); 9 parallel 6-dimensional spaces fill 8
# dimensions.
OBJECTIVE = Objective("size", "maximize", bound=9 * 112)
MEASURES = (
    Measure("mean_support", 0.0, 8.0, bins=16),
    Measure("support_spread", 0.0, 4.0, bins=12),
    Measure("ast_nodes", 0, 800, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
CERTIFICATE = True
BEST_KNOWN = BestKnown(512, "FunSearch, Nature 625", "2023-12", certified=True)
BASELINE = Baseline(464.0, "benchmarks/baselines/constructions/cap_set.py, seed 0")


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=DIMENSIONS, name=f"{DIMENSIONS} dimensions")]


def run(program: Any, inputs: int) -> Any:
    """Returns the cap set that the program's priorities lead to, as an array of vectors."""
    vectors = list(product((0, 1, 2), repeat=inputs))
    priorities = np.array([float(program.priority(vector, inputs)) for vector in vectors])
    return _greedy(np.array(vectors), np.argsort(-priorities, kind="stable"))


def _greedy(vectors: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the vectors kept when they are taken in this order."""
    is_open = np.ones(len(vectors), dtype=bool)
    kept = np.empty((0, vectors.shape[1]), dtype=np.int64)
    for index in order:
        if is_open[index]:
            is_open[_numbers((-kept - vectors[index]) % 3)] = False
            is_open[index] = False
            kept = np.vstack([kept, vectors[index]])
    return kept


def _numbers(vectors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the places of vectors in the order of counting."""
    return vectors @ 3 ** np.arange(vectors.shape[1])[::-1]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns the `size` of the set, and the mean and spread of its vectors' numbers of nonzero digits.

    Raises:
        Invalid: the output is not a list of different vectors, or three of them lie on a line; the message
        names them.
    """
    n = int(case.inputs)
    rows = read_integer_table(output, "the set", row="vector", least=1, most=3**n, width=n, low=0, high=2)
    vectors = np.array(rows, dtype=np.int64)
    numbers = _numbers(vectors)
    if len(set(numbers.tolist())) < len(rows):
        twice = next(row for i, row in enumerate(sorted(rows)) if row == sorted(rows)[i + 1])
        raise Invalid(f"the vectors must all differ, but {list(twice)} is there twice")
    is_member = np.zeros(3**n, dtype=bool)
    is_member[numbers] = True
    for i in range(1, len(rows)):
        third = _numbers((-vectors[:i] - vectors[i]) % 3)
        on_line = np.flatnonzero(is_member[third])
        if len(on_line):
            j = int(on_line[0])
            last = [(-a - b) % 3 for a, b in zip(rows[j], rows[i], strict=True)]
            raise Invalid(f"{list(rows[j])}, {list(rows[i])} and {last} lie on a line; leave one of them out")
    support = (vectors > 0).sum(axis=1)
    return {
        "size": float(len(rows)),
        "mean_support": float(support.mean()),
        "support_spread": float(support.std()),
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the size of the set."""
    return Fraction(score(case, output)["size"])

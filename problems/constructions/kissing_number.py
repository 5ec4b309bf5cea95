"""Place as many equal balls as possible around one of the same size in 11 dimensions, without overlap.

The program defines `vectors()`, which returns a list of different vectors of 11 plain integers, of size
at most 1e15. They stand for the centres of balls around the origin, each pushed to touch the middle ball:
no two of them may be nearer to each other than the longest of them is to the origin (touching is no
overlap). That suffices: moved to a common length, they are still far enough apart. The score is the
number of vectors; larger is better. The check is exact, in integers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import read_integer_table

DIMENSIONS = 11
LARGEST = 10**15
MOST = 868

SEED = '''"""Takes vectors with a few entries +1 or -1, one after the other, where there is room."""

import itertools

import numpy as np

# EVOLVE-BLOCK-START
ENTRIES = 2
PAIR_WEIGHTS = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]  # of neighbouring coordinates


def candidates():
    for places in itertools.combinations(range(11), ENTRIES):
        for signs in itertools.product((1, -1), repeat=ENTRIES):
            vector = [0] * 11
            for place, sign in zip(places, signs):
                vector[place] = sign
            yield vector


def rank(vector):
    return sum(weight * vector[i] * vector[(i + 1) % 11] for i, weight in enumerate(PAIR_WEIGHTS))


def vectors():
    kept = np.zeros((0, 11), dtype=int)
    for vector in sorted(candidates(), key=rank):
        if (2 * kept @ vector <= ENTRIES).all():  # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b
            kept = np.vstack([kept, vector])
    return kept
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Takes some vectors away and adds others, made from those there are by new signs and orders of their entries."""

import time

import numpy as np

# EVOLVE-BLOCK-START
SHARE = 0.02  # of the vectors that is taken away
TRIES = 400  # vectors that are tried each time
WIDEST = 11  # most entries that are not 0 in half of the vectors tried


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    kept = np.array(best, dtype=float)
    size = len(kept)
    longest = (kept**2).sum(axis=1).max()
    if longest < 2**20 and longest % 4:  # twice as long, there is more to choose from
        kept, longest = 2 * kept, 4 * longest
    while time.monotonic() < end:
        found = kept[rng.random(len(kept)) >= SHARE * 4 ** -rng.random()]
        for _ in range(TRIES):
            if rng.random() < 0.5:
                vector = rng.permutation(found[rng.integers(len(found))]) * rng.choice([-1.0, 1.0], kept.shape[1])
            else:
                width = rng.integers(1, WIDEST + 1)
                vector = np.zeros(kept.shape[1])
                vector[:width] = np.floor((longest / width) ** 0.5) * rng.choice([-1.0, 1.0], width)
                vector = rng.permutation(vector)
            is_short = 0 < (vector**2).sum() <= longest
            if is_short and (((found - vector) ** 2).sum(axis=1) >= longest).all():
                found = np.vstack([found, vector])
        if len(found) >= len(kept):
            kept = found
        if len(kept) > size:
            size = len(kept)
            report(kept.astype(int))
# EVOLVE-BLOCK-END
'''

# 868: de Laat and Leijenhorst (arXiv 2206.07163), a semidefinite bound.
OBJECTIVE = Objective("vectors", "maximize", bound=MOST)
MEASURES = (
    Measure("mean_support", 0.0, 11.0, bins=11),
    Measure("contacts", 0.0, 250.0, bins=12),
    Measure("ast_nodes", 0, 1200, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=20, wall_s=40, memory_mib=512, output_mib=1)
PRELOAD = ("numpy",)
CERTIFICATE = True
BEST_KNOWN = (
    BestKnown(604, "EinsteinArena, arXiv 2606.10402", "2026-06", certified=False),
    BestKnown(593, "AlphaEvolve, arXiv 2506.13131, B.11", "2025-06", certified=True),
)
BASELINE = Baseline(550.0, "benchmarks/baselines/constructions/kissing_number.py, seed 0")

_NEAR = 1e-9  # squared distances this close to the limit, relatively, are compared in integers


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"{DIMENSIONS} dimensions")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's vectors."""
    del inputs
    return program.vectors()


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns the number of `vectors`, their mean number of nonzero entries, and the mean number of `contacts`.

    Raises:
        Invalid: the output is not a list of vectors of integers, one of them is 0, or two are too near to each
            other; the message names them.
    """
    del case
    rows = read_integer_table(
        output,
        "vectors()",
        row="vector",
        least=1,
        most=2 * MOST,
        width=DIMENSIONS,
        low=-LARGEST,
        high=LARGEST,
    )
    norms = [sum(x * x for x in row) for row in rows]
    if 0 in norms:
        raise Invalid(f"vector {norms.index(0)} must not be 0")
    longest = max(norms)
    touching = 0
    table = np.array(rows, dtype=float)
    for i in range(1, len(rows)):
        squares = ((table[:i] - table[i]) ** 2).sum(axis=1)  # within 1e-14 of the truth, relatively
        for j in np.flatnonzero(squares < longest * (1 + _NEAR)).tolist():
            distance = sum((x - y) ** 2 for x, y in zip(rows[i], rows[j], strict=True))
            if distance < longest:
                raise Invalid(
                    f"vectors {j} and {i} are too near: their squared distance must be at least {_short(longest)}, "
                    f"the largest squared length, and is {_short(longest - distance)} less"
                )
            touching += 1
    return {
        "vectors": float(len(rows)),
        "mean_support": float((table != 0).sum(axis=1).mean()),
        "contacts": 2 * touching / len(rows),
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the number of vectors."""
    return Fraction(score(case, output)["vectors"])


def _short(value: int) -> str:
    return str(value) if value < 10**9 else f"{value:.9e}"

"""Find a function that is its own Fourier transform and is negative only near 0, as near as possible.

For k = 0, 1, 2, ... let h_k(x) = H_4k(x) / H_4k(0), with the Hermite polynomials of physicists. The program defines
`coefficients()`, which returns 1 to 12 plain floats c_0, ..., c_(m-1) in [-1e6, 1e6]. They stand for

    P = c_0 h_0 + ... + c_(m-1) h_(m-1) - (c_0 + ... + c_(m-1)) h_m,

so that P(0) = 0. With r the largest x at which P changes its sign, the score is r ** 2 / (2 pi), to be made as small as
possible: it bounds, from above, the constant of an uncertainty inequality for the signs of Fourier transforms, and is
the same for P and -P. The root is found by exact arithmetic, whatever lies beyond it.
"""

# Goncalves, Oliveira e Silva, Steinerberger (2017): P(sqrt(2 pi) x) exp(-pi x**2) is its own Fourier transform, and no
# function of this kind has a score below 0.2025. A root of even multiplicity is no change of sign.

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import gcd, lcm
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import Ball, read_vector

MOST = 12
BITS = 90  # of the root that are found
TWO_PI = Ball(2 * Fraction(314159265358979323846264338327950288419716939937510, 10**50), Fraction(2, 10**50))

SEED = '''"""Coefficients of Hermite polynomials, set by hand."""

# EVOLVE-BLOCK-START
FIRST = -1.0
SECOND = 0.3
THIRD = 0.4


def coefficients():
    return [FIRST, SECOND, THIRD]
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Changes the coefficients a little, as long as the last change of sign comes nearer."""

import math
import time

import numpy as np
from numpy.polynomial.hermite import hermval

# EVOLVE-BLOCK-START
STEP = 0.1  # largest standard deviation of a change, as a share of a coefficient
DECADES = 5.0  # how far below it changes may go
PLACES = np.linspace(0.5, 8.0, 4000)


def table(count):
    """The functions h_k exp(-x ** 2 / 2) at the places, one row each."""
    rows = [np.zeros(4 * k + 1) for k in range(count + 1)]
    for k, row in enumerate(rows):
        row[-1] = math.factorial(2 * k) / math.factorial(4 * k)
    return np.array([hermval(PLACES, row) * np.exp(-PLACES**2 / 2) for row in rows])


def worth(c, functions):
    values = c @ functions[:-1] - c.sum() * functions[-1]
    changes = np.flatnonzero(values[1:] * values[:-1] < 0)
    if not len(changes):
        return math.inf
    at = changes[-1]
    share = values[at] / (values[at] - values[at + 1])
    return (PLACES[at] + share * (PLACES[at + 1] - PLACES[at])) ** 2 / (2 * math.pi)


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    c = np.array(best, dtype=float)
    functions = table(len(c))
    value = worth(c, functions)
    while time.monotonic() < end:
        before = value
        for _ in range(50):
            changed = c * (1 + STEP * 10 ** -rng.uniform(0, DECADES) * rng.standard_normal(len(c)))
            if np.abs(changed).max() < 1e6 and worth(changed, functions) < value - 1e-12:
                c, value = changed, worth(changed, functions)
        if value < before:
            report(c.tolist())
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("sign_radius", "minimize", bound=0.2025)
MEASURES = (
    Measure("terms", 1, 13, bins=12),
    Measure("leading", 0.0, 1.0, bins=12),
    Measure("ast_nodes", 0, 600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = (
    BestKnown(0.3291881653092398, "benchmarks/baselines in 8 s", "2026", certified=True),
    BestKnown(
        0.35209910442184398,
        "LoongFlow, artefact of its repository",
        "2025-12",
        certified=True,
        scope="3 coefficients",
    ),
    BestKnown(
        0.32158723335290070,
        "AlphaEvolve, arXiv 2506.13131, B.4",
        "2025-11",
        certified=True,
        scope="12 double roots, polynomials of a higher degree",
    ),
)
BASELINE = Baseline(
    0.3291881653092398, "benchmarks/baselines/constructions/uncertainty_inequality.py, seed 0", 8.0
)

Polynomial = list[int]  # coefficients, the constant one first


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"at most {MOST} coefficients")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's coefficients."""
    del inputs
    return program.coefficients()


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `sign_radius`, and the number of `terms` with the share that the last one has.

    Raises:
        Invalid: the output is not a list of 1 to 12 ordinary numbers, or P never changes its sign.
    """
    value = exact(case, output)
    numbers = _coefficients(output)
    last = abs(sum(numbers))
    return {
        "sign_radius": float(value),
        "terms": float(len(numbers)),
        "leading": last / (last + sum(map(abs, numbers))),
    }


def exact(case: Case, output: Any) -> Ball:
    """Returns a ball round the square of the largest change of sign, over 2 pi."""
    del case
    low, high = _largest_change(_quotient(_coefficients(output)))
    return Ball((low + high) / 2, (high - low) / 2) / TWO_PI


def _coefficients(output: Any) -> list[int]:
    return read_vector(output, "coefficients()", least=1, most=MOST, low=-1e6, high=1e6)


@cache
def hermite(k: int) -> tuple[int, ...]:
    """Returns H_4k as a polynomial in y = x ** 2: 2 k + 1 coefficients, the constant one first."""
    before, now = [1], [0, 2]  # in x
    for n in range(1, 4 * k):
        after = [0, *(2 * c for c in now)]
        for i, c in enumerate(before):
            after[i] -= 2 * n * c
        before, now = now, after
    return tuple((now if k else [1])[::2])


def _quotient(numbers: Sequence[int]) -> Polynomial:
    """Returns P / y, times a positive number, in whole numbers."""
    terms = [*numbers, -sum(numbers)]
    total = [Fraction(0)] * (2 * len(numbers) + 1)
    for k, number in enumerate(terms):
        values = hermite(k)
        for i, c in enumerate(values):
            total[i] += Fraction(number * c, values[0])
    return _primitive(total[1:])  # total[0] is the sum of all terms, 0


def _primitive(coefficients: Sequence[Fraction | int]) -> Polynomial:
    """Returns a positive multiple in whole numbers without a common divisor, or [] for 0."""
    scale = lcm(*(Fraction(c).denominator for c in coefficients)) if coefficients else 1
    whole = [int(c * scale) for c in coefficients]
    while whole and whole[-1] == 0:
        whole.pop()
    divisor = gcd(*whole) or 1
    return [c // divisor for c in whole]


def _derivative(p: Polynomial) -> Polynomial:
    return [i * c for i, c in enumerate(p)][1:]


def _divide(p: Polynomial, q: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Returns positive multiples of quotient and remainder."""
    quotient, rest = [Fraction(0)] * max(1, len(p) - len(q) + 1), [Fraction(c) for c in p]
    for at in range(len(p) - len(q), -1, -1):
        factor = rest[at + len(q) - 1] / q[-1]
        quotient[at] = factor
        for i, c in enumerate(q):
            rest[at + i] -= factor * c
    return _primitive(quotient), _primitive(rest[: len(q) - 1])


def _chain(p: Polynomial) -> list[Polynomial]:
    """Returns the Sturm chain of a polynomial; its last entry is the greatest divisor shared with the derivative."""
    chain = [p, _primitive(_derivative(p))]
    while chain[-1]:
        chain.append([-c for c in _divide(chain[-2], chain[-1])[1]])
    return chain[:-1]


def _odd_part(p: Polynomial) -> Polynomial:
    """Returns the product of what divides a polynomial an odd number of times, each taken once (Yun 1976)."""
    shared = _chain(p)[-1]
    odd: Polynomial = [1]
    is_odd, square_free = True, _divide(p, shared)[0]
    while len(square_free) > 1:
        left = _common(square_free, shared)
        factor = _divide(square_free, left)[0]
        if is_odd:
            odd = _primitive(
                np.convolve(np.array(odd, dtype=object), np.array(factor, dtype=object)).tolist()
            )
        square_free, shared, is_odd = left, _divide(shared, left)[0], not is_odd
    return odd


def _common(p: Polynomial, q: Polynomial) -> Polynomial:
    """Returns a greatest common divisor."""
    while q:
        p, q = q, _divide(p, q)[1] if len(p) >= len(q) else p
    return p


def _value(p: Polynomial, y: Fraction) -> int:
    """Returns p(y), times a positive number."""
    total, power = 0, 1
    for c in reversed(p):
        total = total * y.numerator + c * power
        power *= y.denominator
    return total


def _roots_above(chain: list[Polynomial], y: Fraction) -> int:
    """Returns how many roots the first of a Sturm chain has beyond y."""
    return _changes([_value(p, y) for p in chain]) - _changes([p[-1] for p in chain])


def _changes(values: Sequence[int]) -> int:
    signs = [value > 0 for value in values if value]
    return sum(a != b for a, b in pairwise(signs))


def _largest_change(p: Polynomial) -> tuple[Fraction, Fraction]:
    """Returns two numbers > 0 between which the largest root of odd multiplicity lies."""
    if not p:
        raise Invalid("coefficients() must not make P vanish")
    odd = _odd_part(p)
    chain = _chain(odd)
    low, high = Fraction(0), Fraction(1 + max(abs(c) for c in odd) // abs(odd[-1]) + 1)
    if len(odd) == 1 or not _roots_above(chain, low):
        raise Invalid("P changes its sign nowhere beyond 0")
    while _roots_above(chain, low) > 1 or high > 2 * low:
        middle = (low + high) / 2
        if _roots_above(chain, middle):
            low = middle
        else:
            high = middle
        if high < Fraction(1, 2**40):
            raise Invalid("P changes its sign nowhere beyond 1e-12")
    beyond = odd[-1] > 0
    while (high - low) * 2**BITS > high:
        middle = (low + high) / 2
        if (_value(odd, middle) > 0) == beyond:
            high = middle
        else:
            low = middle
    return low, high

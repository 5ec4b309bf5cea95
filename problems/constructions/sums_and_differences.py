"""Find a finite set of integers with few sums and many differences.

The program defines `numbers()`, which returns a set U as a list of different plain integers, 0 among them,
none below 0 or above 1,200,000, at most 8,192 in all. With U + U and U - U the sets of all sums and all
differences of two members (equal ones included), the score is 1 + log(|U - U| / |U + U|) / log(2 max U +
1), to be made as large as possible. The counts are exact.
"""

# Gyarmati, Hennecart, Ruzsa (2007): the score is a lower bound on the exponent theta for which arbitrarily
# large sets A, B have |A + B| of the order of |A| and |A - B| of the order of |A|^theta. They prove theta
# <= 4/3.

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import Ball, log_ratio, read_integer, read_list

LARGEST = 1_200_000
MOST = 8_192

SEED = '''"""All numbers of a few digits in a base, where the digits come from a small set."""

# EVOLVE-BLOCK-START
DIGITS = [0, 1, 3]
BASE = 7
PLACES = 6


def numbers():
    result = {0}
    for _ in range(PLACES):
        result = {BASE * number + digit for number in result for digit in DIGITS}
    return sorted(result)
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Takes a few numbers out, or puts a few in, near others; now and then builds all numbers of other digits."""

import math
import time

import numpy as np

# EVOLVE-BLOCK-START
MOST = 3  # numbers changed at once
AFRESH = 0.3  # share of tries that build numbers of other digits
DIGITS = 8  # most digits there may be
REACH = 20  # how far a new number may lie from sums and differences of old ones


def worth(numbers):
    members = sum(1 << number for number in numbers)
    sums = differences = 0
    for number in numbers:
        sums |= members << number
        differences |= members >> number
    counts = 2 * differences.bit_count() - 1, sums.bit_count()
    return 1 + math.log(counts[0] / counts[1]) / math.log(2 * max(numbers) + 1)


def build(rng):
    """All numbers of some digits, in a base in which sums do not carry, of as many places as there is room for."""
    digits = {0, *rng.integers(1, 4 * DIGITS, rng.integers(2, DIGITS)).tolist()}
    base, numbers = 2 * max(digits) + 1, {0}
    while len(numbers) * len(digits) <= 1000 and (max(numbers) + 1) * base <= 1_000_000:
        numbers = {base * number + digit for number in numbers for digit in digits}
    return numbers


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    numbers, value = set(best), worth(best)
    while time.monotonic() < end:
        other, known = set(numbers), sorted(numbers)
        for _ in range(rng.integers(1, MOST + 1)):
            a, b = rng.choice(known, 2)
            new = int(abs(a - b) + rng.integers(-REACH, REACH + 1))
            if rng.random() < 0.5:
                other.discard(int(a))
            elif 0 < new <= 1_200_000 and len(other) < 8192:
                other.add(new)
        if rng.random() < AFRESH:
            other = build(rng)
        other.add(0)
        if len(other) > 1 and worth(other) > value:
            numbers, value = other, worth(other)
            report(sorted(numbers))
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("exponent", "maximize", bound=4 / 3)
MEASURES = (
    Measure("log_size", 0.0, 13.0, bins=13),
    Measure("log_largest", 0.0, 20.0, bins=10),
    Measure("ast_nodes", 0, 800, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=512, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = (
    BestKnown(1.14798889650927576, "AlphaEvolve, arXiv 2506.13131, 2,003 numbers", "2025-06", certified=True),
    BestKnown(1.173077, "Zheng, arXiv 2506.01896", "2025-06", certified=False, scope="numbers without limit"),
)
BASELINE = Baseline(1.1335459887559634, "benchmarks/baselines/constructions/sums_and_differences.py, seed 0")


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case; there is nothing to draw and nothing to hide."""
    del rng, stage
    return [Case(inputs=None, name=f"numbers up to {LARGEST}")]


def run(program: Any, inputs: None) -> Any:
    """Returns the program's numbers, as a list."""
    del inputs
    found = program.numbers()
    return sorted(found) if isinstance(found, (set, frozenset)) else found


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `exponent`, rounded once, both counts, and the logarithms (base 2) of the size and of max U.

    Raises:
        Invalid: the output is not a list of different integers within the limits, 0 among them.
    """
    del case
    numbers = _numbers(output)
    sums, differences = _counts(numbers)
    largest = max(numbers)
    return {
        "exponent": float(_exponent(sums, differences, largest)),
        "sums": float(sums),
        "differences": float(differences),
        "log_size": math.log2(len(numbers)),
        "log_largest": math.log2(largest),
    }


def exact(case: Case, output: Any) -> Ball:
    """Returns a ball round the exponent."""
    del case
    numbers = _numbers(output)
    return _exponent(*_counts(numbers), max(numbers))


def _exponent(sums: int, differences: int, largest: int) -> Ball:
    return log_ratio(differences, sums) / log_ratio(2 * largest + 1, 1) + Fraction(1)


def _numbers(output: Any) -> list[int]:
    entries = read_list(output, "numbers()", 2, MOST, kinds="iu")
    numbers = [read_integer(entry, f"entry {i} of numbers()", 0, LARGEST) for i, entry in enumerate(entries)]
    if len(set(numbers)) < len(numbers):
        twice = next(number for i, number in enumerate(sorted(numbers)) if number == sorted(numbers)[i + 1])
        raise Invalid(f"numbers() must all differ, but {twice} is there twice; return each once")
    if 0 not in numbers:
        raise Invalid(f"0 must be among numbers(), the least is {min(numbers)}; subtract it from all")
    return numbers


def _counts(numbers: list[int]) -> tuple[int, int]:
    """Returns |U + U| and |U - U|, by shifting and joining bit sets (one bit per integer)."""
    digits = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        digits[number // 8] |= 1 << number % 8
    members = int.from_bytes(digits, "little")
    sums = differences = 0
    for number in numbers:
        sums |= members << number
        differences |= members >> number  # those >= 0; the others mirror them
    return sums.bit_count(), 2 * differences.bit_count() - 1

"""Write `void substring_count(const uint8_t *text, const uint8_t *pattern, int64_t *count, int64_t n, int64_t m)`.

count[0] is how often the m >= 1 bytes of pattern occur in the n >= 0 bytes of text without overlaps, counted from the
left: after a match the search goes on behind it, as Python's `bytes.count` does. Texts may be long runs of one letter
with the odd one at the end. The score is the speed against `bytes.count`, one thread each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Limits, Measure, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Metamorphic, Scalar

Arrays = Mapping[str, Any]

ENTRY = "kernel.c"
SEED = """#include <stdint.h>

// EVOLVE-BLOCK-START
void substring_count(const uint8_t *text, const uint8_t *pattern, int64_t *count, int64_t n, int64_t m) {
    int64_t found = 0;
    for (int64_t i = 0; i + m <= n;) {
        int64_t same = 0;
        for (int64_t j = 0; j < m; j++)
            if (text[i + j] == pattern[j])
                same++;
        if (same == m) {
            found++;
            i += m;
        } else {
            i++;
        }
    }
    count[0] = found;
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 1200, bins=12, source="code"),
    Measure("branches", 0, 16, bins=8, source="code"),
    Measure("vectorised_loops", 0, 12, bins=6),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    n, m = dims["n"], dims["m"]
    letters = {"bits": 2, "dna": 4, "text": 26, "bytes": 256}.get(distribution, 26)
    text = rng.integers(97 if letters < 256 else 0, 97 + letters if letters < 256 else 256, n, dtype=np.uint8)
    pattern = rng.integers(
        97 if letters < 256 else 0, 97 + letters if letters < 256 else 256, m, dtype=np.uint8
    )
    if distribution in ("run", "near"):  # aaaa...: all matches overlap; aaaa...b: every place nearly matches
        text[:], pattern[:] = 97, 97
        text[rng.random(n) < rng.uniform(0, 2 / (m + 1))] = 98
        if distribution == "near":
            pattern[-1] = 98
    elif n >= m:  # the pattern occurs, at the end, too
        times = int(rng.integers(1, 2 + min(n // (4 * m), 2000)))
        for start in [*rng.integers(0, n - m + 1, times), n - m]:
            text[start : start + m] = pattern
    return {"text": text, "pattern": pattern}


def reference(*, text: NDArray[Any], pattern: NDArray[Any], n: int, m: int) -> Arrays:
    """Returns the exact result."""
    return {"count": np.array([text.tobytes().count(pattern.tobytes())], dtype=np.int64)}


BASELINE = """
def substring_count(text, pattern, count, n, m):
    count[0] = text.tobytes().count(pattern.tobytes())
"""


def _other_letters(rng: np.random.Generator, inputs: Arrays, dims: Mapping[str, int]) -> Arrays:
    letters = rng.permutation(256).astype(np.uint8)
    return {"text": letters[inputs["text"]], "pattern": letters[inputs["pattern"]]}


LETTERS = Metamorphic(
    "other letters for all letters change nothing",
    relate=_other_letters,
    holds=lambda _inputs, outputs, _others, outputs2: int(outputs["count"][0]) == int(outputs2["count"][0]),
)

KERNEL = KernelTask(
    entry="substring_count",
    arguments=(
        Buffer("text", "uint8", ("n",), "in"),
        Buffer("pattern", "uint8", ("m",), "in"),
        Buffer("count", "int64", (1,), "out"),
        Scalar("n"),
        Scalar("m"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    baseline=Baseline("bytes.count", "kernel.py", BASELINE),
    public=({"n": 1000, "m": 4}, {"n": 333, "m": 7}),
    hidden=lambda rng: {"n": int(rng.integers(1, 4000)), "m": int(rng.integers(1, 40))},
    edges=({"n": 0, "m": 3}, {"n": 1, "m": 1}, {"n": 5, "m": 9}, {"n": 64, "m": 64}, {"n": 1009, "m": 2}),
    timed=({"n": 2_000_000, "m": 8}, {"n": 1_000_003, "m": 21}),
    held_out=({"n": 1_500_007, "m": 12},),
    distributions=("text", "dna", "bits", "bytes", "run", "near"),
    timed_distributions=("text", "dna", "near"),
    exact=True,
    metamorphic=(LETTERS,),
    flops=lambda dims: 0.0,
    traffic=lambda dims: 1.0 * dims["n"],
)

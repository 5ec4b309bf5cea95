"""Write `void histogram(const uint8_t *x, int64_t *counts, int64_t n)`, as fast as you can.

counts[b] is how many of the n >= 0 bytes of x have the value b, for b = 0..255; counts is not zero at the start. The
score is the speed against `np.bincount`, one thread each.
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
#define BANDS 8

void histogram(const uint8_t *x, int64_t *counts, int64_t n) {
    for (int64_t b = 0; b < 256; b++)
        counts[b] = 0;
    for (int64_t band = 0; band < BANDS; band++)
        for (int64_t i = 0; i < n; i++)
            if (x[i] % BANDS == band)
                counts[x[i]]++;
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 1200, bins=12, source="code"),
    Measure("loops", 0, 12, bins=6, source="code"),
    Measure("arrays", 0, 6, bins=6, source="code"),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    n = dims["n"]
    x = rng.integers(0, 256, n, dtype=np.uint8)
    if distribution == "equal":  # every increment waits for the one before
        x[:] = rng.integers(256)
    elif distribution == "two":
        x = rng.choice(rng.integers(0, 256, 2, dtype=np.uint8), n)
    elif distribution == "skewed":
        x = np.minimum(rng.geometric(0.2, n), 255).astype(np.uint8)
    elif distribution == "sorted":
        x.sort()
    elif distribution == "runs":
        x = np.repeat(x, 1 + x % 7)[:n]
    return {"x": np.ascontiguousarray(x)}


def reference(*, x: NDArray[Any], n: int) -> Arrays:
    """Returns the exact result."""
    return {"counts": np.array([np.count_nonzero(x == b) for b in range(256)], dtype=np.int64)}


BASELINE = """import numpy as np

def histogram(x, counts, n):
    counts[:] = np.bincount(x, minlength=256)
"""

ORDER = Metamorphic(
    "the order of the bytes does not matter",
    relate=lambda rng, inputs, dims: {"x": rng.permutation(inputs["x"])},
    holds=lambda _inputs, outputs, _others, outputs2: np.array_equal(outputs["counts"], outputs2["counts"]),
)
TOTAL = Metamorphic(
    "the counts of the complements are the counts turned around, and sum to n",
    relate=lambda rng, inputs, dims: {"x": 255 - inputs["x"]},
    holds=lambda inputs, outputs, _others, outputs2: (
        np.array_equal(outputs["counts"][::-1], outputs2["counts"])
        and int(outputs["counts"].sum()) == len(inputs["x"])
    ),
)

KERNEL = KernelTask(
    entry="histogram",
    arguments=(
        Buffer("x", "uint8", ("n",), "in"),
        Buffer("counts", "int64", (256,), "out"),
        Scalar("n"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    baseline=Baseline("np.bincount", "kernel.py", BASELINE),
    public=({"n": 1024}, {"n": 777}),
    hidden=lambda rng: {"n": int(rng.integers(1, 5000))},
    edges=({"n": 0}, {"n": 1}, {"n": 3}, {"n": 1009}, {"n": 70_001}),
    timed=({"n": 4_000_000}, {"n": 2_500_009}),
    held_out=({"n": 3_300_007},),
    distributions=("uniform", "equal", "two", "skewed", "sorted", "runs"),
    timed_distributions=("uniform", "skewed", "equal"),
    exact=True,
    metamorphic=(ORDER, TOTAL),
    flops=lambda dims: 0.0,
    traffic=lambda dims: 1.0 * dims["n"] + 2048,
    plausible_speedup=20.0,  # the baseline widens each byte to 64 bits first
)

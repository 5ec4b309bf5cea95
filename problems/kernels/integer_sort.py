"""Write `void sort(const uint32_t *x, uint32_t *y, int64_t n)`, as fast as you can.

y holds the n >= 0 numbers of x in ascending order; n may be 0. Numbers may be all over the range, few, equal or sorted
already. Scratch memory is yours to allocate and to free. The score is the speed against `np.sort`, which sorts with
vector instructions, one thread each.
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
#include <stdlib.h>
#include <string.h>

// EVOLVE-BLOCK-START
#define SMALL 4

static void merge_sort(uint32_t *y, uint32_t *spare, int64_t n) {
    if (n <= SMALL) {
        for (int64_t i = 1; i < n; i++)
            for (int64_t j = i; j > 0 && y[j - 1] > y[j]; j--) {
                uint32_t other = y[j];
                y[j] = y[j - 1];
                y[j - 1] = other;
            }
        return;
    }
    int64_t half = n / 2;
    merge_sort(y, spare, half);
    merge_sort(y + half, spare + half, n - half);
    int64_t left = 0, right = half;
    for (int64_t i = 0; i < n; i++)
        if (left < half && (right >= n || y[left] <= y[right]))
            spare[i] = y[left++];
        else
            spare[i] = y[right++];
    memcpy(y, spare, n * sizeof(uint32_t));
}

void sort(const uint32_t *x, uint32_t *y, int64_t n) {
    uint32_t *spare = malloc(n * sizeof(uint32_t) + 4);
    memcpy(y, x, n * sizeof(uint32_t));
    merge_sort(y, spare, n);
    free(spare);
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 2000, bins=12, source="code"),
    Measure("branches", 0, 16, bins=8, source="code"),
    Measure("arrays", 0, 6, bins=6, source="code"),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    n = dims["n"]
    x = rng.integers(0, 2**32, n, dtype=np.uint32)
    if distribution == "few":
        x = rng.choice(rng.integers(0, 2**32, 5, dtype=np.uint32), n)
    elif distribution == "equal":
        x[:] = rng.integers(0, 2**32, dtype=np.uint32)
        x[-1:] //= 2
    elif distribution == "small":
        x %= 1000
    elif distribution in ("rotated", "reversed", "nearly sorted"):
        x.sort()
        if distribution == "rotated":
            x = np.roll(x, 1)
        elif distribution == "reversed":
            x = x[::-1]
        elif distribution == "nearly sorted" and n:
            x[rng.integers(0, n, 1 + n // 100)] = rng.integers(0, 2**32, 1 + n // 100, dtype=np.uint32)
    elif distribution == "organ pipe":
        x.sort()
        x = np.concatenate([x[::2], x[1::2][::-1]])
    return {"x": np.ascontiguousarray(x)}


def reference(*, x: NDArray[Any], n: int) -> Arrays:
    """Returns the exact result."""
    return {"y": np.sort(x)}


BASELINE = """import numpy as np

def sort(x, y, n):
    y[:] = x
    y.sort()
"""

ORDER = Metamorphic(
    "the order of the input does not matter",
    relate=lambda rng, inputs, dims: {"x": rng.permutation(inputs["x"])},
    holds=lambda _inputs, outputs, _others, outputs2: np.array_equal(outputs["y"], outputs2["y"]),
)
COMPLEMENT = Metamorphic(
    "the complements come out turned around",
    relate=lambda rng, inputs, dims: {"x": np.uint32(2**32 - 1) - inputs["x"]},
    holds=lambda _inputs, outputs, _others, outputs2: np.array_equal(
        outputs["y"], np.uint32(2**32 - 1) - outputs2["y"][::-1]
    ),
)

KERNEL = KernelTask(
    entry="sort",
    arguments=(Buffer("x", "uint32", ("n",), "in"), Buffer("y", "uint32", ("n",), "out"), Scalar("n")),
    make_inputs=make_inputs,
    reference=reference,
    baseline=Baseline("np.sort", "kernel.py", BASELINE),
    public=({"n": 256}, {"n": 777}),
    hidden=lambda rng: {"n": int(rng.integers(1, 4000))},
    edges=({"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}, {"n": 1009}, {"n": 70_001}),
    timed=({"n": 300_000}, {"n": 100_003}),
    held_out=({"n": 500_009},),
    distributions=("uniform", "few", "equal", "small", "rotated", "reversed", "nearly sorted", "organ pipe"),
    timed_distributions=("uniform", "small", "nearly sorted"),
    exact=True,
    metamorphic=(ORDER, COMPLEMENT),
    flops=lambda dims: 0.0,
    traffic=lambda dims: 8.0 * dims["n"],
)

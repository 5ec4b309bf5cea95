"""Write `void assign(const float *x, const float *centres, int32_t *labels, int64_t n, int64_t k, int64_t d)`.

x has n >= 0 points and centres k >= 1 points of d >= 1 coordinates, row-major. labels[i] is the index of the centre
with the least squared distance to point i, of several the lowest index. All coordinates are whole numbers from -100 to
100 and d <= 64, so that every sum and product on the way is exact in single precision, in any order. The score is the
speed against NumPy with one matrix product (OpenBLAS), one thread each.
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
SEED = """#include <math.h>
#include <stdint.h>

// EVOLVE-BLOCK-START
static double distance(const float *a, const float *b, int64_t d) {
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++)
        sum += ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
    return sqrt(sum);
}

void assign(const float *x, const float *centres, int32_t *labels, int64_t n, int64_t k, int64_t d) {
    for (int64_t i = 0; i < n; i++) {
        labels[i] = 0;
        for (int64_t c = 1; c < k; c++)
            if (distance(x + i * d, centres + c * d, d) < distance(x + i * d, centres + labels[i] * d, d))
                labels[i] = c;
    }
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 1200, bins=12, source="code"),
    Measure("vectorised_loops", 0, 12, bins=6),
    Measure("loops", 0, 12, bins=6, source="code"),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    n, k, d = dims["n"], dims["k"], dims["d"]
    centres = rng.integers(-100, 101, (k, d))
    x = rng.integers(-100, 101, (n, d))
    if distribution == "clusters":
        x = np.clip(centres[rng.integers(0, k, n)] + rng.integers(-9, 10, (n, d)), -100, 100)
    elif distribution == "coarse":  # many ties
        x, centres = x // 60, centres // 60
    elif distribution == "twins":  # every centre is there twice
        centres[k // 2 :] = centres[: k - k // 2]
    return {"x": x.astype(np.float32), "centres": centres.astype(np.float32)}


def reference(*, x: NDArray[Any], centres: NDArray[Any], n: int, k: int, d: int) -> Arrays:
    """Returns the exact result."""
    points, means = x.astype(np.int64), centres.astype(np.int64)
    distances = np.stack([((points - mean) ** 2).sum(axis=1) for mean in means], axis=1)
    return {"labels": np.argmin(distances, axis=1).astype(np.int32)}


BASELINE = """import numpy as np

def assign(x, centres, labels, n, k, d):
    scores = x @ centres.T
    scores *= -2
    scores += np.einsum("ij,ij->i", centres, centres)
    labels[:] = scores.argmin(axis=1)
"""

MIRROR = Metamorphic(
    "the order of the coordinates and their common sign do not matter",
    relate=lambda rng, inputs, dims: {
        name: np.ascontiguousarray(-value[:, ::-1]) for name, value in inputs.items()
    },
    holds=lambda _inputs, outputs, _others, outputs2: np.array_equal(outputs["labels"], outputs2["labels"]),
)
POINTS = Metamorphic(
    "points are independent: reversing their order reverses the labels",
    relate=lambda rng, inputs, dims: {**inputs, "x": np.ascontiguousarray(inputs["x"][::-1])},
    holds=lambda _inputs, outputs, _others, outputs2: np.array_equal(
        outputs["labels"], outputs2["labels"][::-1]
    ),
)

KERNEL = KernelTask(
    entry="assign",
    arguments=(
        Buffer("x", "float32", ("n", "d"), "in"),
        Buffer("centres", "float32", ("k", "d"), "in"),
        Buffer("labels", "int32", ("n",), "out"),
        Scalar("n"),
        Scalar("k"),
        Scalar("d"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    baseline=Baseline("NumPy, one matrix product (OpenBLAS) and argmin", "kernel.py", BASELINE),
    public=({"n": 64, "k": 8, "d": 16}, {"n": 37, "k": 5, "d": 3}),
    hidden=lambda rng: {
        "n": int(rng.integers(1, 200)),
        "k": int(rng.integers(1, 70)),
        "d": int(rng.integers(1, 33)),
    },
    edges=(
        {"n": 0, "k": 3, "d": 2},
        {"n": 1, "k": 1, "d": 1},
        {"n": 101, "k": 17, "d": 13},
        {"n": 50, "k": 1, "d": 64},
    ),
    timed=({"n": 10_000, "k": 64, "d": 16}, {"n": 14_000, "k": 40, "d": 8}),
    held_out=({"n": 7001, "k": 50, "d": 24},),
    distributions=("uniform", "clusters", "coarse", "twins"),
    timed_distributions=("uniform", "clusters"),
    exact=True,
    metamorphic=(MIRROR, POINTS),
    flops=lambda dims: 2.0 * dims["n"] * dims["k"] * dims["d"],
    traffic=lambda dims: 4.0 * (dims["n"] + dims["k"]) * dims["d"] + 4.0 * dims["n"],
)

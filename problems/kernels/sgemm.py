"""Write `void sgemm(const float *a, const float *b, float *c, int64_t m, int64_t n, int64_t k)`, as fast as you can.

c = a b for row-major matrices of floats: a is m x k, b is k x n, c is m x n; c is not zero at the start. Each of m, n,
k may be 0 (c is 0 where k is). The score is the speed against `np.matmul` (OpenBLAS), one thread each; it runs near the
limit of the machine, so 1.0 is much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Limits, Measure, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Metamorphic, Scalar
from problems.kernels.inputs import FLOATS, floats, is_close

Arrays = Mapping[str, Any]

ENTRY = "kernel.c"
SEED = """#include <stdint.h>

// EVOLVE-BLOCK-START
void sgemm(const float *a, const float *b, float *c, int64_t m, int64_t n, int64_t k) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * n + j] = 0.0f;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t p = 0; p < k; p++)
                c[i * n + j] += a[i * k + p] * b[p * n + j];
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 2000, bins=12, source="code"),
    Measure("loops", 0, 16, bins=8, source="code"),
    Measure("arrays", 0, 6, bins=6, source="code"),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    m, n, k = dims["m"], dims["n"], dims["k"]
    return {"a": floats(rng, (m, k), distribution), "b": floats(rng, (k, n), distribution)}


def reference(*, a: NDArray[Any], b: NDArray[Any], m: int, n: int, k: int, kind: type = np.float64) -> Arrays:
    """Returns the exact result."""
    return {"c": a.astype(kind) @ b.astype(kind)}


def reference_single(*, a: NDArray[Any], b: NDArray[Any], m: int, n: int, k: int) -> Arrays:
    """Returns the sums of even and of odd terms, added at the end, as vector units and BLAS may do it.

    In order, sums of alternating terms cancel at each step and are exact by luck.
    """
    halves = np.zeros((2, m, n), dtype=np.float32)
    for p in range(k):
        halves[p % 2] += np.outer(a[:, p], b[p])
    return {"c": halves[0] + halves[1]}


BASELINE = """import numpy as np

def sgemm(a, b, c, m, n, k):
    np.matmul(a, b, out=c)
"""

SCALE = Metamorphic(
    "half of b is half of c",
    relate=lambda rng, inputs, dims: {**inputs, "b": inputs["b"] * np.float32(0.5)},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(0.5 * outputs["c"], outputs2["c"]),
)
ROWS = Metamorphic(
    "rows are independent: reversing those of a reverses those of c",
    relate=lambda rng, inputs, dims: {**inputs, "a": np.ascontiguousarray(inputs["a"][::-1])},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(outputs["c"], outputs2["c"][::-1], share=1e-3),
)

KERNEL = KernelTask(
    entry="sgemm",
    arguments=(
        Buffer("a", "float32", ("m", "k"), "in"),
        Buffer("b", "float32", ("k", "n"), "in"),
        Buffer("c", "float32", ("m", "n"), "out"),
        Scalar("m"),
        Scalar("n"),
        Scalar("k"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("np.matmul (OpenBLAS)", "kernel.py", BASELINE),
    public=({"m": 32, "n": 48, "k": 16}, {"m": 13, "n": 29, "k": 37}),
    hidden=lambda rng: {
        "m": int(rng.integers(1, 70)),
        "n": int(rng.integers(1, 70)),
        "k": int(rng.integers(1, 70)),
    },
    edges=(
        {"m": 0, "n": 3, "k": 2},
        {"m": 2, "n": 3, "k": 0},
        {"m": 1, "n": 1, "k": 1},
        {"m": 1, "n": 101, "k": 7},
        {"m": 101, "n": 1, "k": 17},
        {"m": 3, "n": 5, "k": 509},
    ),
    timed=({"m": 320, "n": 320, "k": 320}, {"m": 500, "n": 130, "k": 400}),
    held_out=({"m": 301, "n": 277, "k": 350},),
    distributions=FLOATS,
    forbidden=("dlopen", "dlsym", "cblas_sgemm", "sgemm_"),
    floor=1e-5,  # where sums cancel, the error of one way to sum is luck
    metamorphic=(SCALE, ROWS),
    flops=lambda dims: 2.0 * dims["m"] * dims["n"] * dims["k"],
    traffic=lambda dims: 4.0 * (dims["m"] * dims["k"] + dims["k"] * dims["n"] + dims["m"] * dims["n"]),
)

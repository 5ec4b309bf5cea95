"""Write `void softmax(const float *x, float *y, int64_t rows, int64_t cols)`, as fast as you can.

x and y are row-major matrices of rows x cols floats, cols >= 1; rows may be 0. Each row of y is the softmax of that
row of x: y[i][j] = exp(x[i][j] - m) / sum_k exp(x[i][k] - m), with m the row's largest entry. Entries reach
+-10,000 and must not overflow. The score is the speed against NumPy that works in place, one thread each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Limits, Measure, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Metamorphic, Scalar
from problems.kernels.inputs import (
    FLOATS,
    ROWS_EDGES,
    ROWS_HELD_OUT,
    ROWS_PUBLIC,
    ROWS_TIMED,
    floats,
    is_close,
    rows_hidden,
    running_sum,
)

Arrays = Mapping[str, Any]

ENTRY = "kernel.c"
SEED = """#include <math.h>
#include <stdint.h>

// EVOLVE-BLOCK-START
void softmax(const float *x, float *y, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++) {
        double largest = x[i * cols];
        for (int64_t j = 1; j < cols; j++)
            largest = fmax(largest, x[i * cols + j]);
        double sum = 0.0;
        for (int64_t j = 0; j < cols; j++)
            sum += exp(x[i * cols + j] - largest);
        for (int64_t j = 0; j < cols; j++)
            y[i * cols + j] = exp(x[i * cols + j] - largest) / sum;
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
    shape = (dims["rows"], dims["cols"])
    if distribution == "large":  # exp overflows unless the largest is taken off
        return {"x": (1e4 * rng.standard_normal(shape)).astype(np.float32)}
    if distribution == "peaked":  # nearly all the weight on one entry of each row
        x = rng.standard_normal(shape).astype(np.float32)
        x[:, rng.integers(dims["cols"])] += np.float32(30)
        return {"x": x}
    if distribution == "a large row":  # which none finds who looks at a few entries
        x = rng.standard_normal(shape, dtype=np.float32)
        if dims["rows"]:
            x[rng.integers(dims["rows"])] *= np.float32(1e3)
        return {"x": x}
    return {"x": floats(rng, shape, distribution)}


def reference(*, x: NDArray[Any], rows: int, cols: int) -> Arrays:
    """Returns the exact result."""
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True, initial=-np.inf))
    return {"y": e / e.sum(axis=1, keepdims=True)}


def reference_single(*, x: NDArray[Any], rows: int, cols: int) -> Arrays:
    """Returns the result in single precision, computed in the obvious way."""
    e = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
    return {"y": e / running_sum(e)}


BASELINE = """import numpy as np

def softmax(x, y, rows, cols):
    np.subtract(x, x.max(axis=1, keepdims=True), out=y)
    np.exp(y, out=y)
    np.divide(y, y.sum(axis=1, keepdims=True), out=y)
"""

ROWS = Metamorphic(
    "rows are independent: reversing their order reverses the output",
    relate=lambda rng, inputs, dims: {"x": np.ascontiguousarray(inputs["x"][::-1])},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(outputs["y"], outputs2["y"][::-1]),
)
SHIFT = Metamorphic(
    "a number that is added to all of a row changes nothing",
    relate=lambda rng, inputs, dims: {"x": (inputs["x"] + np.float32(2)).astype(np.float32)},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(outputs["y"], outputs2["y"], share=2e-2),
)

KERNEL = KernelTask(
    entry="softmax",
    arguments=(
        Buffer("x", "float32", ("rows", "cols"), "in"),
        Buffer("y", "float32", ("rows", "cols"), "out"),
        Scalar("rows"),
        Scalar("cols"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("NumPy, in place", "kernel.py", BASELINE),
    public=ROWS_PUBLIC,
    hidden=rows_hidden,
    edges=ROWS_EDGES,
    timed=ROWS_TIMED,
    held_out=ROWS_HELD_OUT,
    distributions=(*FLOATS, "large", "peaked", "a large row"),
    metamorphic=(ROWS, SHIFT),
    flops=lambda dims: 5.0 * dims["rows"] * dims["cols"],
    traffic=lambda dims: 8.0 * dims["rows"] * dims["cols"],
)

"""Write `void layer_norm(const float *x, const float *gain, const float *bias, float *y, int64_t rows, int64_t cols)`.

x and y are row-major matrices of rows x cols floats, cols >= 1; rows may be 0; gain and bias have cols entries. Each
row is brought to mean 0 and variance 1, then scaled: y[i][j] = (x[i][j] - mean_i) / sqrt(var_i + 1e-5) * gain[j] +
bias[j], with var_i the mean of the squared deviations. Rows may lie far from 0 (around 100) or be constant. The
score is the speed against NumPy that works in place, one thread each.
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
#include <stdlib.h>

// EVOLVE-BLOCK-START
void layer_norm(const float *x, const float *gain, const float *bias, float *y, int64_t rows, int64_t cols) {
    double *mean = calloc(rows + 1, sizeof(double));
    double *variance = calloc(rows + 1, sizeof(double));
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < rows; i++)
            mean[i] += x[i * cols + j] / (double)cols;
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < rows; i++)
            variance[i] += pow(x[i * cols + j] - mean[i], 2.0) / (double)cols;
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < rows; i++)
            y[i * cols + j] = (x[i * cols + j] - mean[i]) / sqrt(variance[i] + 1e-5) * gain[j] + bias[j];
    free(mean);
    free(variance);
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
EPSILON = 1e-5


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    shape = (dims["rows"], dims["cols"])
    x = floats(rng, shape, distribution if distribution in FLOATS else "normal")
    if distribution == "far":  # the variance is lost where it is computed as a difference of squares
        x += np.float32(100)
    elif distribution == "constant":  # whole numbers: every mean is exact, and every deviation 0
        x[...] = rng.integers(-9, 10, (dims["rows"], 1))
    return {
        "x": x,
        "gain": rng.uniform(0.5, 1.5, dims["cols"]).astype(np.float32),
        "bias": rng.standard_normal(dims["cols"], dtype=np.float32),
    }


def reference(*, x: NDArray[Any], gain: NDArray[Any], bias: NDArray[Any], rows: int, cols: int) -> Arrays:
    """Returns the exact result."""
    centred = x.astype(np.float64) - x.mean(axis=1, keepdims=True, dtype=np.float64)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return {"y": centred / np.sqrt(variance + EPSILON) * gain + bias}


def reference_single(
    *, x: NDArray[Any], gain: NDArray[Any], bias: NDArray[Any], rows: int, cols: int
) -> Arrays:
    """Returns the result in single precision, computed in the obvious way."""
    count = np.float32(cols)
    centred = x - running_sum(x) / count
    variance = running_sum(centred**2) / count
    return {"y": centred / np.sqrt(variance + np.float32(EPSILON)) * gain + bias}


BASELINE = """import numpy as np

def layer_norm(x, gain, bias, y, rows, cols):
    np.subtract(x, x.mean(axis=1, keepdims=True), out=y)
    variance = np.einsum("ij,ij->i", y, y) / np.float32(cols)
    np.multiply(y, (1 / np.sqrt(variance + np.float32(1e-5)))[:, None], out=y)
    np.multiply(y, gain, out=y)
    np.add(y, bias, out=y)
"""

ROWS = Metamorphic(
    "rows are independent: reversing their order reverses the output",
    relate=lambda rng, inputs, dims: {**inputs, "x": np.ascontiguousarray(inputs["x"][::-1])},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(outputs["y"], outputs2["y"][::-1]),
)
GAIN = Metamorphic(
    "twice the gain and the bias is twice the output",
    relate=lambda rng, inputs, dims: {**inputs, "gain": 2 * inputs["gain"], "bias": 2 * inputs["bias"]},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(2 * outputs["y"], outputs2["y"]),
)

KERNEL = KernelTask(
    entry="layer_norm",
    arguments=(
        Buffer("x", "float32", ("rows", "cols"), "in"),
        Buffer("gain", "float32", ("cols",), "in"),
        Buffer("bias", "float32", ("cols",), "in"),
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
    distributions=(*(kind for kind in FLOATS if kind != "equal"), "far", "constant"),
    floor=2e-4,  # where sums cancel, the error of one way to sum is luck
    metamorphic=(ROWS, GAIN),
    flops=lambda dims: 8.0 * dims["rows"] * dims["cols"],
    traffic=lambda dims: 8.0 * dims["rows"] * dims["cols"],
)

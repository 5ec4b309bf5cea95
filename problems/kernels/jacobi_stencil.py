"""Write `void jacobi(const float *u, float *v, int64_t rows, int64_t cols, int64_t steps)`, as fast as you can.

u and v are row-major grids of rows x cols floats. v is u after `steps` >= 0 sweeps of the 5-point Jacobi iteration:
in each, every interior point becomes a quarter of the sum of its four neighbours' values before the sweep; points on
the border keep their value. Grids may be empty or thinner than 3. Scratch memory is yours to allocate and to free.
The score is the speed against NumPy on slices in place, one thread each.
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
#include <stdlib.h>
#include <string.h>

// EVOLVE-BLOCK-START
void jacobi(const float *u, float *v, int64_t rows, int64_t cols, int64_t steps) {
    int64_t size = rows * cols;
    double *before = malloc(size * sizeof(double) + 8);
    double *after = malloc(size * sizeof(double) + 8);
    for (int64_t i = 0; i < size; i++)
        before[i] = u[i];
    for (int64_t step = 0; step < steps; step++) {
        memcpy(after, before, size * sizeof(double));
        for (int64_t j = 1; j < cols - 1; j++)
            for (int64_t i = 1; i < rows - 1; i++)
                after[i * cols + j] = (before[(i - 1) * cols + j] + before[(i + 1) * cols + j]
                                       + before[i * cols + j - 1] + before[i * cols + j + 1]) / 4.0;
        memcpy(before, after, size * sizeof(double));
    }
    for (int64_t i = 0; i < size; i++)
        v[i] = before[i];
    free(before);
    free(after);
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 1200, bins=12, source="code"),
    Measure("vectorised_loops", 0, 12, bins=6),
    Measure("loops", 0, 16, bins=8, source="code"),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    return {"u": floats(rng, (dims["rows"], dims["cols"]), distribution)}


def reference(*, u: NDArray[Any], rows: int, cols: int, steps: int, kind: type = np.float64) -> Arrays:
    """Returns the exact result."""
    v: NDArray[Any] = u.astype(kind)
    for _ in range(steps):
        before = v.copy()
        v[1:-1, 1:-1] = (before[:-2, 1:-1] + before[2:, 1:-1] + before[1:-1, :-2] + before[1:-1, 2:]) / kind(
            4
        )
    return {"v": v}


def reference_single(**arguments: Any) -> Arrays:
    """Returns the result in single precision, computed in the obvious way."""
    return reference(**arguments, kind=np.float32)


BASELINE = """import numpy as np

def jacobi(u, v, rows, cols, steps):
    before, after = u.copy(), v
    after[...] = u
    for _ in range(steps):
        inner = after[1:-1, 1:-1]
        np.add(before[:-2, 1:-1], before[2:, 1:-1], out=inner)
        np.add(inner, before[1:-1, :-2], out=inner)
        np.add(inner, before[1:-1, 2:], out=inner)
        np.multiply(inner, np.float32(0.25), out=inner)
        before, after = after, before
    if before is not v:
        v[...] = before
"""

FLIP = Metamorphic(
    "turning the grid around turns the result around",
    relate=lambda rng, inputs, dims: {"u": np.ascontiguousarray(inputs["u"][::-1, ::-1])},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(outputs["v"], outputs2["v"][::-1, ::-1]),
)
SCALE = Metamorphic(
    "half the grid's values is half the result",
    relate=lambda rng, inputs, dims: {"u": inputs["u"] * np.float32(0.5)},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(0.5 * outputs["v"], outputs2["v"]),
)

KERNEL = KernelTask(
    entry="jacobi",
    arguments=(
        Buffer("u", "float32", ("rows", "cols"), "in"),
        Buffer("v", "float32", ("rows", "cols"), "out"),
        Scalar("rows"),
        Scalar("cols"),
        Scalar("steps"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("NumPy on slices, in place", "kernel.py", BASELINE),
    public=({"rows": 16, "cols": 32, "steps": 3}, {"rows": 9, "cols": 21, "steps": 4}),
    hidden=lambda rng: {
        "rows": int(rng.integers(1, 70)),
        "cols": int(rng.integers(1, 90)),
        "steps": int(rng.integers(0, 8)),
    },
    edges=(
        {"rows": 0, "cols": 4, "steps": 2},
        {"rows": 1, "cols": 1, "steps": 2},
        {"rows": 2, "cols": 31, "steps": 3},
        {"rows": 3, "cols": 3, "steps": 1},
        {"rows": 17, "cols": 1, "steps": 5},
        {"rows": 11, "cols": 13, "steps": 0},
    ),
    timed=({"rows": 512, "cols": 512, "steps": 8}, {"rows": 700, "cols": 1000, "steps": 5}),
    held_out=({"rows": 390, "cols": 1100, "steps": 7},),
    distributions=FLOATS,
    metamorphic=(FLIP, SCALE),
    flops=lambda dims: 4.0 * max(dims["rows"] - 2, 0) * max(dims["cols"] - 2, 0) * dims["steps"],
    traffic=lambda dims: 8.0 * dims["rows"] * dims["cols"],
    plausible_speedup=30.0,  # every sweep of the baseline passes eight times over the grid
)

"""Write `void prefix_sum(const float *x, float *y, int64_t n)`, as fast as you can.

y[i] is the sum of x[0] to x[i], for n >= 0 floats. Sums may cancel; the tolerance follows the error of summing in
single precision from left to right. The score is the speed against `np.cumsum`, one thread each.
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
#define BLOCK 64

void prefix_sum(const float *x, float *y, int64_t n) {
    double before = 0.0;
    for (int64_t start = 0; start < n; start += BLOCK) {
        double sum = 0.0;
        for (int64_t i = start; i < n && i < start + BLOCK; i++) {
            sum = before;
            for (int64_t j = start; j <= i; j++)
                sum += x[j];
            y[i] = sum;
        }
        before = sum;
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
    return {"x": floats(rng, (dims["n"],), distribution)}


def reference(*, x: NDArray[Any], n: int) -> Arrays:
    """Returns the exact result."""
    return {"y": np.cumsum(x, dtype=np.float64)}


def reference_single(*, x: NDArray[Any], n: int) -> Arrays:
    """Returns the result in single precision, computed in the obvious way."""
    return {"y": np.cumsum(x, dtype=np.float32)}


BASELINE = """import numpy as np

def prefix_sum(x, y, n):
    np.cumsum(x, out=y)
"""

SCALE = Metamorphic(
    "half the numbers is half the sums",
    relate=lambda rng, inputs, dims: {"x": inputs["x"] * np.float32(0.5)},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(0.5 * outputs["y"], outputs2["y"]),
)


def _last_doubled(rng: np.random.Generator, inputs: Arrays, dims: Mapping[str, int]) -> Arrays:
    x = inputs["x"].copy()
    x[-1:] *= 2
    return {"x": x}


CAUSAL = Metamorphic(
    "the last number changes the last sum alone",
    relate=_last_doubled,
    holds=lambda _inputs, outputs, _others, outputs2: is_close(
        outputs["y"][:-1], outputs2["y"][:-1], share=1e-6
    ),
)

KERNEL = KernelTask(
    entry="prefix_sum",
    arguments=(Buffer("x", "float32", ("n",), "in"), Buffer("y", "float32", ("n",), "out"), Scalar("n")),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("np.cumsum", "kernel.py", BASELINE),
    public=({"n": 256}, {"n": 1000}),
    hidden=lambda rng: {"n": int(rng.integers(1, 4000))},
    edges=({"n": 0}, {"n": 1}, {"n": 2}, {"n": 1009}, {"n": 16_411}),
    timed=({"n": 1_000_000}, {"n": 400_009}),
    held_out=({"n": 2_000_003},),
    distributions=FLOATS,
    metamorphic=(SCALE, CAUSAL),
    flops=lambda dims: 1.0 * dims["n"],
    traffic=lambda dims: 8.0 * dims["n"],
)

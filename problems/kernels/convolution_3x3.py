"""Write `convolve`, a 3 x 3 convolution of images with several channels, as fast as you can.

`void convolve(const float *x, const float *weights, float *y, int64_t ins, int64_t outs, int64_t height, int64_t width)`

x has ins >= 1 planes and y has outs >= 1 planes of height x width floats (either may be 0), weights has outs x ins
kernels of 3 x 3, all row-major. y[o][i][j] = sum over c, p, q of weights[o][c][p][q] * x[c][i + p - 1][j + q - 1], with
0 for what lies outside x. The score is the speed against NumPy with im2col and one matrix product (OpenBLAS), one
thread each.
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
void convolve(const float *x, const float *weights, float *y, int64_t ins, int64_t outs, int64_t height,
              int64_t width) {
    for (int64_t o = 0; o < outs; o++)
        for (int64_t i = 0; i < height; i++)
            for (int64_t j = 0; j < width; j++) {
                double sum = 0.0;
                for (int64_t c = 0; c < ins; c++)
                    for (int64_t p = 0; p < 3; p++)
                        for (int64_t q = 0; q < 3; q++) {
                            int64_t row = i + p - 1, col = j + q - 1;
                            if (row >= 0 && row < height && col >= 0 && col < width)
                                sum += (double)weights[((o * ins + c) * 3 + p) * 3 + q]
                                     * x[(c * height + row) * width + col];
                        }
                y[(o * height + i) * width + j] = sum;
            }
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 1600, bins=12, source="code"),
    Measure("vectorised_loops", 0, 12, bins=6),
    Measure("arrays", 0, 6, bins=6, source="code"),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    x = floats(rng, (dims["ins"], dims["height"], dims["width"]), distribution)
    if distribution == "spike":  # one pixel shows the kernel, and where it lands
        x[...] = 0
        at = int(rng.integers(max(x.size, 1)))
        x.flat[at : at + 1] = 1
    weights = rng.standard_normal((dims["outs"], dims["ins"], 3, 3), dtype=np.float32)
    return {"x": x, "weights": weights}


def reference(
    *,
    x: NDArray[Any],
    weights: NDArray[Any],
    outs: int,
    height: int,
    width: int,
    kind: type = np.float64,
    **_: int,
) -> Arrays:
    """Returns the exact result."""
    padded: NDArray[Any] = np.pad(x.astype(kind), ((0, 0), (1, 1), (1, 1)))
    y: NDArray[Any] = np.zeros((outs, height, width), dtype=kind)
    for p in range(3):
        for q in range(3):
            taps: NDArray[Any] = weights[:, :, p, q].astype(kind)
            y += np.einsum("oc,cij->oij", taps, padded[:, p : p + height, q : q + width])
    return {"y": y}


def reference_single(**arguments: Any) -> Arrays:
    """Returns the result in single precision, computed in the obvious way."""
    return reference(**arguments, kind=np.float32)


BASELINE = """import numpy as np

def convolve(x, weights, y, ins, outs, height, width):
    padded = np.zeros((ins, height + 2, width + 2), dtype=np.float32)
    padded[:, 1:-1, 1:-1] = x
    columns = np.empty((ins, 3, 3, height, width), dtype=np.float32)
    for p in range(3):
        for q in range(3):
            columns[:, p, q] = padded[:, p : p + height, q : q + width]
    np.matmul(
        weights.reshape(outs, 9 * ins),
        columns.reshape(9 * ins, height * width),
        out=y.reshape(outs, height * width),
    )
"""

LINEAR = Metamorphic(
    "half the image is half the result",
    relate=lambda rng, inputs, dims: {**inputs, "x": inputs["x"] * np.float32(0.5)},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(0.5 * outputs["y"], outputs2["y"]),
)
TURN = Metamorphic(
    "image and kernels turned around turn the result around",
    relate=lambda rng, inputs, dims: {
        name: np.ascontiguousarray(value[..., ::-1, ::-1]) for name, value in inputs.items()
    },
    holds=lambda _inputs, outputs, _others, outputs2: is_close(
        outputs["y"], outputs2["y"][:, ::-1, ::-1], share=1e-3
    ),
)

KERNEL = KernelTask(
    entry="convolve",
    arguments=(
        Buffer("x", "float32", ("ins", "height", "width"), "in"),
        Buffer("weights", "float32", ("outs", "ins", 3, 3), "in"),
        Buffer("y", "float32", ("outs", "height", "width"), "out"),
        Scalar("ins"),
        Scalar("outs"),
        Scalar("height"),
        Scalar("width"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("NumPy, im2col and one matrix product (OpenBLAS)", "kernel.py", BASELINE),
    public=(
        {"ins": 4, "outs": 8, "height": 16, "width": 16},
        {"ins": 3, "outs": 5, "height": 7, "width": 11},
    ),
    hidden=lambda rng: {
        "ins": int(rng.integers(1, 10)),
        "outs": int(rng.integers(1, 10)),
        "height": int(rng.integers(1, 24)),
        "width": int(rng.integers(1, 40)),
    },
    edges=(
        {"ins": 2, "outs": 3, "height": 0, "width": 5},
        {"ins": 1, "outs": 1, "height": 1, "width": 1},
        {"ins": 1, "outs": 2, "height": 1, "width": 37},
        {"ins": 2, "outs": 1, "height": 29, "width": 2},
    ),
    timed=(
        {"ins": 32, "outs": 32, "height": 48, "width": 48},
        {"ins": 12, "outs": 48, "height": 50, "width": 70},
    ),
    held_out=({"ins": 21, "outs": 40, "height": 40, "width": 53},),
    distributions=(*FLOATS, "spike"),
    floor=1e-5,  # where sums cancel, the error of one way to sum is luck
    metamorphic=(LINEAR, TURN),
    flops=lambda dims: (
        18.0 * dims["ins"] * dims["outs"] * max(dims["height"] - 2, 0) * max(dims["width"] - 2, 0)
    ),
    traffic=lambda dims: 4.0 * (dims["ins"] + dims["outs"]) * dims["height"] * dims["width"],
)

"""Write `attend`, scaled dot-product attention of one head, as fast as you can.

`void attend(const float *q, const float *k, const float *v, float *out, int64_t queries, int64_t keys, int64_t width)`

q is queries x width, k and v are keys x width, out is queries x width, all row-major floats; queries may be 0, keys and
width are at least 1. out = softmax(q k^T / sqrt(width)) v, the softmax along each row. Scores may reach +-300 and must
not overflow. The score is the speed against NumPy with two matrix products (OpenBLAS) and softmax in place, one thread
each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Limits, Measure, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Metamorphic, Scalar
from problems.kernels.inputs import floats, is_close, running_sum

Arrays = Mapping[str, Any]

ENTRY = "kernel.c"
SEED = """#include <math.h>
#include <stdint.h>

// EVOLVE-BLOCK-START
static double score(const float *q, const float *k, int64_t width) {
    double sum = 0.0;
    for (int64_t j = 0; j < width; j++)
        sum += (double)q[j] * k[j];
    return sum / sqrt(width);
}

void attend(const float *q, const float *k, const float *v, float *out, int64_t queries, int64_t keys, int64_t width) {
    for (int64_t i = 0; i < queries; i++) {
        double largest = score(q + i * width, k, width);
        for (int64_t t = 1; t < keys; t++)
            largest = fmax(largest, score(q + i * width, k + t * width, width));
        double sum = 0.0;
        for (int64_t t = 0; t < keys; t++)
            sum += exp(score(q + i * width, k + t * width, width) - largest);
        for (int64_t j = 0; j < width; j++)
            out[i * width + j] = 0.0f;
        for (int64_t t = 0; t < keys; t++) {
            double weight = exp(score(q + i * width, k + t * width, width) - largest) / sum;
            for (int64_t j = 0; j < width; j++)
                out[i * width + j] += weight * v[t * width + j];
        }
    }
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
    width = dims["width"]
    sizes = {"q": dims["queries"], "k": dims["keys"], "v": dims["keys"]}
    kinds = {"v": "alternating"} if distribution == "cancelling" else {}
    arrays = {
        name: floats(
            rng, (size, width), kinds.get(name, distribution if distribution == "equal" else "normal")
        )
        for name, size in sizes.items()
    }
    if distribution == "peaked":  # nearly all the weight of each query on one key
        arrays["q"] *= np.float32(16)
    elif distribution == "large":
        arrays["q"] *= np.float32(80)
    return arrays


def reference(*, q: NDArray[Any], k: NDArray[Any], v: NDArray[Any], width: int, **_: int) -> Arrays:
    """Returns the exact result."""
    scores = q.astype(np.float64) @ k.astype(np.float64).T / np.sqrt(width)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    return {"out": weights @ v.astype(np.float64) / weights.sum(axis=1, keepdims=True)}


def reference_single(*, q: NDArray[Any], k: NDArray[Any], v: NDArray[Any], width: int, **_: int) -> Arrays:
    """Returns the result in single precision, computed in the obvious way: every sum from left to right."""
    scores = running_sum(q[:, None, :] * k[None, :, :])[..., 0] / np.sqrt(np.float32(width))
    weights = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    weights /= running_sum(weights)
    out = np.zeros_like(q)
    for t in range(len(k)):
        out += weights[:, t : t + 1] * v[t]
    return {"out": out}


BASELINE = """import numpy as np

def attend(q, k, v, out, queries, keys, width):
    scores = (q * np.float32(width**-0.5)) @ k.T
    np.subtract(scores, scores.max(axis=1, keepdims=True), out=scores)
    np.exp(scores, out=scores)
    np.matmul(scores, v, out=out)
    np.divide(out, scores.sum(axis=1, keepdims=True), out=out)
"""


def _keys_reversed(rng: np.random.Generator, inputs: Arrays, dims: Mapping[str, int]) -> Arrays:
    return {**inputs, **{name: np.ascontiguousarray(inputs[name][::-1]) for name in ("k", "v")}}


KEYS = Metamorphic(
    "the order of keys and their values does not matter",
    relate=_keys_reversed,
    holds=lambda _inputs, outputs, _others, outputs2: is_close(outputs["out"], outputs2["out"], share=1e-3),
)
VALUES = Metamorphic(
    "half the values is half the output",
    relate=lambda rng, inputs, dims: {**inputs, "v": inputs["v"] * np.float32(0.5)},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(0.5 * outputs["out"], outputs2["out"]),
)

KERNEL = KernelTask(
    entry="attend",
    arguments=(
        Buffer("q", "float32", ("queries", "width"), "in"),
        Buffer("k", "float32", ("keys", "width"), "in"),
        Buffer("v", "float32", ("keys", "width"), "in"),
        Buffer("out", "float32", ("queries", "width"), "out"),
        Scalar("queries"),
        Scalar("keys"),
        Scalar("width"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("NumPy, two matrix products (OpenBLAS) and softmax in place", "kernel.py", BASELINE),
    public=({"queries": 16, "keys": 24, "width": 16}, {"queries": 5, "keys": 13, "width": 7}),
    hidden=lambda rng: {
        "queries": int(rng.integers(1, 40)),
        "keys": int(rng.integers(1, 80)),
        "width": int(rng.integers(1, 70)),
    },
    edges=(
        {"queries": 0, "keys": 3, "width": 2},
        {"queries": 1, "keys": 1, "width": 1},
        {"queries": 3, "keys": 1, "width": 17},
        {"queries": 1, "keys": 509, "width": 3},
    ),
    timed=({"queries": 400, "keys": 512, "width": 64}, {"queries": 600, "keys": 500, "width": 40}),
    held_out=({"queries": 300, "keys": 333, "width": 48},),
    distributions=("normal", "equal", "peaked", "large", "cancelling"),
    forbidden=("dlopen", "dlsym", "cblas_sgemm", "sgemm_"),
    floor=5e-5,  # where sums cancel, the error of one way to sum is luck
    metamorphic=(KEYS, VALUES),
    flops=lambda dims: (4.0 * dims["width"] + 3.0) * dims["queries"] * dims["keys"],
    traffic=lambda dims: 8.0 * (dims["queries"] + dims["keys"]) * dims["width"],
)

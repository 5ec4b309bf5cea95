"""Write `spmv`, the product of a sparse matrix in CSR form with a vector, as fast as you can.

`void spmv(const float *values, const int32_t *columns, const int32_t *offsets, const float *x, float *y, int64_t rows,
int64_t cols, int64_t nnz)`

The entries of row i are values[e] in column columns[e] for e = offsets[i] ... offsets[i + 1] - 1; columns are sorted
within a row, offsets has rows + 1 entries and ends with nnz. y[i] is the sum over row i of values[e] * x[columns[e]].
Rows may be empty, or hold nearly all entries. rows >= 0, cols >= 1. The score is the speed against scipy's CSR product,
one thread each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Limits, Measure, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Metamorphic, Scalar
from problems.kernels.inputs import floats, is_close

Arrays = Mapping[str, Any]

ENTRY = "kernel.c"
SEED = """#include <stdint.h>

// EVOLVE-BLOCK-START
void spmv(const float *values, const int32_t *columns, const int32_t *offsets, const float *x, float *y, int64_t rows,
          int64_t cols, int64_t nnz) {
    for (int64_t i = 0; i < rows; i++)
        y[i] = 0.0f;
    for (int64_t e = 0; e < nnz; e++) {
        int64_t low = 0, high = rows;
        while (high - low > 1) {
            int64_t middle = (low + high) / 2;
            if (offsets[middle] <= e)
                low = middle;
            else
                high = middle;
        }
        y[low] += values[e] * x[columns[e]];
    }
}
// EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=5.0)
MEASURES = (
    Measure("ast_nodes", 0, 1200, bins=12, source="code"),
    Measure("branches", 0, 12, bins=6, source="code"),
    Measure("vectorised_loops", 0, 12, bins=6),
)


def make_inputs(rng: np.random.Generator, dims: Mapping[str, int], distribution: str) -> Arrays:
    """Returns random inputs of one kind."""
    rows, cols, nnz = dims["rows"], dims["cols"], dims["nnz"]
    weights = np.ones(rows)
    if distribution == "power":
        weights = rng.pareto(1.2, rows) + 1e-3
    elif distribution == "dense row":
        weights[rng.integers(rows) if rows else slice(0)] = 20.0 * max(rows, 1)
    elif distribution == "empty rows":
        weights = np.where(rng.random(rows) < 0.7, 1e-9, 1.0)
    lengths = _lengths(rng, weights, nnz, cols)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    band = min(cols, 4 * (1 + nnz // max(rows, 1)))
    columns = [
        np.sort(
            _columns(
                rng, int(length), cols, band if distribution == "banded" else cols, i * cols // max(rows, 1)
            )
        )
        for i, length in enumerate(lengths)
    ]
    return {
        "values": floats(rng, (nnz,), "alternating" if distribution == "cancelling" else "normal"),
        "columns": np.concatenate([np.empty(0, np.int64), *columns]).astype(np.int32),
        "offsets": offsets,
        "x": floats(rng, (cols,), "normal"),
    }


def _lengths(rng: np.random.Generator, weights: NDArray[Any], nnz: int, cols: int) -> NDArray[Any]:
    """Returns how many entries each row has: nnz in all, at most cols each."""
    lengths = np.zeros(len(weights), dtype=np.int64)
    while (left := nnz - int(lengths.sum())) > 0:
        room = np.where(lengths < cols, weights, 0.0)
        lengths = np.minimum(lengths + rng.multinomial(left, room / room.sum()), cols)
    return lengths


def _columns(rng: np.random.Generator, length: int, cols: int, band: int, centre: int) -> NDArray[Any]:
    """Returns so many different columns, near the centre where the band is narrow."""
    band = max(band, length)
    first = min(max(0, centre - band // 2), cols - band)
    if length * 8 > band:
        return first + rng.permutation(band)[:length]
    found = np.unique(rng.integers(0, band, length))
    while len(found) < length:
        found = np.unique(np.concatenate([found, rng.integers(0, band, length - len(found))]))
    return first + found


def reference(
    *,
    values: NDArray[Any],
    columns: NDArray[Any],
    offsets: NDArray[Any],
    x: NDArray[Any],
    rows: int,
    cols: int,
    nnz: int,
    kind: type = np.float64,
) -> Arrays:
    """Returns the exact result."""
    y: NDArray[Any] = np.zeros(rows, dtype=kind)
    np.add.at(y, np.repeat(np.arange(rows), np.diff(offsets)), values.astype(kind) * x.astype(kind)[columns])
    return {"y": y}


def reference_single(**arguments: Any) -> Arrays:
    """Returns the result in single precision, computed in the obvious way."""
    return reference(**arguments, kind=np.float32)


BASELINE = """from scipy.sparse import _sparsetools

def spmv(values, columns, offsets, x, y, rows, cols, nnz):
    y.fill(0)
    _sparsetools.csr_matvec(rows, cols, offsets, columns, values, x, y)
"""

LINEAR = Metamorphic(
    "half the vector is half the product",
    relate=lambda rng, inputs, dims: {**inputs, "x": inputs["x"] * np.float32(0.5)},
    holds=lambda _inputs, outputs, _others, outputs2: is_close(0.5 * outputs["y"], outputs2["y"]),
)


def _shape(rows: int, cols: int, nnz: int) -> dict[str, int]:
    nnz = min(nnz, rows * cols)
    return {"rows": rows, "cols": cols, "nnz": nnz, "rows_plus_1": rows + 1}


KERNEL = KernelTask(
    entry="spmv",
    arguments=(
        Buffer("values", "float32", ("nnz",), "in"),
        Buffer("columns", "int32", ("nnz",), "in"),
        Buffer("offsets", "int32", ("rows_plus_1",), "in"),
        Buffer("x", "float32", ("cols",), "in"),
        Buffer("y", "float32", ("rows",), "out"),
        Scalar("rows"),
        Scalar("cols"),
        Scalar("nnz"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("scipy.sparse, csr_matvec", "kernel.py", BASELINE),
    public=(_shape(40, 50, 300), _shape(17, 31, 101)),
    hidden=lambda rng: _shape(int(rng.integers(1, 90)), int(rng.integers(1, 90)), int(rng.integers(0, 900))),
    edges=(_shape(0, 3, 0), _shape(1, 1, 1), _shape(5, 7, 0), _shape(1, 1009, 500), _shape(101, 1, 60)),
    timed=(_shape(6000, 8000, 900_000), _shape(40_000, 40_000, 800_000)),
    held_out=(_shape(11_000, 9000, 500_000),),
    distributions=("uniform", "power", "dense row", "empty rows", "banded", "cancelling"),
    timed_distributions=("uniform", "power", "banded"),
    floor=3e-5,  # where sums cancel, the error of one way to sum is luck
    metamorphic=(LINEAR,),
    flops=lambda dims: 2.0 * dims["nnz"],
    traffic=lambda dims: 8.0 * dims["nnz"] + 8.0 * dims["rows"],
)

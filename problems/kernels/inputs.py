"""Kinds of input arrays, and shapes that several kernel problems share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS_PUBLIC = ({"rows": 5, "cols": 64}, {"rows": 3, "cols": 37})
"""Shapes of kernels that go over a matrix row by row: told, edges, timed, held out."""
ROWS_EDGES = (
    {"rows": 0, "cols": 5},
    {"rows": 1, "cols": 1},
    {"rows": 1, "cols": 1009},
    {"rows": 13, "cols": 7},
)
ROWS_TIMED = ({"rows": 800, "cols": 1024}, {"rows": 3600, "cols": 200})
ROWS_HELD_OUT = ({"rows": 500, "cols": 1531},)
FLOATS = ("normal", "uniform", "equal", "sorted", "reversed", "wide", "alternating")
"""The kinds that `floats` makes."""


def rows_hidden(rng: np.random.Generator) -> dict[str, int]:
    """Returns a shape for kernels that go over a matrix row by row."""
    return {"rows": int(rng.integers(1, 12)), "cols": int(rng.integers(1, 300))}


def floats(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> NDArray[np.float32]:
    """Returns float32 numbers of one of the kinds `FLOATS`, sorted ones along the last axis.

    "equal" is equal but for one entry; "wide" spans six decades with both signs; "alternating" takes turns between
    about 1000 and -1000, so that sums cancel.
    """
    if kind == "normal":
        return rng.standard_normal(shape, dtype=np.float32)
    if kind == "uniform":
        return rng.random(shape, dtype=np.float32)
    values = np.asarray(rng.standard_normal(shape), dtype=np.float64)
    if kind == "equal":
        values = np.full(shape, rng.normal())
        if values.size:
            values.flat[rng.integers(values.size)] += 1.0
    elif kind in ("sorted", "reversed"):
        values = np.sort(values, axis=-1)
        values = values[..., ::-1] if kind == "reversed" else values
    elif kind == "wide":
        values = np.sign(values) * 10.0 ** rng.uniform(-3, 3, shape)
    elif kind == "alternating":
        signs = 1.0 - 2.0 * (np.arange(values.size).reshape(shape) % 2)
        values = signs * 1000.0 + values
    return np.ascontiguousarray(values, dtype=np.float32)


def running_sum(values: NDArray[Any]) -> NDArray[Any]:
    """Returns the sums along the last axis (which stays, with size 1), from left to right in single precision.

    NumPy's own sums go by halves and are far more exact than the obvious loop, which is right, too.
    """
    return np.cumsum(values, axis=-1, dtype=np.float32)[..., -1:]


def is_close(one: NDArray[Any], other: NDArray[Any], *, share: float = 1e-4) -> bool:
    """Returns whether two arrays agree to `share` of their largest magnitude: enough for properties."""
    one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    scale = max(float(np.max(np.abs(one), initial=0.0)), float(np.max(np.abs(other), initial=0.0)))
    return bool(np.all(np.abs(one - other) <= share * scale))

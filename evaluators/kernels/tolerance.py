"""Whether an output is right: bit by bit, or within a few times the error of the obvious single-precision way.

A fixed tolerance (1e-2, 1e-5) either lets a half-precision kernel pass or fails an honest one; the error that the
obvious way makes on the same input knows how hard the input is (cancellation, wide range). Two errors are held: the
largest absolute one relative to the largest magnitude, and the largest relative to each item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.kernel_task import Buffer, Dims, KernelTask, Outputs, Values

_FLOOR_ULPS = 4.0
_ITEM_FLOOR = 1e-2
"""Items this much smaller than the largest one are held to its scale: where sums cancel, their own digits are rounding,
and which of two honest ways comes nearer is luck (at 1e-6, up to one honest trial in a hundred failed)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The exact outputs for one input, and how far off a kernel may be.

    `limits` holds, per output, the largest allowed (overall, per item) error; None where outputs must be equal.
    """

    outputs: Mapping[str, NDArray[Any]]
    limits: Mapping[str, tuple[float, float]] | None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an output: in short, and with numbers that tell of the expected values."""

    what: str
    detail: str


def arguments_of(task: KernelTask, values: Values, dims: Dims) -> dict[str, Any]:
    """Returns the keyword arguments of the task's references."""
    scalars = {
        item.name: dims[item.name] if item.name in dims else values[item.name] for item in task.scalars
    }
    return {**{item.name: values[item.name] for item in task.inputs}, **scalars}


def expect(
    task: KernelTask, values: Values, dims: Dims, limits: Mapping[str, tuple[float, float]] | None = None
) -> Expected:
    """Returns what a kernel must write for one input; `limits` where they are known from an input like it."""
    arguments = arguments_of(task, values, dims)
    exact = _checked(task, task.reference(**arguments), dims)
    if task.reference_single is None or limits is not None:
        return Expected(exact, limits)
    with np.errstate(all="ignore"):
        single = _checked(task, task.reference_single(**arguments), dims)
    found = {}
    for item in task.outputs:
        overall, per_item = _errors(exact[item.name], single[item.name])
        floor = _floor(task, item)
        found[item.name] = task.tolerance * overall + floor, task.tolerance * per_item + floor
    return Expected(exact, found)


def find_fault(task: KernelTask, expected: Expected, got: Outputs) -> Fault | None:
    """Returns what is wrong with the outputs of a kernel, None if nothing."""
    for item in task.outputs:
        exact, output = expected.outputs[item.name], got[item.name]
        if expected.limits is None:
            fault = _find_difference(item, exact, output)
        else:
            fault = _find_error(item, exact, output, expected.limits[item.name])
        if fault is not None:
            return fault
    return None


def _find_difference(item: Buffer, exact: NDArray[Any], output: NDArray[Any]) -> Fault | None:
    if np.array_equal(exact, output):
        return None
    wrong = np.flatnonzero((exact != output).ravel())
    place = int(wrong[0])
    detail = (
        f"{wrong.size} of {output.size} items differ; the first at flat index {place}: "
        f"{output.ravel()[place]}, expected {exact.ravel()[place]}"
    )
    return Fault(f"{item.name} is wrong", detail)


def _find_error(
    item: Buffer, exact: NDArray[Any], output: NDArray[Any], limits: tuple[float, float]
) -> Fault | None:
    if _is_within(exact, output, limits):
        return None
    special = ~np.isfinite(exact)
    if bool(special.any()) and not np.array_equal(exact[special], output[special], equal_nan=True):
        return Fault(
            f"{item.name} is wrong where NaN or infinity is due", "special values must come out the same"
        )
    if not bool(np.isfinite(output[~special]).all()):
        count = int((~np.isfinite(output[~special])).sum())
        return Fault(f"{item.name} has NaN or infinity where a number is due", f"{count} items")
    found = _errors(exact, output)
    for kind, error, limit in zip(("overall", "per item"), found, limits, strict=True):
        if error > limit:
            return Fault(
                f"{item.name} is off by more than the tolerance",
                f"largest {kind} error {error:.3g}, allowed {limit:.3g}",
            )
    return None


def _is_within(exact: NDArray[Any], output: NDArray[Any], limits: tuple[float, float]) -> bool:
    """Returns whether all is finite and within the limits, in few passes: most outputs are."""
    if not exact.size:
        return False
    overall, per_item = limits
    with np.errstate(invalid="ignore"):
        error = np.subtract(output, exact, dtype=np.float64)
    np.abs(error, out=error)
    allowed = np.abs(exact, dtype=np.float64)
    worst, scale = float(error.max()), float(allowed.max())  # not finite, where one item is not
    if not (np.isfinite(scale) and scale > 0.0 and worst <= overall * scale):
        return False
    allowed += _ITEM_FLOOR * scale
    allowed *= per_item
    return bool((error <= allowed).all())


def _errors(exact: NDArray[Any], output: NDArray[Any]) -> tuple[float, float]:
    """Returns the largest error relative to the largest magnitude, and the largest relative to its item."""
    finite = np.isfinite(exact) & np.isfinite(output)
    if not bool(finite.all()):
        exact, output = exact[finite], output[finite]
    if exact.size == 0:
        return 0.0, 0.0
    magnitude = np.abs(exact)
    scale = float(magnitude.max())
    error = np.abs(output.astype(np.float64) - exact)
    if scale == 0.0:
        worst = float(error.max())
        return worst, worst
    return float(error.max()) / scale, float((error / (magnitude + _ITEM_FLOOR * scale)).max())


def _floor(task: KernelTask, item: Buffer) -> float:
    if task.floor is not None:
        return task.floor
    return _FLOOR_ULPS * float(np.finfo(item.dtype).eps)


def _checked(task: KernelTask, outputs: Outputs, dims: Dims) -> dict[str, NDArray[Any]]:
    """Returns the reference's outputs, if they have the declared names and shapes.

    Raises:
        ValueError: they have not.
    """
    found = {}
    for item in task.outputs:
        if item.name not in outputs:
            raise ValueError(f"the reference returned {sorted(outputs)}; {item.name} is missing")
        array = np.asarray(outputs[item.name])
        if array.shape != item.sizes(dims):
            raise ValueError(
                f"the reference's {item.name} must have the shape {item.sizes(dims)}, got {array.shape}"
            )
        found[item.name] = array
    return found

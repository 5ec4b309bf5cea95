"""Whether two values hold the same data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_NUMERIC = "biufc"  # kinds of numpy's dtypes


def same_data(a: Any, b: Any) -> bool:
    """Returns whether two values hold the same data; a list and an array may."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        try:
            left, right = np.asarray(a), np.asarray(b)
        except (ValueError, TypeError):
            return False
        if left.shape != right.shape or left.dtype.kind not in _NUMERIC or right.dtype.kind not in _NUMERIC:
            both = (
                isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape and a.ndim > 0
            )
            return both and same_data(left.tolist(), right.tolist())
        return bool(
            np.array_equal(left, right, equal_nan=left.dtype.kind in "fc" and right.dtype.kind in "fc")
        )
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same_data(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same_data(a[key], b[key]) for key in a)
    if is_dataclass(a) and not isinstance(a, type) and type(a) is type(b):
        return all(same_data(getattr(a, item.name), getattr(b, item.name)) for item in fields(a))
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    if isinstance(a, (list, tuple, Mapping)) or isinstance(b, (list, tuple, Mapping)):
        return False
    own_eq = any("__eq__" in vars(cls) for cls in type(a).__mro__[:-1])
    if type(a) is type(b) and not own_eq and hasattr(a, "__dict__"):
        return same_data(vars(a), vars(b))
    return bool(a == b)

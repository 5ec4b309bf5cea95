"""What a program in Triton may ask of the tensors that it is given, with the names that PyTorch has for it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any


class Shaped:
    """A C-contiguous tensor: what it says of its shape. `dtype` is a name ("float32")."""

    def __init__(self, shape: Sequence[int], dtype: str, device: str) -> None:
        self.shape, self.dtype, self.device = tuple(shape), dtype, device

    def size(self, dim: int | None = None) -> Any:
        """Returns the shape, or the size along one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def stride(self, dim: int | None = None) -> Any:
        """Returns the steps between neighbours, in items, or the one along one dimension."""
        steps = tuple(
            math.prod(max(1, size) for size in self.shape[place:]) for place in range(1, self.dim() + 1)
        )
        return steps if dim is None else steps[dim]

    def dim(self) -> int:
        """Returns the number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """Returns the number of items."""
        return math.prod(self.shape)

    def element_size(self) -> int:
        """Returns the bytes of an item."""
        return int(re.sub(r"\D", "", self.dtype)) // 8

    def is_contiguous(self) -> bool:
        """Returns True."""
        return True

    def new_empty(self, size: int | Sequence[int], *, dtype: str | None = None, device: object = None) -> Any:
        """Returns scratch memory, by default of the same type, whose items are anything."""
        return self._new(shape_of(size), dtype or self.dtype, is_zero=False)

    def new_zeros(self, size: int | Sequence[int], *, dtype: str | None = None, device: object = None) -> Any:
        """Returns scratch memory of zeros, by default of the same type."""
        return self._new(shape_of(size), dtype or self.dtype, is_zero=True)

    def _new(self, shape: tuple[int, ...], dtype: str, *, is_zero: bool) -> Any:
        raise NotImplementedError


def shape_of(size: int | Sequence[int]) -> tuple[int, ...]:
    """Returns a shape that was given as one number, or as several."""
    return (size,) if isinstance(size, int) else tuple(size)

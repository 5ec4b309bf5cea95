"""Triton without a GPU: its interpreter, prepared before the locks, and tensors of plain memory to hand to programs.

Triton's interpreter runs a kernel's programs one after the other in NumPy. It is slow and says nothing about speed, but it
reads and writes the very addresses that the kernel computes, so guard pages, read-only inputs and poison hold as for any
other language. It needs no PyTorch: all it asks of a tensor is here, and a module `torch` that holds no more than that type
stands in for the real one, so that nothing but the program's own kernels can do the work.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MODULES = ("triton", "triton.language", "triton.runtime.interpreter")


class Storage:
    """The memory under a tensor, as the interpreter asks for it."""

    def __init__(self, address: int) -> None:
        self._address = address

    def data_ptr(self) -> int:
        """Returns the address."""
        return self._address

    def cpu(self) -> Storage:
        """Returns itself: the memory is the host's."""
        return self

    def copy_(self, _other: Storage) -> None:
        """Does nothing: both are the same memory."""


class Tensor:
    """A C-contiguous tensor in memory, with the names that PyTorch has for what kernels' launchers ask.

    `shape`, `dtype` ("float32"), `size`, `stride`, `dim`, `numel`, `element_size`, `is_contiguous`, `data_ptr`; scratch memory
    comes from `new_empty` and `new_zeros`.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.dtype = str(array.dtype)
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.device = "cpu"

    def size(self, dim: int | None = None) -> Any:
        """Returns the shape, or the size along one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def stride(self, dim: int | None = None) -> Any:
        """Returns the steps between neighbours, in items, or the one along one dimension."""
        steps = []
        step = 1
        for size in reversed(self.shape):
            steps.append(step)
            step *= max(1, size)
        return tuple(reversed(steps)) if dim is None else steps[::-1][dim]

    def dim(self) -> int:
        """Returns the number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """Returns the number of items."""
        return int(self._array.size)

    def element_size(self) -> int:
        """Returns the bytes of an item."""
        return int(self._array.itemsize)

    def is_contiguous(self) -> bool:
        """Returns True."""
        return True

    def data_ptr(self) -> int:
        """Returns the address of the first item."""
        return int(self._array.ctypes.data)

    def new_empty(
        self, size: int | Sequence[int], *, dtype: str | None = None, device: object = None
    ) -> Tensor:
        """Returns a new tensor, by default of the same type, whose items are anything."""
        return Tensor(np.empty(size, dtype or self.dtype))

    def new_zeros(
        self, size: int | Sequence[int], *, dtype: str | None = None, device: object = None
    ) -> Tensor:
        """Returns a new tensor of zeros, by default of the same type."""
        return Tensor(np.zeros(size, dtype or self.dtype))

    # ---- asked by the interpreter only

    def untyped_storage(self) -> Storage:
        """Returns the memory."""
        return Storage(self.data_ptr())

    def storage_offset(self) -> int:
        """Returns 0."""
        return 0

    def set_(self, storage: Storage, _offset: int, _size: object, _stride: object) -> None:
        """Becomes a view of a memory; only the address counts."""
        self.data_ptr = storage.data_ptr  # type: ignore[method-assign]


def prepare() -> None:
    """Imports Triton for interpreting, with `Tensor` as PyTorch's.

    Raises:
        ImportError: Triton is not installed.
    """
    os.environ["TRITON_INTERPRET"] = "1"
    stand_in = ModuleType("torch")
    stand_in.Tensor = Tensor  # type: ignore[attr-defined]
    sys.modules["torch"] = stand_in
    for name in _MODULES:
        importlib.import_module(name)


def disable_kernels() -> None:
    """Has every kernel of this process return without doing anything, for a replay (KernelGenBench's ghost replay)."""
    interpreter = importlib.import_module("triton.runtime.interpreter")
    interpreter.InterpretedFunction.run = lambda *_args, **_kwargs: None

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
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.kernels.bench.tensors import Shaped

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


class Tensor(Shaped):
    """A tensor in memory."""

    def __init__(self, array: NDArray[Any]) -> None:
        super().__init__(array.shape, str(array.dtype), "cpu")
        self._array = array

    def data_ptr(self) -> int:
        """Returns the address of the first item."""
        return int(self._array.ctypes.data)

    def _new(self, shape: tuple[int, ...], dtype: str, *, is_zero: bool) -> Tensor:
        return Tensor(np.zeros(shape, dtype) if is_zero else np.empty(shape, dtype))

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

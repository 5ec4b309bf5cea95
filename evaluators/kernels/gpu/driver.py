"""The few calls of CUDA's driver API that launching needs, through ctypes.

Exceptions:
    CudaError    a call failed; holds its name and CUDA's code

Source: CUDA Driver API 13.0 (cuda.h); names with _v2 are those that the header maps to.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p

LIBRARY = "libcuda.so.1"
_L2_CACHE, _MEMORY_CLOCK_KHZ, _BUS_BITS, _MAJOR, _MINOR = 38, 36, 37, 75, 76
_DYNAMIC_SHARED = 8
_FREE_SHARED = 48 << 10


class CudaError(Exception):
    """A call of the driver failed."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} failed with CUDA error {code}")
        self.code = code


class Cuda:
    """A context on the first GPU, for one thread.

    Raises:
        OSError: there is no such library.
        CudaError: there is no GPU, or none that can be used.
    """

    def __init__(self, library: str = LIBRARY) -> None:
        self._library = ctypes.CDLL(library)
        self._call("cuInit", c_uint(0))
        self._device = c_int()
        self._call("cuDeviceGet", byref(self._device), c_int(0))
        context = c_void_p()
        self._call("cuDevicePrimaryCtxRetain", byref(context), self._device)
        self._call("cuCtxSetCurrent", context)
        self._begin, self._end = self._event(), self._event()

    def describe(self) -> dict[str, int | str]:
        """Returns the GPU's name, architecture (90 for 9.0), bytes of its L2 cache, and bytes per second of its memory."""
        name = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", name, c_int(256), self._device)
        clock, bits = self._attribute(_MEMORY_CLOCK_KHZ), self._attribute(_BUS_BITS)
        return {
            "name": name.value.decode(errors="replace"),
            "arch": 10 * self._attribute(_MAJOR) + self._attribute(_MINOR),
            "l2_bytes": self._attribute(_L2_CACHE),
            "bandwidth": 2 * 1000 * clock * bits // 8,
        }

    def allocate(self, size: int) -> int:
        """Returns the address of new memory."""
        address = c_uint64()
        self._call("cuMemAlloc_v2", byref(address), c_size_t(max(1, size)))
        return address.value

    def write(self, address: int, source: int, size: int) -> None:
        """Copies from the host's memory at `source`."""
        self._call("cuMemcpyHtoD_v2", c_uint64(address), c_void_p(source), c_size_t(size))

    def read(self, target: int, address: int, size: int) -> None:
        """Copies into the host's memory at `target`."""
        self._call("cuMemcpyDtoH_v2", c_void_p(target), c_uint64(address), c_size_t(size))

    def fill(self, address: int, size: int, value: int) -> None:
        """Fills memory with a byte."""
        self._call("cuMemsetD8_v2", c_uint64(address), ctypes.c_ubyte(value), c_size_t(size))

    def load(self, cubin: bytes, name: str, shared: int) -> c_void_p:
        """Returns a kernel of some code, ready to be launched."""
        module, function = c_void_p(), c_void_p()
        self._call("cuModuleLoadData", byref(module), c_char_p(cubin))
        self._call("cuModuleGetFunction", byref(function), module, c_char_p(name.encode()))
        if shared > _FREE_SHARED:
            self._call("cuFuncSetAttribute", function, c_int(_DYNAMIC_SHARED), c_int(shared))
        return function

    def launch(
        self,
        function: c_void_p,
        grid: Sequence[int],
        threads: int,
        shared: int,
        arguments: ctypes.Array[c_void_p],
    ) -> None:
        """Launches a kernel on the default stream."""
        sizes = [c_uint(value) for value in (*grid, threads, 1, 1, shared)]
        self._call("cuLaunchKernel", function, *sizes, c_void_p(), arguments, c_void_p())

    def begin(self) -> None:
        """Notes on the GPU's clock that what is to be timed begins."""
        self._call("cuEventRecord", self._begin, c_void_p())

    def finish(self) -> None:
        """Notes that all was launched, and waits until nothing is left to do."""
        self._call("cuEventRecord", self._end, c_void_p())
        self.synchronize()

    def elapsed_ns(self) -> int:
        """Returns the time between both by the GPU's clock."""
        passed_ms = c_float()
        self._call("cuEventElapsedTime", byref(passed_ms), self._begin, self._end)
        return int(passed_ms.value * 1e6)

    def synchronize(self) -> None:
        """Waits until nothing is left to do."""
        self._call("cuCtxSynchronize")

    def _event(self) -> c_void_p:
        event = c_void_p()
        self._call("cuEventCreate", byref(event), c_uint(0))
        return event

    def _attribute(self, which: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), c_int(which), self._device)
        return value.value

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise CudaError(name, code)

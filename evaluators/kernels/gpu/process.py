"""The process that holds a context on the GPU and makes one program's calls: our code, and the program's kernels.

All of the host's side is ours: memory, stream, clocks, the wait for the end. A kernel that goes astray takes its
context with it, and this process, and nobody else's.
"""

from __future__ import annotations

import ctypes
import mmap
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluators.kernels.gpu import launches
from evaluators.kernels.gpu.driver import Cuda, CudaError
from evaluators.sandbox import control

_FLUSH_TIMES_L2 = 4
_LEAST_FLUSH_BYTES = 64 << 20
_NOTHING_MORE = 2
"""Kernels of Triton take two more pointers at the end (scratch memory for all, and for a profiler): none."""

_ASTRAY = range(700, 720)
"""Codes of CUDA that tell of a kernel that touched what it must not, or never ended: the context is lost."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A recipe whose kernels are loaded, and whose scratch memory is there."""

    recipe: launches.Recipe
    functions: tuple[ctypes.c_void_p, ...]
    scratches: tuple[int, ...]


class _File:
    """One of the two files of buffers: in shared memory, and a copy of it on the GPU."""

    def __init__(self, cuda: Cuda, fd: int, size: int, *, is_writable: bool) -> None:
        access = mmap.ACCESS_WRITE if is_writable else mmap.ACCESS_COPY
        self.size, self._cuda = size, cuda
        self._map = mmap.mmap(fd, size, access=access)
        self._view = (ctypes.c_char * size).from_buffer(self._map)
        self.address = cuda.allocate(size)

    def upload(self) -> None:
        self._cuda.write(self.address, ctypes.addressof(self._view), self.size)

    def download(self) -> None:
        self._cuda.read(ctypes.addressof(self._view), self.address, self.size)

    def is_changed(self) -> bool:
        now = ctypes.create_string_buffer(self.size)
        self._cuda.read(ctypes.addressof(now), self.address, self.size)
        return bool(now.raw != self._view.raw)


class Server:
    """Answers one request after the other. See `main`."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._about = cuda.describe()
        self._flush_bytes = max(_LEAST_FLUSH_BYTES, _FLUSH_TIMES_L2 * int(self._about["l2_bytes"]))
        self._flush = cuda.allocate(self._flush_bytes)
        self._files: tuple[_File, _File] | None = None
        self._regions: list[tuple[int, int, bool]] = []
        self._recipes: list[_Ready] = []

    def about(self, _request: Mapping[str, Any], _fds: list[int]) -> dict[str, Any]:
        """Returns what GPU this is."""
        return dict(self._about)

    def start(self, request: Mapping[str, Any], fds: list[int]) -> dict[str, Any]:
        """Takes the buffers' files and regions."""
        self._regions = [
            (int(start), int(size), bool(is_output)) for start, size, is_output in request["regions"]
        ]
        inputs, outputs = request["sizes"]
        self._files = (
            _File(self._cuda, fds[0], inputs, is_writable=False),
            _File(self._cuda, fds[1], outputs, is_writable=True),
        )
        return {}

    def load(self, request: Mapping[str, Any], _fds: list[int]) -> dict[str, Any]:
        """Takes a recipe; its number is how many there were before."""
        recipe = launches.read(
            request["recipe"], buffer_bytes=request["buffer_bytes"], memory_bytes=request["memory_bytes"]
        )
        functions = tuple(self._cuda.load(one.cubin, one.name, one.shared) for one in recipe.kernels)
        scratches = tuple(self._cuda.allocate(one.size) for one in recipe.scratches)
        self._recipes.append(_Ready(recipe, functions, scratches))
        return {}

    def call(self, request: Mapping[str, Any], _fds: list[int]) -> dict[str, Any]:
        """Makes calls (number of the recipe, regions and offsets of the buffers), cold; returns times in ns."""
        assert self._files is not None
        inputs, outputs = self._files
        inputs.upload()
        outputs.upload()
        work = [self._bind(self._recipes[number], places) for number, places in request["calls"]]
        for ready, _ in work:
            for scratch, address in zip(ready.recipe.scratches, ready.scratches, strict=True):
                self._cuda.fill(address, scratch.size, 0 if scratch.is_zero else 0xFF)
        self._cuda.fill(self._flush, self._flush_bytes, 1)
        self._cuda.synchronize()
        begun = time.monotonic_ns()
        self._cuda.begin()
        for number, (ready, bound) in enumerate(work):
            if number:
                self._clear(ready)
            for launch, arguments in zip(ready.recipe.launches, bound, strict=True):
                shared = ready.recipe.kernels[launch.kernel].shared
                function = ready.functions[launch.kernel]
                self._cuda.launch(function, launch.grid, launch.threads, shared, arguments)
        self._cuda.finish()
        wall_ns = time.monotonic_ns() - begun
        event_ns = self._cuda.elapsed_ns()
        outputs.download()
        status = "changed" if inputs.is_changed() else "ok"
        return {"status": status, "wall_ns": wall_ns, "event_ns": event_ns}

    def settle(self, _request: Mapping[str, Any], _fds: list[int]) -> dict[str, Any]:
        """Brings the outputs up to date."""
        assert self._files is not None
        self._cuda.synchronize()
        self._files[1].download()
        return {}

    def _clear(self, ready: _Ready) -> None:
        """Clears scratch memory that must be zero, on the bill: the calls of a sample share it."""
        for scratch, address in zip(ready.recipe.scratches, ready.scratches, strict=True):
            if scratch.is_zero:
                self._cuda.fill(address, scratch.size, 0)

    def _bind(
        self, ready: _Ready, places: Sequence[Sequence[int]]
    ) -> tuple[_Ready, list[ctypes.Array[ctypes.c_void_p]]]:
        """Returns the arguments of each launch as the driver wants them: pointers to values."""
        return ready, [self._pack(launch, ready, places) for launch in ready.recipe.launches]

    def _pack(
        self, launch: launches.Launch, ready: _Ready, places: Sequence[Sequence[int]]
    ) -> ctypes.Array[ctypes.c_void_p]:
        assert self._files is not None
        values: list[Any] = []
        for argument in launch.arguments:
            if argument.kind == "buffer":
                region, offset = places[argument.number]
                start, _, is_output = self._regions[region]
                base = self._files[is_output].address
                # the recorded offset is counted from the region's start modulo 16, as its alignment was
                values.append(ctypes.c_uint64(base + start + offset - offset % 16 + int(argument.value)))
            elif argument.kind == "scratch":
                values.append(ctypes.c_uint64(ready.scratches[argument.number] + int(argument.value)))
            else:
                values.append(_scalar(argument))
        values += [ctypes.c_uint64(0)] * _NOTHING_MORE
        packed = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        packed.kept = values  # type: ignore[attr-defined]
        return packed


def _scalar(argument: launches.Argument) -> Any:
    if argument.kind in launches.FLOATS:
        return (ctypes.c_float if argument.kind == "fp32" else ctypes.c_double)(argument.value)
    return {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}[
        launches.size_of(argument.kind)
    ](int(argument.value))


def main() -> None:
    """Serves on the descriptor that the second argument names, until the other end goes away."""
    channel = socket.socket(fileno=int(sys.argv[2]))
    received = control.receive(channel)
    if received is None:
        return
    try:
        server = Server(Cuda(received[0]["library"]))
    except (OSError, CudaError) as error:
        control.send(channel, {"missing": str(error)})
        return
    control.send(channel, server.about({}, []))
    known = {"start": server.start, "load": server.load, "call": server.call, "settle": server.settle}
    while (received := control.receive(channel)) is not None:
        request, descriptors = received
        try:
            answer = known[request["do"]](request, descriptors)
        except CudaError as error:
            is_astray = error.code in _ASTRAY
            answer = {"status": "died" if is_astray else "refused", "log": str(error)}
        except launches.LaunchError as error:
            answer = {"status": "refused", "log": str(error)}
        control.send(channel, answer)

"""What a program in Triton launches, as data: its kernels compiled for a GPU, and in which order they are launched on what.

It runs without any GPU, in a locked child of its own that may start the toolchain (Triton's assembler). The program's
function is called on tensors that have no memory, through a driver that notes launches instead of making them. What
reaches the machine's GPU is code for the GPU and a list, and never the program's Python: it has no clock, no stream and
no thread there. The list may depend on shapes and scalars, not on data. Of this package the child has only what is in
`MODULES`.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from evaluators.kernels.bench.tensors import Shaped
from evaluators.sandbox import programs

REQUEST, RESULT = "request.json", "launches.json"
MAX_RESULT_BYTES = 16 << 20
MODULES = (
    "evaluators.kernels.bench.recorder",
    "evaluators.kernels.bench.tensors",
    "evaluators.sandbox.programs",
)
_SPACING = 1 << 40
_WARP = 32


class Tensor(Shaped):
    """A tensor without memory, at an address that stands for it."""

    def __init__(self, memory: Memory, base: int, shape: Sequence[int], dtype: str) -> None:
        super().__init__(shape, dtype, "cuda")
        self._memory, self._base = memory, base

    def data_ptr(self) -> int:
        """Returns the address."""
        return self._base

    def _new(self, shape: tuple[int, ...], dtype: str, *, is_zero: bool) -> Tensor:
        return self._memory.scratch(shape, dtype, is_zero=is_zero)


class Memory:
    """Addresses that stand for buffers and scratch memory, each far from the others."""

    def __init__(self, arguments: Sequence[Mapping[str, Any]]) -> None:
        self.buffers = 0
        self.scratches: list[dict[str, Any]] = []
        self.values: list[Any] = []
        for item in arguments:
            if "shape" in item:
                self.buffers += 1
                base = self.buffers * _SPACING + item["alignment"]
                self.values.append(Tensor(self, base, item["shape"], item["dtype"]))
            else:
                self.values.append(item["value"])

    def scratch(self, shape: tuple[int, ...], dtype: str, *, is_zero: bool) -> Tensor:
        """Returns a new tensor of scratch memory."""
        base = (self.buffers + len(self.scratches) + 1) * _SPACING
        tensor = Tensor(self, base, shape, dtype)
        self.scratches.append({"bytes": tensor.numel() * tensor.element_size(), "is_zero": is_zero})
        return tensor

    def place(self, address: int) -> dict[str, Any]:
        """Returns what an address stands for.

        Raises:
            ValueError: it stands for nothing.
        """
        number, offset = divmod(address, _SPACING)
        if not 1 <= number <= self.buffers + len(self.scratches):
            raise ValueError("a kernel was launched on a pointer that is no tensor's")
        if number <= self.buffers:
            return {"buffer": number - 1, "offset": offset}
        return {"scratch": number - self.buffers - 1, "offset": offset}


class Driver:
    """What Triton takes for the driver of a GPU (triton.backends.driver.DriverBase): notes launches."""

    def __init__(self, memory: Memory, arch: int) -> None:
        self._memory, self._arch = memory, arch
        self.kernels: list[dict[str, Any]] = []
        self.launches: list[dict[str, Any]] = []
        self.utils = self
        self.launcher_cls = self._launcher

    def get_current_target(self) -> Any:
        """Returns the GPU to compile for."""
        return importlib.import_module("triton.backends.compiler").GPUTarget("cuda", self._arch, _WARP)

    def get_current_device(self) -> int:
        """Returns 0."""
        return 0

    def get_current_stream(self, _device: int) -> int:
        """Returns 0."""
        return 0

    def get_device_properties(self, _device: int) -> dict[str, int]:
        """Returns how much shared memory a block may have at most on any known GPU; the real one may refuse."""
        return {"max_shared_mem": 227 << 10}

    def load_binary(
        self, name: str, binary: bytes, shared: int, _device: int
    ) -> tuple[int, int, int, int, int]:
        """Notes a compiled kernel; returns its number in place of a handle."""
        text = base64.b64encode(binary).decode()
        self.kernels.append({"name": name, "cubin": text, "shared": shared})
        number = len(self.kernels) - 1
        return number, number, 0, 0, 1024

    def _launcher(self, source: Any, metadata: Any) -> Any:
        if metadata.num_ctas != 1 or metadata.launch_cooperative_grid or metadata.global_scratch_size:
            raise ValueError("clusters, cooperative grids and global scratch memory are not supported")
        types = list(source.signature.values())

        def launch(x: int, y: int, z: int, _stream: int, kernel: int, *rest: Any) -> None:
            values = rest[4:]  # the metadata, and two hooks, come before
            arguments = [
                self._argument(kind, value)
                for kind, value in zip(types, values, strict=True)
                if kind != "constexpr"
            ]
            grid = [int(x), int(y), int(z)]
            if min(grid) > 0:
                threads = metadata.num_warps * _WARP
                self.launches.append(
                    {"kernel": kernel, "grid": grid, "threads": threads, "arguments": arguments}
                )

        return launch

    def _argument(self, kind: str, value: Any) -> dict[str, Any]:
        if kind.startswith("*"):
            return self._memory.place(value.data_ptr())
        return {"type": kind, "value": value}


def execute(sources: Mapping[str, str], paths: Sequence[str], request: Mapping[str, Any]) -> NoReturn:
    """Writes the request and becomes a fresh interpreter that answers it. Runs locked, in the child.

    `sources`: the texts of `MODULES` by path; the child may not read where they lie.

    Raises:
        OSError: the folder is full, or the interpreter cannot be executed.
    """
    for path, text in {**sources, REQUEST: json.dumps(request)}.items():
        if "/" in path:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    folder = os.getcwd()
    boot = f"import sys; sys.path[:] = {[folder, *paths]!r}; from {__name__} import main; main()"
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": folder, "HOME": folder}
    environment |= {"PYTHONWARNINGS": "ignore", "TRITON_CACHE_DIR": f"{folder}/cache"}
    os.execve(sys.executable, [sys.executable, "-I", "-B", "-c", boot], environment)


def main() -> None:
    """Answers the request in this folder."""
    with open(REQUEST, encoding="utf-8", errors="surrogateescape") as file:
        request = json.load(file)
    stand_in = ModuleType("torch")
    stand_in.Tensor = Tensor  # type: ignore[attr-defined]
    sys.modules["torch"] = stand_in
    memory = Memory(request["arguments"])
    driver = Driver(memory, request["arch"])
    importlib.import_module("triton.runtime.driver").driver.set_active(driver)
    module = programs.load(request["files"], request["entry"])
    getattr(module, request["function"])(*memory.values)
    found = {"kernels": driver.kernels, "launches": driver.launches, "scratches": memory.scratches}
    with open(RESULT, "w", encoding="utf-8") as file:
        json.dump(found, file)

"""Triton: checked in the sandbox by its interpreter, which needs no GPU, and timed on a GPU where there is one."""

from __future__ import annotations

import importlib.util

from evaluators.contract import Program
from evaluators.kernel_task import KernelTask
from evaluators.kernels.backends.base import Built, NotBuiltError
from evaluators.kernels.backends.python import OPTIONAL, PythonBackend
from evaluators.kernels.bench.client import Bench
from evaluators.source.imports import imported_names


class TritonBackend:
    """Triton. See `Backend` for the contract."""

    language = "triton"

    def missing(self, bench: Bench) -> str:
        """Returns what to install where there is no Triton."""
        if importlib.util.find_spec("triton") is None:
            return OPTIONAL["triton"] + " (1 GB; it needs no GPU for checking)"
        return ""

    def build(self, bench: Bench, program: Program, task: KernelTask, *, is_checked: bool = False) -> Built:
        """Checks the syntax of all files, and that kernels are there; they are compiled when they are called."""
        built = PythonBackend().build(bench, program, task)
        if not any("triton" in imported_names(text, "") for text in program.files.values()):
            raise NotBuiltError("it imports no triton: this task asks for kernels in Triton")
        return built

"""C through gcc, compiled in a locked child."""

from __future__ import annotations

import functools
import subprocess

from evaluators.contract import Program
from evaluators.kernels import feedback
from evaluators.kernels.backends.base import Built, NotBuiltError
from evaluators.kernels.bench.client import Bench
from evaluators.kernels.bench.compiler import address_sanitizer
from evaluators.kernels.task import KernelTask
from evaluators.sandbox.linux import child_environment

_COMMON = ("-std=gnu11", "-shared", "-fPIC", "-Wall", "-Wl,-z,defs", "-Wl,-z,now")
_REPORT = ("-fopt-info-vec-optimized",)
_CHECKED = (
    "-O1",
    "-fsanitize=undefined",
    "-fsanitize-undefined-trap-on-error",
    "-fno-sanitize=alignment",
)
_ADDRESSES = ("-fsanitize=address", "-g1", "-fno-omit-frame-pointer")


class CBackend:
    """C. See `Backend` for the contract."""

    language = "c"

    def missing(self, bench: Bench) -> str:
        """Returns what to install where there is no gcc."""
        return "" if bench.compiler else "there is no gcc on this machine: install it to judge kernels in C"

    def build(self, bench: Bench, program: Program, task: KernelTask, *, is_checked: bool = False) -> Built:
        """Compiles with the task's flags (checked: with traps on undefined behaviour, and AddressSanitizer if there)."""
        extra = _REPORT
        if is_checked:
            extra = (*_CHECKED, *(_ADDRESSES if address_sanitizer(bench.compiler) else ()))
        options = [*_COMMON, *task.flags, *extra]
        compiled = bench.compile(program, options)
        if not compiled.is_ok:
            words = feedback.compiler_errors(compiled.log)
            if compiled.timed_out or compiled.signal:
                raise NotBuiltError("takes too long, or too much memory, to compile", words, timed_out=True)
            first = words.splitlines()[0] if words else f"gcc left with exit code {compiled.code}"
            raise NotBuiltError(f"does not compile: {first}", words)
        metrics = {
            "library_bytes": float(compiled.size_bytes),
            "vectorised_loops": float(feedback.vectorised_loops(compiled.log)),
        }
        record = {
            "compiler": _version(bench.compiler),
            "options": options,
            "compile_s": round(compiled.wall_s, 3),
        }
        return Built(feedback.compiler_remarks(compiled.log), metrics, record)


@functools.cache
def _version(compiler: str) -> str:
    shown = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, check=False, env=child_environment()
    )
    return shown.stdout.splitlines()[0] if shown.stdout else compiler

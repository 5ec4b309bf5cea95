"""C through gcc, compiled in a locked child.

The text is preprocessed once, with the flags of the ordinary build, and both builds start from what came of it: so no macro
tells them apart.
"""

from __future__ import annotations

import base64
import functools
import re
import subprocess

from evaluators.contract import Program
from evaluators.kernel_task import KernelTask
from evaluators.kernels import feedback
from evaluators.kernels.backends.base import Built, NotBuiltError
from evaluators.kernels.bench.client import Bench, Compiled
from evaluators.kernels.bench.compiler import address_sanitizer
from evaluators.sandbox.linux import child_environment

_PARSED = "preprocessed.i"
_COMMON = ("-std=gnu11", "-shared", "-fPIC", "-Wall", "-Wl,-z,defs", "-Wl,-z,now")
_REPORT = ("-fopt-info-vec-optimized",)
_CHECKED = (
    "-fsanitize=undefined",
    "-fsanitize-undefined-trap-on-error",
    "-fno-sanitize=alignment",
)
_ADDRESSES = ("-fsanitize=address", "-g1", "-fno-omit-frame-pointer")
_EVASIVE = re.compile(r"\b_*(?:no_sanitize|no_address_safety_analysis|asan_|ubsan_|lsan_|sanitizer_)\w*")


class CBackend:
    """C. See `Backend` for the contract."""

    language = "c"

    def missing(self, bench: Bench) -> str:
        """Returns what to install where there is no gcc."""
        return "" if bench.compiler else "there is no gcc on this machine: install it to judge kernels in C"

    def build(self, bench: Bench, program: Program, task: KernelTask, *, is_checked: bool = False) -> Built:
        """Compiles with the task's flags (checked: with traps on undefined behaviour, and AddressSanitizer if there).

        A program that was preprocessed already (`Built.parsed`) is taken as it is.
        """
        options = [*_COMMON, *task.flags]
        parsed = program if program.entry == _PARSED else _preprocess(bench, program, options)
        if is_checked:
            options += [*_CHECKED, *(_ADDRESSES if address_sanitizer(bench.compiler) else ())]
        else:
            options += _REPORT
        compiled = _compile(bench, parsed, options)
        metrics = {
            "library_bytes": float(compiled.size_bytes),
            "vectorised_loops": float(feedback.vectorised_loops(compiled.log)),
        }
        record = {
            "compiler": _version(bench.compiler),
            "options": options,
            "compile_s": round(compiled.wall_s, 3),
        }
        return Built(feedback.compiler_remarks(compiled.log), metrics, record, parsed)


def _preprocess(bench: Bench, program: Program, options: list[str]) -> Program:
    """Returns the program with its entry file preprocessed; the others stay, for the compiler's messages.

    Raises:
        NotBuiltError: it cannot be preprocessed, or names what a sanitizer would go by.
    """
    _compile(bench, program, [*options, "-E"])
    text = base64.b64decode(bench.fetch()).decode(errors="surrogateescape")
    if named := _EVASIVE.search(text):
        raise NotBuiltError(
            f"names {named[0]}: programs must not tell whether they are checked by sanitizers"
        )
    return Program({**program.files, _PARSED: text}, _PARSED)


def _compile(bench: Bench, program: Program, options: list[str]) -> Compiled:
    """Returns how compiling went.

    Raises:
        NotBuiltError: badly.
    """
    compiled = bench.compile(program, options)
    if compiled.is_ok:
        return compiled
    words = feedback.compiler_errors(compiled.log)
    if compiled.timed_out or compiled.signal:
        raise NotBuiltError("takes too long, or too much memory, to compile", words, timed_out=True)
    if not words and not compiled.code:
        raise NotBuiltError("does not compile: what comes of it is too large", words)
    first = words.splitlines()[0] if words else f"gcc left with exit code {compiled.code}"
    raise NotBuiltError(f"does not compile: {first}", words)


@functools.cache
def _version(compiler: str) -> str:
    shown = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, check=False, env=child_environment()
    )
    return shown.stdout.splitlines()[0] if shown.stdout else compiler

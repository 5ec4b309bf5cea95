"""Python: NumPy, Numba where it is installed."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import platform

from evaluators.contract import Program
from evaluators.kernel_task import KernelTask
from evaluators.kernels.backends.base import Built, NotBuiltError
from evaluators.kernels.bench.client import Bench
from evaluators.sandbox.clean import clean_line
from evaluators.source.imports import imported_names
from evaluators.text import trees

OPTIONAL = {
    "numba": "numba is not installed: pip install code-discovery[kernels]",
    "triton": "Triton is not installed: pip install 'code-discovery[triton]'",
    "scipy": "scipy is not installed: pip install scipy",
}
"""Libraries that kernels may use where they are there, and what to do where they are not."""


NOTHING_COMPILED = {"library_bytes": 0.0, "vectorised_loops": 0.0}
"""What a problem in C may ask of the compiler, of a program that none of ours compiles: its baseline."""


class PythonBackend:
    """Python with whatever numeric libraries there are. See `Backend` for the contract."""

    language = "python"

    def missing(self, bench: Bench) -> str:
        """Returns "": NumPy is always there. What a program imports beyond it, `build` looks at."""
        return ""

    def build(self, bench: Bench, program: Program, task: KernelTask, *, is_checked: bool = False) -> Built:
        """Checks the syntax of all files and that what they import is installed; there is nothing to compile."""
        found: set[str] = set()
        for path, text in program.files.items():
            if not path.endswith(".py"):
                continue
            try:
                compile(text, path, "exec", dont_inherit=True)
                trees.parse(text, path)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                line = getattr(error, "lineno", None)
                where = f" line {line}" if line else ""
                raise NotBuiltError(f"does not compile: {path}{where}: {clean_line(str(error))}") from error
            found |= imported_names(text, "")
        for name, remedy in OPTIONAL.items():
            if name in found and importlib.util.find_spec(name) is None:
                raise NotBuiltError(remedy)
        libraries = sorted(found & set(OPTIONAL) | {"numpy"})
        record = {
            "interpreter": f"Python {platform.python_version()}",
            "libraries": [f"{name} {_version(name)}" for name in libraries],
        }
        return Built(record=record, metrics=NOTHING_COMPILED)


@functools.cache
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"

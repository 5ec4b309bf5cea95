"""Where a kernel spends its instructions: valgrind's callgrind in a locked child, where it is installed.

The child is locked as a compiling one is, and may also read what the system tells of itself alone (/proc/self), without
which valgrind does not start. Its report is read as bytes; it is the program's own word, for the next prompt.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from evaluators.kernels.bench import compiler
from evaluators.sandbox.locks import landlock, lock

REPORT = "callgrind.report"
MAX_REPORT_BYTES = 4 << 20
LIMITS = lock.ChildLimits(cpu_s=20, memory_mib=2048, scratch_mib=64, processes=4, native=True)
TIMEOUT_S = 20.0
_DRIVER = "driver"
_INPUTS = "inputs"


def find() -> str:
    """Returns the path of valgrind, "" where there is none."""
    return shutil.which("valgrind") or ""


class Lock:
    """A lock for one child, which it makes itself: what it may read of /proc is known only then."""

    def __init__(self, plan: lock.Plan) -> None:
        self._plan = plan

    def close(self, folder: str) -> None:
        """Locks this process, for good.

        Raises:
            OSError: a lock does not close.
        """
        plan = self._plan
        if plan.ruleset is not None:
            readable = (*compiler.readable(), "/proc/self")
            plan = replace(plan, ruleset=landlock.build(plan.scratch, native=True, readable=readable))
        lock.Lock(plan, LIMITS).close(folder)


def execute(valgrind: str, function: str, product: bytes, inputs: Sequence[bytes]) -> NoReturn:
    """Writes the program and its inputs and becomes valgrind. Runs locked, in the child.

    Raises:
        OSError: the folder is full, or valgrind cannot be executed.
    """
    with open(_DRIVER, "wb", opener=_open_executable) as file:
        file.write(product)
    with open(_INPUTS, "wb") as file:
        for part in inputs:
            file.write(part)
    command = [
        valgrind,
        "--tool=callgrind",
        "--vgdb=no",
        "-q",
        f"--toggle-collect={function}",
        "--compress-strings=no",
        "--compress-pos=no",
        f"--callgrind-out-file={REPORT}",
        f"./{_DRIVER}",
    ]
    os.execve(valgrind, command, {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TMPDIR": os.getcwd()})


def _open_executable(path: str, flags: int) -> int:
    return os.open(path, flags, 0o700)

"""Compiling inside the sandbox: gcc in a locked child that may start the toolchain's programs and nothing else.

The child reads the toolchain, the system's headers and libraries, and its own folder; it has limits on time, memory,
processes and file sizes, no network, and another user. Its product is read as bytes, and is never loaded
here. Constructors in it run in the kernel's child, after the locks.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from evaluators.sandbox.linux import child_environment
from evaluators.sandbox.locks import landlock, lock

PRODUCT = "kernel.product"
MAX_PRODUCT_BYTES = 8 << 20
LIMITS = lock.ChildLimits(cpu_s=20, memory_mib=1024, scratch_mib=32, processes=12, native=True)
TIMEOUT_S = 20.0
_READABLE = (
    "/usr/bin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/include",
    "/usr/local/include",
    "/lib",
    "/lib64",
    "/bin",
)
_READABLE_FILES = ("/etc/ld.so.cache", "/etc/alternatives")


def plan_for(plan: lock.Plan) -> lock.Plan:
    """Returns the locks' plan of a compiling child: the toolchain may be read and executed."""
    if plan.ruleset is None:
        return plan
    return replace(plan, ruleset=landlock.build(plan.scratch, native=True, readable=readable()))


def readable() -> list[str]:
    """Returns what a compiling child may read: toolchain, headers and libraries."""
    paths = {os.path.realpath(path) for path in (*_READABLE, *_READABLE_FILES) if os.path.exists(path)}
    return sorted(paths)


def find() -> str:
    """Returns the path of gcc, "" where there is none."""
    return shutil.which("gcc") or ""


@functools.cache
def address_sanitizer(gcc: str) -> str:
    """Returns the path of the AddressSanitizer that belongs to a gcc, "" where there is none, or no gcc ("")."""
    if not gcc:
        return ""
    shown = subprocess.run(
        [gcc, "-print-file-name=libasan.so"],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )
    path = shown.stdout.strip()
    return os.path.realpath(path) if os.path.isabs(path) and os.path.exists(path) else ""


def execute(files: Mapping[str, str], command: Sequence[str]) -> NoReturn:
    """Writes the sources and becomes the compiler. Runs locked, in the child.

    Raises:
        OSError: the folder is full, or the compiler cannot be executed.
    """
    for path, text in files.items():
        if "/" in path:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TMPDIR": os.getcwd()}
    os.execve(command[0], list(command), environment)


def read_product(folder: str, name: str = PRODUCT, most_bytes: int = MAX_PRODUCT_BYTES) -> bytes | None:
    """Returns what a child made, None if nothing that is an ordinary file of a decent size."""
    try:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= most_bytes:
            return None
        return file.read(most_bytes)

"""Where a kernel in C spends its instructions, line by line, for the next prompt. Absent where valgrind is.

The kernel is built once more with a driver of its own, and runs under callgrind in a locked child, on inputs that are drawn
for this purpose alone, at a shape that the problem states. So nothing of what is hidden is anywhere near.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping

import numpy as np

from evaluators.contract import Program
from evaluators.kernel_task import C_TYPES, Buffer, Dims, KernelTask
from evaluators.kernels.bench.client import Bench
from evaluators.sandbox.clean import clean

_FLAGS = ("-std=gnu11", "-g")
_FLAGS_X86 = ("-mno-avx512f",)  # which valgrind does not know
_DRIVER = "discovery_driver.c"
_MOST_LINES = 5
_LEAST_SHARE = 0.03
_CODE_CHARACTERS = 90
_NAME_CHARACTERS = 60
_MOST_BYTES = 16 << 20


def find(bench: Bench, program: Program, task: KernelTask) -> str:
    """Returns the lines with the most instructions and their shares, "" where that cannot be found out.

    Leaves something else in the bench than what was built there.

    Raises:
        SandboxError: the bench fails.
    """
    if not bench.valgrind:
        return ""
    dims = next((one for one in (*task.timed, *task.public) if _bytes(task, one) <= _MOST_BYTES), None)
    if dims is None:
        return ""
    values = task.make_inputs(np.random.default_rng(0), dims, task.distributions[0])
    driven = Program({**program.files, _DRIVER: driver(task, program.entry, dims, values)}, _DRIVER)
    extra = _FLAGS_X86 if platform.machine() == "x86_64" else ()
    if not bench.compile(driven, (*task.flags, *_FLAGS, *extra)).is_ok:
        return ""
    inputs = [np.ascontiguousarray(values[item.name]).tobytes() for item in task.inputs]
    return describe(bench.profile(task.entry, inputs), program)


def driver(task: KernelTask, entry: str, dims: Dims, values: Mapping[str, object]) -> str:
    """Returns a C program that reads the inputs from a file and calls the kernel once."""
    names, lines = [], []
    for item in task.arguments:
        if isinstance(item, Buffer):
            count = max(1, int(np.prod(item.sizes(dims), dtype=np.int64)))
            kind = C_TYPES[item.dtype]
            lines.append(f"  {kind} *{item.name} = malloc({count} * sizeof({kind}));")
            if item.role == "in":
                size = int(np.prod(item.sizes(dims), dtype=np.int64))
                lines.append(
                    f"  if (fread({item.name}, sizeof({kind}), {size}, discovery_file) != {size}) return 1;"
                )
        else:
            value = dims.get(item.name, values.get(item.name))
            lines.append(f"  {C_TYPES[item.dtype]} {item.name} = {value};")
        names.append(item.name)
    body = "\n".join(lines)
    return f"""#include "{entry}"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {{
  FILE *discovery_file = fopen("inputs", "rb");
  if (!discovery_file) return 1;
{body}
  {task.entry}({", ".join(names)});
  return 0;
}}
"""


def describe(report: str, program: Program) -> str:
    """Returns what a report of callgrind (uncompressed) says of the program's own lines and of what it calls."""
    lines, elsewhere = _count(report, program)
    total = sum(lines.values()) + sum(elsewhere.values())
    if not total:
        return ""
    told = []
    everything: Counter[str | tuple[str, int]] = Counter(lines)
    everything.update(elsewhere)
    for where, count in everything.most_common(_MOST_LINES):
        share = count / total
        if share < _LEAST_SHARE:
            break
        if isinstance(where, str):
            told.append(f"{share:4.0%} in {where}, a library's")
        else:
            path, line = where
            code = program.files[path].splitlines()[line - 1].strip()[:_CODE_CHARACTERS]
            told.append(f"{share:4.0%} {path}:{line}: {code}")
    return clean("\n".join(["hot spots, by share of instructions:", *told])) if told else ""


def _count(report: str, program: Program) -> tuple[Counter[tuple[str, int]], Counter[str]]:
    """Returns instructions by line of the program's files, and by function elsewhere; calls count where they lead."""
    lines: Counter[tuple[str, int]] = Counter()
    elsewhere: Counter[str] = Counter()
    sizes = {path: len(text.splitlines()) for path, text in program.files.items()}
    path = function = ""
    is_call = False
    for text in report.splitlines():
        key, mark, value = text.partition("=")
        if mark and key in ("fl", "fi", "fe"):
            path = next((name for name in sizes if value == name or value.endswith(f"/{name}")), "")
        elif mark and key == "fn":
            function = value.partition("'")[0][:_NAME_CHARACTERS]
        elif mark and key == "calls":
            is_call = True
        elif text[:1].isdigit():
            line, _, count = text.partition(" ")
            if is_call or not line.isdigit() or not count.isdigit():
                is_call = False
            elif path and 1 <= int(line) <= sizes[path]:
                lines[path, int(line)] += int(count)
            else:
                elsewhere[function] += int(count)
    return lines, elsewhere


def _bytes(task: KernelTask, dims: Dims) -> int:
    sizes = (
        (int(np.prod(item.sizes(dims), dtype=np.int64)), item.dtype)
        for item in task.arguments
        if isinstance(item, Buffer)
    )
    return sum(count * np.dtype(kind).itemsize for count, kind in sizes)

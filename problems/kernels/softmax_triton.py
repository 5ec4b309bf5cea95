"""Write `softmax(x, y, rows, cols)` with kernels in Triton, as fast as you can on a GPU.

x and y are contiguous float32 tensors of shape (rows, cols), cols >= 1; rows may be 0. Each row of y is the softmax of that
row of x: y[i][j] = exp(x[i][j] - m) / sum_k exp(x[i][k] - m), with m the row's largest entry. Entries reach
+-10,000 and must not overflow. x must not be written to. The score is the speed against a kernel that holds a row in
registers, cold caches, launches included.

Without a GPU, programs are checked by Triton's interpreter and get no score.
"""

from __future__ import annotations

from evaluators.contract import Limits, Measure, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Scalar
from problems.kernels.inputs import FLOATS, ROWS_EDGES, ROWS_PUBLIC, rows_hidden
from problems.kernels.softmax import ROWS, SHIFT, make_inputs, reference, reference_single

ENTRY = "kernel.py"
SEED = """import triton
import triton.language as tl


# EVOLVE-BLOCK-START
@triton.jit
def softmax_rows(x, y, cols, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * cols
    columns = tl.arange(0, BLOCK)
    largest = tl.full((BLOCK,), -float("inf"), tl.float32)
    for first in range(0, cols, BLOCK):
        at = first + columns
        largest = tl.maximum(largest, tl.load(x + start + at, mask=at < cols, other=-float("inf")))
    m = tl.max(largest, axis=0)
    sums = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, cols, BLOCK):
        at = first + columns
        sums += tl.exp(tl.load(x + start + at, mask=at < cols, other=-float("inf")) - m)
    total = tl.sum(sums, axis=0)
    for first in range(0, cols, BLOCK):
        at = first + columns
        value = tl.exp(tl.load(x + start + at, mask=at < cols, other=-float("inf")) - m) / total
        tl.store(y + start + at, value, mask=at < cols)


def softmax(x, y, rows, cols):
    if rows > 0:
        softmax_rows[(rows,)](x, y, cols, BLOCK=128, num_warps=1)
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("speedup", "maximize")
MEASURES = (
    Measure("ast_nodes", 0, 800, bins=12, source="code"),
    Measure("loops", 0, 8, bins=8, source="code"),
    Measure("calls", 0, 60, bins=12, source="code"),
)
LIMITS = Limits(wall_s=20.0, memory_mib=1024)

BASELINE = """import triton
import triton.language as tl


@triton.jit
def softmax_row(x, y, cols, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * cols
    at = tl.arange(0, BLOCK)
    row = tl.load(x + start + at, mask=at < cols, other=-float("inf"))
    e = tl.exp(row - tl.max(row, axis=0))
    tl.store(y + start + at, e / tl.sum(e, axis=0), mask=at < cols)


def softmax(x, y, rows, cols):
    if rows > 0:
        block = triton.next_power_of_2(cols)
        softmax_row[(rows,)](x, y, cols, BLOCK=block, num_warps=max(1, min(16, block // 256)))
"""

KERNEL = KernelTask(
    entry="softmax",
    arguments=(
        Buffer("x", "float32", ("rows", "cols"), "in"),
        Buffer("y", "float32", ("rows", "cols"), "out"),
        Scalar("rows"),
        Scalar("cols"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline("one kernel, a row in registers (Triton's tutorial)", "kernel.py", BASELINE),
    public=ROWS_PUBLIC,
    hidden=rows_hidden,
    edges=ROWS_EDGES,
    timed=({"rows": 8192, "cols": 1024}, {"rows": 40_000, "cols": 200}),
    held_out=({"rows": 5000, "cols": 1531},),
    distributions=(*FLOATS, "large", "peaked"),
    metamorphic=(ROWS, SHIFT),
    flops=lambda dims: 5.0 * dims["rows"] * dims["cols"],
    traffic=lambda dims: 8.0 * dims["rows"] * dims["cols"],
    languages=("triton",),
    forbidden=("torch", "numpy", "ctypes"),
)

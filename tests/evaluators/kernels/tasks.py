"""Two small kernel problems: softmax (floats, with a tolerance) and histogram (exact)."""

from evaluators.kernels.judge import KernelJudge
from evaluators.kernels.lease import Lease
from evaluators.kernels.statistics import Precision
from evaluators.problems.loading import load_problem
from tests.evaluators.kernels import triton_programs

SOFTMAX = '''"""Write softmax(x, out, rows, cols): each row of out is the softmax of that row of x."""

import numpy as np

from evaluators.contract import Limits, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Metamorphic, Scalar

ENTRY = "kernel.c"
SEED = """#include <math.h>
#include <stdint.h>
void softmax(const float *x, float *out, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; i++) {
    const float *a = x + i * cols; float *o = out + i * cols; float m = -INFINITY, s = 0;
    for (int64_t j = 0; j < cols; j++) m = a[j] > m ? a[j] : m;
    for (int64_t j = 0; j < cols; j++) { o[j] = expf(a[j] - m); s += o[j]; }
    for (int64_t j = 0; j < cols; j++) o[j] /= s;
  }
}
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=2.0, memory_mib=256)


def make_inputs(rng, dims, distribution):
    x = rng.standard_normal((dims["rows"], dims["cols"]), dtype=np.float32)
    if distribution == "large":
        x += 1e4
    if distribution == "wide":
        x *= 30
    return {"x": x}


def _softmax(x):
    if not x.size:
        return x
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def reference(*, x, rows, cols):
    return {"out": _softmax(x.astype(np.float64))}


def reference_single(*, x, rows, cols):
    return {"out": _softmax(x)}


KERNEL = KernelTask(
    entry="softmax",
    arguments=(
        Buffer("x", "float32", ("rows", "cols"), "in"),
        Buffer("out", "float32", ("rows", "cols"), "out"),
        Scalar("rows"),
        Scalar("cols"),
    ),
    make_inputs=make_inputs,
    reference=reference,
    reference_single=reference_single,
    baseline=Baseline(
        "NumPy, in place",
        "kernel.py",
        """import numpy as np
def softmax(x, out, rows, cols):
    np.subtract(x, x.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
""",
    ),
    public=({"rows": 4, "cols": 33}, {"rows": 3, "cols": 64}),
    hidden=lambda rng: {"rows": int(rng.integers(1, 9)), "cols": int(rng.integers(1, 150))},
    edges=({"rows": 0, "cols": 5}, {"rows": 1, "cols": 1}, {"rows": 2, "cols": 101}),
    timed=({"rows": 64, "cols": 128},),
    distributions=("normal", "large", "wide"),
    metamorphic=(
        Metamorphic(
            "reversing the rows reverses the result",
            lambda rng, inputs, dims: {"x": np.ascontiguousarray(inputs["x"][::-1])},
            lambda inputs, one, related, other: np.allclose(one["out"], other["out"][::-1], rtol=1e-4, atol=1e-7),
        ),
    ),
    flops=lambda dims: 5 * dims["rows"] * dims["cols"],
    traffic=lambda dims: 8 * dims["rows"] * dims["cols"],
    forbidden=("scipy", "special"),
)
'''

HISTOGRAM = '''"""Write histogram(x, counts, n): counts[b] is how often the byte b is in x."""

import numpy as np

from evaluators.contract import Limits, Objective
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Scalar

ENTRY = "kernel.c"
SEED = """#include <stdint.h>
void histogram(const uint8_t *x, int64_t *counts, int64_t n) {
  for (int b = 0; b < 256; b++) counts[b] = 0;
  for (int64_t i = 0; i < n; i++) counts[x[i]]++;
}
"""
OBJECTIVE = Objective("speedup", "maximize")
LIMITS = Limits(wall_s=2.0, memory_mib=256)


def make_inputs(rng, dims, distribution):
    if distribution == "one bin":
        return {"x": np.full(dims["n"], rng.integers(256), np.uint8)}
    return {"x": rng.integers(0, 256, dims["n"]).astype(np.uint8)}


def reference(*, x, n):
    return {"counts": np.bincount(x, minlength=256).astype(np.int64)}


KERNEL = KernelTask(
    entry="histogram",
    arguments=(Buffer("x", "uint8", ("n",), "in"), Buffer("counts", "int64", (256,), "out"), Scalar("n")),
    make_inputs=make_inputs,
    reference=reference,
    exact=True,
    baseline=Baseline(
        "np.bincount",
        "kernel.py",
        "import numpy as np\\ndef histogram(x, counts, n):\\n    counts[:] = np.bincount(x, minlength=256)\\n",
    ),
    public=({"n": 1000}, {"n": 31}),
    hidden=lambda rng: {"n": int(rng.integers(2, 3000))},
    edges=({"n": 0}, {"n": 1}, {"n": 1009}),
    timed=({"n": 50_000},),
    distributions=("uniform", "one bin"),
    traffic=lambda dims: dims["n"],
)
'''

SOFTMAX_TRITON = (
    SOFTMAX.replace('ENTRY = "kernel.c"', 'ENTRY = "kernel.py"')
    .replace('forbidden=("scipy", "special")', 'languages=("triton",)')
    .replace("wall_s=2.0, memory_mib=256", "wall_s=6.0, memory_mib=1024")
    .replace(SOFTMAX.split('"""')[3], triton_programs.SEED)
)
"""The first of them for a GPU."""

QUICK = Precision(least_rounds=3, most_rounds=3, half_width=9.0, gate_half_width=99.0, gate_slack=99.0)
"""For tests of everything but the precision of times."""


def write_problem(folder, text, name):
    """Returns the problem of a text, loaded."""
    path = folder / f"{name}.py"
    path.write_text(text)
    return load_problem(str(path))


def quick_judge(problem, precision=QUICK, **options):
    """Returns a judge that times three rounds and believes them, whatever they are."""
    lease = Lease(problem.files.folder)  # of its own: these times are not believed by anybody
    return KernelJudge(problem, secret=b"test", precision=precision, lease=lease, **options)

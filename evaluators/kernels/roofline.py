"""What this machine can do at most: operations and bytes per second, measured once per judge, in the sandbox.

A kernel that is faster than its operations or its traffic allow has not done its work, whatever its outputs say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluators.contract import Program
from evaluators.kernel_task import Baseline, Buffer, Dims, KernelTask, Scalar
from evaluators.kernels.bench.client import Bench
from evaluators.kernels.runner import Call, KernelFailedError, Runner

SLACK = 1.5
"""How far above the measured peaks a result may lie before it is not believed: peaks are found under load, too."""

_TRIES = 5
_CHILD = 9
_OPERATIONS_PER_STEP = 2 * 16 * 16
_STEPS = 400_000
_SIZES = (1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24)
_BYTES_PER_CALL = 1 << 26
_FLAGS = ("-shared", "-fPIC", "-O3", "-march=native", "-ffast-math")
_SOURCE = """#include <stdint.h>
typedef float vec __attribute__((vector_size(64)));
void peak(const float *x, float *out, int64_t floats, int64_t times, int64_t steps) {
  vec a[16]; vec b = {}, c = {};
  for (int k = 0; k < 16; k++) for (int j = 0; j < 16; j++) a[k][j] = k + j;
  for (int j = 0; j < 16; j++) { b[j] = 0.999f; c[j] = 0.001f; }
  for (int64_t i = 0; i < steps; i++)
    for (int k = 0; k < 16; k++) a[k] = a[k] * b + c;
  vec s[8] = {};
  for (int64_t t = 0; t < times; t++) {
    for (int64_t i = 0; i + 128 <= floats; i += 128)
      for (int k = 0; k < 8; k++) s[k] += *(const vec *)(x + i + 16 * k);
    __asm__ volatile("" ::: "memory");
  }
  float sum = 0;
  for (int k = 0; k < 16; k++) for (int j = 0; j < 16; j++) sum += a[k][j];
  for (int k = 0; k < 8; k++) for (int j = 0; j < 16; j++) sum += s[k][j];
  out[0] = sum;
}
"""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The best that was measured: floating operations per second, and bytes per second by size of the data."""

    flops: float
    bandwidth: tuple[tuple[int, float], ...]

    def least_s(self, operations: float, traffic_bytes: float) -> float:
        """Returns the time that so much work takes at least, 0 where nothing is known."""
        at_least = [operations / self.flops] if self.flops else []
        fitting = [rate for size, rate in self.bandwidth if size >= traffic_bytes] or [
            rate for _, rate in self.bandwidth[-1:]
        ]
        at_least += [traffic_bytes / max(fitting)] if fitting else []
        return max(at_least, default=0.0)

    def share(self, operations: float, traffic_bytes: float, seconds: float) -> float:
        """Returns which part of the time a perfect program would take, 0 where nothing is known."""
        return self.least_s(operations, traffic_bytes) / seconds if seconds > 0 else 0.0


def measure(bench: Bench) -> Peaks:
    """Returns the peaks of this machine, by a bench for C; none at all where it has no compiler.

    Raises:
        SandboxError: the bench fails.
    """
    task = _task()
    program = Program({"kernel.c": _SOURCE}, "kernel.c")
    if not bench.compiler or not bench.compile(program, _FLAGS).is_ok:
        return Peaks(0.0, ())
    rng = np.random.default_rng(0)
    dims = {"floats": _SIZES[-1] // 4, "one": 1}
    runner = Runner(bench, _CHILD, program, task, slots=((dims,),))
    try:
        seconds = _best(runner, task, {**dims, "times": 0, "steps": _STEPS}, rng)
        flops = _OPERATIONS_PER_STEP * _STEPS / seconds
        bandwidth = []
        for size in _SIZES:
            times = _BYTES_PER_CALL // size
            seconds = _best(runner, task, {"floats": size // 4, "one": 1, "times": times, "steps": 0}, rng)
            bandwidth.append((size, _BYTES_PER_CALL / seconds))
    except KernelFailedError:
        return Peaks(0.0, ())
    finally:
        runner.close()
    return Peaks(flops, tuple(bandwidth))


def _best(runner: Runner, task: KernelTask, dims: Dims, rng: np.random.Generator) -> float:
    call = Call(task.make_inputs(rng, dims, ""), dims)
    return min(runner.run([call], rng).cpu_ns for _ in range(_TRIES)) / 1e9


def _task() -> KernelTask:
    """Returns the measurement as a kernel task, of which only buffers and scalars matter."""

    def refuse(**_: object) -> dict[str, np.ndarray]:
        raise NotImplementedError

    scalars = tuple(Scalar(name) for name in ("floats", "times", "steps"))
    return KernelTask(
        entry="peak",
        arguments=(
            Buffer("x", "float32", ("floats",), "in"),
            Buffer("out", "float32", ("one",), "out"),
            *scalars,
        ),
        make_inputs=lambda rng, dims, name: {"x": np.ones(dims["floats"], np.float32)},
        reference=refuse,
        baseline=Baseline("none", "kernel.c", _SOURCE),
        public=({"floats": 1, "one": 1},),
        timed=({"floats": 1, "one": 1},),
        hidden=lambda rng: {"floats": 1, "one": 1},
        exact=True,
    )

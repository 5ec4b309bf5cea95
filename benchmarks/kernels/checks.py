"""What the slow checks of a correct kernel in C cost: the build with sanitizers, all checks in it, the hot spots.

For the seed of each problem, the median wall time of several runs, in seconds: the ordinary build, all checks in it, the
build for UBSan and AddressSanitizer, all checks in it, and finding its hot spots.

    python -m benchmarks.kernels.checks [--runs 7] [problem ...]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing

import numpy as np

from evaluators.kernels import correctness, hotspots
from evaluators.kernels.backends.c import CBackend
from evaluators.kernels.bench import compiler
from evaluators.kernels.bench.client import Bench
from evaluators.problems.loading import load_problem

PROBLEMS = ("softmax", "histogram", "sgemm")
STEPS = ("build", "checks", "sanitized build", "checks in it", "hot spots")


def timed(step: Callable[[], object]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def measure(name: str) -> list[float]:
    """Returns the seconds of each step, once."""
    problem = load_problem(name)
    task, backend = problem.kernel, CBackend()
    assert task is not None
    library = compiler.address_sanitizer(compiler.find())
    with (
        closing(Bench("c", limits=problem.limits)) as plain,
        closing(Bench("c", limits=problem.limits, sanitizer=library)) as sanitized,
    ):

        def check(bench: Bench) -> None:
            correctness.check(bench, problem.seed, task, np.random.default_rng(0), correctness.Trials())

        found = [timed(lambda: backend.build(plain, problem.seed, task)), timed(lambda: check(plain))]
        found.append(timed(lambda: backend.build(plain, problem.seed, task, is_checked=True)))
        sanitized.load(plain.fetch())
        return [
            *found,
            timed(lambda: check(sanitized)),
            timed(lambda: hotspots.find(plain, problem.seed, task)),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {options.runs} runs; median (least to most), s")
    for name in options.problems:
        columns = zip(*(measure(name) for _ in range(options.runs)), strict=True)
        told = (
            f"{step} {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
            for step, values in zip(STEPS, columns, strict=True)
        )
        print(f"{name}: {'; '.join(told)}")


if __name__ == "__main__":
    main()

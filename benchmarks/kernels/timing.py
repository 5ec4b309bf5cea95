"""How far times of kernels can be trusted on a loaded machine.

Compares a kernel of known speed with a baseline, again and again, beside processes that load the machine in bursts: how
often equal kernels are called different, how often a kernel that does 5 % less work is found, and how much the ratio
that is reported varies, against simpler ways to time.

    python -m benchmarks.kernels.timing [--equal 200] [--planted 50] [--spread 20] [--evaluations 5] [--burners 2] [--seed 0]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from evaluators.contract import Limits, Program
from evaluators.kernel_task import Baseline, Buffer, KernelTask, Scalar
from evaluators.kernels.backends.c import CBackend
from evaluators.kernels.bench.client import Bench
from evaluators.kernels.judge import KernelJudge
from evaluators.kernels.runner import Call, Runner
from evaluators.kernels.sessions.clocks import PROCESSOR
from evaluators.kernels.sessions.course import Course
from evaluators.kernels.sessions.session import Sessions
from evaluators.kernels.sessions.timing import Timer, Timing
from evaluators.kernels.statistics import Interval, Precision
from evaluators.problems.loading import load_problem

_STEPS = 120
_DIMS = {"n": 50_000}
_CALLS = 30
_BURNER = """
import random, time
chance = random.Random({seed})
while True:
    end = time.perf_counter() + chance.expovariate(20.0)
    table = bytearray(1 << 20)
    while time.perf_counter() < end:
        for i in range(0, 1 << 20, 4096):
            table[i] += 1 if table[i] < 255 else -255
    time.sleep(chance.expovariate(20.0))
"""


def source(extra_share: float) -> str:
    """Returns a kernel that runs a linear congruence on each item, and does so again for a share of them."""
    return f"""#include <stdint.h>
static inline uint32_t hash(uint32_t v) {{ for (int k = 0; k < {_STEPS}; k++) v = v * 1664525u + 1013904223u; return v; }}
void hash_all(const uint32_t *x, uint32_t *out, int64_t n) {{
  for (int64_t i = 0; i < n; i++) out[i] = hash(x[i]);
  __asm__ volatile("" ::: "memory");
  for (int64_t i = 0; i < (int64_t)(n * {extra_share}); i++) out[i] = hash(x[i]);
}}
"""


def make_task(extra_share: float) -> KernelTask:
    """Returns the task whose baseline does so much work twice."""
    factor, term = 1, 0
    for _ in range(_STEPS):
        factor, term = factor * 1664525 % 2**32, (term * 1664525 + 1013904223) % 2**32
    return KernelTask(
        entry="hash_all",
        arguments=(Buffer("x", "uint32", ("n",), "in"), Buffer("out", "uint32", ("n",), "out"), Scalar("n")),
        make_inputs=lambda rng, dims, name: {
            "x": rng.integers(0, 9 if name == "small" else 2**32, dims["n"], dtype=np.uint32)
        },
        distributions=("uniform", "small"),
        reference=lambda x, n: {"out": x * np.uint32(factor) + np.uint32(term)},
        exact=True,
        baseline=Baseline("the same with more work", "kernel.c", source(extra_share)),
        public=({"n": 100},),
        hidden=lambda rng: {"n": int(rng.integers(1, 1000))},
        timed=(_DIMS,),
    )


@contextlib.contextmanager
def load(count: int, seed: int) -> Iterator[None]:
    """Keeps so many processes busy in bursts of 50 ms on average, with pauses as long."""
    burners = [
        subprocess.Popen([sys.executable, "-c", _BURNER.format(seed=seed + n)], start_new_session=True)
        for n in range(count)
    ]  # in sessions of their own: the scheduler shares by session where it groups so
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


class Comparison:
    """A kernel without extra work beside a baseline with some."""

    def __init__(self, extra_share: float) -> None:
        self.task = make_task(extra_share)
        self.program = Program({"kernel.c": source(0.0)}, "kernel.c")
        limits = Limits(memory_mib=256)
        self.bench, self.beside = Bench("c", limits=limits), Bench("c", limits=limits)
        CBackend().build(self.bench, self.program, self.task)
        CBackend().build(self.beside, self.task.baseline.program, self.task)
        self.course = Course(self.task, self.task.timed, (), self.beside, PROCESSOR)

    def compare(self, rng: np.random.Generator) -> Timing:
        """Returns the samples of one comparison by the judge's own protocol."""
        sessions = Sessions(self.course, self.program, Precision().least_rounds, rng)
        return Timer(sessions, self.bench, budget_s=120.0, precision=Precision()).time(rng)

    def sequential(self, rng: np.random.Generator) -> float:
        """Returns the ratio of medians of wall-clock times, one kernel after the other."""
        times = []
        for bench, program in (
            (self.beside, self.task.baseline.program),
            (self.bench, self.program),
        ):
            runner = Runner(bench, 0, program, self.task, slots=((_DIMS,),))
            call = Call(self.task.make_inputs(rng, _DIMS, ""), _DIMS)
            times.append(statistics.median(runner.run([call], rng).wall_ns for _ in range(_CALLS)))
            runner.close()
        return times[0] / times[1]

    def close(self) -> None:
        """Ends the processes."""
        self.bench.close()
        self.beside.close()


def _tell(what: str, timing: Timing, gain: Interval) -> None:
    """Prints one comparison to stderr."""
    low, middle, high = gain.ratios()
    line = f"{what} {low:.4f} {middle:.4f} {high:.4f} {timing.rounds} {timing.seconds:.1f}"
    print(line, file=sys.stderr, flush=True)


def equal(count: int, rng: np.random.Generator) -> dict[str, object]:
    """Returns how many of so many comparisons of a kernel with itself call it faster, or slower."""
    comparison = Comparison(0.0)
    faster = slower = held_back = 0
    rounds, seconds, middles = [], [], []
    for _ in range(count):
        timing = comparison.compare(rng)
        gain = timing.gain(rng)
        held_back += bool(Precision().gate(timing.null(rng)))
        faster += gain.low > 0
        slower += gain.high < 0
        rounds.append(timing.rounds)
        seconds.append(timing.seconds)
        middles.append(gain.middle)
        _tell("equal", timing, gain)
    comparison.close()
    return {
        "comparisons": count,
        "called faster": faster,
        "called slower": slower,
        "held back by the gate": held_back,
        "sd of log ratio": round(float(np.std(middles)), 4),
        "median rounds": statistics.median(rounds),
        "median seconds": round(statistics.median(seconds), 2),
    }


def planted(count: int, rng: np.random.Generator) -> dict[str, object]:
    """Returns how often 5 % more work of the baseline is found."""
    comparison = Comparison(0.05)
    gains, rounds = [], []
    for _ in range(count):
        timing = comparison.compare(rng)
        gains.append(timing.gain(rng))
        _tell("planted", timing, gains[-1])
        rounds.append(timing.rounds)
    comparison.close()
    return {
        "comparisons": count,
        "found": sum(gain.low > 0 for gain in gains),
        "median ratio": round(math.exp(statistics.median(gain.middle for gain in gains)), 4),
        "interval holds 1.05": sum(gain.low <= math.log(1.05) <= gain.high for gain in gains),
        "median rounds": statistics.median(rounds),
        "most rounds": max(rounds),
    }


def spread(count: int, rng: np.random.Generator) -> dict[str, object]:
    """Returns standard deviation and worst error of the reported ratio, by way of timing, at a true 1.05."""
    comparison = Comparison(0.05)
    ways: dict[str, list[float]] = {}
    for _ in range(count):
        ways.setdefault("sequential medians, wall", []).append(comparison.sequential(rng))
        timing = comparison.compare(rng)
        samples = [one for group in timing.sessions for one in group][:_CALLS]
        walls, cpus = np.array([one.beside for one in samples]), np.array([one.counted for one in samples])
        for name, times in (("wall", walls), ("CPU", cpus)):
            ratio = float(np.median(times[:, 1]) / np.median(times[:, 0]))
            ways.setdefault(f"interleaved, ratio of medians, {name}", []).append(ratio)
            paired = float(np.median(times[:, 1] / times[:, 0]))
            ways.setdefault(f"interleaved, median of paired ratios, {name}", []).append(paired)
        ways.setdefault("as reported (middle)", []).append(math.exp(timing.gain(rng).middle))
    comparison.close()
    return {
        name: {
            "sd": round(float(np.std(found)), 4),
            "worst error": round(max(abs(ratio / 1.05 - 1) for ratio in found), 4),
        }
        for name, found in ways.items()
    }


def evaluations(count: int, rng: np.random.Generator) -> dict[str, object]:
    """Returns what evaluations of the softmax problem's seed, and of a wrong program, cost beside the kernels."""
    problem = load_problem("softmax")
    judge = KernelJudge(problem, secret=rng.bytes(8))
    wrong = problem.seed.with_text(problem.seed.text.replace("/ sum", "/ sum * 1.01"))
    found: dict[str, list[float]] = {}
    judge.evaluate(wrong)
    for _ in range(count):
        for name, program in (("seed", problem.seed), ("wrong program", wrong)):
            begun = time.process_time()
            evaluation = judge.evaluate(program)
            found.setdefault(f"{name}: judge's CPU s", []).append(time.process_time() - begun)
            found.setdefault(f"{name}: kernels' wall s", []).append(evaluation.cpu_s)
            found.setdefault(f"{name}: wall s", []).append(evaluation.wall_s)
            print(name, evaluation.status, evaluation.reason, dict(evaluation.metrics), file=sys.stderr)
    judge.close()
    return {name: [round(value, 2) for value in values] for name, values in found.items()}


def main() -> None:
    """Measures and prints JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("equal", 200),
        ("planted", 50),
        ("spread", 20),
        ("evaluations", 5),
        ("burners", 2),
        ("seed", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    for measure in (equal, planted, spread, evaluations):
        count = getattr(options, measure.__name__)
        if not count:
            continue
        begun = time.monotonic()
        with load(options.burners, options.seed):
            found = measure(count, rng)
        line = {
            "what": measure.__name__,
            **found,
            "seconds": round(time.monotonic() - begun),
            "load": os.getloadavg(),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

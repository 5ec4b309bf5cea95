"""What one evaluated program costs: CPU of the whole tree, as a ratio to a bare warm fork, in one run.

    python -m benchmarks.overhead [--evals 10000] [--tiers 1,2] [--seed 1]

A bare warm fork is `os.fork` from a process with numpy loaded, a 64 x 64 product in the child, its answer through a
pipe, reaped. The run is a real `Session` on a trivial problem: operators, duplicates, sandbox, archive, journal with
fsync, and git lineage are all in the figure. CPU is user + system time of every process, those waited for included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from discovery.core.records import Record
from discovery.execution.ending import StopRequest
from discovery.execution.runs import create_run
from discovery.execution.session import Session
from discovery.search.state import RunState
from discovery.settings.budget import Budget
from discovery.settings.config import RunConfig
from discovery.storage.run_folder import RunFolder
from evaluators.problems.loading import load_problem

TRIVIAL = '''"""Return ten numbers; the closer their squares are to 0.5, the better."""
from evaluators.contract import Case, Invalid, Limits, Measure, Objective

SEED = """
def answer():
    return [0.11, 0.22, 0.33, 0.44, 0.55, 0.66, 0.77, 0.88, 0.99, 0.10]
"""
OBJECTIVE = Objective("closeness", "maximize")
MEASURES = (Measure("first", 0, 1, bins=16), Measure("last", 0, 1, bins=16))
LIMITS = Limits(cpu_s=2, wall_s=5)


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs):
    return program.answer()


def score(case, output):
    if not isinstance(output, list) or len(output) != 10 or not all(isinstance(x, float) for x in output):
        raise Invalid("ten floats are asked for")
    return {"closeness": -sum((x * x - 0.5) ** 2 for x in output), "first": output[0], "last": output[-1]}
'''

BARE_FORK = """
import gc, json, os, resource, sys, time
import numpy as np
a = np.random.default_rng(0).random((64, 64))
gc.collect(); gc.freeze()
def once():
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(w, b"%f" % (a @ a).sum())
        os._exit(0)
    os.close(w)
    os.read(r, 100)
    os.close(r)
    os.waitpid(pid, 0)
def cpu():
    return sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
for _ in range(20):
    once()
rows = []
for _ in range(int(sys.argv[1])):
    start, wall = cpu(), time.perf_counter()
    for _ in range(50):
        once()
    rows.append(((cpu() - start) / 50, (time.perf_counter() - wall) / 50))
print(json.dumps(rows))
"""


def bare_fork_ms(batches: int) -> tuple[float, float]:
    """Returns the median CPU and wall milliseconds of a bare warm fork over batches of 50."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", BARE_FORK, str(batches)]
    rows = json.loads(
        subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    )
    return (1e3 * statistics.median(row[0] for row in rows), 1e3 * statistics.median(row[1] for row in rows))


def tree_cpu_s() -> float:
    """Returns the CPU seconds of this process and all below it, those already waited for included."""
    me = psutil.Process()
    total = 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def tree_memory_mib() -> float:
    """Returns the resident memory of the tree's own pages."""
    me = psutil.Process()
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20


class Meter:
    """Observes a run: CPU and memory at every `step` evaluations, and when the first evaluation was in."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.start_s = time.perf_counter()
        self.first_s = 0.0
        self.rows: list[tuple[int, float, float]] = []

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        count = state.ledger.evaluations
        if not self.first_s:
            self.first_s = time.perf_counter() - self.start_s
        if not self.rows or count - self.rows[-1][0] >= self.step:
            memory = (
                tree_memory_mib() if len(self.rows) % 10 == 0 else self.rows[-1][2]
            )  # it reads every page
            self.rows.append((count, tree_cpu_s(), memory))

    def ticked(self, state: RunState, in_flight: int) -> None:
        pass

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        pass

    def warned(self, text: str) -> None:
        pass

    def informed(self, text: str) -> None:
        pass


def measure(tier: int, evals: int, seed: int) -> Meter:
    """Runs the trivial problem once and returns what was measured."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "trivial.py"
        path.write_text(TRIVIAL)
        folder = RunFolder(Path(place) / "run")
        config = RunConfig(str(path), seed, workers=1, budget=Budget(evaluations=evals), tier=tier)
        meter = Meter(step=max(50, evals // 100))
        problem = load_problem(config.problem)
        create_run(folder, config, problem)
        outcome = Session(folder, config, problem, observer=meter, stop=StopRequest()).run()
        assert outcome.reason == "evaluations", outcome
        return meter


def slope_ms(rows: list[tuple[int, float, float]], low: int, high: int) -> float:
    """Returns CPU milliseconds per program between two counts."""
    part = [row for row in rows if low <= row[0] <= high]
    return 1e3 * (part[-1][1] - part[0][1]) / (part[-1][0] - part[0][0])


def main() -> None:
    """Measures and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evals", type=int, default=10_000)
    parser.add_argument("--tiers", default="1,2")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    print(
        "| tier | fork ms | CPU ms/program | ratio | first tenth | last tenth | flat | MiB/1000 programs | start s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for tier in map(int, options.tiers.split(",")):
        before, _ = bare_fork_ms(10)
        meter = measure(tier, options.evals, options.seed)
        after, _ = bare_fork_ms(10)
        fork = (before + after) / 2
        rows = meter.rows
        count = rows[-1][0]
        cpu = slope_ms(rows, 100, count)
        early, late = slope_ms(rows, 100, count // 10 + 100), slope_ms(rows, count - count // 10, count)
        half = [row for place, row in enumerate(rows) if row[0] >= count // 2 and place % 10 == 0]
        growth = 1e3 * (half[-1][2] - half[0][2]) / (half[-1][0] - half[0][0])
        print(
            f"| {tier} | {fork:.2f} | {cpu:.2f} | {cpu / fork:.2f} | {early:.2f} | {late:.2f} | {late / early - 1:+.0%} | "
            f"{growth:.2f} | {meter.first_s:.2f} |"
        )


if __name__ == "__main__":
    main()

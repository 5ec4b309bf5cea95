"""What a child for each case costs, against one child for all cases of a stage: `python -m benchmarks.children`.

Both kinds judge the same program in turn, in blocks of half a second, so that the load of the machine falls on both
alike; each line is a ratio of processor time and of time by the clock (median over the pairs of blocks, and the middle half of them).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from evaluators.judging.judge import Judge
from evaluators.problems.loading import load_problem, run_source
from evaluators.problems.problem import Problem
from evaluators.sandbox.linux import Harness, LinuxSandbox

BLOCK_S = 0.5
TOY = '''"""Return what f() is given."""
from evaluators.contract import Case, Limits, Objective
SEED = "def f(x):\\n    return x\\n"
OBJECTIVE = Objective("value")
def cases(rng, stage): return [Case(n) for n in range({cases})]
def run(program, inputs): return program.f(inputs)
def score(case, output): return {{"value": output}}
'''


def cpu_s() -> float:
    """Returns the processor time of this process and of all below it, those that ended included."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def measure(problem: Problem, pairs: int) -> str:
    """Returns one row: the ratios of a child per case to one child for all."""
    costs: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    sandbox = LinuxSandbox(Harness(run_source(problem.files), problem.preload), limits=problem.limits)
    try:
        judges = {
            shares: Judge(replace(problem, shares_process=shares), secret=b"secret", sandbox=sandbox)
            for shares in (True, False)
        }
        begun = time.monotonic()
        evaluation = judges[True].evaluate(problem.seed)
        block = max(1, round(BLOCK_S / (time.monotonic() - begun)))
        for _ in range(pairs):
            for shares, judge in judges.items():
                begun, used = time.monotonic(), cpu_s()
                for _ in range(block):
                    evaluation = judge.evaluate(problem.seed)
                    assert evaluation.is_ok, evaluation.reason
                costs[shares].append(((cpu_s() - used) / block, (time.monotonic() - begun) / block))
    finally:
        sandbox.close()
    shared, own = (np.array(costs[shares]) for shares in (True, False))
    more_ms = 1e3 * np.median(own - shared, axis=0) / max(1, evaluation.cases_total)
    told = [
        f"{np.median(own[:, i]) / np.median(shared[:, i]):.2f} ({low:.2f} to {high:.2f})"
        for i in (0, 1)
        for low, high in [np.quantile(own[:, i] / shared[:, i], [0.25, 0.75])]
    ]
    return f"| {problem.name} | {evaluation.cases_total} | {told[0]} | {told[1]} | {more_ms[0]:.1f} | {more_ms[1]:.1f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--pairs", type=int, default=10, help="blocks of evaluations of each kind (default: 10)"
    )
    parser.add_argument(
        "problems", nargs="*", default=["function_minimization", "vm_packing", "tsp_local_search"]
    )
    options = parser.parse_args()
    out = sys.stdout
    out.write(
        "| Problem | Cases | CPU, ratio | Clock, ratio | CPU ms more per case | Clock ms more per case |\n|---|---|---|---|---|---|\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        for cases in (1, 12):
            path = Path(folder, f"toy_{cases}.py")
            path.write_text(TOY.format(cases=cases))
            out.write(measure(load_problem(str(path)), options.pairs) + "\n")
        for name in options.problems:
            out.write(measure(load_problem(name), options.pairs) + "\n")
            out.flush()


if __name__ == "__main__":
    main()

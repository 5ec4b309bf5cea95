"""Runs the baseline of a problem and prints what the problem's own scorer says of it, as one line of JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from evaluators.contract import Case, Exhausted, Result
from evaluators.problems.loading import Problem, load_problem


def program_output(problem: Problem, text: str, case: Case) -> tuple[Any, Any]:
    """Returns what a trusted program gives for a case, run right here, and the oracle that served it."""
    names: dict[str, Any] = {"__name__": "program"}
    exec(text, names)  # a program of this repository, no candidate
    oracle = problem.serve(case) if problem.serve else None
    extras = {"oracle": oracle} if oracle else {}
    try:
        return problem.run(SimpleNamespace(**names), case.inputs, **extras), oracle
    except Exhausted:
        return None, oracle


def measure(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """Returns the seed's and the baseline's score, their gap to the best known, and times in milliseconds."""
    problem = load_problem(name)
    family = Path(problem.files.path).parts[-2]
    baseline = importlib.import_module(f"benchmarks.baselines.{family}.{name}")
    rng = np.random.default_rng(seed)
    cases = [problem.draw_cases(rng, stage) for stage in range(problem.stages)][-1]
    result: dict[str, Any] = {"problem": name, "seconds": seconds, "seed_of_run": seed}
    result["seed"], _ = _score(problem, cases, lambda case: program_output(problem, problem.seed.text, case))
    began = time.process_time()
    result["baseline"], result["verify_ms"] = _score(
        problem, cases, lambda case: _solve(problem, baseline, case, seconds / len(cases), seed)
    )
    result["cpu_s"] = round(time.process_time() - began, 1)
    return result


def _solve(problem: Problem, baseline: ModuleType, case: Case, seconds: float, seed: int) -> tuple[Any, Any]:
    if hasattr(baseline, "PROGRAM"):
        return program_output(problem, baseline.PROGRAM, case)
    return baseline.solve(case, seconds, np.random.default_rng(seed)), None


def _score(problem: Problem, cases: Sequence[Case], solve: Any) -> tuple[float, float]:
    results, spent = [], 0.0
    for case in cases:
        output, oracle = solve(case)
        began = time.process_time()
        results.append(Result(case, problem.score_output(case, output, oracle)))
        spent += time.process_time() - began
    return problem.combine(results)[problem.objective.name], round(1000 * spent, 2)


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines")
    parser.add_argument("problems", nargs="+")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.problems:
        print(json.dumps(measure(name, arguments.seconds, arguments.seed)), flush=True)


if __name__ == "__main__":
    main()

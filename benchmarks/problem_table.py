"""What each algorithm problem's seed, baseline and a search without a model reach, as the table of docs/problems.md.

    python -m benchmarks.problem_table --minutes 5 --out table.jsonl          # measures, one line per problem
    python -m benchmarks.problem_table --show table.jsonl                     # prints the table of those lines

Problems already in the file are not measured again, so a measurement that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines.__main__ import program_output
from discovery.storage.git import history
from evaluators.contract import PlainData
from evaluators.judging.scoring import object_cases, score_output
from evaluators.problems.loading import Problem, load_problem, shipped_names

REPEATS = 5
FAMILIES = ("algorithms", "constructions", "learning", "systems")


def measure(name: str, *, minutes: float, workers: int, seed: int) -> dict[str, Any]:
    """Returns what a run on the problem reached, and how long it takes to score its best output."""
    problem = load_problem(name)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="problem-table-") as folder:
        run = Path(folder, "run")
        arguments = [name, "--minutes", str(minutes), "--workers", str(workers), "--seed", str(seed)]
        command = [sys.executable, "-m", "discovery", "run", *arguments, "--out", str(run), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.stdout.strip():
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-500:]}")
        summary = json.loads(done.stdout.splitlines()[-1])
        first = history.ancestry(run)[-1]
        certificate = history.best(run).certificate
    return {
        "problem": name,
        "seed_score": first.score,
        "reached": summary["best_score"],
        "reason": summary["reason"],
        "evaluations": summary["evaluations"],
        "minutes": minutes,
        "workers": workers,
        "seed": seed,
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        "verify_ms": _verify_ms(problem, certificate, seed),
        "verified": "seed" if certificate is None else "best",
    }


def _verify_ms(problem: Problem, certificate: PlainData, seed: int) -> float:
    """Returns the median CPU milliseconds of scoring all cases: of the best output, or, if none is kept, the seed's.

    Where outputs speak for themselves that includes the exact score.
    """
    cases = object_cases(problem)
    drawn = problem.draw_cases(np.random.default_rng(seed))
    spent = []
    for _ in range(REPEATS):
        outputs = (
            [] if cases else [(case, *program_output(problem, problem.seed.text, case)) for case in drawn]
        )
        began = time.process_time()
        if cases:
            score_output(problem, cases, certificate)
        for case, output, oracle in outputs:
            problem.score_output(case, output, oracle)
        spent.append(time.process_time() - began)
    return round(1000 * statistics.median(spent), 2)


def table(lines: Iterable[str]) -> str:
    """Returns what was measured, beside what the problems declare, as a table in Markdown."""
    rows = [
        "| Problem | | Seed | Baseline | Best known | Without a model | Evaluations | Verification ms | Load |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for found in sorted(map(json.loads, lines), key=lambda one: str(one["problem"])):
        problem = load_problem(found["problem"])
        baseline, best = problem.baseline, _best_known(problem)
        marks = [] if found["reason"] == "minutes" else [found["reason"]]
        marks += [] if found["minutes"] == 5 else [f"{found['minutes']:g} min"]
        marks += [] if found["workers"] == 2 else [f"{found['workers']} worker"]
        end = f" ({', '.join(marks)})" if marks else ""
        cells = [
            f"`{problem.name}`",
            "↑" if problem.objective.direction == "maximize" else "↓",
            f"{found['seed_score']:.7g}",
            "" if baseline is None else f"{baseline.value:.10g}",
            best,
            f"{found['reached']:.10g}{end}",
            f"{found['evaluations']:,}",
            f"{found['verify_ms']:.2f}",
            " to ".join(f"{load:.0f}" for load in found["load"]),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _best_known(problem: Problem) -> str:
    shown = []
    for one in problem.best_known:
        marks = [mark for mark in ("" if one.certified else "only claimed", one.scope) if mark]
        shown.append(f"{one.value:.10g} ({', '.join([one.source, *marks])})")
    return "; ".join(shown)


def algorithm_names() -> list[str]:
    """Returns the names of the shipped problems that are neither kernels nor alphas: these have tables of their own."""
    return [name for name in shipped_names() if Path(load_problem(name).files.path).parts[-2] in FAMILIES]


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.problem_table")
    parser.add_argument("problems", nargs="*", help="[default: all algorithm problems]")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("problem_table.jsonl"))
    parser.add_argument("--show", type=Path, help="Print the table of a file that was measured.")
    arguments = parser.parse_args()
    if arguments.show is not None:
        print(table(arguments.show.read_text(encoding="utf-8").splitlines()))
        return
    done = arguments.out.read_text(encoding="utf-8").splitlines() if arguments.out.exists() else []
    known = {json.loads(line)["problem"] for line in done}
    for name in arguments.problems or algorithm_names():
        if name in known:
            continue
        result = measure(name, minutes=arguments.minutes, workers=arguments.workers, seed=arguments.seed)
        with arguments.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

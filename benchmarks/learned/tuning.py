"""How far the constants of circle_packing's seed can be tuned: `discovery.learning.tuning` alone, in this process.

    python -m benchmarks.learned.tuning [--seeds 6] [--programs 12000] [--set sigma0=0.2 --set batch=1]

Four programs are under way at a time, as with two workers. Nothing is sandboxed: only this project's own seed
program runs, with other numbers. Prints the best score after so many programs, per seed, with median and range.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from dataclasses import replace
from types import SimpleNamespace

from discovery.core.types import Individual
from discovery.learning.tuning import Ask, Tuner
from discovery.programs.constants import template
from discovery.settings.learning import TuningConfig
from evaluators.contract import Case, Evaluation, Invalid, Program, Status
from evaluators.problems.loading import Problem, load_problem
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

IN_FLIGHT = 4
MARKS = (1000, 2000, 4000, 8000, 12000, 16000, 24000, 32000)


def evaluate(problem: Problem, program: Program) -> tuple[float, tuple[float, float]] | None:
    """Returns score and measures, or None where the program fails."""
    space: dict[str, object] = {}
    try:
        exec(program.text, space)
        metrics = problem.score(Case(None), problem.run(SimpleNamespace(**space), None))
    except (Invalid, ArithmeticError, ValueError):
        return None
    return metrics["sum_radii"], (metrics["radius_spread"], metrics["wall_share"])


def trial(problem: Problem, config: TuningConfig, *, seed: int, programs: int) -> dict[int, float]:
    """Returns the best score after each of `MARKS` programs."""
    archive = Archipelago(IslandsConfig(), [Axis("radius_spread", 0, 0.8, 16), Axis("wall_share", 0, 1, 13)])
    tuner, known = Tuner(config, seed=seed), {}
    first = evaluate(problem, problem.seed)
    assert first is not None
    known[problem.seed.id] = Individual(problem.seed, Evaluation(Status.OK, first[0]), problem.seed.id)
    for island in range(len(archive)):
        archive.add(island, problem.seed.id, *first)
    best, done, bests = first[0], 0, {}
    pending: deque[Ask] = deque()
    while done < programs:
        while len(pending) < IN_FLIGHT:
            ask = tuner.ask(archive.island_of(done + len(pending)), archive.elites, known.__getitem__)
            if ask is None:
                break
            pending.append(ask)
        ask = pending.popleft()
        child = template(ask.root.program).fill(ask.values)
        result = evaluate(problem, child)
        done += 1
        tuner.tell(ask.session, ask.step, None if result is None else result[0])
        if result is not None:
            best = max(best, result[0])
            known[child.id] = Individual(child, Evaluation(Status.OK, result[0]), child.id)
            archive.add(ask.island, child.id, *result)
        if done in MARKS:
            bests[done] = best
    return bests


def main() -> None:
    """Runs the trials and prints their table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--programs", type=int, default=12000)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    options = parser.parse_args()
    changes = {}
    for text in options.set:
        field, _, value = text.partition("=")
        changes[field] = type(getattr(TuningConfig(), field))(value)
    config = replace(TuningConfig(), **changes)
    problem = load_problem("circle_packing")
    print(config)
    trials = []
    for seed in range(1, options.seeds + 1):
        start = time.process_time()
        trials.append(trial(problem, config, seed=seed, programs=options.programs))
        scores = "  ".join(f"{mark}: {score:.4f}" for mark, score in trials[-1].items())
        print(f"seed {seed}  {scores}  ({time.process_time() - start:.0f} s CPU)", flush=True)
    for mark in trials[0]:
        scores_at = [bests[mark] for bests in trials]
        spread = f"{min(scores_at):.4f} to {max(scores_at):.4f}"
        print(f"after {mark:6d}: median {statistics.median(scores_at):.4f}, {spread}")


if __name__ == "__main__":
    main()

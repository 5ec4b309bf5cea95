"""What the screen's promises are worth: how often children of models are better than their parent, by what was promised.

    python -m benchmarks.learned.screening [--seeds 30] [--first-seed 100] [--evals 90] [--jobs 2]

Runs with the default settings and no screening, in the worlds of the ablation: all children are evaluated, and for each
it is noted what the programs before it promised.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from benchmarks.learned.ablation import ARMS, ONE_MODEL, TWO_MODELS, settings_of
from benchmarks.worlds.landscapes import World
from benchmarks.worlds.simulation import simulate
from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.learning.line_effects import LineEffects
from evaluators.contract import Program

WORLDS = ("lessons", "recipe", "forge")
BOUNDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
(UNSCREENED,) = (arm for arm in ARMS if arm.name == "default without screening")

Seen = tuple[float, bool, bool]
"""A promise, whether the child was better than its parent, and whether it failed."""


class Watch:
    """Notes what every child of a model was promised, and what became of it."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.seconds: list[float] = []
        self._effects = LineEffects()
        self._known: dict[str, tuple[Program, float | None]] = {}

    def __call__(self, record: Record) -> None:
        """Takes in the next record."""
        score = record.evaluation.score
        program, level = self._known.get(record.parents[0], (None, None)) if record.parents else (None, None)
        if record.calls and program is not None and level is not None:
            began = time.process_time()
            promise = self._effects.promise(record.program, program)
            self.seconds.append(time.process_time() - began)
            if promise is not None:
                self.seen.append((promise.probability, score is not None and score > level, score is None))
        self._known[record.program_id] = record.program, score
        self._effects.learn(EvaluationResult(record, score, level, None, ()))


def watch(task: tuple[str, int, int]) -> tuple[list[Seen], list[float]]:
    """Returns what is seen in one run: (promises and outcomes, seconds of CPU per promise)."""
    name, seed, evals = task
    one = Watch()
    skills = TWO_MODELS if name == "forge" else ONE_MODEL
    simulate(World(name, seed), settings_of(UNSCREENED, name, seed, evals), skills, tell=one)
    return one.seen, one.seconds


def rows(seen: Sequence[Seen]) -> list[str]:
    """Returns the lines of a table: per range of promises the share of the children, how many were better, and failed."""
    table = np.array(seen)
    lines = []
    for low, high in pairwise(BOUNDS):
        inside = table[(table[:, 0] >= low) & (table[:, 0] < high + (high == 1.0))]
        if len(inside):
            better, failed = inside[:, 1:].mean(axis=0)
            share = len(inside) / len(table)
            lines.append(
                f"| {low:g} to {high:g} | {len(inside)} | {share:.0%} | {better:.1%} | {failed:.0%} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30, help="runs in each world")
    parser.add_argument("--first-seed", type=int, default=100, help="the first seed")
    parser.add_argument("--evals", type=int, default=90, help="budget of each run")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    spent: list[float] = []
    with multiprocessing.Pool(options.jobs) as pool:
        for world in WORLDS:
            tasks = [(world, options.first_seed + k, options.evals) for k in range(options.seeds)]
            found = pool.map(watch, tasks, chunksize=1)
            spent += [second for _, seconds in found for second in seconds]
            print(
                f"\n{world}\n\n| promised | children | share | better than the parent | failed |\n|---|---|---|---|---|"
            )
            print("\n".join(rows([one for seen, _ in found for one in seen])), flush=True)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(
        f"\nCPU per promise: median {statistics.median(spent) * 1e3:.2f} ms, mean {statistics.mean(spent) * 1e3:.2f} ms; load {load}"
    )


if __name__ == "__main__":
    main()

"""Prompt tokens for each evaluated program, and what they buy: the composed context against the full history and none.

    python -m benchmarks.learned.prompt_tokens [--seeds 20] [--evals 120] [--jobs 2] [--worlds recipe,levers] [--plans]

Coordinator, operators and prompts are the product's own, the model is scripted and knows only what its question tells
(benchmarks/worlds). "Full history" shows every program that is known, whole, with its score and idea, as many as fit a
budget of 8,000 tokens. The same seeds go through every way of asking; the quality is the best score of a run after all
its evaluations, compared in pairs: mean of the differences to the full history, with a bootstrap interval of 95 %.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.landscapes import NAMES, World
from benchmarks.worlds.reader import Skill
from benchmarks.worlds.simulation import simulate
from discovery.settings.doors import make_config

OPERATORS = "diff=4,rewrite=1,crossover=1,repair=1"
USD_PER_MTOK = 1.0
WAYS: Mapping[str, Mapping[str, object]] = {
    "full history": {"context": {"history": "full"}},
    "composed": {},
    "none": {"context": {"history": "none"}},
    "composed, without exemplars": {"context": {"exemplars": 0}},
    "composed, without summaries": {"context": {"summaries": False}},
    "composed, without the ledger": {"context": {"ledger": False}},
    "composed, exemplars by score": {"context": {"choice": "best"}},
}
PLANS: Mapping[str, Mapping[str, object]] = {
    "plan, full history": {"operators": "plan", "context": {"history": "full"}},
    "plan, composed": {"operators": "plan"},
    "plan, one conversation": {"operators": "plan", "planning": {"conversation": True}},
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one run came to: its best score as a share of the best possible, prompt tokens per evaluated program."""

    best: float
    tokens: float


def run_one(task: tuple[str, Mapping[str, object], int, int]) -> Result:
    """Returns what one run comes to."""
    world, settings, seed, evals = task
    base = {"problem": f"world_{world}", "seed": seed, "workers": 2, "model_slots": 4, "evals": evals}
    config = make_config({**base, "model": ["model=1"], "operators": OPERATORS, **settings}, "this benchmark")
    course, _ = simulate(World(world, seed), config, {"model": Skill(usd_per_mtok=USD_PER_MTOK)})
    # tokens = prompt + completion, price = prompt + 4 completion: two equations for the prompt's
    prompt = (4 * course.tokens[-1] - 1e6 * course.cost_usd[-1] / USD_PER_MTOK) / 3
    return Result(course.final, prompt / len(course.best))


def row(name: str, found: Sequence[Result], full: Sequence[Result]) -> str:
    """Returns one line of the table."""
    bests = np.array([one.best for one in found])
    gains = bests - np.array([one.best for one in full])
    means = np.random.default_rng(0).choice(gains, (4000, len(gains))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    tokens, of_full = (statistics.mean(one.tokens for one in some) for some in (found, full))
    return (
        f"| {name} | {tokens:.0f} | {tokens / of_full - 1:+.0%} | {bests.mean():.3f} | "
        f"{gains.mean():+.3f} [{low:+.3f}, {high:+.3f}] |"
    )


def main() -> None:
    """Runs every way on the same seeds, world by world, and prints a table for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evals", type=int, default=120)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--worlds", default=",".join(NAMES))
    parser.add_argument("--plans", action="store_true", help="compare ways to plan instead")
    parser.add_argument("--ways", type=int, default=99, help="only the first so many")
    options = parser.parse_args()
    ways = dict(list((PLANS if options.plans else WAYS).items())[: options.ways])
    begun = time.perf_counter()
    with multiprocessing.Pool(options.jobs) as pool:
        for world in options.worlds.split(","):
            found = {
                name: pool.map(
                    run_one, [(world, way, seed, options.evals) for seed in range(options.seeds)], chunksize=1
                )
                for name, way in ways.items()
            }
            print(f"\n{world}, {options.seeds} paired seeds, {options.evals} evaluations each\n")
            print(
                "| context | prompt tokens per program | against full history | best | against full history, paired |"
            )
            print("|---|---|---|---|---|")
            full = next(iter(found.values()))
            print("\n".join(row(name, some, full) for name, some in found.items()), flush=True)
    print(
        f"\n{time.perf_counter() - begun:.0f} s with {options.jobs} processes, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()

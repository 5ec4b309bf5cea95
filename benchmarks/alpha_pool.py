"""What five minutes without a model find on the synthetic market, against the zoo and genetic programming.

    python -m benchmarks.alpha_pool [--minutes 5] [--seeds 5] [--first 1] [--workers 1] [--generations 5] [--jobs 1]

For each seed: `discovery run alpha_pool --minutes M --seed S`; then the sealed test of that run's market is
opened and four things are measured on it, each chosen without it:

    pool     what `discovery unseal` reports: the best admitted program's admitted members (where the exam admits
             no program, the best one, marked *)
    seed     the program that the search began with, all its members
    zoo      the one of thirty classic factors with the best RankIC on validation
    gplearn  genetic programming with as many evaluations, fitness the mean daily RankIC on the training days;
             of its last generation the factor that is best on validation, and (`gp pool`) up to 8 of it that do
             not overlap, weighted as pools are

Signs and weights come from all days before the test, for all of them. `zoo best` is the best of the thirty ON
the test, a bar that no honest choice reaches. Prints every RankIC, then the mean differences with 95 % t
intervals over the seeds. gplearn must be installed (extra `test`).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.baselines.genetic import evolve
from discovery.config import RunConfig
from discovery.run import run_folder, secret_of
from discovery.unsealing import Opening, SealError, open_test
from evaluators.alphas.combine import (
    MAX_OVERLAP,
    combined_signal,
    mutual_correlations,
    ridge_weights,
    standardise,
)
from evaluators.alphas.exam import unseal
from evaluators.alphas.factors import measure
from evaluators.alphas.world import World
from evaluators.alphas.zoo import ZOO, compute_zoo
from evaluators.contract import Invalid, Program
from evaluators.judge import _rng
from evaluators.problem import load_problem
from evaluators.worker import JudgeProcess
from problems.alphas import alpha_pool

Array = NDArray[np.float64]

POOL = 8


def search(seed: int, minutes: float, workers: int, folder: Path) -> Path:
    """Returns the folder of a finished run."""
    path = folder / f"run-{seed}"
    command = [sys.executable, "-m", "discovery", "run", "alpha_pool", "--minutes", str(minutes)]
    command += ["--seed", str(seed), "--workers", str(workers), "--out", str(path), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


def world_of(seed: int) -> World:
    """Returns the market that the run of this seed searched, test days included."""
    secret = secret_of(RunConfig("alpha_pool", seed))
    examiner = alpha_pool.Examiner(alpha_pool.PANEL, members=POOL, sealed=True)
    return examiner.world(examiner.cases(_rng(secret, "cases", 0), 0)[0])


def measure_seed(seed: int, program: Program, folder: Path) -> float:
    """Returns the RankIC of a program on the sealed test."""
    path = folder / "alpha_pool.py"
    path.write_text(unseal(Path(str(alpha_pool.__file__)).read_text()))
    secret = secret_of(RunConfig("alpha_pool", seed))
    with closing(JudgeProcess(load_problem(str(path)).source, secret)) as judge:
        return judge.evaluate(program).metrics["rank_ic"]


def open_run(run: Path) -> Opening:
    """Returns the look at the sealed test of a run."""
    try:
        return open_test(run_folder(run))
    except SealError:
        return open_test(run_folder(run), "best")


def rank_ics(world: World, factor: Array) -> tuple[float, float, float]:
    """Returns a factor's RankIC on train, validation and test, its sign always from before; NaN if it has none."""
    try:
        valid = measure(factor, world.labels, train=world.split.train, valid=world.split.valid)
        test = measure(factor, world.labels, train=_before_test(world), valid=world.split.test)
    except Invalid:
        return math.nan, math.nan, math.nan
    return valid["train_rank_ic"], valid["rank_ic"], test["rank_ic"]


def pooled(world: World, factors: Sequence[Array]) -> float:
    """Returns the test RankIC of up to eight factors, the first ones that do not overlap, weighted by ridge."""
    members: list[NDArray[np.float32]] = []
    for factor in factors:
        stack = np.stack([*members, standardise(factor, world.panel.universe)])
        mutual = np.abs(mutual_correlations(stack, world.panel.universe, _before_test(world))[-1, :-1])
        if mutual.max(initial=0.0) <= MAX_OVERLAP and len(members) < POOL:
            members.append(stack[-1])
    stack = np.stack(members)
    weights = ridge_weights(stack, world.labels, world.panel.universe, _before_test(world))
    return rank_ics(world, combined_signal(stack, weights))[2]


def _before_test(world: World) -> slice:
    return slice(world.split.train.start, world.split.valid.stop)


def trial(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Returns the test RankICs of one seed, and how many programs were evaluated."""
    run = search(seed, options.minutes, options.workers, folder)
    records = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    records = [entry["record"] for entry in records if entry["type"] == "evaluated"]
    opened = open_run(run)
    assert opened.metrics is not None, opened.reason
    own = folder / f"test-{seed}"
    own.mkdir()
    first = measure_seed(seed, Program.from_json(records[0]["program"]), own)
    world = world_of(seed)
    zoo = [rank_ics(world, factor) for factor in compute_zoo(world.features)]
    chosen = int(np.nanargmax([valid for _, valid, _ in zoo]))
    evolved = evolve(world, len(records), generations=options.generations, seed=seed)
    scored = [(rank_ics(world, factor), factor) for factor in evolved]
    scored = [(figures, factor) for figures, factor in scored if not math.isnan(figures[1])]
    scored.sort(key=lambda one: -one[0][1])
    found = {
        "evaluations": float(len(records)),
        "deflated": opened.deflated or 0.0,
        "pool": opened.metrics["kept_rank_ic"],
        "seed": first,
        "zoo": zoo[chosen][2],
        "gplearn": scored[0][0][2],
        "gp pool": pooled(world, [factor for _, factor in scored]),
        "zoo best": float(np.nanmax([test for _, _, test in zoo])),
    }
    shown = "  ".join(
        f"{name} {value:.4f}" if name != "evaluations" else f"{value:.0f} evaluations"
        for name, value in found.items()
    )
    mark = "" if opened.admitted else "*"
    print(f"seed {seed}{mark}: {shown}  (zoo: {list(ZOO)[chosen]})", flush=True)
    return found


def main() -> None:
    """Runs the trials and prints the differences."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--generations", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as threads:
        seeds = range(options.first, options.first + options.seeds)
        trials = list(threads.map(lambda seed: trial(seed, options, Path(folder)), seeds))
    for name in ("seed", "zoo", "gplearn", "gp pool", "zoo best"):
        gains = np.array([found["pool"] - found[name] for found in trials])
        width = float(stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / math.sqrt(len(gains)))
        wins = int((gains > 0).sum())
        print(
            f"pool - {name}: {gains.mean():+.4f} [{gains.mean() - width:+.4f}, {gains.mean() + width:+.4f}], "
            f"{wins} of {len(gains)} seeds"
        )
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

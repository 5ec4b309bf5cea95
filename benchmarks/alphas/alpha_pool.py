"""What five minutes without a model find on the synthetic market, against the zoo and genetic programming.

    python -m benchmarks.alphas.alpha_pool [--minutes 5] [--seeds 5] [--first 1] [--workers 1] [--generations 5]

For each seed: `discovery run alpha_pool --minutes M --seed S`; then the sealed test of that run's market is
opened and four things are measured on it, each chosen without it:

    pool     what `discovery unseal` reports: the admitted members of the admitted program that leads most surely
             (where the exam admits no program, of the best one, marked *)
    seed     the program that the search began with, all its members
    zoo      the one of thirty classic factors with the best RankIC on validation
    gplearn  genetic programming with as many evaluations, fitness the mean daily RankIC on the training days;
             of its last generation the factor that is best on validation, and (`gp pool`) up to 8 of it that do
             not overlap, weighted as pools are

Signs and weights come from all days before the test, for all of them. `zoo best` is the best of the thirty ON
the test, a bar that no honest choice reaches. Prints every RankIC, then the mean differences with 95 % t
intervals over the seeds; then the same for the RankIC without most of its luck, which only the maker of a market
can know (evaluators.alphas.markets.synthetic.luckless_rank_ic): of the same signals, on the same days, with the same
expectation. gplearn must be installed (extra `test`).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.baselines.genetic import evolve
from discovery.execution.runs import run_folder
from discovery.families.alphas.unsealing import Opening, SealError, open_test
from evaluators.alphas import elite
from evaluators.alphas.admission import NoiseFloor
from evaluators.alphas.combine import (
    MAX_OVERLAP,
    POOL_SIZE,
    combined_signal,
    mutual_correlations,
    ridge_weights,
    standardise,
)
from evaluators.alphas.exam import able_members, read_answers
from evaluators.alphas.factors import measure
from evaluators.alphas.markets.synthetic import Market, luckless_rank_ic
from evaluators.alphas.markets.world import World, make_world
from evaluators.alphas.rank_ic import rank_ic
from evaluators.alphas.zoo import ZOO, compute_zoo
from evaluators.contract import Invalid, Program
from evaluators.judging.judge import _rng
from problems.alphas import alpha_pool

Array = NDArray[np.float64]
Figures: TypeAlias = tuple[float, float]
"""A mean RankIC as measured, and without most of its luck."""

PAIRS = (
    ("pool", "zoo"),
    ("pool", "gplearn"),
    ("pool", "gp pool"),
    ("pool", "seed"),
    ("pool", "zoo best"),
    ("seed", "zoo"),
    ("seed", "gplearn"),
)


def search(seed: int, minutes: float, workers: int, folder: Path) -> Path:
    """Returns the folder of a finished run."""
    path = folder / f"run-{seed}"
    command = [sys.executable, "-m", "discovery", "run", "alpha_pool", "--minutes", str(minutes)]
    command += ["--seed", str(seed), "--workers", str(workers), "--out", str(path), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


@dataclass(frozen=True, slots=True, eq=False)
class Arena:
    """The market that a run searched, test days included, and what only its maker knows.

    Attributes:
        world: as the judge of the sealed test has it.
        market: in its own order of the names; order: where each name of it stands in the world.
    """

    world: World
    market: Market
    order: NDArray[np.int64]

    def figures(self, signal: Array) -> Figures:
        """Returns the test RankIC of a signal (T, N) in the world's order, large meaning buy: measured, luckless."""
        labels, test = self.world.labels, self.world.split.test
        plain = rank_ic(signal[test], labels.values[test], labels.mask[test], labels.min_names[test])
        steady = luckless_rank_ic(self.market, signal[:, self.order], labels.horizon)[test]
        return float(np.nanmean(plain)), float(np.nanmean(steady))


def arena_of(secret: bytes) -> Arena:
    """Returns the market that the run of this secret searched."""
    rng = _rng(secret, "cases", 0)
    drawn = alpha_pool.EXAMINER.market(rng)
    world = make_world(drawn.panel, rng, sealed=True)
    places = {symbol: place for place, symbol in enumerate(world.panel.symbols)}
    return Arena(world, drawn, np.array([places[symbol] for symbol in drawn.panel.symbols]))


def pool_signal(world: World, program: Program, *, all_members: bool) -> Array:
    """Returns the test signal of a pool: of all its members, or of those that the exam of elites admits."""
    space: dict[str, Any] = {}
    exec(compile(program.text, "<pool>", "exec"), space)
    world.answers = read_answers(space["factors"](world.features), world.shape, POOL_SIZE)
    scene = elite.Scene(world.panel, world.labels, world.split, world.split.test, _before_test(world))
    members = able_members(world, scene.learned, scene.scored)
    if all_members:
        return weighted(world, members)
    return elite.examine(members, scene, np.random.default_rng(0), NoiseFloor(1.0, 1.0, 0)).signal


def weighted(world: World, members: Sequence[Array]) -> Array:
    """Returns the signal of members with weights from all days before the test."""
    universe = world.panel.universe
    stack = np.stack([standardise(member, universe) for member in members])
    return combined_signal(stack, ridge_weights(stack, world.labels, universe, _before_test(world)))


def open_run(run: Path) -> Opening:
    """Returns the look at the sealed test of a run."""
    try:
        return open_test(run_folder(run))
    except SealError:
        return open_test(run_folder(run), "best")


def chosen(world: World, factors: Iterable[Array]) -> list[tuple[float, int, Array]]:
    """Returns (RankIC on validation, place, factor with its sign from before the test), the best first."""
    found = []
    for place, factor in enumerate(factors):
        try:
            valid = measure(factor, world.labels, train=world.split.train, valid=world.split.valid)
            before = measure(factor, world.labels, train=_before_test(world), valid=_before_test(world))
        except Invalid:
            continue
        found.append((valid["rank_ic"], place, factor if before["rank_ic"] >= 0 else -factor))
    return sorted(found, key=lambda one: -one[0])


def without_overlap(world: World, factors: Iterable[Array]) -> list[Array]:
    """Returns the first factors that do not overlap, as many as a pool may hold."""
    kept: list[Array] = []
    standard: list[NDArray[np.float32]] = []
    for factor in factors:
        stack = np.stack([*standard, standardise(factor, world.panel.universe)])
        mutual = np.abs(mutual_correlations(stack, world.panel.universe, _before_test(world))[-1, :-1])
        if mutual.max(initial=0.0) <= MAX_OVERLAP and len(kept) < POOL_SIZE:
            kept.append(factor)
            standard.append(stack[-1])
    return kept


def _before_test(world: World) -> slice:
    return slice(world.split.train.start, world.split.valid.stop)


def trial(seed: int, options: argparse.Namespace, folder: Path) -> Mapping[str, Figures]:
    """Returns the test RankICs of one seed by name."""
    run = search(seed, options.minutes, options.workers, folder)
    entries = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    records = [entry["record"] for entry in entries if entry["type"] == "evaluated"]
    programs = {record["program_id"]: Program.from_json(record["program"]) for record in records}
    opened = open_run(run)
    assert opened.metrics is not None, opened.reason
    arena = arena_of(run_folder(run).read_secret(seed))
    world = arena.world
    zoo = chosen(world, compute_zoo(world.features))
    evolved = chosen(world, evolve(world, len(records), generations=options.generations, seed=seed))
    signals = {
        "pool": pool_signal(world, programs[opened.program_id], all_members=False),
        "seed": pool_signal(world, Program.from_json(records[0]["program"]), all_members=True),
        "zoo": zoo[0][2],
        "gplearn": evolved[0][2],
        "gp pool": weighted(world, without_overlap(world, [factor for _, _, factor in evolved])),
    }
    found = {name: arena.figures(signal) for name, signal in signals.items()}
    assert math.isclose(found["pool"][0], opened.metrics["kept_rank_ic"], abs_tol=1e-9)
    found["zoo best"] = max(arena.figures(factor) for _, _, factor in zoo)
    shown = "  ".join(f"{name} {plain:.4f} ({steady:.4f})" for name, (plain, steady) in found.items())
    mark = "" if opened.admitted else "*"
    print(
        f"seed {seed}{mark}: {len(records)} evaluations  deflated {opened.deflated or 0.0:.3f}  {shown}  "
        f"(zoo: {list(ZOO)[zoo[0][1]]})",
        flush=True,
    )
    return found


def report(trials: Sequence[Mapping[str, Figures]]) -> None:
    """Prints the mean differences with their intervals, as measured and without most of the luck."""
    for place, what in enumerate(("measured", "luckless")):
        for first, second in PAIRS:
            gains = np.array([found[first][place] - found[second][place] for found in trials])
            half = float(stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / math.sqrt(len(gains)))
            print(
                f"{what}: {first} - {second}: {gains.mean():+.4f} [{gains.mean() - half:+.4f}, "
                f"{gains.mean() + half:+.4f}], {int((gains > 0).sum())} of {len(gains)} seeds"
            )


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
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(options.first, options.first + options.seeds)
        trials = [trial(seed, options, Path(folder)) for seed in seeds]
    for count in sorted({min(5, len(trials)), len(trials)} - {1}):
        print(f"the first {count} seeds")
        report(trials[:count])
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

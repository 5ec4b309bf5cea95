"""What each part of the directed search brings: on against off, on scripted worlds, paired by seed.

    python -m benchmarks.learned.ablation [--seeds 20] [--evals 250] [--jobs 2] [--worlds recipe,levers] [--arms full,greedy]

Everything but the model and the sandbox is the product's own: coordinator, operators, prompts, memory, bandit. The model
is scripted (benchmarks/worlds): its replies depend on what its prompt tells, and on nothing else. Told are the final
score, and the evaluations, tokens, dollars and seconds until a score of `TARGET` of the best possible; a run that does
not get there counts as twice its budget. Differences are paired by seed; the test is the exact Wilcoxon signed-rank
test, two-sided.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.worlds.landscapes import NAMES, World
from benchmarks.worlds.reader import Skill
from benchmarks.worlds.simulation import simulate
from discovery.analysis.comparison import OPPONENTS, Course, compare_courses, opponent
from discovery.analysis.statistics import Paired
from discovery.settings.config import RunConfig
from discovery.settings.doors import make_config

TARGET = {"recipe": 0.7, "levers": 0.75, "forge": 0.7, "lessons": 0.85}
"""Share of the best possible score that counts as reached."""
ONE_MODEL = {"model": Skill()}
BELIEVER = {"model": Skill(attention=1.0, slip=0.0, belief=4.0)}
"""A reader that believes what it is told, and does it."""
TWO_MODELS = {
    "cheap": Skill(attention=0.6, is_weak=True, seconds=2.0, usd_per_mtok=0.25),
    "strong": Skill(attention=0.95, slip=0.02, seconds=8.0, usd_per_mtok=5.0),
}
PICKS = ",cherry_pick=16"
OPERATORS = "diff=8,rewrite=1,crossover=1,repair=1" + PICKS
WITH_PLANS = "diff=5,rewrite=1,crossover=1,repair=1,plan=3" + PICKS


@dataclass(frozen=True, slots=True)
class Arm:
    """One configuration.

    Attributes:
        name: what it is called in the tables.
        settings: what differs from the full system, as in a TOML file.
        opponent: a built-in opponent instead, or "".
        earlier: whether it begins with the memory of an earlier run in the same world.
    """

    name: str
    settings: Mapping[str, object]
    opponent: str = ""
    earlier: bool = False


FULL: Mapping[str, object] = {
    "operators": WITH_PLANS,
    "bandit": {"enabled": True},
    "memory": {"enabled": True},
    "duplicates": {"enabled": True},
    "planning": {"summaries": "plan"},
}
DEFAULT: Mapping[str, object] = {
    "operators": "", "bandit": {}, "memory": {}, "duplicates": {}, "planning": {},
}  # fmt: skip
"""What a run has that asks for nothing. With one slot nothing is proposed on stale knowledge, as in a single agent."""
NO_SCREENING = {"enabled": False}
PLAIN_GREEDY = "plain greedy"
"""A hill climber: models change the best program, and nothing is weighed, carried over or refused."""
REFERENCES = ("default", "default with one slot")
ARMS = (
    Arm("full", {}),
    Arm("without plans", {"operators": OPERATORS}),
    Arm("without summaries", {"planning": {"summaries": "none"}}),
    Arm("summaries of all", {"planning": {"summaries": "all"}}),
    Arm("plans in 3 rounds", {"planning": {"summaries": "plan", "rounds": 3}}),
    Arm("one conversation", {"planning": {"summaries": "plan", "conversation": True}}),
    Arm("without cherry_pick", {"operators": WITH_PLANS.removesuffix(PICKS)}),
    Arm("with pitfalls", {"context": {"pitfalls": True}}),
    Arm("without the ledger", {"context": {"ledger": False}}),
    Arm("without inherited summaries", {"context": {"summaries": False}}),
    Arm("best exemplars", {"context": {"choice": "best"}}),
    Arm("without exemplars", {"context": {"exemplars": 0}}),
    Arm("full history", {"context": {"history": "full"}}),
    Arm("without memory", {"memory": {"enabled": False}}),
    Arm("memory of an earlier run", {}, earlier=True),
    Arm("without bandit", {"bandit": {"enabled": False}}),
    Arm("without near-duplicates refused", {"duplicates": {"enabled": False}}),
    Arm("without screening", {"screening": NO_SCREENING}),
    Arm("without rebase", {"rebase": False}),
    Arm(
        "all off",
        {
            "operators": OPERATORS.removesuffix(PICKS),
            "bandit": {"enabled": False},
            "memory": {"enabled": False},
            "duplicates": {"enabled": False},
            "planning": {"summaries": "none"},
            "screening": NO_SCREENING,
            "rebase": False,
            "context": {"ledger": False, "summaries": False, "choice": "best"},
        },
    ),
    Arm("default", DEFAULT),
    Arm("default without the ledger", {**DEFAULT, "context": {"ledger": False}}),
    Arm("default without cherry_pick", {**DEFAULT, "operators": OPERATORS.removesuffix(PICKS)}),
    Arm("default without screening", {**DEFAULT, "screening": NO_SCREENING}),
    Arm("default without rebase", {**DEFAULT, "rebase": False}),
    Arm("default with bandit", {**DEFAULT, "bandit": {"enabled": True}}),
    Arm("default with instructions", {**DEFAULT, "context": {"instructions": 4}}),
    Arm("default with memory", {**DEFAULT, "memory": {"enabled": True}}),
    Arm("default with plans", {**DEFAULT, "operators": WITH_PLANS}),
    Arm("default with near-duplicates refused", {**DEFAULT, "duplicates": {"enabled": True}}),
    Arm("default with pitfalls", {**DEFAULT, "context": {"pitfalls": True}}),
    Arm("default with one slot", {**DEFAULT, "model_slots": 1}),
    *(Arm(name, DEFAULT, opponent=name) for name in OPPONENTS),
    Arm(
        PLAIN_GREEDY,
        {
            **DEFAULT, "operators": OPERATORS.removesuffix(PICKS),
            "screening": NO_SCREENING, "rebase": False,
        },
        opponent="greedy",
    ),
)  # fmt: skip


def settings_of(arm: Arm, world: str, seed: int, evals: int) -> RunConfig:
    """Returns the settings of one run."""
    models = [f"{name}=1" for name in (TWO_MODELS if world == "forge" else ONE_MODEL)]
    base = {"problem": f"world_{world}", "seed": seed, "workers": 2, "model_slots": 4, "evals": evals}
    chosen = {**FULL, **arm.settings}
    if not chosen["operators"]:
        del chosen["operators"]
    config = make_config({**base, "model": models, **chosen}, "the ablation")
    return replace(opponent(arm.opponent, config), budget=config.budget) if arm.opponent else config


def run_one(task: tuple[Arm, str, int, int, bool]) -> Course:
    """Returns the course of one run: an arm in a world with a seed, and whether its reader believes what it is told."""
    arm, name, seed, evals, is_believing = task
    skills = TWO_MODELS if name == "forge" else BELIEVER if is_believing else ONE_MODEL
    config = settings_of(arm, name, seed, evals)
    known = ()
    if arm.earlier:
        _, parts = simulate(World(name, seed, start=1), replace(config, seed=seed + 10_000), skills)
        known = tuple(parts.memory.contents.items.values()) if parts.memory is not None else ()
    return simulate(World(name, seed), config, skills, known=known)[0]


def row(name: str, ours: Sequence[Course], other: Sequence[Course] | None, target: float) -> str:
    """Returns a line of the table: what an arm comes to and takes to the target, and how that differs from another."""
    found = compare_courses((name, "other"), range(len(ours)), (ours, other or ours), target=target)
    finals = sorted(found.finals[0])
    cells = [name, f"{np.median(finals):.3f}" + (_sign(found.final) if other else "")]
    for kind in ("evaluations", "tokens", "cost_usd", "seconds"):
        times = found.costs[kind][0]
        reached = sum(map(math.isfinite, times))
        low, middle, high = (_text(np.quantile(times, q, method="lower"), kind) for q in (0.25, 0.5, 0.75))
        cell = f"{middle} [{low}, {high}]" + (
            f" ({reached} of {len(times)})" if kind == "evaluations" else ""
        )
        cells.append(cell + (_sign(found.cost_tests[kind]) if other else ""))
    return "| " + " | ".join(cells) + " |"


def _sign(paired: Paired) -> str:
    """Returns whether an arm is better or worse than the other, with wins, losses and p."""
    sign = {"better": "**+**", "worse": "**-**"}.get(paired.verdict(), "=")
    return f" {sign} {paired.wins}:{paired.losses} p={paired.p:.2g}"


def _text(value: float, kind: str) -> str:
    if not math.isfinite(value):
        return "never"
    return {"tokens": f"{value / 1000:.0f}k", "cost_usd": f"{value:.3f}"}.get(kind, f"{value:.0f}")


HEAD = (
    "| arm | final score | evaluations | tokens | dollars | seconds (simulated) |\n|---|---|---|---|---|---|"
)


def tables(world: str, courses: Mapping[str, Sequence[Course]]) -> str:
    """Returns the markdown tables of one world: every arm against the full system, opponents and variants against the default."""
    target = TARGET[world]
    parts = [f"\n{world}, target {target:g} of the best possible; against `full`\n\n{HEAD}"]
    parts += [
        row(name, ours, None if name == "full" else courses["full"], target) for name, ours in courses.items()
    ]
    variants = tuple(arm.name for arm in ARMS if arm.name.startswith("default with"))
    for reference in (name for name in REFERENCES if name in courses):
        parts.append(f"\n{world}; against `{reference}`\n\n{HEAD}")
        parts += [
            row(name, courses[name], None if name == reference else courses[reference], target)
            for name in (
                reference,
                *OPPONENTS,
                PLAIN_GREEDY,
                *(variants if reference == "default" else ()),
            )
            if name in courses
        ]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, help="number of paired seeds")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--evals", type=int, default=250, help="budget of each run")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--worlds", default=",".join(NAMES), help="which, separated by commas")
    parser.add_argument("--believer", action="store_true", help="the reader believes what it is told")
    parser.add_argument("--arms", default="", help="which beside `full`; all if left out")
    options = parser.parse_args()
    wanted = {"full", *options.arms.split(",")} if options.arms else {arm.name for arm in ARMS}
    arms = [arm for arm in ARMS if arm.name in wanted]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    began = time.perf_counter()
    print(
        f"{len(seeds)} paired seeds from {seeds[0]}, {options.evals} evaluations each; median [quartiles] (runs that got "
        "there); +, = or -: significantly better (cheaper) than, not told from, worse than the other; pairs won and lost; p"
    )
    with multiprocessing.Pool(options.jobs) as pool:
        for world in options.worlds.split(","):
            tasks = [(arm, world, seed, options.evals, options.believer) for arm in arms for seed in seeds]
            found = pool.map(run_one, tasks, chunksize=1)
            courses = {arm.name: found[k * len(seeds) : (k + 1) * len(seeds)] for k, arm in enumerate(arms)}
            print(tables(world, courses), flush=True)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\n{time.perf_counter() - began:.0f} s with {options.jobs} processes; load {load}")


if __name__ == "__main__":
    main()

"""Paired comparison of two configurations: the same seeds, an exact test, and what a target costs.

A single run of a search says little: two runs that differ in their seed alone often differ by more than two methods do.
So nothing here is reported without its number of pairs, its interval and its p value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from discovery.analysis.statistics import Paired, compare_pairs, reached, survival
from discovery.core.errors import ConfigError
from discovery.core.types import ModelCall
from discovery.execution.runs import create_run
from discovery.execution.session import Outcome
from discovery.settings.config import RunConfig
from discovery.storage.journal import read_entries
from discovery.storage.run_folder import RunFolder
from discovery.storage.secret import new_secret, paired_secret
from evaluators.contract import Objective
from evaluators.problems.loading import Problem

CURVE_POINTS = 11
OPPONENTS = ("best-of-n", "single-agent", "greedy", "random")
"""Simple ways to spend the same budget, by name; anything better must beat them."""


def opponent(name: str, config: RunConfig) -> RunConfig:
    """Returns a simple search with the problem, the budget and the models of another.

    - "best-of-n": every child is an independent rewrite of the first program; nothing is learned.
    - "single-agent": one line of refinement: the best program, changed by diffs, all earlier attempts in view; every
      reply is evaluated as it came.
    - "greedy": the same operators, always on the best program.
    - "random": the same operators, on a program drawn uniformly among the elites.

    Raises:
        ConfigError: there is none of that name, or it needs a model and there is none.
    """
    one_island = replace(config, islands=replace(config.islands, islands=1))
    plain = replace(one_island, screening=replace(config.screening, enabled=False), rebase=False)
    if name in ("best-of-n", "single-agent") and not config.models.models:
        raise ConfigError(
            f"opponent {name} asks a model: name one in the configuration that it is compared with"
        )
    match name:
        case "best-of-n":
            alone = replace(config.context, history="none")
            return replace(plain, parents="seed", operators={"rewrite": 1.0}, context=alone)
        case "single-agent":
            full = replace(config.context, history="full")
            return replace(plain, parents="best", operators={"diff": 1.0}, context=full, model_slots=1)
        case "greedy":
            return replace(one_island, parents="best")
        case "random":
            return replace(one_island, parents="uniform")
    raise ConfigError(f"there is no opponent {name!r}; there are: {', '.join(OPPONENTS)}")


@dataclass(frozen=True, slots=True)
class Course:
    """How one run went, record by record.

    Attributes:
        best: best fitness so far after each evaluation; -inf before the first score.
        evaluations: 1, 2, 3 ...
        tokens: spent up to each evaluation, refused proposals included.
        cost_usd: the same in dollars; infinite from the first call whose price is unknown.
        seconds: of working time up to each evaluation; empty where that is not known.
    """

    best: tuple[float, ...]
    evaluations: tuple[float, ...]
    tokens: tuple[float, ...]
    cost_usd: tuple[float, ...]
    seconds: tuple[float, ...] = ()

    @property
    def final(self) -> float:
        """Returns the best fitness of all."""
        return self.best[-1] if self.best else -math.inf


def read_course(folder: RunFolder, objective: Objective) -> Course:
    """Returns the course of a run, from its journal."""
    best: list[float] = []
    tokens: list[float] = []
    cost: list[float] = []
    spent_tokens, spent_usd, top = 0, 0.0, -math.inf
    for entry in read_entries(folder.journal):
        paid = entry["record"] if entry["type"] == "evaluated" else entry
        charged = entry["type"] != "proposed"  # its calls stand in the record too
        for call in (ModelCall(**one) for one in paid.get("calls", ())) if charged else ():
            spent_tokens += call.prompt_tokens + call.completion_tokens
            spent_usd += math.inf if call.cost_usd is None else call.cost_usd
        if entry["type"] == "evaluated":
            score = entry["record"]["evaluation"].get("score")
            top = top if score is None else max(top, objective.fitness(score))
            best.append(top)
            tokens.append(float(spent_tokens))
            cost.append(spent_usd)
    numbers = tuple(float(n) for n in range(1, len(best) + 1))
    return Course(tuple(best), numbers, tuple(tokens), tuple(cost))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two configurations did on the same seeds; fitness is the score turned so that larger is better.

    Attributes:
        names: of the two.
        seeds: of the pairs.
        finals: per configuration, the final best fitness per seed.
        final: the paired statistics of these.
        target: the fitness for which costs are counted.
        costs: per configuration and kind of cost, what each seed had spent when it reached the target (inf: never).
        curves: per kind of cost, the points and each configuration's share that had not reached it by then.
        cost_tests: per kind of cost, paired statistics of which reached the target for less (by rank, never = last).
    """

    names: tuple[str, str]
    seeds: tuple[int, ...]
    finals: tuple[tuple[float, ...], tuple[float, ...]]
    final: Paired
    target: float
    costs: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
    curves: Mapping[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]]
    cost_tests: Mapping[str, Paired]

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form; infinite costs are null."""

        def plain(value: Any) -> Any:
            if isinstance(value, float):
                return value if math.isfinite(value) else None
            if isinstance(value, tuple | list):
                return [plain(one) for one in value]
            if isinstance(value, Mapping):
                return {key: plain(one) for key, one in value.items()}
            return value

        def tested(paired: Paired) -> dict[str, Any]:
            return {
                "verdict": paired.verdict(),
                "p": paired.p,
                "wins": paired.wins,
                "losses": paired.losses,
                "difference": plain(
                    (paired.difference.low, paired.difference.middle, paired.difference.high)
                ),
                "required_pairs": paired.required_pairs,
            }

        return {
            "names": list(self.names),
            "seeds": list(self.seeds),
            "final_fitness": plain(self.finals),
            "final": tested(self.final),
            "target_fitness": plain(self.target),
            "cost_to_target": plain(self.costs),
            "not_reached": plain(self.curves),
            "cost_tests": {kind: tested(paired) for kind, paired in self.cost_tests.items()},
        }


def compare_courses(
    names: tuple[str, str],
    seeds: Sequence[int],
    courses: tuple[Sequence[Course], Sequence[Course]],
    *,
    target: float | None = None,
) -> Comparison:
    """Returns what paired courses say.

    Args:
        names: of the two configurations.
        seeds: (n,) seeds.
        courses: per configuration, the n courses in the order of the seeds.
        target: the fitness whose cost is counted; None takes the median final fitness of the weaker configuration,
            a level that at least half of the runs of either reached.
    """
    finals = tuple(tuple(course.final for course in each) for each in courses)
    goal = min(float(np.median(each)) for each in finals) if target is None else target
    costs: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    curves: dict[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {}
    tests: dict[str, Paired] = {}
    for kind in ("evaluations", "tokens", "cost_usd", "seconds"):
        spent = [[getattr(course, kind) for course in each] for each in courses]
        if not any(line and 0 < line[-1] < math.inf for each in spent for line in each):
            continue
        times = tuple(
            tuple(reached(lines, [course.best for course in each], goal))
            for lines, each in zip(spent, courses, strict=True)
        )
        most = max(line[-1] for each in spent for line in each if line and math.isfinite(line[-1]))
        points = tuple(float(point) for point in np.linspace(0, most, CURVE_POINTS))
        costs[kind] = (times[0], times[1])
        curves[kind] = (points, tuple(survival(times[0], points)), tuple(survival(times[1], points)))
        tests[kind] = compare_pairs(*_cheaper(times[0], times[1], most))
    return Comparison(
        names,
        tuple(seeds),
        (finals[0], finals[1]),
        compare_pairs(*_finite(finals[0], finals[1])),
        goal,
        costs,
        curves,
        tests,
    )


def _cheaper(a: Sequence[float], b: Sequence[float], most: float) -> tuple[list[float], list[float]]:
    """Returns costs turned so that larger is better; never reaching the target counts as twice the whole budget."""
    return tuple([-min(cost, 2 * most) for cost in each] for each in (a, b))  # type: ignore[return-value]  # two of two


def _finite(a: Sequence[float], b: Sequence[float]) -> tuple[list[float], list[float]]:
    """Returns finals in which a run without any score counts as just below the worst that has one."""
    known = [value for value in (*a, *b) if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    floor = low - (high - low or 1.0)
    return tuple([max(value, floor) for value in each] for each in (a, b))  # type: ignore[return-value]  # as above


Work = Callable[[RunFolder, RunConfig, Problem], Outcome]
"""Runs or resumes one run to its end."""


def _secret_of_pair(folders: Sequence[RunFolder], seed: int, shared: bytes | None) -> bytes:
    """Returns what both runs of a pair draw their hidden cases from: what one of them has, if it has begun."""
    wanted = None if shared is None else paired_secret(shared, seed)
    for folder in folders:
        if folder.config.exists():
            found = folder.read_secret(seed)
            if wanted not in (None, found):
                raise ConfigError(
                    f"{folder.path} was begun with another secret; name its own with --secret-file, or another --out"
                )
            return found
    return wanted or new_secret()


def run_pairs(
    out: Path,
    configs: tuple[RunConfig, RunConfig],
    problems: tuple[Problem, Problem],
    seeds: Sequence[int],
    work: Work,
    shared: bytes | None = None,
) -> tuple[list[Course], list[Course]]:
    """Returns the courses of all pairs; runs that are there already are finished, not repeated.

    The two of a pair run one after the other, in turns first, so that a machine whose load drifts favours neither.

    Args:
        out: folder of the runs, `a-SEED` and `b-SEED`.
        configs: the two configurations; their seeds are replaced.
        problems: of the two, of the same objective.
        seeds: of the pairs.
        work: runs or resumes one.
        shared: what the secrets of the pairs are drawn from; None draws each anew.

    Raises:
        ConfigError: a run there has other settings.
        RunError: a run did not end as it should.
    """
    courses: tuple[list[Course], list[Course]] = ([], [])
    for number, seed in enumerate(seeds):
        done: dict[int, Course] = {}
        folders = [RunFolder(out / f"{letter}-{seed}") for letter in "ab"]
        secret = _secret_of_pair(folders, seed, shared)
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            config, problem = replace(configs[which], seed=seed), problems[which]
            folder = folders[which]
            if not folder.config.exists():
                create_run(folder, config, problem, secret=secret)
            elif RunConfig.from_json(folder.read_settings()["config"]) != config:
                raise ConfigError(f"{folder.path} has other settings; name another folder with --out")
            work(folder, config, problem)
            done[which] = read_course(folder, problem.objective)
        courses[0].append(done[0])
        courses[1].append(done[1])
    return courses

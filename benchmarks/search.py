"""Best score after 200 and 2,000 evaluations: this project's population against simpler ways to choose a parent.

    python -m benchmarks.search [--seeds 60] [--evals 200,2000] [--jobs 2]
        [--first-seed 0] [--set patience=80] [--against reseeding=elites]

Every contender gets the same problem, the same first program and the same scripted mutator, which acts on ten constants
as a model acts on code: mostly one to three small changes, sometimes a bold one. In the second half the contenders also
`tune`: half of the evaluations go to CMA-ES sessions that start from a parent of the contender's choice. Differences are
paired by seed and tested two-sided (exact Wilcoxon signed-rank test). With `--against`, the only other contender is this
project's population with other settings.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from benchmarks.learned.landscapes import CONSTANTS, LANDSCAPES, Landscape, Vector
from discovery.analysis.statistics import signed_rank
from islands.archipelago import Archipelago, IslandsConfig
from islands.emitter import CmaEmitter

TUNE_SHARE = 0.2
TUNE_GENERATIONS = 6
TUNE_SIGMA = 0.08
BASELINES = ("greedy", "tournament-8", "random", "one island")
OURS = "archipelago"
_FEW = (1, 1, 1, 1, 1, 2, 2, 2, 3, 3)  # constants in a small change


def mutate(parent: Vector, rng: np.random.Generator) -> Vector:
    """Returns a changed copy, as a model would change a program's constants; the result stays in [0, 1].

    In 80 % one to three constants move by heavy-tailed steps (scale log-uniform in [0.003, 0.3]), in 10 % three to six
    are thought up anew, in 5 % two swap their places, in 5 % some are rounded to one digit.
    """
    child, kind, order = parent.copy(), rng.random(), rng.permutation(CONSTANTS)
    if kind < 0.8:
        where = order[: _FEW[rng.integers(len(_FEW))]]
        child[where] += rng.standard_normal(where.size) * 10 ** rng.uniform(-2.5, -0.5)
    elif kind < 0.9:
        where = order[: rng.integers(3, 7)]
        child[where] = rng.random(where.size)
    elif kind < 0.95:
        child[order[:2]] = parent[order[1::-1]]
    else:
        where = order[: rng.integers(1, 4)]
        child[where] = np.round(child[where], 1)
    return np.minimum(np.maximum(child, 0.0), 1.0)


class Population(Protocol):
    """Where a contender keeps what was evaluated, and whence it takes parents. Ids are 0, 1, 2 ... in order."""

    def lane(self, decision: int) -> int:
        """Returns the part of the population (island) whose turn it is."""
        ...

    def select(self, lane: int, rng: np.random.Generator) -> int:
        """Returns the id of a parent."""
        ...

    def tuned(self, lane: int, rng: np.random.Generator) -> int:
        """Returns the id of a program whose constants are worth tuning."""
        ...

    def add(self, lane: int, parent: int, fitness: float, measures: tuple[float, ...]) -> None:
        """Takes in the next evaluated program."""
        ...


class Flat:
    """All programs in one list; `rule` chooses among their scores."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._fitnesses: list[float] = []
        self._best = 0

    def lane(self, decision: int) -> int:
        return 0

    def select(self, lane: int, rng: np.random.Generator) -> int:
        if self._rule == "greedy":
            return self._best
        if self._rule == "random":
            return int(rng.integers(len(self._fitnesses)))
        drawn: list[int] = rng.integers(len(self._fitnesses), size=8).tolist()
        return max(drawn, key=self._fitnesses.__getitem__)

    def tuned(self, lane: int, rng: np.random.Generator) -> int:
        return self.select(lane, rng)

    def add(self, lane: int, parent: int, fitness: float, measures: tuple[float, ...]) -> None:
        if not self._fitnesses or fitness > self._fitnesses[self._best]:
            self._best = len(self._fitnesses)
        self._fitnesses.append(fitness)


class Islands:
    """This project's population, called as the coordinator calls it."""

    def __init__(self, config: IslandsConfig, landscape: Landscape) -> None:
        self._population = Archipelago(config, landscape.axes)
        self._count = 0

    def lane(self, decision: int) -> int:
        return self._population.island_of(decision)

    def select(self, lane: int, rng: np.random.Generator) -> int:
        return int(self._population.select(lane, rng)[0].program_id)

    def tuned(self, lane: int, rng: np.random.Generator) -> int:
        return int(self._population.archive(lane).top(1)[0].program_id)

    def add(self, lane: int, parent: int, fitness: float, measures: tuple[float, ...]) -> None:
        islands = range(len(self._population)) if parent < 0 else (lane,)
        for island in islands:
            self._population.add(island, str(self._count), fitness, measures)
        if parent >= 0:
            self._population.record_parents(lane, [str(parent)])
        self._count += 1


def contender(name: str, landscape: Landscape, config: IslandsConfig) -> Population:
    """Returns a fresh population by its name in the tables; `config` is that of ours."""
    if "=" in name:
        return Islands(replace(config, **_overrides(name.split(","))), landscape)
    if name == OURS:
        return Islands(config, landscape)
    if name == "one island":
        return Islands(replace(config, islands=1), landscape)
    return Flat(name)


@dataclass
class _Session:
    """A CMA-ES session in progress: the points of this generation and what came of them."""

    emitter: CmaEmitter
    parent: int
    points: Vector
    fitnesses: list[float]


def search(population: Population, landscape: Landscape, *, seed: int, evals: int, tune: bool) -> Vector:
    """Returns (evals,) the best score after each evaluation, the first program's included."""
    start, judge = landscape.draw(np.random.default_rng([seed, 0]))
    fitness, measures = judge(start)
    programs = [start]
    population.add(0, -1, fitness, measures)
    best = np.empty(evals)
    best[0] = fitness
    sessions: dict[int, _Session] = {}
    # One stream for each kind of chance: contenders that choose alike get the same child.
    rng, mutator_rng, tune_rng = (np.random.default_rng([seed, stream]) for stream in (1, 2, 3))
    for decision in range(evals - 1):
        lane = population.lane(decision)
        session = None
        if tune and tune_rng.random() < TUNE_SHARE:
            session = sessions.get(lane) or _open_session(
                population.tuned(lane, rng), programs, (seed, 4, decision)
            )
            sessions[lane] = session
            parent = session.parent
            child = np.clip(session.points[len(session.fitnesses)], 0.0, 1.0)
        else:
            parent = population.select(lane, rng)
            child = mutate(programs[parent], mutator_rng)
        fitness, measures = judge(child)
        programs.append(child)
        population.add(lane, parent, fitness, measures)
        if session is not None and _tell(session, fitness):
            del sessions[lane]
        best[decision + 1] = max(best[decision], fitness)
    return best


def _open_session(parent: int, programs: Sequence[Vector], seed: tuple[int, ...]) -> _Session:
    emitter = CmaEmitter(programs[parent], TUNE_SIGMA, seed=np.random.SeedSequence(seed))
    return _Session(emitter, parent, emitter.ask(), [])


def _tell(session: _Session, fitness: float) -> bool:
    """Takes in one result and returns whether the session is over."""
    session.fitnesses.append(fitness)
    if len(session.fitnesses) < len(session.points):
        return False
    session.emitter.tell(session.fitnesses)
    session.points, session.fitnesses = session.emitter.ask(), []
    return session.emitter.generation >= TUNE_GENERATIONS or session.emitter.has_converged


def verdict(ours: Vector, theirs: Vector) -> str:
    """Returns "+", "-" or "=": significantly (p < 0.05) better than, worse than, or not told from the other."""
    balance, p = signed_rank(ours - theirs)
    return "=" if p >= 0.05 else "+" if balance > 0 else "-"


def _job(task: tuple[bool, str, str, int, int, IslandsConfig]) -> Vector:
    tune, landscape_name, name, seed, evals, config = task
    landscape = next(one for one in LANDSCAPES if one.name == landscape_name)
    return search(contender(name, landscape, config), landscape, seed=seed, evals=evals, tune=tune)


Curves: TypeAlias = Mapping[tuple[bool, str, str], Vector]


def measure(
    *,
    seeds: Sequence[int],
    evals: int,
    jobs: int,
    config: IslandsConfig,
    against: Sequence[str] = BASELINES,
    tunes: Sequence[bool] = (False, True),
) -> Curves:
    """Returns (seeds, evals) best scores by (tune, landscape, contender); `config` is ours."""
    keys = [(t, one.name, name) for t in tunes for one in LANDSCAPES for name in (*against, OURS)]
    tasks = [(*key, seed, evals, config) for key in keys for seed in seeds]
    with multiprocessing.Pool(jobs) as pool:
        curves = pool.map(_job, tasks, chunksize=4)
    return {
        key: np.stack(curves[index * len(seeds) : (index + 1) * len(seeds)]) for index, key in enumerate(keys)
    }


def _row(curves: Curves, tune: bool, landscape: Landscape, at: int, against: Sequence[str]) -> str:
    ours = curves[tune, landscape.name, OURS][:, at - 1]
    label = f"{landscape.name}{' (deceptive)' if landscape.is_deceptive else ''}"
    cells = [label, str(at), _spread(ours)]
    for name in against:
        theirs = curves[tune, landscape.name, name][:, at - 1]
        wins = f"{int((ours > theirs).sum())}:{int((ours < theirs).sum())}"
        p = signed_rank(ours - theirs)[1]
        cells.append(f"{_spread(theirs)} **{verdict(ours, theirs)}** {wins} p={p:.2g}")
    return "| " + " | ".join(cells) + " |"


def _spread(values: Vector) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def table(curves: Curves, *, tune: bool, marks: Sequence[int], against: Sequence[str] = BASELINES) -> str:
    """Returns a markdown table: median [quartiles], then +, = or - for us, our wins and losses, and the p value."""
    head = ["landscape", "evaluations", OURS, *against]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [_row(curves, tune, landscape, at, against) for landscape in LANDSCAPES for at in marks]
    return "\n".join(lines)


def claims(curves: Curves, marks: Sequence[int]) -> str:
    """Returns what the defaults are chosen for, and whether it holds."""
    first, last = min(marks), max(marks)
    against = {
        (tune, one, at): verdict(
            curves[tune, one.name, OURS][:, at - 1], curves[tune, one.name, "greedy"][:, at - 1]
        )
        for tune in (False, True)
        for one in LANDSCAPES
        for at in (first, last)
    }
    never_below = all(sign != "-" for (_, _, at), sign in against.items() if at == first)
    above = all(sign == "+" for (_, one, at), sign in against.items() if at == last and one.is_deceptive)
    return (
        f"never significantly below greedy after {first}: {'holds' if never_below else 'FAILS'}\n"
        f"significantly above greedy after {last} on every deceptive landscape: {'holds' if above else 'FAILS'}"
    )


def _overrides(settings: Sequence[str]) -> dict[str, Any]:
    defaults = IslandsConfig()
    types = {field.name: type(getattr(defaults, field.name)) for field in fields(defaults)}
    pairs = [setting.split("=", 1) for setting in settings]
    return {name: types[name](value) for name, value in pairs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=60, help="number of paired seeds")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--evals", default="200,2000", help="after how many evaluations to compare")
    parser.add_argument("--set", action="append", default=[], help="a field of IslandsConfig, as patience=80")
    parser.add_argument("--against", help="other settings of ours instead of other contenders")
    parser.add_argument("--untuned", action="store_true", help="leave out the half with `tune`")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    marks = [int(part) for part in options.evals.split(",")]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    began = time.perf_counter()
    config = IslandsConfig(**_overrides(options.set))
    against = (options.against,) if options.against else BASELINES
    tunes = (False,) if options.untuned else (False, True)
    curves = measure(
        seeds=seeds, evals=max(marks), jobs=options.jobs, config=config, against=against, tunes=tunes
    )
    for tune in tunes:
        title = "With `tune`" if tune else "Scripted mutator only"
        rows = table(curves, tune=tune, marks=marks, against=against)
        print(f"\n{title} ({len(seeds)} paired seeds from {seeds[0]}):\n\n{rows}")
    if against == BASELINES and len(tunes) == 2:
        print(f"\n{claims(curves, marks)}")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

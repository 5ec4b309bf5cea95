"""What the population costs, and its CMA-ES against that of ribs.

    python -m benchmarks.learned.population

Prints CPU time: 100,000 recorded programs replayed into an archipelago, one choice of a parent, one batch of ribs
adds; then the best value that both CMA-ES reach on four functions, and what they cost before their first sample.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Archive, Axis
from islands.emitter import CmaEmitter

PROGRAMS = 100_000
SELECTS = 5_000
SEEDS = 5

Points = NDArray[np.float64]
Function = Callable[[Points], Points]


def ellipsoid(points: Points) -> Points:
    weights = np.logspace(0, 4, points.shape[1])
    return np.asarray(-((points - 0.3) ** 2 * weights).sum(axis=1))


def rosenbrock(points: Points) -> Points:
    head, tail = points[:, :-1], points[:, 1:]
    return np.asarray(-(100 * (tail - head**2) ** 2 + (1 - head) ** 2).sum(axis=1))


def rastrigin(points: Points) -> Points:
    away = 8 * (points - 0.3)
    return np.asarray(-(10 + away**2 - 10 * np.cos(2 * np.pi * away)).sum(axis=1))


class Strategy(Protocol):
    @property
    def has_converged(self) -> bool: ...

    def ask(self) -> Points: ...

    def tell(self, fitnesses: Points) -> None: ...


class RibsStrategy:
    """The CMA-ES of ribs behind the methods of ours."""

    def __init__(self, x0: Points, sigma0: float, *, seed: int) -> None:
        from ribs.emitters.opt import CMAEvolutionStrategy

        self._strategy = CMAEvolutionStrategy(sigma0, x0.size, seed=seed)
        self._strategy.reset(x0)
        self.has_converged = False

    def ask(self) -> Points:
        return np.asarray(self._strategy.ask())

    def tell(self, fitnesses: Points) -> None:
        order = np.argsort(-fitnesses, kind="stable")
        self._strategy.tell(order, fitnesses[order], len(order) // 2)
        self.has_converged = self._strategy.check_stop(fitnesses[order][:, None])


def optimise(strategy: Strategy, function: Function, evaluations: int) -> float:
    """Returns the best value within so many evaluations."""
    best, spent = -np.inf, 0
    while spent < evaluations and not strategy.has_converged:
        values = function(strategy.ask())
        strategy.tell(values)
        best, spent = max(best, float(values.max())), spent + values.size
    return best


def replay(islands: int, bins: int) -> tuple[float, Archipelago]:
    """Returns CPU seconds to fold in `PROGRAMS` records of a run that improves slowly, and the population."""
    rng = np.random.default_rng(0)
    population = Archipelago(IslandsConfig(islands=islands), [Axis("a", 0, 1, bins), Axis("b", 0, 1, bins)])
    measures: list[list[float]] = rng.random((PROGRAMS, 2)).tolist()
    fitnesses: list[float] = np.cumsum(rng.normal(1e-3, 1e-2, PROGRAMS)).tolist()
    parents: list[int] = np.maximum(0, np.arange(PROGRAMS) - rng.integers(1, 50, PROGRAMS)).tolist()
    began = time.process_time()
    for decision in range(PROGRAMS):
        island = population.island_of(decision)
        population.record_parents(island, [str(parents[decision])])
        population.add(island, str(decision), fitnesses[decision], measures[decision])
    return time.process_time() - began, population


def select_us(population: Archipelago) -> float:
    """Returns CPU microseconds of one choice, the first after every change."""
    rng = np.random.default_rng(1)
    best = population.elites(0)[0]
    spent = 0.0
    for turn in range(SELECTS):
        population.add(0, f"new{turn}", 1e6 + turn, best.measures)
        began = time.process_time()
        population.select(0, rng)
        spent += time.process_time() - began
    return spent / SELECTS * 1e6


def main() -> None:
    for islands, bins in ((1, 16), (4, 16), (4, 64)):
        seconds, population = replay(islands, bins)
        cells = len(population.elites(0))
        print(
            f"{PROGRAMS:,} records, {islands} islands of {bins} x {bins} cells: {seconds:.2f} s; "
            f"one select at {cells} occupied cells: {select_us(population):.0f} us"
        )
    archive = Archive([Axis("a", 0, 1), Axis("b", 0, 1)])
    began = time.process_time()
    size = len(archive.store)
    print(f"import of ribs and an archive of {size} elites: {time.process_time() - began:.2f} s")
    began = time.process_time()
    CmaEmitter(np.zeros(10), 0.1, seed=0).ask()
    ours = time.process_time() - began
    optimise(RibsStrategy(np.zeros(10), 0.1, seed=0), rastrigin, 20)
    print(
        f"first samples: ours {ours:.3f} s, ribs {time.process_time() - began - ours:.2f} s after its import"
    )
    print("\n| function | dimension | evaluations | ours | ribs |\n|---|---|---|---|---|")
    for function in (ellipsoid, rosenbrock, rastrigin):
        for dimension, evaluations in ((10, 300), (10, 3000), (52, 12000)):
            start = np.full(dimension, 0.5)
            medians = [
                statistics.median(
                    optimise(kind(start, 0.1, seed=seed), function, evaluations) for seed in range(SEEDS)
                )
                for kind in (CmaEmitter, RibsStrategy)
            ]
            print(
                f"| {function.__name__} | {dimension} | {evaluations} | {medians[0]:.3g} | {medians[1]:.3g} |"
            )


if __name__ == "__main__":
    main()

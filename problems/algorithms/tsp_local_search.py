"""Steer a local search out of its local optima, so that it finds short round trips through 100 cities.

Guided local search improves a tour by 2-opt and Or-opt moves until it is stuck; then it punishes some
edges of the tour, improves the tour under lengths plus punishments, and so on for 600 rounds. The
shortest tour seen counts. The program defines which edges are punished, and how hard:

    utility(lengths, penalties) -> one number per edge of the tour; the edges with the largest get one more penalty
    strength(progress) -> what one penalty adds to the length of an edge, in percent of the mean edge

lengths and penalties are arrays with one entry per edge of the current tour; progress runs from 0 to 1;
the mean edge is that of the first local optimum. The score is the mean over hidden instances, uniform and
clustered, of how far the tour is above a proven lower bound (Held and Karp's), as a share of it; it is to
be made as small as possible. The best tours are about 0.01 above it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective, Result
from evaluators.exact import read_integer, read_list
from problems.algorithms.tours import edge_lengths, guided_local_search, lower_bound, tour_length

ROUNDS = 600
SIDE = 10_000

SEED = '''"""Punishes the longest edges, a little."""

# EVOLVE-BLOCK-START
STRENGTH = 5.0
PENALTY_WEIGHT = 0.1


def utility(lengths, penalties):
    return lengths / (1 + PENALTY_WEIGHT * penalties)


def strength(progress):
    return STRENGTH
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("excess", "minimize", bound=0.0)
MEASURES = (
    Measure("worst", 0.0, 0.12, bins=16),
    Measure("branches", 0, 16, bins=8, source="code"),
    Measure("ast_nodes", 0, 400, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=6, wall_s=15, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
CERTIFICATE = True
BASELINE = Baseline(
    0.006954423557548051, "benchmarks/baselines/algorithms/tsp_local_search.py, other instances"
)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns two uniform and two clustered instances of 100 cities, drawn from the run's secret."""
    del stage
    return [_case(rng, 100, clusters) for clusters in (0, 8, 0, 8)]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns instances of 200 cities."""
    return [_case(rng, 200, clusters) for clusters in (0, 10)]


def draw(rng: np.random.Generator, count: int, clusters: int) -> NDArray[np.int64]:
    """Returns cities (count, 2) on a square, uniform, or normal around that many centres."""
    if clusters == 0:
        return rng.integers(0, SIDE, (count, 2))
    centres = rng.integers(0, SIDE, (clusters, 2))
    cities = rng.normal(centres[rng.integers(0, clusters, count)], SIDE / 15)
    return np.clip(np.rint(cities), 0, SIDE).astype(np.int64)


def _case(rng: np.random.Generator, count: int, clusters: int) -> Case:
    kind = f"{clusters} clusters" if clusters else "uniform"
    return Case(
        {"cities": draw(rng, count, clusters), "rounds": ROUNDS}, name=f"{count} cities, {kind}", group=kind
    )


@lru_cache(maxsize=64)
def _bound(cities: bytes) -> int:
    """Returns the lower bound for cities in the form that they have in memory; takes a fifth of a second."""
    return lower_bound(edge_lengths(np.frombuffer(cities, dtype=np.int64).reshape(-1, 2)))


def run(program: Any, inputs: dict[str, Any]) -> list[int]:
    """Returns the tour that guided local search finds under the program's rule."""
    lengths = edge_lengths(np.asarray(inputs["cities"]))
    return guided_local_search(
        lengths, rounds=inputs["rounds"], strength=program.strength, utility=program.utility
    )


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `excess`, the exact length of a tour over the lower bound, less 1 (`worst`: of the worst instance).

    Raises:
        Invalid: the output is not a tour that visits every city once.
    """
    cities = case.inputs["cities"]
    count = len(cities)
    entries = read_list(output, "the tour", count, count, kinds="iu")
    tour = [read_integer(entry, f"entry {i} of the tour", 0, count - 1) for i, entry in enumerate(entries)]
    if len(set(tour)) < count:
        missing = min(set(range(count)) - set(tour))
        raise Invalid(f"the tour must visit every city once, but city {missing} is left out")
    excess = tour_length(edge_lengths(cities), tour) / _bound(cities.tobytes()) - 1
    return {"excess": excess, "worst": excess}


def aggregate(results: list[Result]) -> dict[str, float]:
    """Returns the mean excess and the worst."""
    excess = [one.metrics["excess"] for one in results]
    return {"excess": sum(excess) / len(excess), "worst": max(excess)}

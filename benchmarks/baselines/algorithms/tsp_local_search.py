"""Iterated local search: 2-opt and Or-opt, kicked by double bridges on short segments, worse tours never kept."""

from __future__ import annotations

import time

import numpy as np

from evaluators.contract import Case
from problems.algorithms.tours import LocalSearch, edge_lengths, nearest_neighbour_tour, tour_length

SEGMENT = 30


def solve(case: Case, seconds: float, rng: np.random.Generator) -> list[int]:
    """Returns the best tour found in so many seconds of CPU time."""
    lengths = edge_lengths(np.array(case.inputs["cities"]))
    n = len(lengths)
    search = LocalSearch(lengths, nearest_neighbour_tour(lengths))
    search.improve(range(n))
    best, shortest = list(search.tour), tour_length(lengths, search.tour)
    end = time.process_time() + seconds
    while time.process_time() < end:
        start = int(rng.integers(n))
        a, b, c = sorted(rng.choice(np.arange(1, min(SEGMENT, n - 1)), 3, replace=False).tolist())
        turned = search.tour[start:] + search.tour[:start]
        kicked = turned[:a] + turned[b:c] + turned[a:b] + turned[c:]
        search.tour = kicked
        search.place = np.argsort(kicked).tolist()
        search.improve([kicked[i] for i in (0, a - 1, a, a + c - b - 1, a + c - b, c - 1, c)])
        length = tour_length(lengths, search.tour)
        if length <= shortest:
            best, shortest = list(search.tour), length
        else:
            search.tour = list(best)
            search.place = np.argsort(best).tolist()
    return best

"""More than one objective: which programs of a cell deserve its places.

A cell of a Pareto archive has several places. A newcomer that a member dominates, or equals, is refused; one that
dominates a member takes its place; else it takes a free place, or, where there is none, that of the member in the most
crowded part of the front (crowding distance, Deb et al. 2002), never that of the best in any objective. Where a
newcomer dominates several members, the others keep their places until somebody needs them.

All values are larger-is-better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from islands.scores import FloatArray

Values = Sequence[float]


def dominates(one: Values, other: Values) -> bool:
    """Returns whether `one` is at least as good in every objective, and better in one."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def non_dominated(points: Sequence[Values]) -> list[int]:
    """Returns the positions of the points that no other one dominates, in order."""
    return [n for n, one in enumerate(points) if not any(dominates(other, one) for other in points)]


def crowding(points: Sequence[Values]) -> FloatArray:
    """Returns (n,) crowding distances: how far the neighbours of each point are, infinite for the ends of the front.

    Per objective the distance between the two neighbours as a share of the whole range, summed over the objectives, so
    it does not change under value -> a * value + b, a > 0.
    """
    table = np.asarray(points, dtype=np.float64)
    distances = np.zeros(len(table))
    for column in table.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if spread > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distances


def place_for(members: Sequence[Values], newcomer: Values, places: int) -> int | None:
    """Returns the position whose place a newcomer takes, `len(members)` for a free place, None if it is refused."""
    if any(tuple(one) == tuple(newcomer) or dominates(one, newcomer) for one in members):
        return None
    for position, one in enumerate(members):
        if dominates(newcomer, one):
            return position
    front = set(non_dominated(members))
    for position in range(len(members)):
        if position not in front:
            return position
    if len(members) < places:
        return len(members)
    distances = crowding([*members, newcomer])
    least = int(distances.argmin())
    return None if least == len(members) else least

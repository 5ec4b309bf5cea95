"""Travelling salesman instances, tours, guided local search, and proven lower bounds: shared, nothing hidden here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 8

Lengths: TypeAlias = NDArray[np.int64]
"""Lengths of all edges, (n, n), symmetric, whole numbers."""


def edge_lengths(cities: NDArray[np.int64]) -> Lengths:
    """Returns the distances between cities (n, 2), rounded to whole numbers (TSPLIB's EUC_2D)."""
    offsets = (cities[:, None, :] - cities[None, :, :]).astype(float)
    rounded: Lengths = np.floor(np.sqrt((offsets**2).sum(axis=2)) + 0.5).astype(np.int64)
    return rounded


def tour_length(lengths: Lengths, tour: Sequence[int]) -> int:
    """Returns the length of a closed tour."""
    order = np.asarray(tour)
    return int(lengths[order, np.roll(order, -1)].sum())


def nearest_neighbour_tour(lengths: Lengths, start: int = 0) -> list[int]:
    """Returns the tour that always goes on to the nearest city not yet visited."""
    open_cities = np.ones(len(lengths), dtype=bool)
    tour = [start]
    open_cities[start] = False
    while open_cities.any():
        row = np.where(open_cities, lengths[tour[-1]], np.iinfo(np.int64).max)
        tour.append(int(row.argmin()))
        open_cities[tour[-1]] = False
    return tour


class LocalSearch:
    """A tour, kept at a local optimum of 2-opt and Or-opt moves under lengths plus weighted penalties."""

    def __init__(self, lengths: Lengths, tour: list[int]) -> None:
        self.n = len(lengths)
        self.lengths: list[list[int]] = lengths.tolist()
        self.cost: list[list[float]] = lengths.astype(float).tolist()
        away = np.eye(self.n, dtype=np.int64) * (1 + lengths.max())  # a city is no neighbour of itself
        order = np.argsort(lengths + away, axis=1, kind="stable")
        self.near: list[list[int]] = order[:, : min(NEIGHBOURS, self.n - 1)].tolist()
        self.tour = list(tour)
        self.place = [0] * self.n
        self._renumber(0, self.n - 1)

    def penalise(self, a: int, b: int, amount: float) -> None:
        """Makes the edge between two cities dearer."""
        self.cost[a][b] += amount
        self.cost[b][a] += amount

    def improve(self, cities: Sequence[int]) -> None:
        """Improves the tour around `cities` until no move from any city touched makes it cheaper."""
        queue = list(cities)
        waiting = set(queue)
        while queue:
            city = queue.pop()
            waiting.discard(city)
            while touched := self._two_opt(city) or self._or_opt(city):
                fresh = [other for other in touched if other not in waiting and other != city]
                queue += fresh
                waiting.update(fresh)

    def _renumber(self, first: int, last: int) -> None:
        for index in range(first, last + 1):
            self.place[self.tour[index]] = index

    def _two_opt(self, a: int) -> tuple[int, ...]:
        """Replaces an edge at `a` and another one by two cheaper ones; returns the cities touched, () if none."""
        tour, place, cost, n = self.tour, self.place, self.cost, self.n
        i = place[a]
        for step in (1, -1):
            b = tour[(i + step) % n]
            row, old = cost[a], cost[a][b]
            for c in self.near[a]:
                if row[c] >= old:
                    continue
                d = tour[(place[c] + step) % n]
                if row[c] + cost[b][d] - old - cost[c][d] < -1e-7:
                    if step == 1:
                        self._reverse(place[b], place[c])
                    else:
                        self._reverse(place[c], place[b])
                    return a, b, c, d
        return ()

    def _reverse(self, i: int, j: int) -> None:
        """Reverses the path from place i forward to place j, or the rest of the tour if that is shorter."""
        n, tour, place = self.n, self.tour, self.place
        inside = (j - i) % n + 1
        if 2 * inside > n:
            i, j, inside = (j + 1) % n, (i - 1) % n, n - inside
        for _ in range(inside // 2):
            x, y = tour[i], tour[j]
            tour[i], place[y] = y, i
            tour[j], place[x] = x, j
            i = i + 1 if i + 1 < n else 0
            j = j - 1 if j else n - 1

    def _or_opt(self, a: int) -> tuple[int, ...]:
        """Moves the path of 1 to 3 cities that begins at `a` elsewhere; returns the cities touched, () if none."""
        tour, place, cost, n = self.tour, self.place, self.cost, self.n
        for step in (1, -1):
            for length in (1, 2, 3):
                i = place[a]
                path = [tour[(i + step * k) % n] for k in range(length)]
                before, after = tour[(i - step) % n], tour[(i + step * length) % n]
                if before == after or before in path:
                    continue
                end = path[-1]
                gain = cost[before][a] + cost[end][after] - cost[before][after]
                if gain <= 1e-7:
                    continue
                for c in self.near[a]:
                    if cost[a][c] >= gain or c in path:
                        continue
                    for side in (1, -1):
                        d = tour[(place[c] + side) % n]
                        if d in path or (c in (before, after) and d in (before, after)):
                            continue
                        if cost[c][a] + cost[end][d] - cost[c][d] < gain - 1e-7:
                            self._move(path, c, side)
                            return before, after, a, end, c, d
        return ()

    def _move(self, path: list[int], c: int, side: int) -> None:
        """Takes a path out and puts it beside `c`, its first city next to `c`."""
        inside = set(path)
        rest = [city for city in self.tour if city not in inside]
        at = rest.index(c)
        rest[at + 1 : at + 1] = path
        if side == -1:
            rest = rest[:at] + path[::-1] + [c] + rest[at + 1 + len(path) :]
        self.tour = rest
        self._renumber(0, self.n - 1)


def guided_local_search(
    lengths: Lengths,
    *,
    rounds: int,
    strength: Callable[[float], float],
    utility: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> list[int]:
    """Returns the shortest tour found by guided local search (Voudouris and Tsang 1999).

    In every round the edges of the current tour with the largest utility (of length and penalty so far) get one
    more penalty, and the tour is improved around them under the lengths plus the penalties, each of which counts
    `strength` (of the progress, 0 to 1) percent of the mean edge of the first local optimum.
    """
    search = LocalSearch(lengths, nearest_neighbour_tour(lengths))
    search.improve(range(search.n))
    best, shortest = list(search.tour), tour_length(lengths, search.tour)
    mean = shortest / search.n
    penalties = np.zeros(lengths.shape)
    for number in range(rounds):
        tour = np.array(search.tour)
        after = np.roll(tour, -1)
        worth = np.asarray(utility(lengths[tour, after].astype(float), penalties[tour, after]), dtype=float)
        amount = mean * float(strength(number / rounds)) / 100
        chosen = np.flatnonzero(worth >= worth.max())[:NEIGHBOURS]
        ends = []
        for a, b in zip(tour[chosen].tolist(), after[chosen].tolist(), strict=True):
            penalties[a, b] += 1
            penalties[b, a] += 1
            search.penalise(a, b, amount)
            ends += [a, b]
        search.improve(ends)
        length = tour_length(lengths, search.tour)
        if length < shortest:
            best, shortest = list(search.tour), length
    return best


def lower_bound(lengths: Lengths, rounds: int = 300) -> int:
    """Returns a proven lower bound on the length of any tour (Held and Karp 1971), exact in whole numbers.

    A tour is a 1-tree in which all degrees are 2. With whole-number weights w on the cities, every tour's length
    is at least that of the shortest 1-tree under lengths[i, j] + w[i] + w[j], less twice the sum of w. Steps
    towards good weights as in Volgenant and Jonker (1982).
    """
    scale = 16  # weights in sixteenths
    scaled = lengths * scale
    weights = np.zeros(len(lengths), dtype=np.int64)
    best = 0
    first_step = 0.0
    before = np.zeros(len(lengths))
    for number in range(rounds):
        bound, degrees = _one_tree(scaled + weights[:, None] + weights[None, :])
        best = max(best, bound - 2 * int(weights.sum()))
        excess = degrees - 2
        if not excess.any():
            break
        first_step = first_step or 3 * bound / len(lengths)
        step = first_step * (1 - number / rounds) ** 2
        weights += np.rint(step * (0.6 * excess + 0.4 * before)).astype(np.int64)
        before = excess.astype(float)
    return -(-best // scale)


def _one_tree(costs: Lengths) -> tuple[int, NDArray[np.int64]]:
    """Returns cost and degrees of the shortest tree on cities 1.. (Prim), with city 0 tied on by two edges."""
    n = len(costs)
    degrees = np.zeros(n, dtype=np.int64)
    away = np.iinfo(np.int64).max
    distance = costs[1].copy()
    nearest = np.ones(n, dtype=np.int64)
    distance[[0, 1]] = away
    total = 0
    for _ in range(n - 2):
        city = int(distance.argmin())
        total += int(distance[city])
        degrees[city] += 1
        degrees[nearest[city]] += 1
        closer = (costs[city] < distance) & (distance < away)
        distance[closer] = costs[city][closer]
        nearest[closer] = city
        distance[city] = away
    ties = np.argsort(costs[0, 1:], kind="stable")[:2] + 1
    degrees[ties] += 1
    degrees[0] = 2
    return total + int(costs[0, ties].sum()), degrees

"""One MAP-Elites archive: the best program of every cell of behaviour.

The archive itself is a ribs `GridArchive` (`CVTArchive` for more than 3 axes). It is written in batches,
when `store`
is read: one `add_single` costs 50 to 250 us and importing ribs 2 s, while a run records its first
    evaluation before
that. Between two batches a small index of the same elites answers everything that selection asks; it
computes the cell exactly as ribs does (tested against it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import numpy as np

from islands import IslandsError
from islands.config import Normalisation
from islands.fronts import place_for
from islands.scores import FloatArray, normalise

MAX_GRID_AXES = 3
Order: TypeAlias = Literal["single", "lexicographic", "pareto"]
_RIBS_EPSILON = 1e-6  # ribs shifts measures by this much before it cuts them into cells
_CVT_SAMPLES_PER_CELL = 24
_CVT_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Axis:
    """One behaviour axis: `bins` equal cells over [low, high]; values outside go to the edge cells."""

    name: str
    low: float
    high: float
    bins: int = 16

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise IslandsError(f"axis {self.name!r} needs finite low < high, got {self.low} and {self.high}")
        if self.bins < 1:
            raise IslandsError(f"axis {self.name!r} needs bins >= 1, got {self.bins}")


@dataclass(frozen=True, slots=True)
class Elite:
    """The best program of one cell. `fitness` is larger-is-better; `measures` has one value per axis.

    `values` are the fitnesses in all objectives, the first of them `fitness`; empty where there is only one.
    """

    program_id: str
    fitness: float
    cell: int
    measures: tuple[float, ...]
    values: tuple[float, ...] = ()


class AddStatus(StrEnum):
    """What an archive did with a program."""

    NEW = "new"  # the first of its cell
    IMPROVED = "improved"  # better than its cell's elite, which it displaced
    REJECTED = "rejected"  # not better than its cell's elite


@dataclass(frozen=True, slots=True)
class AddResult:
    """The outcome of one add; `displaced` is the id of the elite that had to go, if any."""

    status: AddStatus
    cell: int
    displaced: str | None = None


class Archive:
    """The elites of one island, one per cell. An elite leaves only for a better one in its own cell.

    With several objectives, either "better" is lexicographic (the first objective in which two differ decides), or a
    cell has `places` for programs none of which is better than another in everything (fronts.py). Place k of cell c
    then counts as cell c + k * cells.
    """

    def __init__(
        self, axes: Sequence[Axis], *, cvt_cells: int = 512, order: Order = "single", places: int = 8
    ) -> None:
        """Starts empty.

        Args:
            axes: the behaviour axes; with none, the archive is a single cell. Up to 3 make a grid, more a
                Voronoi tessellation of their box, whose centroids are a function of the axes' number and
                `cvt_cells` alone.
            cvt_cells: cells of that tessellation.
            order: what "better" means: by "single" fitness, "lexicographic" or "pareto".
            places: of a cell, in a Pareto archive.

        Raises:
            IslandsError: two axes have the same name, `cvt_cells` < 1, or `places` < 2.
        """
        self.order = order
        self._places = places if order == "pareto" else 1
        if order == "pareto" and places < 2:
            raise IslandsError(f"places must be >= 2, got {places}; a front needs both its ends")
        self.axes = tuple(axes) or (Axis("all", 0.0, 1.0, 1),)
        self._has_axes = bool(axes)
        if len({axis.name for axis in self.axes}) < len(self.axes):
            raise IslandsError(f"axes must have different names, got {[axis.name for axis in self.axes]}")
        if cvt_cells < 1:
            raise IslandsError(f"cvt_cells must be >= 1, got {cvt_cells}")
        is_grid = len(self.axes) <= MAX_GRID_AXES
        self._centroids = None if is_grid else _centroids(len(self.axes), cvt_cells)
        self.cells = math.prod(axis.bins for axis in self.axes) if is_grid else cvt_cells
        self._slots: dict[int, int] = {}  # cell -> position in the lists below
        self._elites: list[Elite] = []
        self._fitnesses = np.empty(64)
        self._tries = np.zeros(64)
        self._normalised: dict[tuple[Normalisation, int], FloatArray] = {}
        self._best: Elite | None = None
        self._pending: dict[int, Elite] = {}
        self._store: Any = None

    def __len__(self) -> int:
        return len(self._elites)

    @property
    def best(self) -> Elite | None:
        """Returns the elite of the highest fitness (the earliest among equals), or None when empty."""
        return self._best

    @property
    def coverage(self) -> float:
        """Returns the share of cells that are occupied, in [0, 1]."""
        return len({elite.cell % self.cells for elite in self._elites}) / self.cells

    @property
    def qd_score(self) -> float:
        """Returns the sum of the elites' fitnesses, as ribs accounts it."""
        return float(self.store.stats.qd_score)

    @property
    def store(self) -> Any:
        """Returns the ribs archive with every elite in it.

        `solution` is the program id, `objective` the fitness. Treat it as read-only. The measures of a
        tessellation (more than 3 axes) are on [0, 1]. Of several elites in a cell, it holds the best in the
        first objective.
        """
        if self._store is None:
            self._store = self._new_store()
        if self._pending:
            batch = list(self._pending.values())  # ribs itself keeps the best of each cell
            self._pending = {}
            self._store.add(
                np.array([elite.program_id for elite in batch], dtype=object),
                np.array([elite.fitness for elite in batch]),
                np.array([self._ribs_measures(elite.measures) for elite in batch]),
            )
        return self._store

    def elites(self) -> tuple[Elite, ...]:
        """Returns the elites in the order in which their cells were first occupied."""
        return tuple(self._elites)

    def top(self, count: int) -> list[Elite]:
        """Returns the `count` best elites, best first, the older cell first among equals."""
        fitnesses = self._fitnesses[: len(self._elites)]
        if count >= fitnesses.size:
            chosen = np.arange(fitnesses.size)
        else:
            chosen = np.flatnonzero(fitnesses >= np.partition(fitnesses, -count)[-count])
        order = chosen[np.argsort(-fitnesses[chosen], kind="stable")]
        return [self._elites[position] for position in order[:count]]

    def elite_at(self, position: int) -> Elite:
        """Returns the elite at a position of `elites()` and of `normalised()`."""
        return self._elites[position]

    def cell_elite(self, cell: int) -> Elite | None:
        """Returns the elite of a cell, or None when it is empty."""
        slot = self._slots.get(cell)
        return None if slot is None else self._elites[slot]

    @property
    def objectives(self) -> int:
        """Returns by how many objectives parents may be drawn: 1 but for a Pareto archive."""
        return len(self._elites[0].values) if self.order == "pareto" and self._elites else 1

    def normalised(self, method: Normalisation, objective: int = 0) -> FloatArray:
        """Returns (n,) normalised fitnesses of `elites()` in one objective; computed once between two changes."""
        key = (method, objective)
        if key not in self._normalised:
            self._normalised[key] = normalise(self._levels(objective), method)
        return self._normalised[key]

    def _levels(self, objective: int) -> FloatArray:
        if self.order == "lexicographic":  # what counts is the order of all objectives together
            ordered = {values: n for n, values in enumerate(sorted({one.values for one in self._elites}))}
            return np.array([ordered[one.values] for one in self._elites], dtype=np.float64)
        if objective:
            return np.array([one.values[objective] for one in self._elites])
        return self._fitnesses[: len(self._elites)]

    def tries(self) -> FloatArray:
        """Returns (n,) how many children each of `elites()` has had since it took its cell."""
        return self._tries[: len(self._elites)]

    def count_try(self, cell: int) -> None:
        """Notes one child of a cell's elite."""
        self._tries[self._slots[cell]] += 1

    def cell_of(self, measures: Sequence[float]) -> int:
        """Returns the cell of a point of behaviour, in [0, cells); values outside the axes go to the edge.

        Raises:
            IslandsError: not one finite number per axis.
        """
        if not self._has_axes and not len(measures):
            return 0
        if len(measures) != len(self.axes):
            raise IslandsError(
                f"measures must hold one number per axis, {len(self.axes)}, got {len(measures)}"
            )
        if self._centroids is not None:
            point = self._ribs_measures(measures)
            return int(((self._centroids - point) ** 2).sum(axis=1).argmin())
        cell = 0
        for axis, value in zip(self.axes, measures, strict=True):
            if not math.isfinite(value):
                raise IslandsError(
                    f"measure {axis.name!r} must be finite, got {value}; reject the program instead"
                )
            inside = min(max(value, axis.low), axis.high)
            index = int((axis.bins * (inside - axis.low) + _RIBS_EPSILON) / (axis.high - axis.low))
            cell = cell * axis.bins + min(index, axis.bins - 1)
        return cell

    def add(
        self, program_id: str, fitness: float, measures: Sequence[float], values: Sequence[float] = ()
    ) -> AddResult:
        """Offers a program to its cell, which keeps the better one (the older one among equals).

        Args:
            program_id: its id.
            fitness: in the first objective, larger is better.
            measures: one per axis.
            values: its fitness in every objective, where there are several.

        Raises:
            IslandsError: a number is not finite, or there is not one measure per axis.
        """
        if not math.isfinite(fitness):
            raise IslandsError(
                f"fitness must be finite, got {fitness}; a program without a score is never added"
            )
        cell = self.cell_of(measures)
        if self.order != "single":
            return self._add_ordered(program_id, cell, tuple(map(float, measures)), tuple(map(float, values)))
        slot = self._slots.get(cell)
        if slot is not None and fitness <= self._elites[slot].fitness:
            return AddResult(AddStatus.REJECTED, cell)
        elite = Elite(program_id, float(fitness), cell, tuple(float(value) for value in measures))
        displaced = self._put(elite, slot)
        return AddResult(AddStatus.NEW if slot is None else AddStatus.IMPROVED, cell, displaced)

    def _add_ordered(
        self, program_id: str, cell: int, measures: tuple[float, ...], values: tuple[float, ...]
    ) -> AddResult:
        if not values or not all(map(math.isfinite, values)):
            raise IslandsError(f"values must hold a finite number per objective, got {values}")
        cells = [cell + place * self.cells for place in range(self._places)]
        slots = [self._slots[one] for one in cells if one in self._slots]
        members = [self._elites[slot].values for slot in slots]
        place: int | None
        if self.order == "pareto":
            place = place_for(members, values, self._places)
        elif not members or values > members[0]:
            place = 0
        else:
            place = None
        if place is None:
            return AddResult(AddStatus.REJECTED, cell)
        slot = slots[place] if place < len(slots) else None
        displaced = self._put(Elite(program_id, values[0], cells[place], measures, values), slot)
        return AddResult(AddStatus.NEW if slot is None else AddStatus.IMPROVED, cells[place], displaced)

    def _put(self, elite: Elite, slot: int | None) -> str | None:
        displaced = None
        if slot is None:
            slot = self._slots[elite.cell] = len(self._elites)
            self._elites.append(elite)
            if slot == len(self._fitnesses):
                self._fitnesses = np.concatenate([self._fitnesses, np.empty(slot)])
                self._tries = np.concatenate([self._tries, np.zeros(slot)])
        else:
            displaced = self._elites[slot].program_id
            self._elites[slot] = elite
        self._fitnesses[slot] = elite.fitness
        self._tries[slot] = 0
        self._normalised.clear()
        if self._best is None or _is_better(elite, self._best):
            self._best = elite
        self._pending[elite.cell] = elite
        return displaced

    def _ribs_measures(self, measures: Sequence[float]) -> FloatArray:
        values = np.asarray(measures if self._has_axes else (0.0,), dtype=np.float64)
        if not np.isfinite(values).all():
            raise IslandsError(f"measures must be finite, got {tuple(measures)}; reject the program instead")
        if self._centroids is None:
            return values
        low = np.array([axis.low for axis in self.axes])
        high = np.array([axis.high for axis in self.axes])
        scaled: FloatArray = np.clip((values - low) / (high - low), 0.0, 1.0)
        return scaled

    def _new_store(self) -> Any:
        from ribs.archives import CVTArchive, GridArchive

        if self._centroids is None:
            return GridArchive(
                solution_dim=(),
                solution_dtype=object,
                dims=[axis.bins for axis in self.axes],
                ranges=[(axis.low, axis.high) for axis in self.axes],
            )
        return CVTArchive(
            solution_dim=(),
            solution_dtype=object,
            centroids=self._centroids,
            ranges=[(0.0, 1.0)] * len(self.axes),
        )


def _is_better(one: Elite, other: Elite) -> bool:
    """Returns whether an elite is better: in fitness, or, where that is equal, in the next objective."""
    return one.fitness > other.fitness or (one.fitness == other.fitness and one.values > other.values)


def _centroids(dimension: int, cells: int) -> FloatArray:
    """Returns (cells, dimension) centroids of a centroidal Voronoi tessellation of the unit box.

    Lloyd's rounds on a fixed sample rather than sklearn's k-means behind ribs: a run that is resumed,
    perhaps with another version of it, must find the cells it left.
    """
    rng = np.random.default_rng([dimension, cells])
    samples = rng.random((cells * _CVT_SAMPLES_PER_CELL, dimension))
    centroids = samples[:cells].copy()
    for _ in range(_CVT_ROUNDS):
        squares = (centroids**2).sum(axis=1)
        nearest = np.concatenate(
            [(squares - 2 * block @ centroids.T).argmin(axis=1) for block in np.array_split(samples, 16)]
        )
        sizes = np.bincount(nearest, minlength=cells)
        sums = np.stack(
            [np.bincount(nearest, weights=column, minlength=cells) for column in samples.T], axis=1
        )
        is_used = sizes > 0
        centroids[is_used] = sums[is_used] / sizes[is_used, None]
    return centroids

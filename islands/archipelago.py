"""Islands of archives: who breeds where, who moves where, and how hot selection is.

Every island is a MAP-Elites archive. Parents are drawn from the island's own cells by Boltzmann selection
with the adaptive temperature of selection.py. What goes beyond the paper, and why, stands in
docs/selection.md.

The state is a function of the calls of `add` and `record_parents` in their order: replaying them rebuilds it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from islands import IslandsError
from islands.archive import AddStatus, Archive, Axis, Elite, Order
from islands.chance import Purpose, stream
from islands.config import IslandsConfig
from islands.selection import draw, entropy, temperature

_FORMER_ELITES = 512  # displaced ids whose cell is still known, for results that were long in flight

Cause = Literal["birth", "migration", "reseed", "founder"]


@dataclass(frozen=True, slots=True)
class Change:
    """One cell of one island got another elite: by birth there, by migration, or by reseeding.

    A founder is the only elite of its island from then on: all others are gone.
    """

    island: int
    cell: int
    program_id: str
    displaced: str | None
    cause: Cause


class _Island:
    """One archive with what selection remembers: whence parents came, since when nothing got better."""

    def __init__(self, axes: Sequence[Axis], config: IslandsConfig, order: Order) -> None:
        self.archive = Archive(axes, cvt_cells=config.cvt_cells, order=order, places=config.places)
        self.births = 0
        self.births_since_best = 0
        self.protected_until = 0  # births
        self._cells: dict[str, int] = {}  # of the present elites
        self._former: OrderedDict[str, int] = OrderedDict()
        self._recent: deque[int] = deque()
        self._window = config.window
        self._counts: dict[int, int] = {}

    @property
    def is_protected(self) -> bool:
        """Whether it began anew from a founder and is left alone."""
        return self.births < self.protected_until

    def offer(
        self,
        program_id: str,
        fitness: float,
        measures: Sequence[float],
        cause: Cause,
        values: Sequence[float] = (),
    ) -> tuple[int, str | None] | None:
        """Returns the cell that the program took and whom it displaced, or None when it was not better."""
        before = self.archive.best
        result = self.archive.add(program_id, fitness, measures, values)
        if cause == "birth":
            self.births += 1
            self.births_since_best += 1
        if result.status is AddStatus.REJECTED:
            return None
        if self.archive.best is not before:
            self.births_since_best = 0
        if result.displaced is not None and self._cells.get(result.displaced) == result.cell:
            self._former[result.displaced] = self._cells.pop(result.displaced)
            if len(self._former) > _FORMER_ELITES:
                self._former.popitem(last=False)
        self._cells[program_id] = result.cell
        return result.cell, result.displaced

    def record_parent(self, program_id: str) -> None:
        cell = self._cells.get(program_id, -1)
        if cell >= 0:
            self.archive.count_try(cell)
        else:
            cell = self._former.get(program_id, -1)
            if cell < 0:
                return
        self._recent.append(cell)
        self._counts[cell] = self._counts.get(cell, 0) + 1
        if len(self._recent) > self._window:
            oldest = self._recent.popleft()
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]

    def diversity(self) -> float:
        return entropy(self._counts.values(), len(self.archive))


class Archipelago:
    """The population. One caller at a time; nothing here blocks or does I/O."""

    def __init__(
        self, config: IslandsConfig, axes: Sequence[Axis], order: Order = "single", *, seed: int = 0
    ) -> None:
        """Starts with empty islands; add the seed program to each of them first.

        Args:
            config: how the population lives.
            axes: of the archives.
            order: see `Archive`.
            seed: of the run, >= 0: islands and founders are drawn by it.
        """
        self.config = config
        self.axes = tuple(axes)
        self.order = order
        self._seed = seed
        self._islands = [_Island(self.axes, config, order) for _ in range(config.islands)]
        self._programs = 0

    def __len__(self) -> int:
        """Returns the number of islands."""
        return len(self._islands)

    @property
    def best(self) -> Elite | None:
        """Returns the best elite of all islands (of the first island among equals), or None."""
        bests = [island.archive.best for island in self._islands]
        return max(
            (best for best in bests if best is not None), key=lambda elite: elite.fitness, default=None
        )

    def archive(self, island: int) -> Archive:
        """Returns an island's archive, to read."""
        return self._island(island).archive

    def elites(self, island: int) -> tuple[Elite, ...]:
        """Returns an island's elites."""
        return self._island(island).archive.elites()

    def open_islands(self, programs: int) -> int:
        """Returns how many islands are open once `programs` programs were made."""
        interval = self.config.opening_interval
        return (
            len(self._islands) if interval == 0 else min(len(self._islands), 1 + max(0, programs) // interval)
        )

    def island_of(self, decision: int) -> int:
        """Returns the island where decision number `decision` (from 0) breeds: one of the open ones, drawn."""
        if (count := self.open_islands(decision)) == 1:
            return 0
        return int(stream(self._seed, Purpose.ISLAND, decision).integers(count))

    def diversity(self, island: int) -> float:
        """Returns H of an island, in [0, 1]: the entropy of its recent parents over its occupied cells."""
        return self._island(island).diversity()

    def temperature(self, island: int) -> float:
        """Returns the island's present temperature, in units of normalised fitness."""
        config = self.config
        return temperature(self.diversity(island), tau0=config.tau0, alpha=config.alpha, beta=config.beta)

    def select(self, island: int, rng: np.random.Generator, count: int = 1) -> list[Elite]:
        """Returns `count` distinct elites of an island, or all of them when it holds fewer.

        In a Pareto archive, they are drawn by one objective, which is drawn first.

        Raises:
            IslandsError: the island is empty or does not exist, or `count` < 1.
        """
        archive = self.archive(island)
        if not len(archive):
            raise IslandsError(
                f"island {island} is empty; add the seed program to every island before selecting"
            )
        objective = int(rng.integers(archive.objectives)) if archive.objectives > 1 else 0
        values, tries = archive.normalised(self.config.normalisation, objective), archive.tries()
        # Beyond the paper: its law alone never leaves a dead end in time (docs/selection.md).
        if tries[values.argmax()] >= self.config.patience:
            values = values - self.config.fatigue * tries
        positions = draw(values, self.temperature(island), rng=rng, count=count)
        return [archive.elite_at(position) for position in positions]

    def add(
        self,
        island: int,
        program_id: str,
        fitness: float,
        measures: Sequence[float],
        values: Sequence[float] = (),
    ) -> tuple[Change, ...]:
        """Offers a program to its island and lets migration and reseeding follow.

        Returns:
            What changed in any archive, in order; empty when the program was not better than its cell's
            elite and nothing else was due.

        Raises:
            IslandsError: the island does not exist, or `fitness` or `measures` are not what an archive takes.
        """
        home = self._island(island)
        changes = list(self._offer(island, program_id, fitness, measures, "birth", values))
        self._programs += 1
        interval = self.config.migration_interval
        if interval and home.births % interval == 0:
            changes += self._migrate(island)
        stagnation = self.config.stagnation
        if stagnation and home.births_since_best >= stagnation and not home.is_protected:
            home.births_since_best = 0
            changes += self._found(island) if self.config.reseeding == "founder" else self._reseed(island)
        return tuple(changes)

    def restore(
        self,
        island: int,
        program_id: str,
        fitness: float,
        measures: Sequence[float],
        values: Sequence[float] = (),
    ) -> None:
        """Puts a known elite into its island's archive; counts no birth, and nothing follows from it."""
        self._island(island).offer(program_id, fitness, measures, "reseed", values)

    def record_parents(self, island: int, program_ids: Sequence[str]) -> None:
        """Notes that these programs were parents on an island; call it when the child's result is recorded.

        Ids that never were elites there, or are long displaced, are passed over.
        """
        home = self._island(island)
        for program_id in program_ids:
            home.record_parent(program_id)

    def _offer(
        self,
        island: int,
        program_id: str,
        fitness: float,
        measures: Sequence[float],
        cause: Cause,
        values: Sequence[float] = (),
    ) -> Iterator[Change]:
        taken = self._islands[island].offer(program_id, fitness, measures, cause, values)
        if taken is not None:
            yield Change(island, taken[0], program_id, taken[1], cause)

    def _migrate(self, island: int) -> Iterator[Change]:
        if self._islands[island].is_protected:
            return
        migrants = self._islands[island].archive.top(self.config.migrants)
        for target in self._neighbours(island):
            for elite in () if self._islands[target].is_protected else migrants:
                yield from self._offer(target, *_offered(elite, "migration"))

    def _found(self, island: int) -> Iterator[Change]:
        """Lets an island begin anew from one program of another that is as good, drawn as parents are.

        FunSearch (Romera-Paredes et al. 2023, Methods) so resets the worse half of its islands, by the best program of one of
        the others; here it is an island that gets nowhere, and never the one that holds the best (of several,
        the one with the most elites).
        """
        ranks = {
            number: (best.fitness, len(self._islands[number].archive))
            for number in range(self.open_islands(self._programs))
            if (best := self._islands[number].archive.best) is not None
        }
        if island not in ranks or island == max(ranks, key=ranks.__getitem__):
            return
        sources = [
            other for other, (best, _) in ranks.items() if other != island and best >= ranks[island][0]
        ]
        rng = stream(self._seed, Purpose.FOUNDER, self._programs)
        source = sources[int(rng.integers(len(sources)))]
        (founder,) = self.select(source, rng)
        former = self._islands[island]
        anew = self._islands[island] = _Island(self.axes, self.config, self.order)
        anew.births, anew.protected_until = former.births, former.births + self.config.protection
        yield from self._offer(island, *_offered(founder, "founder"))

    def _reseed(self, island: int) -> Iterator[Change]:
        for source in range(self.open_islands(self._programs)):
            if source != island:
                for elite in self._islands[source].archive.elites():
                    yield from self._offer(island, *_offered(elite, "reseed"))

    def _neighbours(self, island: int) -> list[int]:
        is_open = self.open_islands(self._programs)
        if self.config.topology == "none" or island >= is_open:
            return []
        others = [(island + step) % is_open for step in range(1, is_open)]
        return others[:1] if self.config.topology == "ring" else others

    def _island(self, island: int) -> _Island:
        if not 0 <= island < len(self._islands):
            raise IslandsError(f"island must be in [0, {len(self._islands)}), got {island}")
        return self._islands[island]


def _offered(elite: Elite, cause: Cause) -> tuple[str, float, tuple[float, ...], Cause, tuple[float, ...]]:
    return elite.program_id, elite.fitness, elite.measures, cause, elite.values

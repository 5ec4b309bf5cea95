"""What a child gained, on a scale that does not know the problem's unit: in [0, 1], equal under score -> a*score + b, a > 0.

The one measure by which arms of the bandit, items of the memory and parents are credited.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal

WINDOW = 128
"""Improvements whose 90th percentile is the unit: with fewer big steps left, smaller ones count as big."""
OFF_BEST = 0.5
"""What an improvement counts that is no new best of the run, as a share."""
NEW_CELL = 0.05
"""What a child counts at least that is the first of its cell."""
_REMEMBERED = 50_000


class GainMeter:
    """Measures the gain of each lesson. A `Learner`: put it before those that read `last`.

    A gain is how far a child that an archive took lies above its parent, and above the elite that it displaced, in
    units of the 90th percentile of the latest improvements, cut at 1. So a stream of steps in the last digit is
    worth little beside a leap, and what a problem calls a leap need not be told. A program that failed, or that no
    cell wanted, gained nothing.

    Attributes:
        last: the gain of the latest lesson.
    """

    def __init__(self) -> None:
        self.last = 0.0
        self._improvements: deque[float] = deque(maxlen=WINDOW)
        self._ordered: list[float] = []
        self._fitnesses: dict[str, float] = {}

    def learn(self, result: EvaluationResult) -> None:
        """Measures one evaluated program."""
        self.last = 0.0
        record, fitness = result.record, result.fitness
        if fitness is None or not result.changes:
            return
        births = [c for c in result.changes if c.program_id == record.program_id and c.cause == "birth"]
        if births:
            displaced = births[0].displaced
            level = result.best_before if result.parent_fitness is None else result.parent_fitness
            if displaced is not None and level is not None:
                level = max(level, self._fitnesses.get(displaced, level))
            if level is not None:
                self.last = self._gain(fitness, level, result.best_before)
                if displaced is None:
                    self.last = max(self.last, NEW_CELL)
            self._remember(record.program_id, fitness)

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Passes over calls that led to nothing."""

    def learn_note(self, note: NoteRecord) -> None:
        """Passes over texts."""

    def _gain(self, fitness: float, level: float, best_before: float | None) -> float:
        step = fitness - level
        if not step > 0:
            return 0.0
        if len(self._improvements) == WINDOW:
            del self._ordered[bisect_left(self._ordered, self._improvements[0])]
        self._improvements.append(step)
        insort(self._ordered, step)
        unit = self._ordered[math.ceil(0.9 * len(self._ordered)) - 1]
        is_best = best_before is None or fitness > best_before
        return min(1.0, step / unit) * (1.0 if is_best else OFF_BEST)

    def _remember(self, program_id: str, fitness: float) -> None:
        self._fitnesses[program_id] = fitness
        if len(self._fitnesses) > _REMEMBERED:  # the oldest half: what is left of them lies in a few cells
            ids = list(self._fitnesses)
            for old in ids[: len(ids) // 2]:
                del self._fitnesses[old]

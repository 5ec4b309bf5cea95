"""Novelty as an axis of the archive: how far a program lies from what its island already knows.

The mean distance to the k nearest elites is what novelty search goes by (Lehman and Stanley 2011); here the distance is
1 less the estimated Jaccard index of two programs' token 4-grams (duplicates.py), so that C is read as C and comments do
not count. Failures have none.

It is told when a program is recorded and stands in the record, so a replay reads it and computes nothing. It says what
was new then: it is not told again when other elites come, nor after a migration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from discovery.core.population import Population
from discovery.programs.near_duplicates import Sketch, sketch
from evaluators.contract import Evaluation, Measure, Program
from evaluators.text.measures import ALONE

NEAREST = 3
"""Elites whose mean distance counts."""


class Novelty:
    """Tells the novelty of programs. It remembers the sketches of elites only, which follow from their texts."""

    def __init__(self, axis: int) -> None:
        """Remembers nothing yet; `axis` is the position of the novelty among the measures of the problem."""
        self._axis = axis
        self._sketches: dict[int, dict[str, Sketch]] = {}

    def placed(self, evaluation: Evaluation, program: Program, island: int, state: Population) -> Evaluation:
        """Returns an evaluation of a program of an island with its novelty, in [0, 1], among the measures."""
        if evaluation.measures is None:
            return evaluation
        measures = list(evaluation.measures)
        measures[self._axis] = self._novelty(program, island, state)
        return replace(evaluation, measures=tuple(measures))

    def _novelty(self, program: Program, island: int, state: Population) -> float:
        before = self._sketches.get(island, {})
        mine = before.get(program.id)
        if mine is None:
            mine = sketch(program)
        held: dict[str, Sketch] = {}
        for elite in state.archipelago.elites(island):
            known = before.get(elite.program_id)
            held[elite.program_id] = (
                sketch(state.individual(elite.program_id).program) if known is None else known
            )
        table = list(held.values())
        self._sketches[island] = {**held, program.id: mine}  # it may be an elite the next time
        if not table:
            return ALONE
        distances = np.sort(1 - (np.stack(table) == mine).mean(axis=1))
        return float(distances[:NEAREST].mean())


def novelty_of(axes: Sequence[Measure]) -> Novelty | None:
    """Returns what tells the novelty of a problem's programs, None where it has no such axis."""
    return next((Novelty(at) for at, axis in enumerate(axes) if axis.source == "novelty"), None)

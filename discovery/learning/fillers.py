"""Whether evaluators that would be idle are worth filling: a bandit on what operators without a model bring per CPU second.

A learner, kept only by runs in which models are asked. Gains are new bests of the run, each in units of the models' typical step, and
come like the events of a Poisson process whose exposure is CPU time. What counts is an operator's rate as a multiple of the models' own:
it has a Gamma posterior that begins at 1, and the operator may go where a draw from it is above `WORTH` (Thompson sampling), and in a
share `FLOOR` of the decisions whatever it brought. So an operator that brings nothing goes about twenty times, and then seldom.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

import numpy as np

from discovery.core.choices import ASK_OPERATOR, SEED_OPERATOR
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal

FLOOR = 0.05
WORTH = 0.5
"""CPU time that would be idle is cheap: an operator is worth it that brings so much of what models' children bring for theirs."""
PRIOR = 2.0
"""Shape of the posterior before anything is known, in gains."""
HALF_LIFE = 200.0
"""After so many evaluations evidence counts half."""
STEPS = 16
"""So many of the models' latest new bests say what a step is."""


@dataclass(slots=True)
class _Tally:
    gains: float = 0.0
    cpu_s: float = 0.0


class Fillers:
    """What each operator brought and cost, discounted."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._models = _Tally()
        self._steps: deque[float] = deque(maxlen=STEPS)
        self._cpu_s = 0.0
        self._count = 0.0

    def learn(self, result: EvaluationResult) -> None:
        """Books an evaluated program."""
        record = result.record
        if record.operator == SEED_OPERATOR:
            return
        keep = 0.5 ** (1 / HALF_LIFE)
        for tally in (self._models, *self._tallies.values()):
            tally.gains *= keep
            tally.cpu_s *= keep
        cpu_s = max(record.evaluation.cpu_s, 1e-3)
        self._cpu_s, self._count = keep * self._cpu_s + cpu_s, keep * self._count + 1
        is_model = bool(record.calls) or record.operator == ASK_OPERATOR
        tally = self._models if is_model else self._tallies.setdefault(record.operator, _Tally())
        tally.cpu_s += cpu_s
        tally.gains += self._gain(result, is_model=is_model)

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Ignores it: no evaluator was used."""

    def learn_note(self, note: NoteRecord) -> None:
        """Ignores it: no evaluator was used."""

    def may_go(self, operator: str, rng: np.random.Generator) -> bool:
        """Returns whether an operator without a model may fill an evaluator; `rng` decides where that is open."""
        is_free, draw = rng.random() < FLOOR, rng.standard_gamma(PRIOR + self._of(operator).gains)
        mean_cpu_s = self._cpu_s / self._count if self._count else 1.0
        # what models bring for a second: a gain in four evaluations, as long as little is known
        rate = (self._models.gains + 1.0) / (self._models.cpu_s + 4.0 * mean_cpu_s)
        return bool(is_free or draw > WORTH * (PRIOR + rate * self._of(operator).cpu_s))

    def _of(self, operator: str) -> _Tally:
        return self._tallies.get(operator, _Tally())

    def _gain(self, result: EvaluationResult, *, is_model: bool) -> float:
        if result.fitness is None or result.best_before is None or result.fitness <= result.best_before:
            return 0.0
        step = result.fitness - result.best_before
        if is_model:
            self._steps.append(step)
        unit = statistics.median(self._steps) if self._steps else step
        return min(1.0, step / unit)

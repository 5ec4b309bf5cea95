"""Screening: whether a model's reply is worth an evaluation, by what its lines have gone along with so far.

The regression over lines (line_effects.py) says how likely a child is to be better
than its parent. Where that is nearly sure not to be so, as when a reply does once more what was tried and was worse, no
evaluation is spent. A tenth of these are evaluated all the same, so that a regression that is wrong learns it; a child with
many new lines is never refused, for of an idea of its own the past says little; and no more replies are refused than are
evaluated, so that a search that has found all there is does not pay without end.
"""

from __future__ import annotations

from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.types import Individual
from discovery.learning.line_effects import LineEffects
from discovery.settings.learning import ScreeningConfig
from evaluators.contract import Program
from islands.chance import Purpose, stream

NEW_IDEA = 3
"""A child with more lines than this that no program had is an idea of its own, and always evaluated."""
MOST_CREDIT = 8
"""So many replies may be refused in a row, at most."""
_SCREENED = "screened out: "


class Screen:
    """Says which children not to evaluate: a function of what was learned and of the decision's number. A `Learner`.

    Args:
        config: its settings.
        effects: what lines have gone along with; it learns elsewhere.
        seed: of the run.

    Attributes:
        refused: how many children were refused so far.
    """

    def __init__(self, config: ScreeningConfig, effects: LineEffects, seed: int) -> None:
        self._config = config
        self._effects = effects
        self._seed = seed
        self._credit = 0
        self.refused = 0

    def learn(self, result: EvaluationResult) -> None:
        """Earns a refusal with each evaluated program of a model."""
        if result.record.calls:
            self._credit = min(self._credit + 1, MOST_CREDIT)

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Pays for a refusal."""
        if is_screened(rejected.reason):
            self._credit -= 1
            self.refused += 1

    def learn_note(self, note: NoteRecord) -> None:
        """Passes over texts."""

    def refusal(self, decision: int, child: Program, parent: Individual) -> str:
        """Returns why a child that a model made is not worth an evaluation, or "".

        Args:
            decision: number of the decision that asked for it.
            child: what the model made.
            parent: the program to compare it with.
        """
        if self._credit <= 0 or (promise := self._effects.promise(child, parent.program)) is None:
            return ""
        if promise.unknown > NEW_IDEA or promise.probability >= self._config.threshold:
            return ""
        if stream(self._seed, Purpose.SCREENING, decision).random() < self._config.audit:
            return ""
        share = f"{promise.probability:.0%}"
        return f"{_SCREENED}by its lines it is {share} likely to be better than {parent.program_id}"


def is_screened(reason: str) -> bool:
    """Returns whether a child that was not evaluated was refused here."""
    return reason.startswith(_SCREENED)

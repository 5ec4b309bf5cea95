"""How long evaluations and calls of models take of late, and what may begin so that no model's child has to wait.

A learner: a fold of the records, so that a resumed run knows at once what it knew.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence

from discovery.core.choices import ASK_OPERATOR
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal

WINDOW = 32
"""So many of the latest evaluations and calls are looked at."""
SHORT_S = 0.25
"""An evaluation of so many seconds holds up nobody."""
EARLY = 0.5
"""Of the calls that take a median time, few are back before this share of it."""
EXAM = 3.0
"""How many times the time of an evaluation one on the held-out cases is taken for."""


class Pace:
    """Medians of how long things take, in seconds of wall-clock time."""

    def __init__(self) -> None:
        self._evaluations: deque[float] = deque(maxlen=WINDOW)
        self._calls: deque[float] = deque(maxlen=WINDOW)

    def learn(self, result: EvaluationResult) -> None:
        """Takes in how long a program's evaluation took, and the calls that it came from."""
        record = result.record
        self._evaluations.append(record.evaluation.wall_s)
        if record.calls and record.operator != ASK_OPERATOR:
            self._calls.append(sum(call.seconds for call in record.calls))

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Takes in how long the calls took."""
        if rejected.calls:
            self._calls.append(sum(call.seconds for call in rejected.calls))

    def learn_note(self, note: NoteRecord) -> None:
        """Ignores a text: a plan takes longer than a change, a summary less."""

    @property
    def evaluation_s(self) -> float:
        """Median time of an evaluation; 0 before the first."""
        return statistics.median(self._evaluations) if self._evaluations else 0.0

    @property
    def call_s(self) -> float | None:
        """Median time until a model's child was there; None before the first."""
        return statistics.median(self._calls) if self._calls else None

    @property
    def is_worth_waiting(self) -> bool:
        """Whether the next question waits for the result of the last child: an evaluation takes less time than a call."""
        return self.call_s is not None and self.evaluation_s < self.call_s

    def may_fill(
        self, busy: int, *, slots: int, ahead: int, ages_s: Sequence[float], times: float = 1.0
    ) -> bool:
        """Returns whether what no model waits for may take an evaluator.

        While models are being asked, one evaluator is kept free for what they send, unless an evaluation is so short that it holds up
        nobody, or would be over before the earliest reply is to be expected.

        Args:
            busy: evaluations handed out, or about to be.
            slots: evaluators.
            ahead: evaluations that may be handed out at once.
            ages_s: how long each question under way was asked ago.
            times: how many times the usual evaluation it takes.
        """
        takes_s = times * self.evaluation_s
        if not ages_s or takes_s <= SHORT_S:
            return busy < ahead
        if busy < slots - 1:
            return True
        call_s = self.call_s
        return busy < slots and call_s is not None and max(ages_s) + takes_s <= EARLY * call_s

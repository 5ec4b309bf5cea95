"""The seam for operators that experiment: they have programs judged while they work on a job, and go by what came of them.

Each such program is a decision of the run like any other: journalled before it is judged, recorded with its lineage, on the ledger. The
operator only emits it (`Tried`), and hears of it (`Verdict`); the coordinator stays pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from discovery.core.allowance import Verdict
from discovery.core.types import Model, Note, Proposal, ProposeJob
from evaluators.contract import Program


class Bench(Protocol):
    """Has programs judged for one job. Contract: thread-safe; blocks until all verdicts are there, or the run ends."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """Files and folders of this machine that nothing the operator starts may see: the run's own."""
        ...

    def evaluate(self, programs: Sequence[Program], idea: str = "") -> Sequence[Verdict]:
        """Returns a verdict for each program, in order; `idea` says what was tried, in a line.

        Those that are known already cost nothing; the others count against the job's allowance.
        """
        ...

    def is_stopped(self) -> bool:
        """Returns whether the run ends, so that the operator is to come to its end, too."""
        ...

    def keep(self, transcript: str) -> str:
        """Keeps the transcript of the job's work beside the run's journal; returns what it is called there, "" for nowhere."""
        ...


@runtime_checkable
class Experimenter(Protocol):
    """An operator that experiments. It is an `Operator`, of which this is called in place of `propose`.

    A child that it had judged already is no proposal any more: it returns a note that names it as `texts["program"]`.
    """

    def experiment(
        self, job: ProposeJob, rng: np.random.Generator, model: Model | None, bench: Bench
    ) -> Proposal | Note:
        """Returns the child of one job, or a note where that was judged on the way."""
        ...

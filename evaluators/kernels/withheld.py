"""Programs that are right but cannot be timed on this machine: they are rejected, without a score, and with this reason."""

from __future__ import annotations

from evaluators.contract import Evaluation, Status

WITHHELD = "score withheld: "
"""How the reason begins; what is missing and what to do about it follow."""


def is_withheld(evaluation: Evaluation) -> bool:
    """Returns whether a program passed all checks, and has no score because this machine cannot time it."""
    return evaluation.status is Status.REJECTED and evaluation.reason.startswith(WITHHELD)

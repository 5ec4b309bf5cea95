"""What an operator that works for a while may use, and what it hears of the programs that it has judged meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from discovery.core.types import ModelCall
from evaluators.contract import Evaluation


@dataclass(frozen=True, slots=True)
class Usage:
    """What some calls of a model came to.

    Attributes:
        cost_usd: of those whose price is known.
        unpriced: calls whose price is not.
    """

    calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    @staticmethod
    def of(calls: tuple[ModelCall, ...]) -> Usage:
        """Returns what `calls` come to."""
        return Usage(
            len(calls),
            sum(call.prompt_tokens + call.completion_tokens for call in calls),
            sum(call.cost_usd or 0.0 for call in calls),
            sum(call.cost_usd is None for call in calls),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one program that an operator at work had judged.

    Attributes:
        job_id: the operator's job; number: of the trial, from 0, as the operator counts them.
        evaluation: what was learned of the program; None where it was not judged.
        refusal: why it was not judged, "" where it was.
        program_id: its id.
        left: evaluations that the operator may still ask for.
        is_known: whether it was judged earlier in the run, so that it cost none.
    """

    job_id: str
    number: int
    evaluation: Evaluation | None = None
    refusal: str = ""
    program_id: str = ""
    left: int = 0
    is_known: bool = False

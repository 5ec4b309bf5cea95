"""Budgets of a run, and the ledger of what was spent. Both survive a resume: the ledger is rebuilt from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.core.types import ModelCall

FIRST_CALL_TOKENS = 4000
"""Tokens reserved for a model call in flight before any call has come back."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend; None is unlimited.

    Attributes:
        evaluations: programs judged, the seed included.
        minutes: working time, over all sessions.
        cost_usd: money for models; needs models whose price is known.
        tokens: prompt and completion tokens.
    """

    evaluations: int | None = None
    minutes: float | None = None
    cost_usd: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("evals", self.evaluations),
            ("minutes", self.minutes),
            ("cost-usd", self.cost_usd),
            ("tokens", self.tokens),
        ):
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be > 0, got {value}; leave it out for no limit")

    @property
    def is_open_ended(self) -> bool:
        """Returns whether nothing limits the run."""
        return (
            self.evaluations is None
            and self.minutes is None
            and self.cost_usd is None
            and self.tokens is None
        )


@dataclass(slots=True)
class Ledger:
    """What was spent so far.

    Attributes:
        unpriced_calls: model calls whose price is unknown; their cost is missing from `cost_usd`, never zero.
    """

    evaluations: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    calls: int = 0
    unpriced_calls: int = 0
    elapsed_s: float = 0.0

    def charge(self, calls: Iterable[ModelCall]) -> None:
        """Books paid model calls."""
        for call in calls:
            self.calls += 1
            self.tokens += call.prompt_tokens + call.completion_tokens
            if call.cost_usd is None:
                self.unpriced_calls += 1
            else:
                self.cost_usd += call.cost_usd

    def spent(self, budget: Budget) -> str | None:
        """Returns the name of the budget that is used up ("minutes", "cost", "tokens", "evaluations"), or None."""
        if budget.minutes is not None and self.elapsed_s >= budget.minutes * 60:
            return "minutes"
        if budget.cost_usd is not None and self.cost_usd >= budget.cost_usd:
            return "cost"
        if budget.tokens is not None and self.tokens >= budget.tokens:
            return "tokens"
        if budget.evaluations is not None and self.evaluations >= budget.evaluations:
            return "evaluations"
        return None

    def has_room_for_call(self, budget: Budget, in_flight: int) -> bool:
        """Returns whether one more model call fits beside `in_flight` others, each reserved at the mean so far."""
        mean_tokens = self.tokens / self.calls if self.calls else FIRST_CALL_TOKENS
        priced = self.calls - self.unpriced_calls
        if (
            budget.tokens is not None
            and self.tokens + mean_tokens * (in_flight + 1) > budget.tokens
            and in_flight
        ):
            return False
        if budget.cost_usd is None:
            return True
        if not priced:  # nothing is known of the price yet: one call finds out
            return in_flight == 0
        return in_flight == 0 or self.cost_usd + self.cost_usd / priced * (in_flight + 1) <= budget.cost_usd

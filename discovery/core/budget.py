"""Budgets of a run, and the ledger of what was spent. Both survive a resume: the ledger is rebuilt from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from discovery.core.types import ModelCall

WARNED_SHARES = (0.5, 0.8)
"""Shares of a money budget at which a person is warned."""
FIRST_CALL_TOKENS = 4000
"""Tokens reserved for a model call in flight before any call has come back."""


class Limits(Protocol):
    """What a run may spend; None is unlimited. See discovery.settings.budget.Budget."""

    @property
    def evaluations(self) -> int | None:
        """Programs judged, the seed included."""
        ...

    @property
    def minutes(self) -> float | None:
        """Working time."""
        ...

    @property
    def cost_usd(self) -> float | None:
        """Money for models."""
        ...

    @property
    def tokens(self) -> int | None:
        """Prompt and completion tokens."""
        ...

    @property
    def calls(self) -> int | None:
        """Calls of models."""
        ...

    @property
    def patience(self) -> int | None:
        """Evaluations without a better best."""
        ...


@dataclass(slots=True)
class Ledger:
    """What was spent so far.

    Attributes:
        unpriced_calls: model calls whose price is unknown; their cost is missing from `cost_usd`, never zero.
        since_best: evaluations since the best program was found.
    """

    evaluations: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    calls: int = 0
    unpriced_calls: int = 0
    elapsed_s: float = 0.0
    since_best: int = 0

    def charge(self, calls: Iterable[ModelCall]) -> None:
        """Books paid model calls."""
        for call in calls:
            self.calls += 1
            self.tokens += call.prompt_tokens + call.completion_tokens
            if call.cost_usd is None:
                self.unpriced_calls += 1
            else:
                self.cost_usd += call.cost_usd

    def spent(self, budget: Limits) -> str | None:
        """Returns the budget that is used up: minutes, cost, tokens, calls, patience or evaluations; None if none is."""
        if budget.minutes is not None and self.elapsed_s >= budget.minutes * 60:
            return "minutes"
        if budget.cost_usd is not None and self.cost_usd >= budget.cost_usd:
            return "cost"
        if budget.tokens is not None and self.tokens >= budget.tokens:
            return "tokens"
        if budget.calls is not None and self.calls >= budget.calls:
            return "calls"
        if budget.patience is not None and self.since_best >= budget.patience:
            return "patience"
        if budget.evaluations is not None and self.evaluations >= budget.evaluations:
            return "evaluations"
        return None

    def spending(self, budget: Limits) -> dict[str, str]:
        """Returns, for each limited part of a budget, how much of it is spent, as a person reads it."""
        spent = {
            "minutes": (self.elapsed_s / 60, budget.minutes, "minutes"),
            "cost": (self.cost_usd, budget.cost_usd, "USD"),
            "tokens": (self.tokens, budget.tokens, "tokens"),
            "calls": (self.calls, budget.calls, "calls of models"),
            "patience": (self.since_best, budget.patience, "evaluations without a better program"),
            "evaluations": (self.evaluations, budget.evaluations, "evaluations"),
        }
        return {
            name: f"{used:.6g} of {limit:.6g} {unit} are used up"
            for name, (used, limit, unit) in spent.items()
            if limit is not None
        }

    def has_room_for_call(self, budget: Limits, in_flight: int) -> bool:
        """Returns whether one more model call fits beside `in_flight` others, each reserved at the mean so far."""
        if budget.calls is not None and self.calls + in_flight >= budget.calls:
            return False
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


class CostWarnings:
    """Says once when half of the money is spent, and once when most of it is."""

    def __init__(self) -> None:
        self._told: set[tuple[float, float]] = set()

    def due(self, ledger: Ledger, budget: Limits) -> list[str]:
        """Returns what has become due since the last call; a new limit is told of anew."""
        most, spent = budget.cost_usd, ledger.cost_usd
        if most is None:
            return []
        new = [
            (most, share)
            for share in WARNED_SHARES
            if spent >= share * most and (most, share) not in self._told
        ]
        self._told.update(new)
        return [f"{share:.0%} of the money is spent: ${spent:.4g} of ${most:.4g}" for _, share in new[-1:]]

"""Settings of what questions to models tell, and of plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from discovery.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """What questions to models tell of the search.

    Attributes:
        token_budget: upper bound of a question's tokens, >= 500.
        history: "composed": the parts below; "full": all programs known, whole, as many as fit (for comparisons);
            "none": nothing but the program.
        exemplars: other programs to show at most, in 0..8.
        choice: how they are chosen: "informative" (score, and what they add to those shown already) or "best".
        failures: whether recent failures of the same parent are told, with their causes.
        siblings: whether the parent's other children are told, with what they gained.
        pitfalls: whether it is told why programs failed anywhere in the search.
        summaries: whether the inherited summary of the parent is told.
        direction: whether a direction is drawn from rising and falling lines of descent.
        attribution: whether it is told which lines went along with better and worse scores in many programs.
        memory: whether what was learned earlier is told, in at most `memory_tokens` tokens.
        memory_tokens: see there, >= 0.
        instructions: how many instructions models may write to compete with the usual ones; 0 for none.
    """

    token_budget: int = 8000
    history: Literal["composed", "full", "none"] = "composed"
    exemplars: int = 2
    choice: Literal["informative", "best"] = "informative"
    failures: bool = True
    siblings: bool = True
    pitfalls: bool = False
    summaries: bool = True
    direction: bool = True
    attribution: bool = True
    memory: bool = True
    memory_tokens: int = 300
    instructions: int = 0

    def __post_init__(self) -> None:
        rules = {
            "token_budget": (self.token_budget >= 500, ">= 500"),
            "exemplars": (0 <= self.exemplars <= SAMPLED, f"in 0..{SAMPLED}"),
            "memory_tokens": (self.memory_tokens >= 0, ">= 0"),
            "instructions": (0 <= self.instructions <= 32, "in 0..32"),
        }
        for name, (is_kept, rule) in rules.items():
            if not is_kept:
                raise ConfigError(f"context {name} must be {rule}, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class PlanningConfig:
    """How plans are carried out.

    Attributes:
        rounds: rounds of candidates of one plan, in 1..6: round r tries r of them. 1 is one candidate per plan.
        summaries: which evaluated programs a model sums up: "none"; "plan": those that come of plans; "all": all that
            models made.
        conversation: whether plan, execution and summary are one conversation with a prefix that stays the same
            (endpoints cache it), instead of three questions that show no more than they need.
    """

    rounds: int = 1
    summaries: Literal["none", "plan", "all"] = "plan"
    conversation: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= MAX_ROUNDS:
            raise ConfigError(f"planning rounds must be in 1..{MAX_ROUNDS}, got {self.rounds}")
        if self.summaries not in ("none", "plan", "all"):
            raise ConfigError(f'planning summaries must be "none", "plan" or "all", got {self.summaries!r}')


SAMPLED = 8
"""Elites among which exemplars are chosen."""


MAX_ROUNDS = 6

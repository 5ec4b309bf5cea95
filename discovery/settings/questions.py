"""Settings of what questions to models tell, and of plans."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from discovery.settings.schema import STRICT, checked, setting

SAMPLED = 8
"""Elites among which exemplars are chosen."""
MAX_ROUNDS = 6


@checked("context")
@dataclass(frozen=True, slots=True, config=STRICT)
class ContextConfig:
    """What questions to models tell of the search."""

    token_budget: Annotated[
        int, setting("Upper bound of a question.", unit="tokens", ge=500, le=10_000_000)
    ] = 8000
    history: Annotated[
        Literal["composed", "full", "none"],
        setting(
            "composed: the parts below; full: all programs known, as many as fit (for comparisons); none: the program alone."
        ),
    ] = "composed"
    exemplars: Annotated[int, setting("Other programs to show at most.", ge=0, le=SAMPLED)] = 2
    choice: Annotated[
        Literal["informative", "best"],
        setting("How these are chosen: by score and by what they add to those shown already, or the best."),
    ] = "informative"
    ledger: Annotated[
        bool,
        setting("Tell every attempt on the program and on those it descends from, with what came of it."),
    ] = True
    pitfalls: Annotated[bool, setting("Tell why programs failed anywhere in the search.")] = False
    summaries: Annotated[
        bool, setting("Tell plans the inherited summary of the parent, and what was planned before it.")
    ] = True
    memory: Annotated[bool, setting("Tell what was learned earlier.")] = True
    memory_tokens: Annotated[
        int, setting("Upper bound of what is told of it.", unit="tokens", ge=0, le=1_000_000)
    ] = 300
    instructions: Annotated[
        int,
        setting(
            "How many instructions models may write to compete with the usual ones; 0 for none.", ge=0, le=32
        ),
    ] = 0


@checked("planning")
@dataclass(frozen=True, slots=True, config=STRICT)
class PlanningConfig:
    """How plans are carried out."""

    rounds: Annotated[
        int,
        setting(
            "Rounds of candidates of one plan: round r tries r of them. 1 is one candidate per plan.",
            ge=1,
            le=MAX_ROUNDS,
        ),
    ] = 1
    summaries: Annotated[
        Literal["none", "plan", "all"],
        setting(
            "Which evaluated programs a model sums up: none, those that come of plans, or all that models made."
        ),
    ] = "plan"
    conversation: Annotated[
        bool,
        setting(
            "Make plan, execution and summary one conversation with a prefix that stays the same (endpoints cache it)."
        ),
    ] = False

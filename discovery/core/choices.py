"""What can be chosen for a decision, and who chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from discovery.core.types import Individual


@dataclass(frozen=True, slots=True)
class Arm:
    """What can be chosen: an operator, the model it asks (None: as the weights of --model say), a prompt variant."""

    operator: str
    model: str | None = None
    variant: str = ""


class Policy(Protocol):
    """Chooses what to try. Contract: a function of its settings, of what it learned and of `rng`; never empty-handed."""

    def choose(self, operators: Sequence[str], island: int, rng: np.random.Generator) -> Arm:
        """Returns an arm of one of `operators`, all of which could go now."""
        ...


SEED_OPERATOR = "seed"
ASK_OPERATOR = "ask"
"""The operator whose children come from outside, by ask and tell (discovery/operators/ask.py)."""


Rule: TypeAlias = Literal["boltzmann", "best", "uniform", "seed"]


Draw: TypeAlias = Callable[[int], tuple[Individual, ...]]
"""Returns so many distinct parents, fewer where there are not so many."""

"""What held-out cases say: the exam of a program, and whether visible scores rank programs as held-out scores do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from discovery.core.texts import one_line
from evaluators.contract import Objective

LEAST_PAIRS = 8
"""Fewer programs with both scores say nothing of how they agree."""
WARN_BELOW = 0.3
"""Rank correlation below which visible scores hardly tell which program is better on cases that were not seen."""


@dataclass(frozen=True, slots=True)
class Exam:
    """What became of a program on the held-out cases: its metrics, or why they refused it."""

    metrics: Mapping[str, float]
    reason: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether the program failed on the held-out cases, so that nothing is known of it there."""
        return not self.metrics

    def score(self, objective: Objective) -> float | None:
        """Returns the held-out score, None where it failed."""
        return self.metrics.get(objective.name)

    def text(self, name: str = "") -> str:
        """Returns in a few words what came of it; the metric of that name only, where one is given and there."""
        if self.has_failed:
            return (
                f"failed ({one_line(self.reason.removeprefix('held-out cases: '), 200) or 'no reason given'})"
            )
        kept = {key: value for key, value in self.metrics.items() if not key.startswith("_")}
        if name in kept:
            return f"{kept[name]:.8g}"
        return ", ".join(f"{key} {value:.8g}" for key, value in kept.items())


def exam_of(entry: Mapping[str, Any]) -> Exam:
    """Returns the exam of a journal entry of the type "held_out"."""
    return Exam(entry["metrics"], entry.get("reason", ""))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How visible and held-out scores of so many programs agree: Spearman's rank correlation, None where too few are known."""

    programs: int
    correlation: float | None

    @property
    def is_low(self) -> bool:
        """Whether a person should be warned."""
        return self.correlation is not None and self.correlation < WARN_BELOW

    @property
    def text(self) -> str:
        """One line; a warning where the correlation is low."""
        if self.correlation is None:
            return f"{self.programs} programs have a held-out score: too few to tell whether it follows the visible one"
        told = f"rank correlation of visible and held-out scores {self.correlation:.2f} over {self.programs} programs"
        return f"warning: {told}; a better score hardly means a better program" if self.is_low else told


def agreement(pairs: Sequence[tuple[float, float]]) -> Agreement:
    """Returns how (visible, held-out) scores or fitnesses agree; ties share their mean rank."""
    if len(pairs) < LEAST_PAIRS:
        return Agreement(len(pairs), None)
    one, other = (_ranks(np.asarray(values, dtype=float)) for values in zip(*pairs, strict=True))
    spread = float(np.std(one) * np.std(other))
    return Agreement(
        len(pairs), float(np.mean((one - one.mean()) * (other - other.mean()))) / spread if spread else None
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2

"""Stands in for evolux.evolve.evaluator: what an evaluator may name its results with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EvaluationStatus(StrEnum):
    """How an evaluation ended."""

    SUCCESS = "success"
    VALIDATION_FAILED = "validation_failed"
    EXECUTION_FAILED = "execution_failed"
    FRAMEWORK_ERROR = "framework_error"


@dataclass
class EvaluationResult:
    """What became of a program."""

    status: EvaluationStatus = EvaluationStatus.FRAMEWORK_ERROR
    summary: str = ""
    score: float = 0.0
    metrics: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as a dict, as `evaluate` returns them."""
        return {**vars(self), "status": self.status.value}

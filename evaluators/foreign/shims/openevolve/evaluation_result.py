"""Stands in for openevolve.evaluation_result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class EvaluationResult:
    """What an evaluator returns: metrics, and artifacts (texts or bytes) for the next prompt."""

    metrics: dict[str, Any]
    artifacts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, metrics: dict[str, Any]) -> EvaluationResult:
        """Returns a result of metrics alone."""
        return cls(metrics)

    def to_dict(self) -> dict[str, Any]:
        """Returns the metrics."""
        return self.metrics

    def has_artifacts(self) -> bool:
        """Returns whether there are artifacts."""
        return bool(self.artifacts)

    def get_artifact_keys(self) -> list[str]:
        """Returns the names of the artifacts."""
        return list(self.artifacts)

    def get_artifact_size(self, key: str) -> int:
        """Returns the bytes of one artifact, 0 where there is none."""
        value = self.artifacts.get(key, "")
        return len(value if isinstance(value, bytes) else str(value).encode())

    def get_total_artifact_size(self) -> int:
        """Returns the bytes of all artifacts."""
        return sum(map(self.get_artifact_size, self.artifacts))

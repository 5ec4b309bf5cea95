"""What was learned about one program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any

from evaluators.contract.cases import PlainData
from evaluators.contract.errors import ContractError

_PARTS = ("by_case", "by_group", "held_out_by_group")


class Status(StrEnum):
    """What became of a program. Everything except OK carries no score."""

    OK = "ok"
    REJECTED = "rejected"  # ran, but stopped at a stage threshold or a held gate
    INVALID = "invalid"  # the scorer refused the output
    ERROR = "error"  # the program raised, or does not compile
    TIMEOUT = "timeout"  # wall-clock or CPU limit
    MEMORY = "memory"  # memory limit
    OUTPUT = "output"  # oversized or malformed output, or too much on stdout
    CRASHED = "crashed"  # died by a signal or left without an answer
    FROZEN = "frozen"  # changed a part that the problem froze; never run


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of the cases of the last stage came to.

    Attributes:
        name: of the case, or of the group; "" for a case that has none.
        metrics: of the case; of a group the means over its cases. Rounded to 6 digits.
        group: the group of a case; "" for a group.
        cases: how many cases it is.
    """

    name: str
    metrics: Mapping[str, float]
    group: str = ""
    cases: int = 1

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form; fields at their default are left out."""
        data: dict[str, Any] = {"name": self.name, "metrics": dict(self.metrics)}
        return (
            data
            | ({"group": self.group} if self.group else {})
            | ({"cases": self.cases} if self.cases != 1 else {})
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was learned about one program. A failed program is data: status, reason, how far it came.

    Attributes:
        status: see `Status`.
        score: the objective's value as declared; None unless status is OK.
        metrics: aggregated metrics of `score`, finite floats.
        measures: one value per `Measure` of the problem, in order; None unless OK.
        reason: one line for people and prompts; "" when OK (why the held-out cases were refused, where they were).
        feedback: cleaned excerpt of the program's own output and traceback; its own word, never trusted.
        cases_done: cases that were scored; of cases_total, over all stages.
        cpu_s: CPU seconds of the candidate; wall_s: wall-clock seconds of the whole evaluation.
        layers: the sandbox layers that were in force.
        certificate: the output itself, where the problem keeps it (CERTIFICATE = True), else None.
        held_out: metrics on the held-out cases, where they were asked for.
        scores: the single measurements, where the problem asks for repeats; `score` is their lower confidence bound.
        exhibit: pages about the held-out cases that reports draw, where oracles have them.
        self_scored: whether the score is what the program's own process said (SELF_SCORED = True), which it may
            have forged.
        start_id: the program whose output this one was handed to improve on; "" for what the run began with.
        start_score: what that output is worth; None where the program started from nothing.
        by_case: the metrics case by case, where there are several; of a failed program those of the cases that it
            passed. The first 64 at most, and fewer metrics where there are many (judging/breakdown.py).
        by_group: the metrics by group, where the problem names groups.
        held_out_by_group: the same of the held-out cases.
    """

    status: Status
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    measures: tuple[float, ...] | None = None
    reason: str = ""
    feedback: str = ""
    cases_done: int = 0
    cases_total: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    layers: tuple[str, ...] = ()
    certificate: PlainData = None
    held_out: Mapping[str, float] | None = None
    scores: tuple[float, ...] = ()
    exhibit: PlainData = None
    self_scored: bool = False
    start_id: str = ""
    start_score: float | None = None
    by_case: tuple[Part, ...] = ()
    by_group: tuple[Part, ...] = ()
    held_out_by_group: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.score is not None):
            raise ContractError(
                f"score must be given exactly when status is ok, got {self.status} and {self.score}"
            )
        if self.score is not None and not math.isfinite(self.score):
            raise ContractError(f"score must be finite, got {self.score}")

    @property
    def is_ok(self) -> bool:
        """Returns whether there is a score."""
        return self.status is Status.OK

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form (the certificate as it is); fields at their default are left out."""
        data: dict[str, Any] = {"status": str(self.status)}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "status" or _is_default(value, item.default, item.default_factory):
                continue
            if item.name in ("metrics", "held_out"):
                value = dict(value)
            elif item.name in ("measures", "layers", "scores"):
                value = list(value)
            elif item.name in _PARTS:
                value = [part.to_json() for part in value]
            data[item.name] = value
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Evaluation:
        """Returns the evaluation of a JSON form; unknown keys are refused."""
        known = {f.name for f in fields(Evaluation)}
        if unknown := set(data) - known:
            raise ContractError(f"unknown fields in an evaluation: {sorted(unknown)}")
        values = dict(data)
        try:
            values["status"] = Status(values["status"])
        except (KeyError, ValueError) as error:
            raise ContractError(
                f"status must be one of {', '.join(Status)}, got {values.get('status')!r}"
            ) from error
        for key in ("measures", "layers", "scores"):
            if values.get(key) is not None:
                values[key] = tuple(values[key])
        for key in _PARTS:
            if key in values:
                values[key] = tuple(Part(**part) for part in values[key])
        return Evaluation(**values)


def _is_default(value: object, default: object, factory: object) -> bool:
    """Returns whether `value` is a field's default, type included (0 is not False, an array is neither)."""
    if factory is not MISSING:
        return isinstance(value, Mapping) and not value
    return type(value) is type(default) and value == default

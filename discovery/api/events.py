"""What happens to a run, told one thing after the other: typed events, made of the journal's entries.

The journal comes first: whatever is told has been saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from discovery.core.records import Change, Record
from discovery.core.types import ModelCall
from evaluators.contract import Objective


@dataclass(frozen=True, slots=True)
class ProgramEvaluated:
    """A program was judged, failures included."""

    record: Record


@dataclass(frozen=True, slots=True)
class BestFound:
    """A program is better than all before it; the `ProgramEvaluated` of it comes first."""

    record: Record


@dataclass(frozen=True, slots=True)
class ModelCalled:
    """A model answered; `operator` is what asked, `decision` the number of the decision it was asked for."""

    call: ModelCall
    operator: str
    decision: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A session of the run ended: `reason` is a word ("evaluations", "target", "interrupted"), `message` a sentence."""

    reason: str
    message: str


RunEvent: TypeAlias = ProgramEvaluated | BestFound | ModelCalled | RunEnded


def plain(record: Record) -> Record:
    """Returns a live record as it is read from the journal."""
    changes = (Change(c.island, c.cell, c.program_id, c.displaced, c.cause) for c in record.changes)
    return replace(record, changes=tuple(changes))


class EventFold:
    """Turns a journal's entries, in order, into events."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._best: float | None = None

    def take(self, entry: Mapping[str, Any]) -> Iterator[RunEvent]:
        """Yields what one entry tells; nothing for kinds that are no news."""
        kind = entry["type"]
        if kind in ("proposed", "unproposed", "noted"):
            for call in entry["calls"]:
                yield ModelCalled(ModelCall(**call), entry["operator"], entry["decision"])
        elif kind == "evaluated":
            found = entry["record"]
            record = plain(found) if isinstance(found, Record) else Record.from_json(found)
            yield ProgramEvaluated(record)
            if self.is_best(record):
                yield BestFound(record)
        elif kind == "closed":
            yield RunEnded(entry.get("reason", ""), entry.get("message", ""))

    def is_best(self, record: Record) -> bool:
        """Takes a record in and returns whether it is better than all before it."""
        evaluation = record.evaluation
        if evaluation.score is None or evaluation.measures is None:
            return False
        fitness = self._objective.fitness(evaluation.score)
        if self._best is not None and fitness <= self._best:
            return False
        self._best = fitness
        return True

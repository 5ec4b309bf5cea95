"""What the learning parts of a run are told: one lesson per evaluated program, one waste per decision that led to none.

Lessons come from the journal's entries, in their order, live and in a replay alike: a part that is a pure fold of
them resumes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from discovery.core.records import Record
from discovery.core.types import ModelCall
from islands.archipelago import Change


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What one evaluated program taught. Fitness is the score turned so that larger is better.

    Attributes:
        record: the program, how it was made and how it did.
        fitness: None where it has no score.
        parent_fitness: that of its first parent; None where the parent has none or is forgotten.
        best_before: the best fitness of the run before it; None before the first score.
        changes: what it changed in the archives.
    """

    record: Record
    fitness: float | None
    parent_fitness: float | None
    best_before: float | None
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class RejectedProposal:
    """A decision whose paid model calls led to no evaluation.

    Attributes:
        operator, model, variant, island: what was asked, as in `ProposeJob`.
        reason: why nothing came of it.
        calls: what was paid.
    """

    operator: str
    model: str | None
    variant: str
    island: int
    reason: str
    calls: tuple[ModelCall, ...]


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """A paid reply that is no program: a plan, a summary of an evaluated program, a new instruction.

    Attributes:
        kind: "plan", "summary" or "instruction".
        program_id: the program that it is about: a plan's parent, a summary's program; "" for an instruction.
        operator, model, variant, island: whose call it is, as in `ProposeJob`.
        texts: what came of it, by name; empty where the reply could not be used.
        calls: what was paid. They stand in no lesson and in no waste.
    """

    kind: str
    program_id: str
    operator: str
    model: str | None
    variant: str
    island: int
    texts: Mapping[str, str]
    calls: tuple[ModelCall, ...]


class Learner(Protocol):
    """A part of a run that learns from what happened. Contract: a pure, quick fold; never raises."""

    def learn(self, result: EvaluationResult) -> None:
        """Takes in an evaluated program."""
        ...

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Takes in paid calls that led to nothing."""
        ...

    def learn_note(self, note: NoteRecord) -> None:
        """Takes in paid calls that led to a text."""
        ...

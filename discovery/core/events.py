"""What happens to a run (events) and what the coordinator asks for (instructions). Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from discovery.core.requests import Request
from discovery.core.types import ModelCall, Note, Proposal, ProposeJob
from evaluators.contract import Evaluation, Incumbent, Program

# --- events: what happened


@dataclass(frozen=True, slots=True)
class Proposed:
    """An operator made a child. `refusal` says why it must not run (frozen part changed), if it must not."""

    job_id: str
    proposal: Proposal
    fingerprint: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """An operator wrote a note: a plan, a summary, an instruction."""

    job_id: str
    note: Note


@dataclass(frozen=True, slots=True)
class NotProposed:
    """An operator made no child and no note. `endpoint` tells a model's failure from an operator's."""

    job_id: str
    reason: str
    calls: tuple[ModelCall, ...] = ()
    is_endpoint: bool = False
    is_fatal: bool = False


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A program was judged. `at_s` is unix time."""

    job_id: str
    evaluation: Evaluation
    at_s: float


@dataclass(frozen=True, slots=True)
class Broken:
    """The system (not a candidate) failed and cannot go on: the problem's scorer raised, the sandbox is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went by: `elapsed_s` of work on this run, earlier sessions included."""

    elapsed_s: float


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """From now on so many proposals may wait for an answer at the same time: a study asks when it is asked."""

    model_slots: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A person or the shell asks to end: nothing new is begun, what runs is recorded."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A person asks something of the run. `refusal` says why an injected program must not run, if it must not."""

    request: Request
    fingerprint: str = ""
    refusal: str = ""


Event: TypeAlias = (
    Proposed | Noted | NotProposed | Evaluated | Broken | Ticked | SlotsChanged | StopAsked | RequestReceived
)

# --- instructions: what to do


@dataclass(frozen=True, slots=True)
class EvaluateJob:
    """One program to judge. `job_id` derives from the content, so doing it twice is harmless.

    `start` is what the program is handed to improve on, in a run of that kind.
    """

    job_id: str
    program: Program
    held_out: bool = False
    start: Incumbent | None = None


@dataclass(frozen=True, slots=True)
class Save:
    """Append this entry to the journal before anything else is done."""

    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Propose:
    """Let an operator make a child."""

    job: ProposeJob
    needs_model: bool


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Have a program judged."""

    job: EvaluateJob


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over: `reason` is one of the ends in coordinator.py; `is_success` decides the exit code."""

    reason: str
    message: str = ""
    is_success: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)


Instruction: TypeAlias = Save | Propose | Evaluate | Finish

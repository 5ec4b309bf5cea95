"""What happens to a run (events) and what the coordinator asks for (instructions). Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from discovery.core.allowance import Verdict
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
    """An operator made no child and no note.

    Attributes:
        calls: what was paid all the same.
        is_endpoint: whether a model failed, not the operator; `is_fatal`: whether asking it again cannot help.
        is_stop: whether it was given up because the run ends, through no fault of anybody.
        model: which model failed, "" where that is not known.
        retry_after_s: how long it asked to be left alone, if it did.
    """

    job_id: str
    reason: str
    calls: tuple[ModelCall, ...] = ()
    is_endpoint: bool = False
    is_fatal: bool = False
    is_stop: bool = False
    model: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """An operator at work made a program and wants it judged before it goes on.

    Attributes:
        job_id: what it works on; number: of the trial, as the operator counts them.
        refusal: why the program must not run, if it must not.
        idea: what was tried, in the operator's words.
    """

    job_id: str
    number: int
    program: Program
    fingerprint: str
    refusal: str = ""
    idea: str = ""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A program was judged. `at_s` is unix time."""

    job_id: str
    evaluation: Evaluation
    at_s: float


@dataclass(frozen=True, slots=True)
class Broken:
    """The system (not a candidate) failed and cannot go on: the problem's scorer raised, the sandbox is gone.

    `is_outage` says that it is the broker that is away: the run can go on as it is once that is back.
    """

    reason: str
    is_outage: bool = False


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
class GivenUp:
    """The shell waits no longer for what is under way: what it has cost counts as estimated.

    Attributes:
        reason: why.
        calls: what is known to be paid so far, by job id.
        evaluations: whether evaluations are given up too; they are made again after a resume.
    """

    reason: str
    calls: Mapping[str, tuple[ModelCall, ...]]
    evaluations: bool = False


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A person asks something of the run. `refusal` says why an injected program must not run, if it must not."""

    request: Request
    fingerprint: str = ""
    refusal: str = ""


Event: TypeAlias = (
    Proposed
    | Noted
    | NotProposed
    | Tried
    | Evaluated
    | Broken
    | Ticked
    | SlotsChanged
    | StopAsked
    | GivenUp
    | RequestReceived
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
class Tell:
    """Tell the people who watch."""

    message: str


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
class Answer:
    """Tell an operator at work what came of a program of its own."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over: `reason` is one of the ends in coordinator.py; `is_success` decides the exit code."""

    reason: str
    message: str = ""
    is_success: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)


Instruction: TypeAlias = Save | Tell | Propose | Evaluate | Answer | Finish

"""A decision and its life: one object with a named stage, and the table of those that are under way.

    CHOSEN -> PROPOSED -> WAITING <-> EVALUATING -> RECORDED -> EXAMINING -> EXAMINED

A child that comes back is PROPOSED; the filter lets it pass (WAITING for an evaluator) or not (DROPPED). A program whose
score varies goes back to WAITING until it is measured often enough. Only new elites are examined on held-out cases.
A note (a plan, a summary, an instruction) is RECORDED as soon as it is there. See docs/design.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from discovery.core.choices import ASK_OPERATOR
from discovery.core.records import Record
from discovery.core.types import Proposal
from evaluators.contract import Evaluation


class Stage(StrEnum):
    """Where a decision stands in its life."""

    CHOSEN = "chosen"  # an operator works on it
    PROPOSED = "proposed"  # the child is there
    WAITING = "waiting"  # it passed the filter
    EVALUATING = "evaluating"
    RECORDED = "recorded"  # it is in the journal and in the state
    EXAMINING = "examining"  # on the held-out cases
    EXAMINED = "examined"
    DROPPED = "dropped"  # nothing came of it


_NEXT: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.CHOSEN: (Stage.PROPOSED, Stage.RECORDED, Stage.DROPPED),
    Stage.PROPOSED: (Stage.WAITING, Stage.DROPPED),
    Stage.WAITING: (Stage.EVALUATING,),
    Stage.EVALUATING: (Stage.WAITING, Stage.RECORDED, Stage.DROPPED),
    Stage.RECORDED: (Stage.EXAMINING,),
    Stage.EXAMINING: (Stage.EXAMINED, Stage.RECORDED),
    Stage.EXAMINED: (),
    Stage.DROPPED: (),
}


@dataclass(slots=True)
class Decision:
    """A decision under way.

    Attributes:
        number: of the decision.
        operator, island, parents, model, variant: what was decided.
        session, step: the tuning session or the plan that asked for it.
        kind: "child", or the kind of note that is asked for (see `NoteRecord`).
        needs_model: whether a model is asked.
        from_best: whether its parent was the best of its island when it was decided.
        about: the program that a note is about.
        proposal, fingerprint: the child, once there is one.
        measured: how often it was measured already, where scores vary.
        echoes: tuning sessions and steps that came to the same program while it was under way.
        allowed: programs that its operator may still have judged while it works.
        base: the newest of these that has a score: what the next one descends from.
        asked_by, trial: the job and number of a program that an operator at work had judged; "" for any other.
        is_saved: whether the child is in the journal, so that a kill does not lose it.
        stage: where it stands.
        asked_s: working time of the run when a model was asked.
        recorded_at: index of its record, once it is owed an exam.
    """

    number: int
    operator: str
    island: int
    parents: tuple[str, ...]
    session: int | None = None
    step: int | None = None
    proposal: Proposal | None = None
    fingerprint: str = ""
    model: str | None = None
    variant: str = ""
    kind: str = "child"
    needs_model: bool = False
    from_best: bool = False
    about: str = ""
    measured: int = 0
    echoes: list[tuple[int, int]] = field(default_factory=list)
    allowed: int = 0
    base: str = ""
    asked_by: str = ""
    trial: int = 0
    is_saved: bool = False
    stage: Stage = Stage.CHOSEN
    asked_s: float = 0.0
    recorded_at: int = 0

    @property
    def is_models(self) -> bool:
        """Whether its child is there and was paid for: it is evaluated before all that merely fills evaluators."""
        return self.proposal is not None and bool(self.proposal.calls)

    @property
    def job_id(self) -> str:
        """The id of its evaluation."""
        return f"{self.number}-{self.operator}" + (f"~{self.measured}" if self.measured else "")

    @property
    def is_aside(self) -> bool:
        """Whether it leads to a note beside the search, and never to an evaluation."""
        return self.kind in ("summary", "instruction")

    def advance(self, stage: Stage) -> None:
        """Moves on to the next stage.

        Raises:
            AssertionError: that one does not follow; a fault of ours.
        """
        assert stage in _NEXT[self.stage], f"decision {self.number} cannot go from {self.stage} to {stage}"
        self.stage = stage

    def propose(self, proposal: Proposal, fingerprint: str) -> None:
        """Takes the child in."""
        self.proposal, self.fingerprint, self.parents = proposal, fingerprint, proposal.parents
        self.advance(Stage.PROPOSED)

    def record(self, index: int, evaluation: Evaluation, at_s: float) -> Record:
        """Returns the record of its evaluated child, not yet in any archive; `at_s` is unix time."""
        assert self.proposal is not None
        return Record(
            index=index,
            program=self.proposal.program,
            program_id=self.proposal.program.id,
            parents=self.parents,
            evaluation=evaluation,
            operator=self.operator,
            island=self.island,
            cell=None,
            decision=self.number,
            calls=self.proposal.calls,
            texts=self.proposal.texts,
            at_s=at_s,
            fingerprint=self.fingerprint,
            session=self.session,
            step=self.step,
            model=self.model,
            variant=self.variant,
        )


def exam_id(program_id: str) -> str:
    """Returns the job id of a program's exam."""
    return f"held-out-{program_id}"


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What questions must know of those that were asked before and have no result yet.

    Attributes:
        ideas: those of models' programs that wait for their result, oldest first; "" where none was given.
        asked: (first parent, prompt variant) of each question that is at a model.
    """

    ideas: tuple[str, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()


class DecisionTable:
    """The decisions under way, by stage. One caller at a time."""

    def __init__(self) -> None:
        self._chosen: dict[str, Decision] = {}
        self._waiting: deque[Decision] = deque()
        self._evaluating: dict[str, Decision] = {}
        self._exams: dict[str, Decision] = {}
        self._model_calls = self._asked = 0
        self._asides = 0

    # --- counts

    @property
    def in_flight(self) -> int:
        """How many decisions under way may lead to an evaluation."""
        return len(self._chosen) - self._asides + len(self._waiting) + len(self._evaluating)

    @property
    def model_calls(self) -> int:
        """How many decisions are at a model."""
        return self._model_calls

    @property
    def open_calls(self) -> int:
        """How many of them are paid for; what is asked of a study is answered by whoever made it, if at all."""
        return self._model_calls - self._asked

    @property
    def waiting(self) -> int:
        """How many programs wait for an evaluator."""
        return len(self._waiting)

    @property
    def evaluating(self) -> int:
        """How many programs are handed out to evaluators, exams aside."""
        return len(self._evaluating)

    @property
    def backlog(self) -> int:
        """How many programs are on their way to an evaluator that no model holds up."""
        return len(self._chosen) - self._model_calls + len(self._waiting) + len(self._evaluating)

    @property
    def unknown(self) -> int:
        """How many programs of models that the run asked by itself have no result yet."""
        return sum(one.is_models and one.operator != ASK_OPERATOR for one in self.expected())

    @property
    def is_models_turn(self) -> bool:
        """Whether the next program that waits is one of a model."""
        return bool(self._waiting) and self._waiting[0].is_models

    @property
    def examining(self) -> int:
        """How many exams are under way."""
        return sum(job.stage is Stage.EXAMINING for job in self._exams.values())

    @property
    def is_examining(self) -> bool:
        """Whether an exam is under way."""
        return any(job.stage is Stage.EXAMINING for job in self._exams.values())

    def expected(self) -> Iterator[Decision]:
        """Yields the decisions whose program waits for its evaluation or is at an evaluator."""
        yield from self._waiting
        yield from self._evaluating.values()

    def asking(self) -> list[tuple[str, Decision]]:
        """Returns the decisions that are at a model, each with its job id."""
        return [(job_id, job) for job_id, job in self._chosen.items() if job.needs_model]

    def ages_s(self, now_s: float) -> list[float]:
        """Returns how long ago each question for a program was asked that a model still works on; `now_s` is working time."""
        return [
            now_s - job.asked_s
            for _, job in self.asking()
            if job.kind == "child" and job.operator != ASK_OPERATOR
        ]

    def under_way(self) -> UnderWay:
        """Returns what has no result yet."""
        jobs = sorted((job for job in self.expected() if job.is_models), key=lambda job: job.number)
        asked = (job for _, job in self.asking() if job.kind == "child" and job.parents)
        return UnderWay(
            tuple(job.proposal.texts.get("idea", "") for job in jobs if job.proposal is not None),
            tuple((job.parents[0], job.variant) for job in asked),
        )

    # --- a decision's way

    def choose(self, job_id: str, decision: Decision) -> None:
        """Takes in a decision that an operator works on under a job id."""
        self._chosen[job_id] = decision
        self._model_calls += decision.needs_model
        self._asked += decision.operator == ASK_OPERATOR
        self._asides += decision.is_aside

    def find_chosen(self, job_id: str) -> Decision | None:
        """Returns the decision that an operator works on under a job id, or None."""
        return self._chosen.get(job_id)

    def answered(self, job_id: str) -> Decision | None:
        """Takes out the decision whose operator is done; None where there is none of that job id."""
        if (decision := self._chosen.pop(job_id, None)) is not None:
            self._model_calls -= decision.needs_model
            self._asked -= decision.operator == ASK_OPERATOR
            self._asides -= decision.is_aside
        return decision

    def wait(self, decision: Decision, *, is_first: bool = False) -> None:
        """Lets the program of a decision wait for an evaluator: those of models before the others, each in the order in which they came."""
        decision.advance(Stage.WAITING)
        if is_first:
            self._waiting.appendleft(decision)
        elif decision.is_models:
            last = max((at for at, one in enumerate(self._waiting) if one.is_models), default=-1)
            self._waiting.insert(last + 1, decision)
        else:
            self._waiting.append(decision)

    def next_waiting(self) -> Decision:
        """Hands out the next program that waits; there must be one."""
        decision = self._waiting.popleft()
        decision.advance(Stage.EVALUATING)
        self._evaluating[decision.job_id] = decision
        return decision

    def evaluated(self, job_id: str) -> Decision | None:
        """Takes out the decision whose program was evaluated; None where there is none of that job id."""
        return self._evaluating.pop(job_id, None)

    def find_waiting(self, number: int) -> Decision | None:
        """Returns the waiting decision of a number, or None."""
        return next((job for job in self._waiting if job.number == number), None)

    def forget(self, number: int) -> Decision | None:
        """Takes out the waiting decision of a number, for a replay; None where there is none."""
        if (found := self.find_waiting(number)) is not None:
            self._waiting.remove(found)
        return found

    # --- exams

    def owe_exam(self, program_id: str, decision: Decision) -> None:
        """Notes that the program of a recorded decision is owed an exam."""
        self._exams[program_id] = decision

    def exams_owed(self) -> list[tuple[str, Decision]]:
        """Returns the programs, by id, that are owed an exam which is not under way."""
        return [(key, job) for key, job in self._exams.items() if job.stage is Stage.RECORDED]

    def examined(self, program_id: str) -> Decision | None:
        """Takes out the decision whose program was examined; None where no exam is owed to it."""
        return self._exams.pop(program_id, None)

    def give_up_evaluations(self) -> None:
        """Waits for no evaluation and no exam any more; they are owed still, and begun again after a resume."""
        for decision in self._evaluating.values():
            decision.advance(Stage.DROPPED)
        self._evaluating.clear()
        for decision in self._exams.values():
            if decision.stage is Stage.EXAMINING:
                decision.advance(Stage.RECORDED)

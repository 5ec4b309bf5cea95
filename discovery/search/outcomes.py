"""What came of decisions: children, notes, failures, evaluations and exams, taken in live and in a replay alike.

Each outcome is folded into the run's state and moves its decision to the next stage of its life (decisions.py). What is
owed follows from the journal alone: replies that were paid for, further measurements, exams, summaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from discovery.core.choices import ASK_OPERATOR
from discovery.core.events import Evaluated, GivenUp, Instruction, Noted, NotProposed, Proposed, Save
from discovery.core.records import Record
from discovery.core.results import RejectedProposal
from discovery.core.types import ModelCall, Note, Proposal
from discovery.learning.novelty import Novelty
from discovery.learning.repeats import Measurements, rivals_of
from discovery.learning.screening import is_screened
from discovery.search.decisions import Decision, DecisionTable, Stage, exam_id
from discovery.search.entries import (
    calls_of,
    child_from_json,
    child_to_json,
    given_up_to_json,
    measured_to_json,
    note_to_json,
    remark_from_json,
    spent_to_json,
    turns_of,
    waste_from_json,
    waste_to_json,
)
from discovery.search.model_health import ModelHealth
from discovery.search.plan_tracker import PLAN
from discovery.search.proposal_filter import ProposalFilter
from discovery.search.state import RunState
from discovery.search.trials import Trials
from evaluators.contract import Evaluation, Program

_LEFT_OPEN = "a model was being asked when the run was killed"

Outcome: TypeAlias = Proposed | Noted | NotProposed | Evaluated | GivenUp


class Outcomes:
    """Takes in what came of decisions, and says what to journal.

    Attributes:
        barren: proposals in a row that led to no evaluation.
    """

    def __init__(
        self,
        state: RunState,
        decisions: DecisionTable,
        models: ModelHealth,
        proposal_filter: ProposalFilter,
        measurements: Measurements | None,
        novelty: Novelty | None,
    ) -> None:
        self.state = state
        self._decisions = decisions
        self._models = models
        self._filter = proposal_filter
        self._measurements = measurements
        self._novelty = novelty
        self.trials = Trials(state, decisions)
        self._booked: set[int] = set()
        self.barren = 0

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Folds one journal entry into the state, as it was folded when it was written."""
        kind = entry["type"]
        if kind == "evaluated":
            record = Record.from_json(entry["record"])
            self.state.fold(record)
            decision = self._decisions.forget(record.decision)
            self._owe_exam(record, decision)
        elif kind == "proposed":
            job = child_from_json(entry)
            self._book(job.number, job.proposal.calls if job.proposal else ())
            self.state.ledger.charge(job.proposal.calls if job.proposal else ())
            self._expect(job)
        elif kind == "measured":
            if self._measurements and (found := self._decisions.forget(entry["decision"])) is not None:
                self._measurements.restore(found.number, Evaluation.from_json(entry["evaluation"]))
                found.measured, found.stage = found.measured + 1, Stage.EVALUATING
                self._decisions.wait(found, is_first=True)
        elif kind == "unproposed":
            self._book(entry["decision"], calls_of(entry))
            self.state.rejected(waste_from_json(entry))
            self._settle_step(entry)
        elif kind == "spent":
            self._book(entry["decision"], calls_of(entry))
            self.state.ledger.charge(calls_of(entry))
        elif kind == "noted":
            self._book(entry["decision"], calls_of(entry))
            self._take_note(entry)
        elif kind == "held_out":
            self._decisions.examined(entry["program_id"])
            self.state.note_held_out(entry["program_id"], entry["metrics"], entry.get("reason", ""))

    def _book(self, number: int, calls: tuple[ModelCall, ...]) -> None:
        """Notes, in a replay, a decision whose calls are in the journal."""
        self._booked.add(number)
        self._models.heard(calls)

    def _settle_step(self, entry: Mapping[str, Any]) -> None:
        """Notes that a plan's candidate, or a repair, came to nothing; live and in a replay alike."""
        if entry["operator"] == PLAN and "session" in entry:
            self.state.plans.tell(entry["session"], entry["step"], None)
        self.state.note_repair(entry["operator"], entry.get("parents", ()))

    def left_open(
        self, open_calls: Mapping[str, tuple[ModelCall, ...]]
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Books what earlier sessions paid and did not live to journal; yields decisions' numbers and entries.

        Args:
            open_calls: what they paid, by job id, the booked as well.
        """
        for job_id, calls in open_calls.items():
            number = int(job_id.partition("-")[0])
            if calls and number not in self._booked:
                self.state.ledger.charge(calls)
                yield number, spent_to_json(number, _LEFT_OPEN, calls)
        self._booked.clear()

    def take(self, event: Outcome) -> list[Instruction]:
        """Takes in what happened, and returns what to journal and to tell."""
        match event:
            case Proposed():
                return self._on_proposed(event)
            case Noted():
                return self._on_noted(event)
            case NotProposed():
                return self._on_not_proposed(event)
            case Evaluated():
                return self._on_evaluated(event)
            case GivenUp():
                return self._on_given_up(event)

    def _on_given_up(self, event: GivenUp) -> list[Instruction]:
        instructions: list[Instruction] = []
        for job_id, _ in self._decisions.asking():
            calls = event.calls.get(job_id, ())
            instructions += self._on_not_proposed(NotProposed(job_id, event.reason, calls, is_stop=True))
        if event.evaluations:
            self._decisions.give_up_evaluations()
        return instructions

    def _on_proposed(self, event: Proposed) -> list[Instruction]:
        if (job := self._decisions.answered(event.job_id)) is None:
            return []
        told = self._models.answered(event.job_id, event.proposal.calls, self.state.ledger.elapsed_s)
        if job.from_best:
            event = self._filter.up_to_date(job, event)
        calls = event.proposal.calls
        job.propose(event.proposal, event.fingerprint)
        if self.state.is_known(event.fingerprint):
            self._filter.duplicates += 1
            self._tell_tuner_of_known(job)
            return told + self._drop(job, "this program is known already", calls)
        if refusal := event.refusal or self._filter.refusal(job, event.proposal):
            self._tell_tuner(job, None)
            return told + self._drop(job, refusal, calls, event.proposal.program)
        self._models.useful(calls)
        self.state.ledger.charge(calls)
        self._expect(job)
        job.is_saved = bool(calls)
        return [*told, Save(child_to_json(job))] if calls else told

    def _expect(self, job: Decision) -> None:
        """Lets a child wait for its evaluation; live and in a replay alike."""
        assert job.proposal is not None
        self.state.expect(job.fingerprint)
        self.state.note_repair(job.operator, job.parents)
        self._decisions.wait(job)
        if job.operator == PLAN and job.session is not None and job.step is not None:
            self.state.plans.expect(job.session, job.step, job.proposal.turns)

    def _on_not_proposed(self, event: NotProposed) -> list[Instruction]:
        if (job := self._decisions.answered(event.job_id)) is None:
            return []
        now_s = self.state.ledger.elapsed_s
        if not event.is_endpoint and not event.is_stop:
            told = self._models.answered(event.job_id, event.calls, now_s)
            self._tell_tuner(job, None)
            if job.is_aside:
                return told + self._note(job, Note({}, event.calls), event.reason)
            return told + self._drop(job, event.reason, event.calls)
        told = [] if event.is_stop else self._models.failed(event, now_s)
        self._release(job)
        if event.calls:
            self.state.rejected(_rejected(job, event.reason, event.calls))
            told = [Save(given_up_to_json(job, event.reason, event.calls)), *told]
        return told

    def _release(self, job: Decision) -> None:
        """Notes that a model was asked in vain: what called for it is owed still, and will be asked for again."""
        job.advance(Stage.DROPPED)
        if job.operator == PLAN and job.session is not None and job.step is not None:
            self.state.plans.release(job.session, job.step)
        elif job.kind == "summary":
            self.state.plans.release_summary(job.about)
        elif job.kind == "instruction":
            self.state.instructions.release()
        self.state.release_repair(job.operator, job.parents)

    def _on_noted(self, event: Noted) -> list[Instruction]:
        if (job := self._decisions.answered(event.job_id)) is None:
            return []
        told = self._models.answered(event.job_id, event.note.calls, self.state.ledger.elapsed_s)
        if job.kind == "child":  # which was judged while its operator worked
            job.kind, job.about = "experiment", event.note.texts.get("program", "")
            self._models.useful(event.note.calls)
        is_conversation = self.state.plans.config.conversation
        return told + self._note(job, event.note if is_conversation else replace(event.note, turns=()))

    def _note(self, job: Decision, note: Note, reason: str = "") -> list[Instruction]:
        job.advance(Stage.RECORDED)
        entry = note_to_json(job, note, reason)
        self._take_note(entry)
        return [Save(entry)]

    def _take_note(self, entry: Mapping[str, Any]) -> None:
        """Folds a note; live and in a replay alike."""
        remark = remark_from_json(entry)
        self.state.note(remark)
        if remark.kind == PLAN and remark.texts:
            self.state.open_plan(entry["decision"], remark, turns_of(entry))
        elif remark.kind == "summary":
            self.state.plans.settle(remark.program_id)

    def _drop(
        self, job: Decision, reason: str, calls: tuple[ModelCall, ...], refused: Program | None = None
    ) -> list[Instruction]:
        """Books a decision that leads to no evaluation; paid calls go to the journal with the reason, and what they bought."""
        job.advance(Stage.DROPPED)
        self.barren += 1
        is_candidate = job.operator == PLAN and job.session is not None and job.step is not None
        is_told = job.operator == ASK_OPERATOR  # whoever told it is to know why nothing came of it
        if not calls and not is_candidate and not is_told:
            return []
        entry = waste_to_json(job, reason, calls, refused)
        self._settle_step(entry)
        self.state.rejected(_rejected(job, reason, calls))
        if is_screened(reason):
            self._models.useful(calls)
            return [Save(entry)]
        return [Save(entry), *self._models.wasted(calls, reason)]

    def _on_evaluated(self, event: Evaluated) -> list[Instruction]:
        program_id = event.job_id.removeprefix(exam_id(""))
        if program_id != event.job_id:
            return self._on_examined(program_id, event.evaluation)
        if (job := self._decisions.evaluated(event.job_id)) is None or job.proposal is None:
            return []
        self.barren = 0
        evaluation = self._measured(job, job.proposal.program, event.evaluation)
        if isinstance(evaluation, list):
            return evaluation
        job.advance(Stage.RECORDED)
        record = self._recorded(job.record(self.state.next_index, evaluation, event.at_s))
        self._owe_exam(record, job)
        for session, step in job.echoes:
            self.state.tuner.tell(session, step, self.state.fitness(record))
        return [Save({"type": "evaluated", "record": record}), *self.trials.judged(job, record)]

    def _owe_exam(self, record: Record, decision: Decision | None) -> None:
        """Notes that a recorded program is owed an exam, if it is; live and in a replay alike."""
        if self.state.deserves_exam(record):
            job = decision or Decision(record.decision, record.operator, record.island, record.parents)
            job.proposal, job.stage = Proposal(record.program, record.parents), Stage.RECORDED
            job.recorded_at = record.index
            self._decisions.owe_exam(record.program_id, job)

    def _on_examined(self, program_id: str, evaluation: Evaluation) -> list[Instruction]:
        if (job := self._decisions.examined(program_id)) is None:
            return []
        job.advance(Stage.EXAMINED)
        metrics = dict(evaluation.held_out or {})
        self.state.note_held_out(program_id, metrics, evaluation.reason)
        entry = {"type": "held_out", "program_id": program_id, "metrics": metrics}
        best = self.state.best
        if evaluation.exhibit and best is not None and best.program_id == program_id:
            entry["exhibit"] = evaluation.exhibit
        return [Save({**entry, "reason": evaluation.reason})]

    def _measured(self, job: Decision, program: Program, found: Evaluation) -> Evaluation | list[Instruction]:
        """Returns the evaluation to record, or what to journal where the program is measured once more."""
        if self._novelty is not None:
            found = self._novelty.placed(found, program, job.island, self.state)
        if self._measurements is None:
            return found
        whole = self._measurements.take(job.number, found, rivals_of(self.state, job.island, found))
        if whole is None:
            entries = [] if job.is_saved else [child_to_json(job)]
            job.is_saved = True
            job.measured += 1
            self._decisions.wait(job, is_first=True)
            return [Save(entry) for entry in (*entries, measured_to_json(job, found))]
        if self._novelty is None:
            return whole
        return self._novelty.placed(whole, program, job.island, self.state)  # now, no mean over moments

    def _recorded(self, record: Record) -> Record:
        """Returns a record with its cell and the changes it made, after folding it into the state."""
        changes = self.state.fold(record)
        own = [c.cell for c in changes if c.program_id == record.program_id and c.island == record.island]
        return replace(record, cell=own[0] if own else None, changes=changes)

    def _tell_tuner_of_known(self, job: Decision) -> None:
        """Tells the tuner how a program does that is known already, or will do that is under way."""
        if (fitness := self.state.known_fitness(job.fingerprint)) is None and job.session is not None:
            for other in self._decisions.expected():
                if other.fingerprint == job.fingerprint and job.step is not None and job.operator != PLAN:
                    other.echoes.append((job.session, job.step))
                    return
        self._tell_tuner(job, fitness)

    def _tell_tuner(self, job: Decision, fitness: float | None) -> None:
        if job.operator != PLAN and job.session is not None and job.step is not None:
            self.state.tuner.tell(job.session, job.step, fitness)


def _rejected(job: Decision, reason: str, calls: tuple[ModelCall, ...]) -> RejectedProposal:
    return RejectedProposal(job.operator, job.model, job.variant, job.island, reason, calls)

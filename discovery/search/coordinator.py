"""The coordinator: a pure state machine that decides what a run does next.

`handle(event) -> instructions` has no I/O, no clock and no global random state. Decision n of a run draws from
`default_rng([seed, n])`, so nothing about chance has to be saved. What is recorded is folded by the same code while
the run is live and when it is replayed: resume = replay.

Two lanes keep all slots busy without a generation barrier. The model lane holds up to `model_slots` proposals at a
model; the free lane fills idle evaluators with operators that need none. Where the number of evaluations is limited,
the free lane keeps to its operators' share of the weights, so that it does not spend the budget while models think.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from discovery.core.choices import ASK_OPERATOR, SEED_OPERATOR, Policy
from discovery.core.events import (
    Broken,
    Evaluate,
    Evaluated,
    EvaluateJob,
    Event,
    Finish,
    Instruction,
    Noted,
    NotProposed,
    Propose,
    Proposed,
    RequestReceived,
    Save,
    SlotsChanged,
    StopAsked,
    Ticked,
)
from discovery.core.records import Record
from discovery.core.requests import Request
from discovery.core.results import RejectedProposal
from discovery.core.types import ModelCall, Note, Operator, Proposal
from discovery.learning.near_duplicates import NearDuplicates
from discovery.learning.novelty import Novelty
from discovery.learning.repeats import Measurements, rivals_of
from discovery.learning.screening import is_screened
from discovery.programs.fingerprint import fingerprint
from discovery.search.decisions import (
    Decision,
    child_from_json,
    child_to_json,
    note_to_json,
    remark_from_json,
    turns_of,
    waste_from_json,
    waste_to_json,
)
from discovery.search.plan_tracker import PLAN
from discovery.search.proposal_filter import ProposalFilter
from discovery.search.scheduler import Choice, MemoryPolicy, ProposalScheduler, SearchSettings
from discovery.search.state import RunState
from discovery.search.steering import Steering
from discovery.search.stop_rules import StopRules
from discovery.settings.budget import stored_limits
from evaluators.contract import Evaluation, Program, Status

STALL_LIMIT = 2000
"""Proposals in a row that were duplicates or failures before a run without models counts as exhausted."""
ENDPOINT_LIMIT = 12
"""Model failures in a row before the run is paused."""
BUDGET_ENDS = ("minutes", "cost", "tokens", "calls", "patience", "evaluations")
WASTE_LIMIT = 30
"""Paid replies in a row that gave no new program before the run is paused: something is wrong with the model."""


class Coordinator:
    """Decides. See the module's docstring; `validate()` states the invariants."""

    def __init__(
        self,
        settings: SearchSettings,
        state: RunState,
        operators: Mapping[str, Operator],
        policy: Policy | None = None,
        memory: MemoryPolicy | None = None,
        near: NearDuplicates | None = None,
        measurements: Measurements | None = None,
        novelty: Novelty | None = None,
        stop_rules: StopRules | None = None,
    ) -> None:
        self.settings = settings
        self._filter = ProposalFilter(state, near, rebase=settings.rebase)
        self._measurements = measurements
        self._novelty = novelty
        self._stop_rules = stop_rules
        self.state = state
        self.end: Finish | None = None
        self._scheduler = ProposalScheduler(settings, state, operators, policy, memory)
        self._next_decision = 0
        self._proposing: dict[str, Decision] = {}
        self._noting: dict[str, Decision] = {}
        self._queued: deque[Decision] = deque()
        self._evaluating: dict[str, Decision] = {}
        self._held_out: dict[str, str] = {}
        self._barren = 0
        self._endpoint_failures = 0
        self._wasted = 0
        self._is_over = False
        self._steering = Steering(state)

    @property
    def duplicates(self) -> int:
        """Returns how many children were known already, or almost."""
        return self._filter.duplicates

    @property
    def in_flight(self) -> int:
        """Returns how many decisions are under way."""
        return len(self._proposing) + len(self._queued) + len(self._evaluating)

    def validate(self) -> None:
        """Raises AssertionError where an invariant of the state does not hold."""
        budget = self.settings.budget.evaluations
        done = self.state.ledger.evaluations
        assert budget is None or done + self.in_flight <= max(budget, done), (
            "more in flight than the budget allows"
        )
        assert len(self._evaluating) <= self.settings.ahead, (
            "more evaluations handed out than there are slots"
        )
        assert self._model_calls <= self.settings.model_slots, "more model calls than slots"
        assert all(job.proposal is not None for job in (*self._queued, *self._evaluating.values()))
        assert (self.state.best is None) == (self.state.counts.get("ok", 0) == 0), "best and counts disagree"
        assert not (self._is_over and self._evaluating), "over, yet evaluating"

    # --- the past

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Folds one journal entry into the state, as it was folded when it was written."""
        kind = entry["type"]
        if kind == "evaluated":
            record = Record.from_json(entry["record"])
            self.state.fold(record)
            if self._queued:
                self._queued = deque(job for job in self._queued if job.number != record.decision)
            self._steering.forget(record.fingerprint)
        elif kind == "proposed":
            job = child_from_json(entry)
            self.state.ledger.charge(job.proposal.calls if job.proposal else ())
            self._expect(job)
            self._next_decision = max(self._next_decision, job.number + 1)
        elif kind == "unproposed":
            self._next_decision = max(self._next_decision, entry["decision"] + 1)
            self.state.rejected(waste_from_json(entry))
            if entry["operator"] == PLAN and "session" in entry:
                self.state.plans.tell(entry["session"], entry["step"], None)
        elif kind == "noted":
            self._next_decision = max(self._next_decision, entry["decision"] + 1)
            self._take_note(entry)
        elif kind == "held_out":
            self.state.note_held_out(entry["program_id"], entry["metrics"])
        elif kind == "asked":
            self._obey(
                RequestReceived(Request.from_json(entry["request"]), entry["fingerprint"], entry["refusal"])
            )

    # --- the present

    def start(self, asked: Sequence[RequestReceived] = ()) -> list[Instruction]:
        """Returns the first instructions: the seed's evaluation, or, after a replay, work for every slot.

        `asked` is what a person asked for while nothing ran; it counts before anything is decided.
        """
        self._steering.is_paused = False
        self._next_decision = max(self._next_decision, self.state.next_decision)
        if self.state.next_index == 0 and not self._queued:
            seed = self.state.statement.seed
            job = Decision(self._take_decision(), SEED_OPERATOR, 0, (), proposal=Proposal(seed, ()))
            job.fingerprint = fingerprint(seed)
            self.state.expect(job.fingerprint)
            self._queued.append(job)
        return [instruction for event in asked for instruction in self._on_asked(event)] + self._decide()

    def handle(self, event: Event) -> list[Instruction]:
        """Returns what to do about an event. Events of unknown or finished jobs change nothing."""
        instructions: list[Instruction] = []
        match event:
            case Proposed():
                instructions = self._on_proposed(event)
            case Noted():
                instructions = self._on_noted(event)
            case NotProposed():
                instructions = self._on_not_proposed(event)
            case Evaluated():
                instructions = self._on_evaluated(event)
            case RequestReceived():
                instructions = self._on_asked(event)
            case Ticked():
                self.state.ledger.elapsed_s = event.elapsed_s
            case SlotsChanged():
                self.settings = replace(self.settings, model_slots=event.model_slots)
                self._scheduler.settings = self.settings
            case StopAsked():
                self._end_with(event.reason, event.message, is_success=False)
            case Broken():
                self._evaluating.clear()
                self._held_out.clear()
                self._noting.clear()
                self._end_with("broken", event.reason, is_success=False)
        return instructions + self._decide()

    def _on_proposed(self, event: Proposed) -> list[Instruction]:
        if (job := self._proposing.pop(event.job_id, None)) is None:
            return []
        if event.proposal.calls:
            self._endpoint_failures = 0
        if job.from_best:
            event = self._filter.up_to_date(job, event)
        job.proposal, job.fingerprint = event.proposal, event.fingerprint
        job.parents = event.proposal.parents
        if self.state.is_known(event.fingerprint):
            self._filter.duplicates += 1
            self._tell_tuner(job, self.state.known_fitness(event.fingerprint))
            return self._drop(job, "this program is known already", event.proposal.calls)
        if refusal := event.refusal or self._filter.refusal(job, event.proposal):
            self._tell_tuner(job, None)
            return self._drop(job, refusal, event.proposal.calls, event.proposal.program)
        self._wasted = 0
        self.state.ledger.charge(event.proposal.calls)
        self._expect(job)
        return [Save(child_to_json(job))] if event.proposal.calls else []

    def _expect(self, job: Decision) -> None:
        """Queues a child; live and in a replay alike."""
        assert job.proposal is not None
        self.state.expect(job.fingerprint)
        self._queued.append(job)
        if job.operator == PLAN and job.session is not None and job.step is not None:
            self.state.plans.expect(job.session, job.step, job.proposal.turns)

    def _on_not_proposed(self, event: NotProposed) -> list[Instruction]:
        if (job := self._noting.pop(event.job_id, None)) is None:
            if (job := self._proposing.pop(event.job_id, None)) is None:
                return []
            self._tell_tuner(job, None)
        if event.is_endpoint:
            self._endpoint_failures += 1
            if event.is_fatal or self._endpoint_failures >= max(
                ENDPOINT_LIMIT, 2 * self.settings.model_slots
            ):
                self._end_with("endpoint", event.reason, is_success=False)
            if job.operator == PLAN and job.session is not None and job.step is not None:
                self.state.plans.release(job.session, job.step)
                self._barren += 1
                return []
        if job.about and job.kind == "summary" and not event.calls:
            self.state.plans.settle(job.about)  # asked for again after a resume
        if job.kind == "instruction" and not event.calls:
            self.state.instructions.release()
        if job.kind in ("child", PLAN):
            return self._drop(job, event.reason, event.calls)
        return self._note(job, Note({}, event.calls), event.reason) if event.calls else []

    def _on_noted(self, event: Noted) -> list[Instruction]:
        job = self._noting.pop(event.job_id, None) or self._proposing.pop(event.job_id, None)
        if job is None:
            return []
        self._endpoint_failures = 0
        is_conversation = self.state.plans.config.conversation
        return self._note(job, event.note if is_conversation else replace(event.note, turns=()))

    def _note(self, job: Decision, note: Note, reason: str = "") -> list[Instruction]:
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
        self._barren += 1
        is_candidate = job.operator == PLAN and job.session is not None and job.step is not None
        is_told = job.operator == ASK_OPERATOR  # whoever told it is to know why nothing came of it
        if not calls and not is_candidate and not is_told:
            return []
        if is_candidate:
            assert job.session is not None
            assert job.step is not None
            self.state.plans.tell(job.session, job.step, None)
        self.state.rejected(RejectedProposal(job.operator, job.model, job.variant, job.island, reason, calls))
        self._wasted = 0 if is_screened(reason) or not calls else self._wasted + 1
        if self._wasted >= max(WASTE_LIMIT, 3 * self.settings.model_slots):
            message = f"{self._wasted} paid replies in a row gave no new program; the last: {reason}"
            self._end_with("endpoint", message, is_success=False)
        return [Save(waste_to_json(job, reason, calls, refused))]

    def _on_evaluated(self, event: Evaluated) -> list[Instruction]:
        if (program_id := self._held_out.pop(event.job_id, None)) is not None:
            metrics = dict(event.evaluation.held_out or {})
            self.state.note_held_out(program_id, metrics)
            entry = {"type": "held_out", "program_id": program_id, "metrics": metrics}
            best = self.state.best
            if event.evaluation.exhibit and best is not None and best.program_id == program_id:
                entry["exhibit"] = event.evaluation.exhibit
            return [Save({**entry, "reason": event.evaluation.reason})]
        if (job := self._evaluating.pop(event.job_id, None)) is None or job.proposal is None:
            return []
        self._barren = 0
        evaluation = self._measured(job, job.proposal.program, event.evaluation)
        if evaluation is None:
            job.measured += 1
            self._queued.appendleft(job)
            return []
        record = self._recorded(job.record(self.state.next_index, evaluation, event.at_s))
        instructions: list[Instruction] = [Save({"type": "evaluated", "record": record})]
        if self.state.deserves_exam(record):
            held_out = EvaluateJob(f"held-out-{record.program_id}", record.program, held_out=True)
            self._held_out[held_out.job_id] = record.program_id
            instructions.append(Evaluate(held_out))
        self._look_for_the_end(record)
        return instructions

    def _measured(self, job: Decision, program: Program, found: Evaluation) -> Evaluation | None:
        """Returns the evaluation to record, or None where the program has to be measured once more."""
        if self._novelty is not None:
            found = self._novelty.placed(found, program, job.island, self.state)
        if self._measurements is None:
            return found
        whole = self._measurements.take(job.number, found, rivals_of(self.state, job.island, found))
        if self._novelty is None or whole is None:
            return whole
        return self._novelty.placed(whole, program, job.island, self.state)  # now, no mean over moments

    def _recorded(self, record: Record) -> Record:
        """Returns a record with its cell and the changes it made, after folding it into the state."""
        changes = self.state.fold(record)
        own = [c.cell for c in changes if c.program_id == record.program_id and c.island == record.island]
        return replace(record, cell=own[0] if own else None, changes=changes)

    def _look_for_the_end(self, record: Record) -> None:
        evaluation = record.evaluation
        if record.operator == SEED_OPERATOR and evaluation.score is None:
            what = "has no score to begin with" if evaluation.status is Status.REJECTED else "fails"
            why = f"({evaluation.status}: {evaluation.reason}); look into it with: discovery check"
            self._end_with("seed", f"the seed program {what} {why}", is_success=False)
        elif evaluation.score is not None:
            objective = self.state.statement.objective
            target = objective.target if self.settings.target is None else self.settings.target
            if replace(objective, target=target).is_reached(evaluation.score):
                self._end_with("target", f"target {target:g} reached with {evaluation.score!r}")

    def _tell_tuner(self, job: Decision, fitness: float | None) -> None:
        if job.operator != PLAN and job.session is not None and job.step is not None:
            self.state.tuner.tell(job.session, job.step, fitness)

    # --- a person's hand

    @property
    def is_paused(self) -> bool:
        """Returns whether a person paused the run."""
        return self._steering.is_paused

    def is_asked(self, request_id: str) -> bool:
        """Returns whether a request was taken in already."""
        return self._steering.is_taken(request_id)

    def _on_asked(self, event: RequestReceived) -> list[Instruction]:
        if self._steering.is_taken(event.request.request_id):
            return []
        self._obey(event)
        request = event.request.to_json()
        entry = {"request": request, "fingerprint": event.fingerprint, "refusal": event.refusal}
        return [Save({"type": "asked", **entry})]

    def _obey(self, event: RequestReceived) -> None:
        """Does what a person asked, live and in a replay alike."""
        self._steering.take_in(event)
        if event.request.kind != "budget":
            return
        budget = replace(self.settings.budget, **stored_limits(event.request.budget))
        self.settings = self._scheduler.settings = replace(self.settings, budget=budget)
        is_ended_by_it = self.end is not None and self.end.reason in BUDGET_ENDS and not self._is_over
        if is_ended_by_it and self.state.ledger.spent(budget) is None:
            self.end = None

    # --- deciding

    def _decide(self) -> list[Instruction]:
        if self.is_paused and self.end is None:
            return []
        instructions: list[Instruction] = []
        if self.end is None:
            self._look_at_the_budget()
        if self.end is None and self._stop_rules is not None:
            self.end = self._stop_rules.end(self.state)
        if self.end is None and self.state.next_index > 0:
            while self._steering.has_waiting and self._has_room():
                self._queued.appendleft(self._steering.next_injected(self._take_decision()))
            while (follow_up := self._next_follow_up()) is not None:
                instructions.append(follow_up)
            while (proposal := self._next_proposal()) is not None:
                instructions.append(proposal)
        if self.end is None:
            while self._queued and len(self._evaluating) < self.settings.ahead:
                job = self._queued.popleft()
                assert job.proposal is not None
                self._evaluating[job.job_id] = job
                evaluation = EvaluateJob(job.job_id, job.proposal.program, start=self.state.start)
                instructions.append(Evaluate(evaluation))
        if self.end is not None and not self._is_over and not self._is_awaiting(self.end):
            self._is_over = True
            instructions.append(self.end)
        return instructions

    def _is_awaiting(self, end: Finish) -> bool:
        """Returns whether something must still be recorded: evaluations, and, but for a stop, notes under way."""
        return bool(self._evaluating or self._held_out or (end.is_success and self._noting))

    def _look_at_the_budget(self) -> None:
        budget, ledger = self.settings.budget, self.state.ledger
        if (spent := ledger.spent(budget)) is not None:
            is_patience = spent == "patience"
            message = (
                f"no better program in {budget.patience} evaluations"
                if is_patience
                else f"budget used up: {spent}"
            )
            self._end_with(spent, message)
        elif budget.cost_usd is not None and ledger.unpriced_calls and not ledger.cost_usd:
            message = "the model's price is unknown, so --cost-usd cannot be kept; limit --tokens instead"
            self._end_with("cost", message, is_success=False)
        elif self._barren >= STALL_LIMIT and self.in_flight == 0:
            message = f"nothing new came out of {STALL_LIMIT} proposals in a row; add a model with --model, or operators"
            self._end_with("exhausted", message, is_success=False)

    def _end_with(self, reason: str, message: str, *, is_success: bool = True) -> None:
        if self.end is None:
            self.end = Finish(reason, message, is_success)

    def _take_decision(self) -> int:
        self._next_decision += 1
        return self._next_decision - 1

    @property
    def _model_calls(self) -> int:
        return sum(job.needs_model for job in self._proposing.values()) + len(self._noting)

    @property
    def _backlog(self) -> int:
        """Programs on their way to an evaluator that no model holds up."""
        free = sum(not job.needs_model for job in self._proposing.values())
        return len(self._queued) + len(self._evaluating) + free

    def _has_room(self) -> bool:
        """Returns whether one more evaluation fits the budget."""
        most = self.settings.budget.evaluations
        return most is None or self.state.ledger.evaluations + self.in_flight < most

    def _has_model_room(self) -> bool:
        """Returns whether one more model call fits the slots and the budget."""
        calls = self._model_calls
        return calls < self.settings.model_slots and self.state.ledger.has_room_for_call(
            self.settings.budget, calls
        )

    def _next_follow_up(self) -> Propose | None:
        """Returns what earlier decisions call for: a summary, or the next candidate of a plan."""
        if not self._has_model_room():
            return None
        can_evaluate = self._has_room() and len(self._queued) < self.settings.ahead
        choice = self._scheduler.follow_up(self._next_decision, can_evaluate=can_evaluate)
        return None if choice is None else self._begin(choice)

    def _next_proposal(self) -> Propose | None:
        if not self._has_room() or self._barren >= STALL_LIMIT:
            return None
        has_model_room = self._has_model_room() and len(self._queued) < self.settings.ahead
        has_free_room = self._backlog < self.settings.ahead
        choice = self._scheduler.choose(
            self._next_decision, has_model_room=has_model_room, has_free_room=has_free_room
        )
        return None if choice is None else self._begin(choice)

    def _begin(self, choice: Choice) -> Propose:
        request = choice.job
        job = Decision(
            self._take_decision(),
            choice.operator or request.operator,
            request.island,
            tuple(parent.program_id for parent in request.parents),
            request.session,
            choice.step,
            model=request.model,
            variant=request.variant,
            kind=choice.kind,
            needs_model=choice.needs_model,
            from_best=self._filter.is_from_best(choice),
            about=request.parents[0].program_id if choice.kind in ("plan", "summary") else "",
        )
        is_aside = choice.kind not in ("child", PLAN)
        (self._noting if is_aside else self._proposing)[request.job_id] = job
        return Propose(request, choice.needs_model)

"""The coordinator: a pure state machine that decides what a run does next.

`handle(event) -> instructions` has no I/O, no clock and no global random state. Decision n of a run draws from
its streams of chance (islands/chance.py), so nothing about chance has to be saved. What is recorded is folded by the same code while
the run is live and when it is replayed: resume = replay. What is owed (replies that were paid for, further
measurements, exams, summaries) follows from the journal alone.

Two lanes keep all slots busy without a generation barrier. The model lane holds up to `model_slots` proposals at a
model, and where an evaluation takes less time than a call, a slot is free again only when the result is known, so that the next
question tells it. The free lane fills idle evaluators with operators that need no model, as far as these bring anything
(learning/fillers.py) and hold up no child of a model (learning/pace.py). Where the number of evaluations is limited,
the free lane keeps to its operators' share of the weights, so that it does not spend the budget while models think.
Children of models are evaluated first, then what fills; exams on held-out cases wait until an evaluator is idle, but not for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from discovery.core.choices import SEED_OPERATOR, Policy
from discovery.core.events import (
    Broken,
    Evaluate,
    Evaluated,
    EvaluateJob,
    Event,
    Finish,
    GivenUp,
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
    Tried,
)
from discovery.core.records import Record
from discovery.core.requests import Request
from discovery.core.types import ModelCall, Operator, Proposal
from discovery.learning.near_duplicates import NearDuplicates
from discovery.learning.novelty import Novelty
from discovery.learning.pace import EXAM
from discovery.learning.repeats import Measurements
from discovery.programs.fingerprint import fingerprint
from discovery.search.decisions import Decision, DecisionTable, Stage, exam_id
from discovery.search.model_health import Asking, ModelHealth
from discovery.search.outcomes import Outcomes
from discovery.search.proposal_filter import ProposalFilter
from discovery.search.scheduler import Choice, MemoryPolicy, ProposalScheduler, SearchSettings
from discovery.search.state import RunState
from discovery.search.steering import Steering
from discovery.search.stop_rules import StopRules
from discovery.settings.budget import stored_limits
from evaluators.contract import Status

STALL_LIMIT = 2000
"""Proposals in a row that were duplicates or failures before a run without models counts as exhausted."""
EXAM_WAITS = 8
"""So many evaluations an exam waits for an idle evaluator."""
BUDGET_ENDS = ("minutes", "cost", "tokens", "calls", "patience", "evaluations")


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
        self._stop_rules = stop_rules
        self.state = state
        self.end: Finish | None = None
        self._scheduler = ProposalScheduler(settings, state, operators, policy, memory)
        self._models = ModelHealth(settings.models, outage_s=settings.outage_s, slots=settings.model_slots)
        self._next_decision = 0
        self._decisions = DecisionTable()
        self._outcomes = Outcomes(state, self._decisions, self._models, self._filter, measurements, novelty)
        self._is_over = False
        self._steering = Steering(state)

    @property
    def duplicates(self) -> int:
        """How many children were known already, or almost."""
        return self._filter.duplicates

    @property
    def in_flight(self) -> int:
        """How many decisions are under way."""
        return self._decisions.in_flight

    @property
    def open_calls(self) -> int:
        """How many decisions are at a model that is paid."""
        return self._decisions.open_calls

    @property
    def evaluating(self) -> int:
        """How many programs are handed out to evaluators."""
        return self._decisions.evaluating

    @property
    def waits(self) -> tuple[str, ...]:
        """What this session does without, in a person's words: models that do not answer, or are asked no more."""
        return self._models.waits(self.state.ledger.elapsed_s)

    @property
    def retired(self) -> Mapping[str, str]:
        """The models that are asked no more in this session, and why."""
        return self._models.retired

    def validate(self) -> None:
        """Raises AssertionError where an invariant of the state does not hold."""
        budget = self.settings.budget.evaluations
        done = self.state.ledger.evaluations
        assert budget is None or done + self.in_flight <= max(budget, done), (
            "more in flight than the budget allows"
        )
        table = self._decisions
        assert table.evaluating <= self.settings.ahead, "more evaluations handed out than there are slots"
        assert table.model_calls <= self.settings.model_slots, "more model calls than slots"
        assert all(job.proposal is not None for job in table.expected())
        assert (self.state.best is None) == (self.state.counts.get("ok", 0) == 0), "best and counts disagree"
        assert not (self._is_over and (table.evaluating or table.open_calls)), "over, yet waiting"

    # --- the past

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Folds one journal entry into the state, as it was folded when it was written."""
        kind = entry["type"]
        if kind == "asked":
            self._obey(
                RequestReceived(Request.from_json(entry["request"]), entry["fingerprint"], entry["refusal"])
            )
        elif kind == "opened":
            self._steering.is_paused = bool(entry.get("paused"))
        else:
            self._outcomes.replay(entry)
            self._steering.forget(entry.get("record", entry).get("fingerprint", ""))
            if "decision" in entry:
                self._next_decision = max(self._next_decision, entry["decision"] + 1)

    # --- the present

    def start(
        self,
        asked: Sequence[RequestReceived] = (),
        open_calls: Mapping[str, tuple[ModelCall, ...]] | None = None,
    ) -> list[Instruction]:
        """Returns the first instructions: the seed's evaluation, or, after a replay, work for every slot.

        Args:
            asked: what a person asked for while nothing ran; it counts before anything is decided.
            open_calls: what earlier sessions paid, by job id; what is not in the journal is booked now.
        """
        instructions: list[Instruction] = []
        for number, entry in self._outcomes.left_open(open_calls or {}):
            self._next_decision = max(self._next_decision, number + 1)
            instructions.append(Save(entry))
        self._next_decision = max(self._next_decision, self.state.next_decision)
        if self.state.next_index == 0 and not self._decisions.waiting:
            seed = self.state.statement.seed
            job = Decision(self._take_decision(), SEED_OPERATOR, 0, ())
            job.propose(Proposal(seed, ()), fingerprint(seed))
            self.state.expect(job.fingerprint)
            self._decisions.wait(job)
        instructions += [instruction for event in asked for instruction in self._on_asked(event)]
        return instructions + self._decide()

    def handle(self, event: Event) -> list[Instruction]:
        """Returns what to do about an event. Events of unknown or finished jobs change nothing."""
        instructions: list[Instruction] = []
        match event:
            case Proposed() | Noted() | NotProposed() | Evaluated() | GivenUp():
                instructions = self._outcomes.take(event)
            case Tried():
                instructions = self._on_tried(event)
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
                self._decisions.give_up_evaluations()
                self._end_with("outage" if event.is_outage else "broken", event.reason, is_success=False)
        for one in instructions:
            if isinstance(one, Save) and one.entry["type"] == "evaluated":
                self._look_for_the_end(one.entry["record"])
        return instructions + self._decide()

    def _on_tried(self, event: Tried) -> list[Instruction]:
        closed = "" if self._has_room() else "the run has no evaluation left"
        if self.end is not None:
            closed = "the run ends"
        return self._outcomes.trials.take(event, self._take_decision, closed)

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
            self._look_for_limits()
        if self.end is None and self._stop_rules is not None:
            self.end = self._stop_rules.end(self.state)
        if self.end is None:
            while self._steering.has_waiting and self.state.next_index > 0 and self._has_room():
                self._decisions.wait(self._steering.next_injected(self._take_decision()), is_first=True)
            while self._decisions.is_models_turn and self._decisions.evaluating < self.settings.ahead:
                instructions.append(self._next_evaluation())
        if self.end is None or self.end.is_success:
            for program_id, job in self._decisions.exams_owed():
                if self.end is None and not self._may_examine(job):
                    break
                job.advance(Stage.EXAMINING)
                assert job.proposal is not None
                instructions.append(Evaluate(EvaluateJob(exam_id(program_id), job.proposal.program, True)))
        if self.end is None and self.state.next_index > 0:
            while (follow_up := self._next_follow_up()) is not None:
                instructions.append(follow_up)
            while (proposal := self._next_proposal()) is not None:
                instructions.append(proposal)
        if self.end is None:
            while self._decisions.waiting and self._decisions.evaluating < self.settings.ahead:
                instructions.append(self._next_evaluation())
        if self.end is not None and not self._is_over and not self.is_awaiting:
            self._is_over = True
            instructions.append(self.end)
        return instructions

    def _next_evaluation(self) -> Evaluate:
        job = self._decisions.next_waiting()
        assert job.proposal is not None
        return Evaluate(EvaluateJob(job.job_id, job.proposal.program, start=self.state.start))

    @property
    def _busy(self) -> int:
        """How many evaluators are taken, or about to be."""
        table = self._decisions
        return table.backlog + (table.examining if self._scheduler.asks_models else 0)

    def _may_fill(self, times: float = 1.0) -> bool:
        """Returns whether what no model waits for may take an evaluator; `times` is how long it takes in usual evaluations."""
        ages_s = self._decisions.ages_s(self.state.ledger.elapsed_s)
        if not ages_s and self._scheduler.asks_models:
            ages_s = [0.0]  # a question is about to go out
        return self.state.pace.may_fill(
            self._busy, slots=self.settings.slots, ahead=self.settings.ahead, ages_s=ages_s, times=times
        )

    def _may_examine(self, job: Decision) -> bool:
        """Returns whether an exam may begin: an evaluator is idle, or it has waited long enough."""
        if not self._scheduler.asks_models:
            return True
        is_overdue = self.state.next_index - job.recorded_at > EXAM_WAITS
        return (is_overdue and self._busy < self.settings.slots) or self._may_fill(EXAM)

    @property
    def is_awaiting(self) -> bool:
        """Whether something that was begun is still to come: an evaluation, an exam, a reply that will be paid for."""
        table = self._decisions
        return bool(table.evaluating or table.is_examining or table.open_calls)

    def _look_for_limits(self) -> None:
        budget, ledger = self.settings.budget, self.state.ledger
        if (spent := ledger.spent(budget)) is not None:
            is_patience = spent == "patience"
            message = (
                f"no better program in {budget.patience} evaluations"
                if is_patience
                else f"budget used up: {spent}"
            )
            self._end_with(spent, message)
        elif self._models.is_hopeless:
            reasons = "; ".join(self.retired.values())
            self._end_with("endpoint", f"no model is left to ask: {reasons}", is_success=False)
        elif budget.cost_usd is not None and ledger.unpriced_calls and not ledger.cost_usd:
            message = "the model's price is unknown, so --cost-usd cannot be kept; limit --tokens instead"
            self._end_with("cost", message, is_success=False)
        elif self._outcomes.barren >= STALL_LIMIT and self.in_flight == 0:
            message = f"nothing new came out of {STALL_LIMIT} proposals in a row; add a model with --model, or operators"
            self._end_with("exhausted", message, is_success=False)

    def _end_with(self, reason: str, message: str, *, is_success: bool = True) -> None:
        if self.end is None:
            self.end = Finish(reason, message, is_success)

    def _take_decision(self) -> int:
        self._next_decision += 1
        return self._next_decision - 1

    def _has_room(self) -> bool:
        """Returns whether one more evaluation fits the budget."""
        most = self.settings.budget.evaluations
        return most is None or self.state.ledger.evaluations + self.in_flight < most

    def _asking(self) -> Asking | None:
        """Returns whom one more model call may go to; None where it fits neither slots nor budget, or none answers."""
        calls = self._decisions.model_calls
        awaited = self._decisions.unknown if self.state.pace.is_worth_waiting else 0
        has_room = calls + awaited < self.settings.model_slots
        if not has_room or not self.state.ledger.has_room_for_call(self.settings.budget, calls):
            return None
        return self._models.asking(self.state.ledger.elapsed_s)

    def _next_follow_up(self) -> Propose | None:
        """Returns what earlier decisions call for: a summary, or the next candidate of a plan."""
        if (asking := self._asking()) is None:
            return None
        can_evaluate = self._has_room() and self._decisions.waiting < self.settings.ahead
        choice = self._scheduler.follow_up(self._next_decision, can_evaluate=can_evaluate)
        return None if choice is None else self._begin(choice, asking)

    def _next_proposal(self) -> Propose | None:
        if not self._has_room() or self._outcomes.barren >= STALL_LIMIT:
            return None
        asking = self._asking() if self._decisions.waiting < self.settings.ahead else None
        has_free_room = self._may_fill()
        choice = self._scheduler.choose(
            self._next_decision,
            has_model_room=asking is not None,
            has_free_room=has_free_room,
            under_way=self._decisions.under_way(),
        )
        return None if choice is None else self._begin(choice, asking)

    def _begin(self, choice: Choice, asking: Asking | None) -> Propose:
        request = choice.job
        if (allowance := request.allowance) is not None and (
            most := self.settings.budget.evaluations
        ) is not None:
            room = max(0, most - self.state.ledger.evaluations - self.in_flight - 1)  # one is for its child
            request = replace(
                request, allowance=replace(allowance, evaluations=min(allowance.evaluations, room))
            )
        if choice.needs_model and asking is not None:
            named = None if request.model in asking.avoid else request.model
            request = replace(request, model=asking.only or named, avoid=asking.avoid)
            self._models.begin(request.job_id, asking)
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
            asked_s=self.state.ledger.elapsed_s,
            allowed=request.allowance.evaluations if request.allowance else 0,
        )
        self._decisions.choose(request.job_id, job)
        return Propose(request, choice.needs_model)

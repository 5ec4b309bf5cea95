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
from dataclasses import asdict, dataclass, replace
from typing import Any

from discovery.choosing import Chooser, Plan, Policy
from discovery.events import (
    Asked,
    Broken,
    Evaluate,
    Evaluated,
    EvaluateJob,
    Event,
    Finish,
    Instruction,
    NotProposed,
    Propose,
    Proposed,
    Save,
    StopAsked,
    Ticked,
)
from discovery.fingerprint import fingerprint
from discovery.learning import Waste
from discovery.operators.base import ModelCall, Operator, Proposal
from discovery.records import Record
from discovery.requests import Request
from discovery.state import SEED_OPERATOR, RunState
from evaluators.contract import Program

STALL_LIMIT = 2000
"""Proposals in a row that were duplicates or failures before a run without models counts as exhausted."""
ENDPOINT_LIMIT = 12
"""Model failures in a row before the run is paused."""
INJECT_OPERATOR = "inject"
BUDGET_ENDS = ("minutes", "cost", "tokens", "evaluations")
WASTE_LIMIT = 30
"""Paid replies in a row that gave no new program before the run is paused: something is wrong with the model."""


@dataclass(slots=True)
class _Job:
    """A decision under way."""

    decision: int
    operator: str
    island: int
    parents: tuple[str, ...]
    session: int | None = None
    step: int | None = None
    proposal: Proposal | None = None
    fingerprint: str = ""
    model: str | None = None
    variant: str = ""

    @property
    def job_id(self) -> str:
        return f"{self.decision}-{self.operator}"


class Coordinator:
    """Decides. See the module's docstring; `validate()` states the invariants."""

    def __init__(
        self, plan: Plan, state: RunState, operators: Mapping[str, Operator], policy: Policy | None = None
    ) -> None:
        self.plan = plan
        self.state = state
        self.duplicates = 0
        self.end: Finish | None = None
        self._operators = {name: operators[name] for name, weight in plan.weights.items() if weight > 0}
        self._chooser = Chooser(plan, state, operators, policy)
        self._next_decision = 0
        self._proposing: dict[str, _Job] = {}
        self._queued: deque[_Job] = deque()
        self._evaluating: dict[str, _Job] = {}
        self._held_out: dict[str, str] = {}
        self._barren = 0
        self._endpoint_failures = 0
        self._wasted = 0
        self._is_over = False
        self.is_paused = False
        self._injected: deque[tuple[Request, str]] = deque()
        self._asked: set[str] = set()

    @property
    def in_flight(self) -> int:
        """Returns how many decisions are under way."""
        return len(self._proposing) + len(self._queued) + len(self._evaluating)

    def validate(self) -> None:
        """Raises AssertionError where an invariant of the state does not hold."""
        budget = self.plan.budget.evaluations
        done = self.state.ledger.evaluations
        assert budget is None or done + self.in_flight <= max(budget, done), (
            "more in flight than the budget allows"
        )
        assert len(self._evaluating) <= self.plan.ahead, "more evaluations handed out than there are slots"
        assert self._model_calls <= self.plan.model_slots, "more model calls than slots"
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
                self._queued = deque(job for job in self._queued if job.decision != record.decision)
            if self._injected:
                self._injected = deque(one for one in self._injected if one[1] != record.fingerprint)
        elif kind == "proposed":
            job = _job_from_json(entry)
            self.state.ledger.charge(job.proposal.calls if job.proposal else ())
            self.state.expect(job.fingerprint)
            self._queued.append(job)
            self._next_decision = max(self._next_decision, job.decision + 1)
        elif kind == "unproposed":
            self._next_decision = max(self._next_decision, entry["decision"] + 1)
            self.state.waste(_waste_from_json(entry))
        elif kind == "held_out":
            self.state.note_held_out(entry["program_id"], entry["metrics"])
        elif kind == "asked":
            self._obey(Asked(Request.from_json(entry["request"]), entry["fingerprint"], entry["refusal"]))

    # --- the present

    def is_asked(self, request_id: str) -> bool:
        """Returns whether a request was taken in already."""
        return request_id in self._asked

    def start(self, asked: Sequence[Asked] = ()) -> list[Instruction]:
        """Returns the first instructions: the seed's evaluation, or, after a replay, work for every slot.

        `asked` is what a person asked for while nothing ran; it counts before anything is decided.
        """
        self.is_paused = False
        self._next_decision = max(self._next_decision, self.state.next_decision)
        if self.state.next_index == 0 and not self._queued:
            seed = self.state.statement.seed
            job = _Job(self._take_decision(), SEED_OPERATOR, 0, (), proposal=Proposal(seed, ()))
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
            case NotProposed():
                instructions = self._on_not_proposed(event)
            case Evaluated():
                instructions = self._on_evaluated(event)
            case Asked():
                instructions = self._on_asked(event)
            case Ticked():
                self.state.ledger.elapsed_s = event.elapsed_s
            case StopAsked():
                self._end_with(event.reason, event.message, is_success=False)
            case Broken():
                self._evaluating.clear()
                self._held_out.clear()
                self._end_with("broken", event.reason, is_success=False)
        return instructions + self._decide()

    def _on_proposed(self, event: Proposed) -> list[Instruction]:
        if (job := self._proposing.pop(event.job_id, None)) is None:
            return []
        job.proposal, job.fingerprint = event.proposal, event.fingerprint
        job.parents = event.proposal.parents
        if event.proposal.calls:
            self._endpoint_failures = 0
        if self.state.is_known(event.fingerprint):
            self.duplicates += 1
            self._tell(job, self.state.known_fitness(event.fingerprint))
            return self._drop(job, "this program is known already", event.proposal.calls)
        if event.refusal:
            self._tell(job, None)
            return self._drop(job, event.refusal, event.proposal.calls)
        self._wasted = 0
        self.state.ledger.charge(event.proposal.calls)
        self.state.expect(event.fingerprint)
        self._queued.append(job)
        return [Save(_job_to_json(job))] if event.proposal.calls else []

    def _on_not_proposed(self, event: NotProposed) -> list[Instruction]:
        if (job := self._proposing.pop(event.job_id, None)) is None:
            return []
        self._tell(job, None)
        if event.is_endpoint:
            self._endpoint_failures += 1
            if event.is_fatal or self._endpoint_failures >= max(ENDPOINT_LIMIT, 2 * self.plan.model_slots):
                self._end_with("endpoint", event.reason, is_success=False)
        return self._drop(job, event.reason, event.calls)

    def _drop(self, job: _Job, reason: str, calls: tuple[ModelCall, ...]) -> list[Instruction]:
        """Books a decision that leads to no evaluation; paid calls go to the journal with the reason."""
        self._barren += 1
        if not calls:
            return []
        self.state.waste(Waste(job.operator, job.model, job.variant, job.island, reason, calls))
        self._wasted += 1
        if self._wasted >= max(WASTE_LIMIT, 3 * self.plan.model_slots):
            message = f"{self._wasted} paid replies in a row gave no new program; the last: {reason}"
            self._end_with("endpoint", message, is_success=False)
        return [
            Save(
                {
                    "type": "unproposed",
                    "decision": job.decision,
                    "operator": job.operator,
                    "island": job.island,
                    "reason": reason,
                    "calls": [asdict(call) for call in calls],
                    **_arm_to_json(job),
                }
            )
        ]

    def _on_evaluated(self, event: Evaluated) -> list[Instruction]:
        if (program_id := self._held_out.pop(event.job_id, None)) is not None:
            metrics = dict(event.evaluation.held_out or {})
            self.state.note_held_out(program_id, metrics)
            entry = {"type": "held_out", "program_id": program_id, "metrics": metrics}
            return [Save({**entry, "reason": event.evaluation.reason})]
        if (job := self._evaluating.pop(event.job_id, None)) is None or job.proposal is None:
            return []
        self._barren = 0
        record = self._recorded(
            Record(
                index=self.state.next_index,
                program=job.proposal.program,
                program_id=job.proposal.program.id,
                parents=job.parents,
                evaluation=event.evaluation,
                operator=job.operator,
                island=job.island,
                cell=None,
                decision=job.decision,
                calls=job.proposal.calls,
                texts=job.proposal.texts,
                at_s=event.at_s,
                fingerprint=job.fingerprint,
                session=job.session,
                step=job.step,
                model=job.model,
                variant=job.variant,
            )
        )
        instructions: list[Instruction] = [Save({"type": "evaluated", "record": record})]
        if self.state.statement.has_held_out and record.cell is not None:
            held_out = EvaluateJob(f"held-out-{record.program_id}", record.program, held_out=True)
            self._held_out[held_out.job_id] = record.program_id
            instructions.append(Evaluate(held_out))
        self._look_for_the_end(record)
        return instructions

    def _recorded(self, record: Record) -> Record:
        """Returns a record with its cell and the changes it made, after folding it into the state."""
        changes = self.state.fold(record)
        own = [c.cell for c in changes if c.program_id == record.program_id and c.island == record.island]
        return replace(record, cell=own[0] if own else None, changes=changes)

    def _look_for_the_end(self, record: Record) -> None:
        evaluation = record.evaluation
        if record.operator == SEED_OPERATOR and evaluation.score is None:
            message = f"the seed program fails ({evaluation.status}: {evaluation.reason}); look into it with: discovery check"
            self._end_with("seed", message, is_success=False)
        elif evaluation.score is not None:
            objective = self.state.statement.objective
            target = objective.target if self.plan.target is None else self.plan.target
            if replace(objective, target=target).is_reached(evaluation.score):
                self._end_with("target", f"target {target:g} reached with {evaluation.score!r}")

    def _tell(self, job: _Job, fitness: float | None) -> None:
        if job.session is not None and job.step is not None:
            self.state.tuner.tell(job.session, job.step, fitness)

    # --- a person's hand

    def _on_asked(self, event: Asked) -> list[Instruction]:
        if event.request.request_id in self._asked:
            return []
        self._obey(event)
        request = event.request.to_json()
        entry = {"request": request, "fingerprint": event.fingerprint, "refusal": event.refusal}
        return [Save({"type": "asked", **entry})]

    def _obey(self, event: Asked) -> None:
        """Does what a person asked, live and in a replay alike."""
        request = event.request
        self._asked.add(request.request_id)
        match request.kind:
            case "inject" if not event.refusal and not self.state.is_known(event.fingerprint):
                self.state.expect(event.fingerprint)
                self._injected.append((request, event.fingerprint))
            case "hint":
                self.state.hints.append(request.text)
            case "forget-hints":
                self.state.hints.clear()
            case "pause" | "resume":
                self.is_paused = request.kind == "pause"
            case "budget":
                budget = replace(self.plan.budget, **request.budget)
                self.plan = self._chooser.plan = replace(self.plan, budget=budget)
                is_spent = self.state.ledger.spent(budget) is not None
                if (
                    self.end is not None
                    and self.end.reason in BUDGET_ENDS
                    and not self._is_over
                    and not is_spent
                ):
                    self.end = None

    def _next_injected(self) -> _Job | None:
        """Returns the next program that a person gave, as a job, where the budget has room."""
        if not self._injected or not self._has_room():
            return None
        request, mark = self._injected.popleft()
        assert request.program is not None
        texts = {"request": request.request_id} | ({"idea": request.text} if request.text else {})
        decision = self._take_decision()
        island = self.state.archipelago.island_of(decision)
        proposal = Proposal(request.program, (), texts=texts)
        return _Job(decision, INJECT_OPERATOR, island, (), proposal=proposal, fingerprint=mark)

    # --- deciding

    def _decide(self) -> list[Instruction]:
        if self.is_paused and self.end is None:
            return []
        instructions: list[Instruction] = []
        if self.end is None:
            self._look_at_the_budget()
        if self.end is None and self.state.next_index > 0:
            while (injected := self._next_injected()) is not None:
                self._queued.appendleft(injected)
            while (proposal := self._next_proposal()) is not None:
                instructions.append(proposal)
        if self.end is None:
            while self._queued and len(self._evaluating) < self.plan.ahead:
                job = self._queued.popleft()
                assert job.proposal is not None
                self._evaluating[job.job_id] = job
                instructions.append(Evaluate(EvaluateJob(job.job_id, job.proposal.program)))
        if self.end is not None and not self._is_over and not self._evaluating and not self._held_out:
            self._is_over = True
            instructions.append(self.end)
        return instructions

    def _look_at_the_budget(self) -> None:
        budget, ledger = self.plan.budget, self.state.ledger
        if (spent := ledger.spent(budget)) is not None:
            self._end_with(spent, f"budget used up: {spent}")
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
        return sum(self._operators[job.operator].needs_model for job in self._proposing.values())

    @property
    def _backlog(self) -> int:
        """Programs on their way to an evaluator that no model holds up."""
        return len(self._queued) + len(self._evaluating) + len(self._proposing) - self._model_calls

    def _has_room(self) -> bool:
        """Returns whether one more evaluation fits the budget."""
        most = self.plan.budget.evaluations
        return most is None or self.state.ledger.evaluations + self.in_flight < most

    def _next_proposal(self) -> Propose | None:
        budget = self.plan.budget
        if not self._has_room() or self._barren >= STALL_LIMIT:
            return None
        has_model_room = (
            self._model_calls < self.plan.model_slots
            and len(self._queued) < self.plan.ahead
            and self.state.ledger.has_room_for_call(budget, self._model_calls)
        )
        has_free_room = self._backlog < self.plan.ahead
        decision = self._take_decision()
        choice = self._chooser.choose(decision, has_model_room=has_model_room, has_free_room=has_free_room)
        if choice is None:
            self._next_decision -= 1
            return None
        request = choice.job
        job = _Job(
            decision,
            request.operator,
            request.island,
            tuple(parent.program_id for parent in request.parents),
            request.session,
            choice.step,
            model=request.model,
            variant=request.variant,
        )
        self._proposing[job.job_id] = job
        return Propose(request, self._operators[request.operator].needs_model)


def _job_to_json(job: _Job) -> dict[str, Any]:
    assert job.proposal is not None
    return {
        "type": "proposed",
        "decision": job.decision,
        "operator": job.operator,
        "island": job.island,
        "parents": list(job.parents),
        "fingerprint": job.fingerprint,
        "program": job.proposal.program.to_json(),
        "calls": [asdict(call) for call in job.proposal.calls],
        "texts": dict(job.proposal.texts),
        **_arm_to_json(job),
    }


def _arm_to_json(job: _Job) -> dict[str, str]:
    """Returns the model and the variant that were asked for, where any were."""
    return ({"model": job.model} if job.model else {}) | ({"variant": job.variant} if job.variant else {})


def _waste_from_json(entry: Mapping[str, Any]) -> Waste:
    calls = tuple(ModelCall(**call) for call in entry["calls"])
    model, variant = entry.get("model"), entry.get("variant", "")
    return Waste(entry["operator"], model, variant, entry["island"], entry["reason"], calls)


def _job_from_json(entry: Mapping[str, Any]) -> _Job:
    proposal = Proposal(
        Program.from_json(entry["program"]),
        tuple(entry["parents"]),
        tuple(ModelCall(**call) for call in entry["calls"]),
        entry["texts"],
    )
    return _Job(
        entry["decision"],
        entry["operator"],
        entry["island"],
        proposal.parents,
        proposal=proposal,
        fingerprint=entry["fingerprint"],
        model=entry.get("model"),
        variant=entry.get("variant", ""),
    )

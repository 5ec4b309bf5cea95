"""Programs that operators at work have judged: each becomes a decision of its own, and its operator hears of it.

A trial is journalled as a child that was paid for before it is judged, so a kill loses none: what was asked for is judged after a resume,
with nobody left to hear of it.
"""

from __future__ import annotations

from collections.abc import Callable

from discovery.core.allowance import Verdict
from discovery.core.events import Answer, Instruction, Save, Tried
from discovery.core.records import Record
from discovery.core.types import Proposal
from discovery.search.decisions import Decision, DecisionTable
from discovery.search.entries import child_to_json
from discovery.search.state import RunState


class Trials:
    """Takes in what operators want judged. No I/O, no clock, no chance."""

    def __init__(self, state: RunState, decisions: DecisionTable) -> None:
        self._state = state
        self._decisions = decisions

    def take(self, event: Tried, take_number: Callable[[], int], closed: str) -> list[Instruction]:
        """Lets a program wait for an evaluator, or answers at once.

        Args:
            event: the program, and who wants it judged.
            take_number: returns the number of a new decision.
            closed: why the run judges no more programs, "" where it does.
        """
        asker = self._decisions.find_chosen(event.job_id)
        if asker is None:
            return []
        if self._state.is_known(event.fingerprint):
            return [Answer(self._known(event, asker))]
        refusal = event.refusal or closed
        if not refusal and asker.allowed <= 0:
            refusal = "all evaluations of this job are used up"
        if refusal:
            return [
                Answer(Verdict(event.job_id, event.number, None, refusal, event.program.id, asker.allowed))
            ]
        asker.allowed -= 1
        parents = (asker.base,) if asker.base else asker.parents[:1]
        job = Decision(
            take_number(),
            asker.operator,
            asker.island,
            parents,
            model=asker.model,
            variant=asker.variant,
            asked_by=event.job_id,
            trial=event.number,
            is_saved=True,
        )
        job.propose(
            Proposal(event.program, parents, texts={"idea": event.idea} if event.idea else {}),
            event.fingerprint,
        )
        self._state.expect(event.fingerprint)
        self._decisions.wait(job)
        return [Save(child_to_json(job))]

    def judged(self, job: Decision, record: Record) -> list[Instruction]:
        """Returns what an operator is told of a recorded program, if one waits for it."""
        asker = self._decisions.find_chosen(job.asked_by) if job.asked_by else None
        if asker is None:
            return []
        if record.score is not None:
            asker.base = record.program_id
        return [
            Answer(Verdict(job.asked_by, job.trial, record.evaluation, "", record.program_id, asker.allowed))
        ]

    def _known(self, event: Tried, asker: Decision) -> Verdict:
        """Returns what is known of a program that was judged already, or is on its way."""
        program_id = event.program.id
        found = self._state.find(program_id) or self._state.find_failed(program_id)
        evaluation, refusal = (found.evaluation, "") if found is not None else (None, "")
        if evaluation is None:
            fitness = self._state.known_fitness(event.fingerprint)
            said = (
                "has failed, or is being judged"
                if fitness is None
                else f"scores {self._state.statement.objective.fitness(fitness):g}"
            )
            refusal = f"a program that differs in nothing that counts {said}"
        return Verdict(
            event.job_id, event.number, evaluation, refusal, program_id, asker.allowed, is_known=True
        )

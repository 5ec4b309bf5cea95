"""What becomes of a child before an evaluation is spent on it: brought up to date, compared with what is known, or refused.

Nothing here is kept: what is accepted goes to the journal as it was accepted, what is refused with the reason.
"""

from __future__ import annotations

from dataclasses import replace

from discovery.core.events import Proposed
from discovery.core.types import Individual, Proposal
from discovery.learning.near_duplicates import NearDuplicates
from discovery.programs.carry_over import rebased
from discovery.programs.fingerprint import fingerprint
from discovery.search.decisions import Decision
from discovery.search.scheduler import Choice
from discovery.search.state import RunState


class ProposalFilter:
    """Looks at children as they come.

    Args:
        state: what the run knows.
        near: knows near-duplicates; None where only exact ones are refused.
        rebase: whether changes of what was the best program are carried over into what is the best.

    Attributes:
        duplicates: children that were known already, or almost.
    """

    def __init__(self, state: RunState, near: NearDuplicates | None, *, rebase: bool) -> None:
        self._state = state
        self._near = near
        self._rebase = rebase
        self.duplicates = 0

    def is_from_best(self, choice: Choice) -> bool:
        """Returns whether a model is to change the best program of its island, and no plan goes by that program."""
        parents = choice.job.parents
        is_plain = choice.needs_model and choice.kind == "child" and not choice.operator and len(parents) == 1
        if not (self._rebase and is_plain):
            return False
        best = self._best_of(choice.job.island)
        return best is not None and best.program_id == parents[0].program_id

    def up_to_date(self, job: Decision, event: Proposed) -> Proposed:
        """Returns a change of what was the best program as one of what is the best by now, where it fits."""
        best, base = self._best_of(job.island), self._state.find(job.parents[0])
        if event.refusal or best is None or base is None or best.program_id == base.program_id:
            return event
        if (proposal := rebased(event.proposal, base, best)) is None:
            return event
        name = fingerprint(proposal.program)
        return event if self._state.is_known(name) else replace(event, proposal=proposal, fingerprint=name)

    def refusal(self, job: Decision, proposal: Proposal) -> str:
        """Returns why a child that is not known yet is not worth an evaluation, or ""."""
        near, screen = self._near, self._state.screen
        if near and (like := near.like(job.operator, job.island, proposal.program, self._state)):
            self.duplicates += 1
            return f"this program is almost the same as {like}"
        if screen is None or not proposal.calls:
            return ""
        # the parent of a repair has no score
        parent = self._state.find(job.parents[0]) or self._state.best
        return "" if parent is None else screen.refusal(job.number, proposal.program, parent)

    def _best_of(self, island: int) -> Individual | None:
        best = self._state.archipelago.archive(island).best
        return None if best is None else self._state.find(best.program_id)

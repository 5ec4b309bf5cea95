"""What a person asked of a run: a pure fold of requests, the same live and in a replay."""

from __future__ import annotations

from collections import deque

from discovery.core.events import RequestReceived
from discovery.core.requests import Request
from discovery.core.types import Proposal
from discovery.search.decisions import Decision
from discovery.search.state import RunState

INJECT_OPERATOR = "inject"
"""What the records of programs are called that a person gave."""


class Steering:
    """Which requests were taken in, and which programs a person gave that wait to be evaluated.

    Attributes:
        is_paused: whether nothing new may begin.
    """

    def __init__(self, state: RunState) -> None:
        self.is_paused = False
        self._state = state
        self._taken: set[str] = set()
        self._waiting: deque[tuple[Request, str]] = deque()

    def is_taken(self, request_id: str) -> bool:
        """Returns whether a request was taken in already."""
        return request_id in self._taken

    def take_in(self, event: RequestReceived) -> None:
        """Obeys a request, but for new limits, which are the coordinator's."""
        request, state = event.request, self._state
        self._taken.add(request.request_id)
        match request.kind:
            case "inject" if not event.refusal and not state.is_known(event.fingerprint):
                state.expect(event.fingerprint)
                self._waiting.append((request, event.fingerprint))
            case "hint":
                state.hints.append(request.text)
            case "forget-hints":
                state.hints.clear()
            case "pause" | "resume":
                self.is_paused = request.kind == "pause"

    def forget(self, fingerprint: str) -> None:
        """Notes that a program of this fingerprint was evaluated, so that it need not be again."""
        if self._waiting:
            self._waiting = deque(one for one in self._waiting if one[1] != fingerprint)

    @property
    def has_waiting(self) -> bool:
        """Returns whether a program waits."""
        return bool(self._waiting)

    def next_injected(self, decision: int) -> Decision:
        """Returns the next program that a person gave, as decision number `decision`; one must be waiting."""
        request, mark = self._waiting.popleft()
        assert request.program is not None
        texts = {"request": request.request_id} | ({"idea": request.text} if request.text else {})
        island = self._state.archipelago.island_of(decision)
        proposal = Proposal(request.program, (), texts=texts)
        found = Decision(decision, INJECT_OPERATOR, island, ())
        found.propose(proposal, mark)
        return found

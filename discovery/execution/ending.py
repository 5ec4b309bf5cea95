"""How a run ends: what it still waits for, and for how long.

Once it is decided that a run ends, no further question goes to a model. Calls under way are waited for up to a time of
grace, so that what is paid for is in the journal; after it they count as estimated. A person who asks a second time
waits for nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from discovery.core.events import GivenUp
from discovery.execution.embedded import Executor
from discovery.search.coordinator import Coordinator

PAUSED_STOP_S, LONGEST_STOP_S = 5.0, 300.0
"""How long a run that was asked to end waits for evaluations: while its broker is away, and at most."""


@dataclass(slots=True)
class StopRequest:
    """A request to end, set from a signal handler: once to end in order, a second time to end at once."""

    event: threading.Event = field(default_factory=threading.Event)
    urgent: threading.Event = field(default_factory=threading.Event)
    message: str = ""

    def ask(self, message: str) -> None:
        """Asks the run to end."""
        self.message = message
        self.event.set()

    def hurry(self) -> None:
        """Asks it not to wait for anything any more."""
        self.urgent.set()


class Ending:
    """Watches how a run comes to its end.

    Args:
        stop: the request to end.
        grace_s: how long calls under way are waited for.
        monotonic: the clock.
    """

    def __init__(
        self, stop: StopRequest, grace_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._stop = stop
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._since_s: float | None = None

    def look(self, coordinator: Coordinator, executor: Executor) -> tuple[str, GivenUp | None]:
        """Keeps the executor from asking once the run ends; returns what to tell, and what is given up, if anything is."""
        if coordinator.end is None:
            if self._since_s is not None:  # a larger budget revived it
                self._since_s = None
                executor.let_ask(True)
            return "", None
        now_s, told = self._monotonic(), ""
        if self._since_s is None:
            self._since_s = now_s
            executor.let_ask(False)
            if coordinator.is_awaiting:
                told = self._announcement(coordinator)
        return told, self._given_up(now_s - self._since_s, coordinator, executor)

    def _announcement(self, coordinator: Coordinator) -> str:
        what = f"ends: no new work is begun, {coordinator.in_flight} jobs are finished"
        if calls := coordinator.open_calls:
            what += f", {calls} model calls waited for up to {self._grace_s:g} s"
        return what + ("; a second signal ends it at once" if self._stop.event.is_set() else "")

    def _given_up(self, waited_s: float, coordinator: Coordinator, executor: Executor) -> GivenUp | None:
        limit_s = PAUSED_STOP_S if executor.paused else LONGEST_STOP_S
        is_urgent = self._stop.urgent.is_set()
        without_all = is_urgent or (self._stop.event.is_set() and waited_s > limit_s)
        without_calls = without_all or (waited_s > self._grace_s and coordinator.open_calls > 0)
        if not without_calls or not coordinator.is_awaiting:
            return None
        why = (
            "the run was ended at once"
            if is_urgent
            else f"no answer within {waited_s:.0f} s of the run's end"
        )
        return GivenUp(why, executor.open_calls(), without_all)

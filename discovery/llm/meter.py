"""The paid calls of one job, counted where they are made: what came back, what is open, what was given up.

A call counts from the moment before it goes out, with what it is expected to cost; what it did cost replaces that when
its answer is there, and it goes again where the endpoint refused it. So whenever a run ends, every request that an
endpoint may charge for is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from discovery.core.types import ModelCall, ModelError


class Stop(Protocol):
    """Whether questions may still go out. Contract: thread-safe. A `threading.Event` is one."""

    def is_set(self) -> bool:
        """Returns whether no further question may be asked."""
        ...

    def wait(self, timeout: float) -> bool:
        """Waits for that, for at most so many seconds, and returns whether it is so."""
        ...


class CallMeter:
    """The calls of one job. Thread-safe: read while the job is at work.

    Args:
        stop: says when no further question may be asked.
        note: is told of all calls so far whenever they change, before a question goes out, and whether one is open now.
        earlier: calls that were made for the job before, by workers that ended.
    """

    def __init__(
        self,
        stop: Stop | None = None,
        note: Callable[[Sequence[ModelCall], bool], None] | None = None,
        earlier: Sequence[ModelCall] = (),
    ) -> None:
        self._stop = stop or threading.Event()
        self._note = note or (lambda calls, is_open: None)
        self._calls = dict(enumerate(earlier, start=1))
        self._number = len(self._calls)
        self._lock = threading.Lock()

    @property
    def calls(self) -> tuple[ModelCall, ...]:
        """The calls so far in the order in which they were begun; those without an answer as expected."""
        with self._lock:
            return tuple(self._calls.values())

    def begin(self, expected: ModelCall) -> int:
        """Counts a call that goes out now, and returns its number.

        Raises:
            ModelError: (`is_stop`) no further question may be asked.
        """
        if self._stop.is_set():
            raise ModelError("the run ends: nothing more is asked", is_stop=True, model=expected.model)
        with self._lock:
            self._number += 1
            self._calls[self._number] = expected
            number, calls = self._number, tuple(self._calls.values())
        self._note(calls, True)
        return number

    def end(self, number: int, call: ModelCall | None) -> None:
        """Notes what a call cost; None where the endpoint refused it, or never had it."""
        with self._lock:
            if call is None:
                del self._calls[number]
            else:
                self._calls[number] = call
            calls = tuple(self._calls.values())
        self._note(calls, False)

    def pause(self, seconds: float) -> None:
        """Waits before a further attempt, no longer than until the run ends."""
        self._note(self.calls, True)  # it waits for the model still
        self._stop.wait(seconds)

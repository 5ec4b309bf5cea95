"""A time limit for trusted code, by a timer signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

_TICK_S = 1.0


class AlarmError(BaseException):
    """The time is up. Not an `Exception`, so that no handler in between takes it for its own."""


_on_tick: list[Callable[[], object]] = []


def on_tick(call: Callable[[], object]) -> None:
    """Has `call` called about once a second while a time limit runs (it may raise)."""
    _on_tick.append(call)


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Raises `AlarmError` inside the block after `limit_s` seconds; does nothing outside the main thread.

    A call into C that does not return is not interrupted; the parent's own limit ends that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    deadline = monotonic() + limit_s

    def ring(number: int, frame: FrameType | None) -> None:
        for call in _on_tick:
            call()
        if monotonic() >= deadline:
            raise AlarmError

    before = signal.signal(signal.SIGALRM, ring)
    tick = min(limit_s, _TICK_S)
    signal.setitimer(signal.ITIMER_REAL, tick, tick)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)

"""The time of day for lengths: it never jumps while a process lives, whatever is done to the machine's clock."""

from __future__ import annotations

import time
from collections.abc import Callable


def steady_clock(
    wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], float]:
    """Returns a clock of unix time, in seconds, that asks the wall clock once, now, and counts on from there.

    So the difference of two readings is the time between them, and a run that is limited in minutes neither ends nor
    goes on for ever because somebody set the date.
    """
    offset_s = wall() - monotonic()
    return lambda: offset_s + monotonic()


now_s = steady_clock()
"""This process' clock."""

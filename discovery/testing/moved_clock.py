"""Runs the command line with a time of day that a test moves: `python -m discovery.testing.moved_clock FILE ARGUMENTS`.

FILE holds seconds, which `time.time` and `time.time_ns` are off from then on, in this process and those forked from it.
The kernel has no such clock for a process alone (its time namespaces move only the monotonic clocks), and setting the
machine's would move everybody's. What a process reads otherwise (C code, `datetime`) stays true.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

_REREAD_S = 0.05


def moved(
    clock: Callable[[], float], path: Path, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], float]:
    """Returns a clock that is off by the seconds in a file; by none while there is no such file."""
    offset_s, read_at_s = 0.0, -_REREAD_S

    def read() -> float:
        nonlocal offset_s, read_at_s
        if (now := monotonic()) - read_at_s >= _REREAD_S:
            read_at_s = now
            try:
                offset_s = float(path.read_text(encoding="ascii"))
            except (FileNotFoundError, ValueError):
                offset_s = 0.0
        return clock() + offset_s

    return read


def main() -> None:
    """Moves this process' clock, then runs the command line with the other arguments."""
    clock = moved(time.time, Path(sys.argv[1]))
    time.time = clock
    time.time_ns = lambda: int(1e9 * clock())
    sys.argv = ["discovery", *sys.argv[2:]]
    from discovery.__main__ import main as command_line  # what it loads binds the clock

    command_line()


if __name__ == "__main__":
    main()

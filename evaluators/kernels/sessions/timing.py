"""How long a kernel takes beside its baseline: interleaved, frozen when not in turn, every output checked.

A round calls the program once and the baseline twice (in two processes), in random order, on the same new content,
and again for each timed shape; the two baselines against each other tell whether this machine can be believed now.
Every round has new processes (several rounds, where a program takes long to load), so that a lucky layout of memory is
one vote of many. They are started and warmed up in random order, too: who comes first is slower for a while (9 % of a
NumPy softmax of 1.6 ms, over 60 sessions on an Intel Xeon). Whatever else a session does: see `session.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evaluators.kernels import statistics
from evaluators.kernels.sessions.clocks import PROCESSOR, Sample
from evaluators.kernels.sessions.session import ROLES, Sessions
from evaluators.kernels.stand import Stand
from evaluators.kernels.statistics import Interval, Precision

PATIENCE = 5
"""How many times the budget a comparison may take to come to the least number of rounds."""

_LOOK_EVERY = 3


@dataclass(slots=True)
class Timing:
    """Samples by session, and what became of them."""

    clocks: tuple[str, str] = PROCESSOR.names
    sessions: list[list[Sample]] = field(default_factory=list)
    repeats: int = 1
    kernel_ns: int = 0
    seconds: float = 0.0
    call_ns: list[float] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """Returns the number of rounds."""
        return sum(map(len, self.sessions))

    def gain(self, rng: np.random.Generator) -> Interval:
        """Returns the interval of the program's gain in the time that counts."""
        return statistics.bootstrap([[one.gain for one in group] for group in self.sessions], rng)

    def null(self, rng: np.random.Generator) -> Interval:
        """Returns the interval of the baseline's gain over itself."""
        return statistics.bootstrap([[one.null for one in group] for group in self.sessions], rng)

    def gain_beside(self, rng: np.random.Generator) -> Interval:
        """Returns the interval of the program's gain in the other time."""
        return statistics.bootstrap([[one.gain_beside for one in group] for group in self.sessions], rng)

    def to_json(self) -> dict[str, Any]:
        """Returns the raw samples: per session, per round, microseconds of each clock per role."""
        counted, beside = self.clocks
        return {
            "roles": list(ROLES),
            "repeats": self.repeats,
            f"{counted}_us": [[_microseconds(one.counted) for one in group] for group in self.sessions],
            f"{beside}_us": [[_microseconds(one.beside) for one in group] for group in self.sessions],
        }


def _microseconds(times: tuple[float, ...]) -> list[float]:
    return [round(value / 1e3, 1) for value in times]


class Timer:
    """Times a program of a task against its baseline.

    Args:
        sessions: the program's.
        stand: where it runs.
        budget_s: when to stop adding rounds, unless the baseline against itself is not known well enough by then;
            after `PATIENCE` times as long it ends in any case.
        precision: when to stop before.
        now: what the budget goes by, in seconds.
    """

    def __init__(
        self,
        sessions: Sessions,
        stand: Stand,
        *,
        budget_s: float,
        precision: Precision,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions, self._stand, self._budget_s = sessions, stand, budget_s
        self._precision, self._now = precision, now

    def time(self, rng: np.random.Generator) -> Timing:
        """Returns samples until gain and machine are known well enough, or rounds or time are used up.

        Raises:
            KernelFailedError: the program failed in a call, or its output was wrong.
        """
        timing = Timing(self._sessions.clocks.names)
        begun = self._now()
        while timing.rounds < self._precision.most_rounds:
            spent_s = self._now() - begun
            if spent_s > PATIENCE * self._budget_s or (
                spent_s > self._budget_s and self._has_enough(timing, rng)
            ):
                break
            self._add(timing)
            if (
                timing.rounds % _LOOK_EVERY == 0
                and self._precision.is_reached(timing.gain(rng), timing.rounds)
                and self._has_enough(timing, rng)
            ):
                break
        timing.seconds = self._now() - begun
        return timing

    def _add(self, timing: Timing) -> None:
        """Adds a session; by the last that must be, all kinds of inputs were met."""
        coming = timing.rounds + max(1, self._sessions.rounds)
        session = self._sessions.run(self._stand, is_last=coming >= self._precision.least_rounds)
        timing.sessions.append(session.samples)
        timing.call_ns += session.call_ns
        timing.kernel_ns += session.kernel_ns
        timing.repeats = self._sessions.repeats

    def _has_enough(self, timing: Timing, rng: np.random.Generator) -> bool:
        """Returns whether there is enough to tell if this machine can be believed. What the program gained has no say."""
        return timing.rounds >= self._precision.least_rounds and self._precision.is_telling(timing.null(rng))

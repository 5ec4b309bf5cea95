"""What is read of a sample, how long samples last, and one round's times."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluators.contract import Status
from evaluators.kernels.runner import KernelFailedError, Ran


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is read, and how long for.

    Attributes:
        names: what counts, and what is told beside it; of "cpu", "wall" (both read by the stand) and "events" (what the
            child says that the GPU took).
        least_sample_ns: how long the baseline's calls of one sample take at least; shorter calls are repeated.
        most_repeats, most_bytes: bounds on the calls of a sample, and on the memory of their buffers.
        band_bytes: of rubbish between buffers, see `Arena`.
    """

    names: tuple[str, str]
    least_sample_ns: int
    most_repeats: int
    most_bytes: int
    band_bytes: int = 0

    def read(self, ran: Ran) -> tuple[int, int]:
        """Returns what counts and what is told beside it, in ns.

        Raises:
            KernelFailedError: the GPU took longer, the child says, than passed.
        """
        if ran.event_ns > _EVENTS_SLACK * ran.wall_ns:
            told = f"{ran.event_ns} ns of its own clock in {ran.wall_ns} ns"
            raise KernelFailedError(Status.INVALID, f"a timed call took {told}: its clock was tampered with")
        known = {"cpu": ran.cpu_ns, "wall": ran.wall_ns, "events": ran.event_ns}
        counted, beside = (max(1, known[name]) for name in self.names)
        return counted, beside


PROCESSOR = Clocks(("cpu", "wall"), least_sample_ns=8_000_000, most_repeats=16, most_bytes=64 << 20)
GPU = Clocks(
    ("wall", "events"), least_sample_ns=5_000_000, most_repeats=64, most_bytes=512 << 20, band_bytes=4096
)
"""A GPU's work has no CPU time; its wall-clock time is the judge's, from waking the child until the GPU is idle."""
_EVENTS_SLACK = 1.02


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: times per role, in ns, summed over calls, averaged (geometric mean) over shapes; see `Clocks`."""

    counted: tuple[float, ...]
    beside: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Returns log(baseline / program) of the times that count."""
        program, one, other = (math.log(value) for value in self.counted)
        return (one + other) / 2 - program

    @property
    def gain_beside(self) -> float:
        """Returns the same of the other times."""
        program, one, other = (math.log(value) for value in self.beside)
        return (one + other) / 2 - program

    @property
    def null(self) -> float:
        """Returns log(baseline again / baseline) of the times that count: zero but for noise."""
        return math.log(self.counted[2]) - math.log(self.counted[1])

"""A GPU that kernels can be timed on, as the judge is handed it; None where there is none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from evaluators.kernels.roofline import Peaks
from evaluators.kernels.stand import Stand


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU that kernels can be timed on.

    Attributes:
        name: what it is, for people and the record.
        lease: what the right to time on it is called; one holder per host.
        open: returns a new stand on it, to be closed by leaving the context.
        peaks: returns what it can do at most, measured.
    """

    name: str
    lease: str
    open: Callable[[], AbstractContextManager[Stand]]
    peaks: Callable[[], Peaks]

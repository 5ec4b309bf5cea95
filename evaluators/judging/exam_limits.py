"""The limits of held-out cases: those of the problem, in proportion to how much more a held-out case asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluators.contract import Case, Limits

MOST = 32.0


def exam_limits(limits: Limits, visible: Sequence[Case], held_out: Sequence[Case]) -> Limits:
    """Returns the limits of one held-out case.

    A problem may put many jobs into one case, and more of them into a held-out one. What a case holds is taken from the length of
    its answer, or of its inputs, where that is a list or a tuple; times grow with the largest held-out case against the largest
    visible one, by `MOST` times at most, and are never less than the problem's.
    """
    known, asked = (max((_size(case) for case in cases), default=1) for cases in (visible, held_out))
    times = min(max(asked / known, 1.0), MOST)
    return replace(limits, cpu_s=times * limits.cpu_s, wall_s=times * limits.wall_s)


def _size(case: Case) -> int:
    sized = (value for value in (case.answer, case.inputs) if isinstance(value, list | tuple))
    return max(len(next(sized, ())), 1)

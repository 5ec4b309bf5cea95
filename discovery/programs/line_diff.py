"""Line-by-line differences of foreign texts, with a bound on the work.

difflib's matcher takes quadratic time for many equal lines, and cubic time for the worst texts. Where it could take
too long, all lines between the common head and the common tail count as changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

MAX_STEPS = 20_000_000
"""About two seconds."""


class Hunk(NamedTuple):
    """Lines [low, high) of the old text became lines [new_low, new_high) of the new one; none are in both."""

    low: int
    high: int
    new_low: int
    new_high: int


def is_costly(old: Sequence[str], new: Sequence[str]) -> bool:
    """Returns whether matching two texts could take more than `MAX_STEPS` steps.

    Each search for the longest match goes through the old lines and, for each, through the equal new ones; there are
    at most as many searches as there are runs of equal lines.
    """
    counts = Counter(new)
    equal = [counts[line] for line in old]
    matched = sum(map(bool, equal))
    return (len(old) + sum(equal)) * min(matched + 1, len(new) + 1) > MAX_STEPS


def hunks(old: Sequence[str], new: Sequence[str]) -> list[Hunk]:
    """Returns what differs between two texts, given as lines, in order."""
    if is_costly(old, new):
        return _middle(old, new)
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [Hunk(*place) for tag, *place in codes if tag != "equal"]


def blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Yields the runs of lines that two texts have in common: where each begins in both, and its length."""
    at = new_at = 0
    for hunk in [*hunks(old, new), Hunk(len(old), len(old), len(new), len(new))]:
        if hunk.low > at:
            yield at, new_at, hunk.low - at
        at, new_at = hunk.high, hunk.new_high


def _middle(old: Sequence[str], new: Sequence[str]) -> list[Hunk]:
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    if head + tail == len(old) == len(new):
        return []
    return [Hunk(head, len(old) - tail, head, len(new) - tail)]

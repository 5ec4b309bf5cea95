"""Ranking where only comparisons can be trusted: a seeded knock-out.

Source: ArenaRL (arXiv:2601.06487): everybody meets one anchor first, which seeds the bracket; then 1 meets n, 2 meets n - 1
and so on, with byes for the first where the number is no power of two. Who loses later ranks higher; among those who
lost in the same round, the mean of their points decides. About 2 (n - 1) comparisons instead of n (n - 1) / 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from islands import IslandsError

Compare = Callable[[int, int], float]
"""Returns the points of the first of two contenders in [0, 1]: 1 for a clear win, 0.5 for a draw."""


def knock_out(count: int, compare: Compare) -> list[int]:
    """Returns the contenders 0 to count - 1, best first, after 2 (count - 1) comparisons at most.

    Args:
        count: contenders, >= 1; number 0 is the anchor, so let it be one in the middle if anything is known.
        compare: is asked once per match.

    Raises:
        IslandsError: `count` < 1, or points are not within [0, 1].
    """
    if count < 1:
        raise IslandsError(f"count must be >= 1, got {count}; there is nobody to rank")
    points: list[list[float]] = [[] for _ in range(count)]

    def meet(one: int, other: int) -> bool:
        won = float(compare(one, other))
        if not 0 <= won <= 1:
            raise IslandsError(f"points must be in [0, 1], got {won} for {one} against {other}")
        points[one].append(won)
        points[other].append(1 - won)
        return won >= 0.5

    for contender in range(1, count):
        meet(contender, 0)
    seeded = sorted(range(count), key=lambda one: -_mean(points[one]) if one else -0.5)
    return [*reversed(_losers(seeded, meet, points))]


def _losers(
    seeded: list[int], meet: Callable[[int, int], bool], points: Sequence[Sequence[float]]
) -> list[int]:
    """Returns the contenders in the order in which they rank, worst first."""
    out: list[int] = []
    while len(seeded) > 1:
        byes = 2 ** (len(seeded) - 1).bit_length() - len(seeded)
        playing = seeded[byes:]
        half = len(playing) // 2
        lost = []
        for place in range(half):
            one, other = playing[place], playing[-1 - place]
            if not meet(one, other):
                playing[place], other = other, one
            lost.append(other)
        seeded = seeded[:byes] + playing[:half]
        out += sorted(lost, key=lambda one: _mean(points[one]))
    return out + seeded


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5

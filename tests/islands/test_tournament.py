from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from islands import IslandsError
from islands.tournament import knock_out


def tau(ranking: list[int], values: np.ndarray) -> float:
    """Returns Kendall's tau of a ranking, best first, with the true order of values."""
    pairs = list(itertools.combinations(ranking, 2))
    return sum(np.sign(values[a] - values[b]) for a, b in pairs) / len(pairs)


@given(st.permutations(range(13)), st.integers(1, 13))
def test_with_certain_comparisons_the_best_wins_and_nobody_is_lost(order, count):
    values = np.array(order[:count], dtype=float)
    matches = []

    def compare(one: int, other: int) -> float:
        matches.append((one, other))
        return float(values[one] > values[other])

    ranking = knock_out(count, compare)
    assert sorted(ranking) == list(range(count))
    assert ranking[0] == values.argmax()
    assert len(matches) == 2 * (count - 1)


def test_who_loses_later_ranks_higher_by_hand():
    strength = [2, 4, 1, 3]  # against the anchor 0: 1 and 3 win, 2 loses; seeds 1, 3, 0, 2
    ranking = knock_out(4, lambda one, other: 0.5 + (strength[one] - strength[other]) / 10)
    assert ranking == [1, 3, 0, 2]


def test_under_drift_a_bracket_ranks_better_than_scores_taken_one_by_one():
    brackets, alone = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values, clock = rng.normal(size=16), [0.0]

        def measured(item: int, values=values, clock=clock, rng=rng) -> float:
            """Measures on a machine that gets faster and slower: what lies side by side suffers alike."""
            clock[0] += float(rng.normal(0, 0.4))
            return float(values[item] + clock[0] + rng.normal(0, 0.3))

        def compare(one: int, other: int, measured=measured) -> float:
            return 1 / (1 + np.exp(-3 * (measured(one) - measured(other))))

        brackets.append(tau(knock_out(16, compare), values))
        scores = [
            np.mean([measured(item) for _ in range(4)]) for item in range(16)
        ]  # 64 measurements; a bracket takes 60
        alone.append(tau(list(np.argsort(scores)[::-1]), values))
    better = sum(a > b for a, b in zip(brackets, alone, strict=True))
    assert better >= 30
    assert np.mean(brackets) > np.mean(alone) + 0.15


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(IslandsError, match="count"):
        knock_out(0, lambda one, other: 1.0)
    with pytest.raises(IslandsError, match="points"):
        knock_out(2, lambda one, other: 1.5)

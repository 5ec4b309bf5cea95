from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.learned.learning import ranked
from islands import IslandsError
from islands.tournament import knock_out


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
    pairs = [(ranked(seed, by_bracket=True), ranked(seed, by_bracket=False)) for seed in range(40)]
    assert sum(bracket > alone for bracket, alone in pairs) >= 30
    bracket, alone = np.mean(pairs, axis=0)
    assert bracket > alone + 0.15


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(IslandsError, match="count"):
        knock_out(0, lambda one, other: 1.0)
    with pytest.raises(IslandsError, match="points"):
        knock_out(2, lambda one, other: 1.5)

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from discovery.analysis.statistics import (
    compare_pairs,
    median_interval,
    reached,
    required_pairs,
    signed_rank,
    smallest_n,
    survival,
)

values = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=12, unique_by=abs)


@given(values)
def test_the_signed_rank_test_equals_scipys_where_there_are_no_ties(differences: list[float]) -> None:
    array = np.array([d for d in differences if d != 0])
    if array.size:
        assert signed_rank(array)[1] == pytest.approx(stats.wilcoxon(array, method="exact").pvalue)


def test_at_most_five_percent_of_null_pairs_are_called_different() -> None:
    rng = np.random.default_rng(7)
    for draw in (
        rng.standard_normal,
        rng.standard_cauchy,
        lambda size: np.round(rng.standard_normal(size), 1),
    ):
        called = 0
        for _ in range(1000):
            pair = draw((2, 20)) + rng.standard_normal(20) * 3  # what a pair shares cancels
            called += compare_pairs(pair[0], pair[1]).verdict() != "not told apart"
        assert called <= 50 + 2 * math.sqrt(1000 * 0.05 * 0.95)
        assert called > 15, "a test that never calls a difference has no power"


@pytest.mark.parametrize("effect", [0.4, 0.6, 0.9])
def test_the_pairs_that_are_said_to_be_needed_have_the_power_that_is_stated(effect: float) -> None:
    rng = np.random.default_rng(11)
    exact = np.array([effect - 1, effect + 1]) * math.sqrt(0.5)
    exact = (exact - exact.mean()) / exact.std(ddof=1) + effect  # mean `effect`, standard deviation 1
    needed = required_pairs(exact)
    assert needed is not None
    found = np.mean([signed_rank(rng.standard_normal(needed) + effect)[1] < 0.05 for _ in range(2000)])
    assert 0.75 <= found <= 0.87


def test_the_median_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        found = median_interval(rng.exponential(size=20))
        covered += found.low <= math.log(2) <= found.high
    assert covered / 2000 >= 0.94
    few = median_interval(np.arange(5.0))
    assert (few.low, few.middle, few.high) == (-math.inf, 2.0, math.inf)


def test_with_too_few_pairs_nothing_is_significant() -> None:
    assert smallest_n() == 6
    assert compare_pairs(range(1, 6), [0] * 5).verdict() == "not told apart"
    assert compare_pairs(range(1, 7), [0] * 6).verdict() == "better"
    assert compare_pairs([0] * 6, range(1, 7)).verdict() == "worse"
    assert compare_pairs([1.0] * 9, [1.0] * 9).verdict() == "not told apart"
    assert compare_pairs([1.0] * 9, [1.0] * 9).required_pairs is None
    assert compare_pairs([2.0] * 9, [1.0] * 9).required_pairs == smallest_n()


def test_costs_to_a_target_and_their_survival() -> None:
    costs = [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]
    bests = [[0.0, 0.5, 0.5], [0.0, 0.1, 0.2]]
    times = reached(costs, bests, 0.5)
    assert times == [2.0, math.inf]
    assert survival(times, [0.0, 1.9, 2.0, 100.0]) == [1.0, 1.0, 0.5, 0.5]

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.learned.landscapes import CONSTANTS, LANDSCAPES
from benchmarks.search import BASELINES, OURS, claims, contender, mutate, search, signed_rank, table
from islands.archipelago import IslandsConfig


def enumerated_p(values):
    """The definition itself: the share of all 2^n signs with a rank sum as far out, both tails."""
    values = values[values != 0]
    ranks = [(np.sum(np.abs(values) < abs(v)) + np.sum(np.abs(values) <= abs(v)) + 1) / 2 for v in values]
    seen = sum(rank for rank, value in zip(ranks, values, strict=True) if value > 0)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(ranks))
    ]
    tails = (np.mean([s <= seen for s in sums]), np.mean([s >= seen for s in sums]))
    return min(1.0, 2 * min(tails))


@pytest.mark.parametrize("seed", range(12))
def test_p_value_is_the_share_of_all_signs_with_and_without_ties(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-4, 6, 9).astype(float) if seed % 2 else rng.normal(0.5, 1, 9)
    assert signed_rank(values)[1] == pytest.approx(enumerated_p(values))


def test_test_by_hand():
    assert signed_rank(np.arange(1.0, 7.0)) == (1.0, pytest.approx(2 / 64))
    assert signed_rank(np.zeros(5)) == (0.0, 1.0)
    assert signed_rank(np.array([1.0, -1.0])) == (0.0, 1.0)
    assert signed_rank(np.array([-1.0, 2.0, 0.0]))[0] == pytest.approx(1 / 3)
    assert signed_rank(-np.arange(1.0, 61.0)) == (-1.0, pytest.approx(2.0**-59))


def test_mutator_changes_few_constants_and_stays_inside():
    rng, parent = np.random.default_rng(0), np.full(CONSTANTS, 0.9)
    changed = []
    for _ in range(2000):
        child = mutate(parent, rng)
        assert ((child >= 0) & (child <= 1)).all()
        changed.append(int((child != parent).sum()))
    assert (parent == 0.9).all()
    assert 0.75 < np.mean([0 < count <= 3 for count in changed]) < 0.95
    assert max(changed) == 6


def test_mutator_spends_the_same_chance_on_any_parent():
    streams = [np.random.default_rng(3) for _ in range(2)]
    for _ in range(200):
        mutate(np.zeros(CONSTANTS), streams[0])
        mutate(np.ones(CONSTANTS), streams[1])
    assert streams[0].random() == streams[1].random()


@pytest.mark.parametrize("landscape", LANDSCAPES, ids=lambda one: one.name)
def test_landscapes_give_scores_and_measures_within_their_declared_ranges(landscape):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        start, judge = landscape.draw(rng)
        for program in (start, *rng.random((200, CONSTANTS)), np.zeros(CONSTANTS), np.ones(CONSTANTS)):
            score, measures = judge(program)
            assert 0 <= score <= 1
            for axis, value in zip(landscape.axes, measures, strict=True):
                assert axis.low <= value <= axis.high


@pytest.mark.parametrize("tune", [False, True])
@pytest.mark.parametrize("name", [OURS, *BASELINES])
def test_searches_are_reproducible_and_only_get_better(name, tune):
    landscape = LANDSCAPES[0]
    curves = [
        search(contender(name, landscape, IslandsConfig()), landscape, seed=1, evals=120, tune=tune)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*curves)
    assert (np.diff(curves[0]) >= 0).all()
    assert curves[0][-1] > curves[0][0]


def test_contenders_start_from_the_same_program():
    for landscape in LANDSCAPES:
        firsts = {
            float(
                search(contender(name, landscape, IslandsConfig()), landscape, seed=4, evals=2, tune=False)[0]
            )
            for name in (OURS, *BASELINES)
        }
        assert len(firsts) == 1


def made_up_curves(shift_of_greedy):
    noise = np.random.default_rng(0).normal(0, 0.001, (20, 3))
    shifts = (0.0, shift_of_greedy, 0.2, 0.0, 0.0)
    return {
        (tune, landscape.name, name): 0.5 + noise + shift
        for tune in (False, True)
        for landscape in LANDSCAPES
        for name, shift in zip((OURS, *BASELINES), shifts, strict=True)
    }


def test_table_says_who_wins():
    first = table(made_up_curves(-0.2), tune=False, marks=(3,)).splitlines()[2].split("|")
    assert "**+** 20:0" in first[4]
    assert "**-** 0:20" in first[5]
    assert "**=** 0:0 p=1" in first[6]


def test_claims_are_told_as_they_are():
    assert claims(made_up_curves(-0.2), (2, 3)).count("holds") == 2
    assert claims(made_up_curves(0.2), (2, 3)).count("FAILS") == 2
    neither = claims(made_up_curves(0.0), (2, 3))
    assert neither.splitlines()[0].endswith("holds")
    assert neither.splitlines()[1].endswith("FAILS")

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from evaluators.alphas.combine import (
    LEAST_LEFT,
    RECENT_DAYS,
    RIDGE,
    combined_signal,
    contribution,
    daily_matches,
    mutual_correlations,
    pool_rank_ic,
    recent_shares,
    ridge_moments,
    ridge_weights,
    shrunk_match,
    solve_ridge,
    standardise,
)
from evaluators.alphas.markets.labels import Horizon, Labels
from evaluators.alphas.rank_ic import rank_ic

sm = pytest.importorskip("statsmodels.api")

TRAIN, VALID = slice(0, 120), slice(130, 200)


def world(seed: int) -> tuple[np.ndarray, Labels, np.ndarray]:
    rng = np.random.default_rng(seed)
    drivers = rng.standard_normal((3, 200, 90))
    y = 0.3 * drivers[0] + 0.2 * drivers[1] + rng.standard_normal((200, 90))
    universe = rng.random(y.shape) < 0.9
    labels = Labels(y, universe, np.full(200, 30), universe.sum(axis=1), Horizon())
    return np.stack([standardise(driver, universe) for driver in drivers]), labels, universe


def test_standardised_members_are_unit_variance_ranks() -> None:
    members, _, universe = world(0)
    frame = pd.DataFrame(np.where(universe, members[0], np.nan))
    frame_of_member = pd.DataFrame(members[0])
    np.testing.assert_array_equal(frame_of_member.isna(), frame.isna())
    frame = frame_of_member
    np.testing.assert_allclose(frame.std(axis=1, ddof=0), 1, atol=1e-6)
    np.testing.assert_allclose(frame.mean(axis=1), 0, atol=1e-6)
    assert (standardise(np.full((2, 5), 3.0), np.ones((2, 5), bool)) == 0).all()


def test_weights_are_those_of_a_ridge_regression_on_the_training_days() -> None:
    members, labels, universe = world(1)
    share = 0.5 ** (np.arange(119, -1, -1) / RECENT_DAYS)
    size = np.sqrt(universe[TRAIN].sum(axis=1) / (120 * share / share.sum()))[:, None]
    target = standardise(np.where(labels.mask, labels.values, np.nan), universe)
    design = np.stack([np.nan_to_num(m[TRAIN] / size).ravel() for m in members], axis=1).astype(float)
    fit = Ridge(alpha=RIDGE * 120, fit_intercept=False).fit(
        design, np.nan_to_num(target[TRAIN] / size).ravel()
    )
    correlations, shrunk = ridge_moments(members, labels, universe, TRAIN)
    match = daily_matches(members, labels, universe, TRAIN) @ recent_shares(120)
    np.testing.assert_allclose(solve_ridge(correlations, match), fit.coef_, rtol=1e-5)
    np.testing.assert_array_equal(
        ridge_weights(members, labels, universe, TRAIN), solve_ridge(correlations, shrunk)
    )


def test_a_match_is_brought_nearer_to_zero_by_the_standard_error_of_statsmodels() -> None:
    rng = np.random.default_rng(5)
    match = 0.5 + np.cumsum(rng.standard_normal((2, 90)), axis=1) * 0.01
    match[1] -= match[1].mean() - 1e-3  # nothing but luck
    shares = np.full(90, 1 / 90)
    errors = [
        sm.OLS(one, np.ones(90)).fit(cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": False}).bse[0]
        for one in match
    ]
    got = shrunk_match(match, shares, lag=4)
    assert got[0] == pytest.approx(match[0].mean() - errors[0], rel=1e-9)
    assert errors[1] > 1e-3
    assert got[1] == pytest.approx(LEAST_LEFT * 1e-3)
    np.testing.assert_allclose(shrunk_match(-match, shares, lag=4), -got)


def test_an_edge_that_faded_weighs_less_than_one_that_came() -> None:
    members, labels, universe = world(3)
    half = np.arange(200)[:, None] < 60
    rng = np.random.default_rng(9)
    y = np.where(half, members[0], members[1]) + 0.3 * rng.standard_normal(labels.values.shape)
    turned = replace(labels, values=np.nan_to_num(y))
    faded, came, _ = ridge_weights(members, turned, universe, slice(0, 120))
    assert 0 < faded < came


def test_mutual_correlation_is_the_mean_of_daily_ones() -> None:
    members, _, universe = world(2)
    days = range(120)
    want = np.mean([np.corrcoef(members[0][t, universe[t]], members[1][t, universe[t]])[0, 1] for t in days])
    got = mutual_correlations(members, universe, TRAIN)
    assert got[0, 1] == pytest.approx(want, abs=1e-6)
    np.testing.assert_allclose(np.diag(got), 1, atol=1e-5)


def test_a_new_driver_adds_and_a_copy_or_noise_does_not() -> None:
    members, labels, universe = world(3)
    split = {"train": TRAIN, "valid": VALID}
    fresh = contribution(members[:1], members[1], labels, universe, **split)
    copy = contribution(members[:1], -members[0], labels, universe, **split)
    noise = contribution(members[:1], members[2], labels, universe, **split)
    first = contribution([], members[0], labels, universe, **split)
    alone = rank_ic(
        np.where(universe, members[0], np.nan)[VALID], labels.values[VALID], labels.mask[VALID], 30
    ).mean()
    assert first.pool_rank_ic == 0
    assert first.gain == pytest.approx(alone)
    assert fresh.gain > 0.03
    assert fresh.overlap < 0.1
    assert abs(copy.gain) < 1e-6
    assert copy.overlap == pytest.approx(1, abs=1e-5)
    assert abs(noise.gain) < 0.01
    assert fresh.joint_rank_ic == pytest.approx(
        pool_rank_ic(members[:2], labels, universe, **split).mean(), abs=1e-9
    )


def test_validation_labels_do_not_move_the_weights() -> None:
    members, labels, universe = world(4)
    other = Labels(labels.values.copy(), labels.mask, labels.min_names, labels.universe, Horizon())
    other.values[120:] = 7.0
    np.testing.assert_array_equal(
        ridge_weights(members, labels, universe, TRAIN), ridge_weights(members, other, universe, TRAIN)
    )


def test_names_without_any_member_have_no_signal() -> None:
    members = np.array([[[1.0, 0.0, np.nan]], [[np.nan, np.nan, np.nan]]], np.float32)
    np.testing.assert_array_equal(combined_signal(members, np.array([2.0, 1.0])), [[2.0, 0.0, np.nan]])

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.kernels.statistics import Interval, Precision, bootstrap

LOGS = st.floats(-3, 3)


def _compare(rng, draw, precision):
    """Adds rounds until the precision is reached, as the timer does."""
    rounds = []
    while len(rounds) < precision.most_rounds:
        rounds.append([float(draw(rng))])
        if len(rounds) % 3 == 0:
            interval = bootstrap(rounds, rng)
            if precision.is_reached(interval, len(rounds)):
                break
    return bootstrap(rounds, rng), len(rounds)


@given(st.lists(st.lists(LOGS, min_size=1, max_size=6), min_size=1, max_size=8), st.integers(0, 99))
def test_an_interval_lies_round_the_median_and_within_the_samples(sessions, seed):
    interval = bootstrap(sessions, np.random.default_rng(seed))
    pooled = [value for group in sessions for value in group]
    assert min(pooled) <= interval.low <= interval.middle <= interval.high <= max(pooled)
    assert interval.middle == pytest.approx(np.median(pooled))


@given(st.lists(LOGS, min_size=6, max_size=12), st.floats(-2, 2))
def test_an_interval_moves_with_its_samples(rounds, shift):
    one = bootstrap([[value] for value in rounds], np.random.default_rng(1))
    other = bootstrap([[value + shift] for value in rounds], np.random.default_rng(1))
    assert other.low == pytest.approx(one.low + shift, abs=1e-9)
    assert other.high == pytest.approx(one.high + shift, abs=1e-9)


def test_whole_sessions_are_drawn_where_there_are_enough():
    sessions = [[value] * 5 for value in (-0.1, -0.05, 0.0, 0.01, 0.05, 0.1)]
    rng = np.random.default_rng(0)
    clustered = bootstrap(sessions, rng)
    pooled = bootstrap([[value for group in sessions for value in group]], rng)
    assert clustered.half_width > pooled.half_width


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="at least one round"):
        bootstrap([[], []], np.random.default_rng(0))


@pytest.mark.parametrize("noise", ["normal", "heavy tails"])
def test_at_most_one_in_forty_equal_programs_is_called_faster(noise):
    rng = np.random.default_rng(7)
    draw = {"normal": lambda r: 0.02 * r.standard_normal(), "heavy tails": lambda r: 0.01 * r.standard_t(2.5)}
    found = [_compare(rng, draw[noise], Precision())[0] for _ in range(200)]
    assert sum(interval.low > 0 for interval in found) <= 5


def test_a_gain_of_five_percent_is_found():
    rng = np.random.default_rng(8)
    gain = math.log(1.05)
    found = [_compare(rng, lambda r: gain + 0.03 * r.standard_normal(), Precision()) for _ in range(50)]
    assert sum(interval.low > 0 for interval, _ in found) >= 45
    assert max(rounds for _, rounds in found) <= 60


def test_a_comparison_stops_early_only_where_it_is_precise():
    precision = Precision(least_rounds=12, half_width=0.02)
    assert precision.is_reached(Interval(0.0, -0.01, 0.01), 12)
    assert not precision.is_reached(Interval(0.0, -0.01, 0.01), 11)
    assert not precision.is_reached(Interval(0.0, -0.03, 0.01), 12)


def test_the_gate_refuses_a_machine_that_does_not_know_equal_from_different():
    precision = Precision()
    assert precision.gate(Interval(0.001, -0.01, 0.012)) == ""
    assert "known to" in precision.gate(Interval(0.0, -0.06, 0.06))
    assert "not as 1" in precision.gate(Interval(0.03, 0.01, 0.05))
    assert precision.gate(Interval(0.006, 0.004, 0.008)) == ""  # within the slack


def test_ratios_are_exponentials():
    assert Interval(math.log(2), 0.0, math.log(4)).ratios() == pytest.approx((1, 2, 4))

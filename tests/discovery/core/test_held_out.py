from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.held_out import LEAST_PAIRS, Exam, agreement
from evaluators.contract import Objective

SCORES = st.lists(st.integers(-50, 50).map(float), min_size=LEAST_PAIRS, max_size=30)


def test_equal_ranks_agree_and_reversed_ones_do_not():
    scores = [float(n) for n in range(10)]
    same = agreement([(one, one**3) for one in scores])
    assert same.correlation == pytest.approx(1.0)
    assert not same.is_low
    other = agreement([(one, -one) for one in scores])
    assert other.correlation == pytest.approx(-1.0)
    assert other.text.startswith(
        "warning: rank correlation of visible and held-out scores -1.00 over 10 programs"
    )


def test_ties_share_their_mean_rank():
    """By hand: ranks 1, 2.5, 2.5, 4 (twice, so that there are eight pairs) against 1, 2, 3, 4."""
    pairs = [(1.0, 1.0), (2.0, 2.0), (2.0, 3.0), (4.0, 4.0)]
    assert agreement(pairs * 2).correlation == pytest.approx(4.5 / np.sqrt(4.5 * 5.0))


def test_too_few_or_equal_ones_tell_nothing():
    assert agreement([(1.0, 1.0)] * (LEAST_PAIRS - 1)).correlation is None
    assert agreement([(1.0, float(n)) for n in range(9)]).correlation is None
    assert "too few" in agreement([]).text


@given(SCORES, SCORES)
def test_a_rank_correlation_knows_no_units(one, other):
    pairs = list(zip(one, other, strict=False))
    found = agreement(pairs).correlation
    moved = agreement([(3 * a - 7, np.exp(b / 50)) for a, b in pairs]).correlation
    assert found is None or (-1 - 1e-9 <= found <= 1 + 1e-9 and moved == pytest.approx(found))


def test_an_exam_says_what_came_of_it():
    passed = Exam({"value": 0.25, "_hidden": 3.0, "width": 7.0})
    assert (passed.text(), passed.text("value")) == ("value 0.25, width 7", "0.25")
    assert passed.score(Objective("value")) == 0.25
    failed = Exam({}, "held-out cases: used more than 10 s of CPU time")
    assert failed.has_failed
    assert failed.text("value") == "failed (used more than 10 s of CPU time)"

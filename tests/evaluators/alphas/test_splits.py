from __future__ import annotations

from itertools import pairwise

import pytest

from evaluators.alphas.markets.labels import Horizon
from evaluators.alphas.markets.splits import make_split, walk_forward
from evaluators.contract import ContractError


@pytest.mark.parametrize("horizon", [Horizon(), Horizon(1, 1), Horizon(30, 2)])
def test_no_label_of_one_part_reaches_into_the_next(horizon) -> None:
    split = make_split(1500, horizon)
    assert split.train.stop - 1 + horizon.reach < split.valid.start
    assert split.valid.stop - 1 + horizon.reach + max(horizon.days, 20) < split.test.start
    assert split.test.stop - 1 + horizon.reach < 1500
    assert (split.valid.start, split.test.start) == (750, 1125)
    assert split.search == slice(0, 1125)


def test_splits_that_cannot_be_are_refused() -> None:
    with pytest.raises(ContractError, match="valid would have 14 days of 180"):
        make_split(180)
    with pytest.raises(ContractError, match="sum to < 1"):
        make_split(1000, train=0.8, valid=0.3)
    with pytest.raises(ContractError, match="embargo_days and warm_up_days must be >= 0"):
        make_split(1000, embargo_days=-1)


@pytest.mark.parametrize("rolling", [False, True])
def test_walk_forward_never_trains_on_what_it_tests(rolling) -> None:
    folds = list(walk_forward(1000, Horizon(10), folds=4, rolling=rolling))
    assert len(folds) == 4
    for train, valid in folds:
        assert train.stop - 1 + 11 < valid.start
        assert train.start == (valid.start - 400 if rolling else 0)
    assert all(a.stop + 11 == b.start for (_, a), (_, b) in pairwise(folds))
    assert folds[-1][1].stop == 1000 - 11
    with pytest.raises(ContractError, match="use fewer folds"):
        list(walk_forward(200, folds=10))

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from evaluators.alphas.labels import Horizon
from evaluators.alphas.panel import digest
from evaluators.alphas.splits import SealError, TestOpening, make_split, open_test, walk_forward
from evaluators.alphas.synthetic import synthesize
from evaluators.contract import ContractError


class Ledger:
    def __init__(self, trials: int) -> None:
        self.trials, self.openings = trials, {}

    def count(self) -> tuple[int, float]:
        return self.trials, 0.1

    def opened(self, panel: str) -> TestOpening | None:
        return self.openings.get(panel)

    def record(self, opening: TestOpening) -> None:
        self.openings[opening.panel] = opening


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


def test_the_test_opens_once_and_only_with_the_count_of_trials() -> None:
    panel = synthesize(0, days=100, names=30).panel
    key = digest(panel)
    with pytest.raises(SealError, match="0 trials for 1 programs"):
        open_test(panel, key, ("p1",), Ledger(0))
    ledger = Ledger(812)
    same, opening = open_test(panel, key, ("p1", "p2"), ledger)
    assert same is panel
    assert (opening.trials, opening.trials_sd) == (812, 0.1)
    ledger.trials = 900
    assert open_test(panel, key, ("p1", "p2"), ledger)[1].trials == 812
    with pytest.raises(SealError, match="opened after 812 trials for p1, p2"):
        open_test(panel, key, ("p3",), ledger)
    assert np.all(panel.dates == same.dates)

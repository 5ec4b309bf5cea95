from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Case, Invalid, Result
from evaluators.problems.loading import Problem, load_problem
from evaluators.source.files import SourceFiles
from evaluators.source.modules import import_source
from problems.algorithms.online_bin_packing import Packing, _case, aggregate, draw_items, run, score, serve

ITEMS = [60, 30, 50, 100, 40, 1]
CASE = Case(inputs={"capacity": 100}, answer=ITEMS)

Priority = Callable[[int, Any], Any]


def first_fit(item: int, bins: Any) -> Any:
    return -np.arange(len(bins))


def best_fit(item: int, bins: Any) -> Any:
    return -bins


def pack(priority: Priority, case: Case = CASE) -> dict[str, float]:
    oracle = serve(case)
    run(SimpleNamespace(priority=priority), dict(case.inputs), oracle)
    return score(case, None, oracle)


def packing(*choices: int) -> Packing:
    """An oracle that has been asked for the first item and given these choices."""
    oracle = serve(CASE)
    oracle(None)
    for index in choices:
        oracle(index)
    return oracle


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load_problem("online_bin_packing")


class TestPacking:
    def test_first_fit_by_hand(self):
        oracle = serve(CASE)
        run(SimpleNamespace(priority=first_fit), CASE.inputs, oracle)
        # 60 | 60 30 | 50 | 100 | 50 40 | 60 30 1: 281 in all, so 3 bins at the least
        assert oracle.chosen == [0, 0, 1, 2, 1, 0]
        found = score(CASE, None, oracle)
        assert (found["bins"], found["least"], found["excess"]) == (3, 3, 0.0)
        assert found["opened_early"] == 0.0
        assert found["room_left"] == pytest.approx((40 + 10 + 50 + 0 + 10 + 9) / 6 / 100)

    def test_a_fresh_bin_for_each_item(self):
        found = pack(lambda item, bins: np.arange(len(bins)))
        assert found["bins"] == 6
        assert found["excess"] == 1.0
        assert found["opened_early"] == pytest.approx(4 / 6)  # all but the first and 100 had room elsewhere

    def test_the_last_bin_shown_is_empty_and_all_can_take_the_item(self):
        seen: list[tuple[int, list[int]]] = []
        pack(lambda item, bins: (seen.append((item, bins.tolist())), first_fit(item, bins))[1])
        assert [item for item, _ in seen] == ITEMS
        assert seen[1][1] == [40, 100]
        assert seen[2][1] == [100]
        assert seen[5][1] == [10, 10, 100]

    def test_known_rules_on_known_items(self):
        # Published for 5,000 items from Weibull(45, 3): first fit 4.23 %, best fit 3.98 %
        cases = [_case(5000, np.random.default_rng([7, seed])) for seed in range(4)]
        assert np.mean([pack(first_fit, case)["excess"] for case in cases]) == pytest.approx(
            0.0423, abs=0.005
        )
        assert np.mean([pack(best_fit, case)["excess"] for case in cases]) == pytest.approx(0.0398, abs=0.005)

    def test_there_is_something_to_find(self, problem: Problem):
        def careful(item: int, bins: Any) -> Any:
            """Fill a bin up, or leave room that an item can use; else open one."""
            left = bins - item
            preference = np.where(left <= 1, 1000.0, np.where(left < 20, -200.0 - left, left))
            return np.where(bins == 100, -150.0, preference)

        case = _case(2000, np.random.default_rng(1))
        assert pack(careful, case)["excess"] < 0.5 * pack(best_fit, case)["excess"]

    def test_the_seed_is_first_fit(self, problem: Problem):
        seed = import_source(SourceFiles("seed", "program.py", problem.seed.files))
        for stage in (0, 1):
            for case in problem.draw_cases(np.random.default_rng(2), stage):
                oracle = serve(case)
                run(seed, case.inputs, oracle)
                assert score(case, None, oracle) == pack(first_fit, case)
                assert score(case, None, oracle)["excess"] < problem.thresholds[0] / 3

    def test_more_bins_than_were_expected(self):
        case = Case(inputs={"capacity": 100}, answer=[51] * 3000)
        assert pack(first_fit, case)["bins"] == 3000

    @given(st.lists(st.integers(1, 100), min_size=1, max_size=60), st.integers(0, 2**31))
    def test_any_rule_packs_everything_and_never_too_much(self, items: list[int], seed: int):
        rng = np.random.default_rng(seed)
        found = pack(lambda item, bins: rng.random(len(bins)), Case({"capacity": 100}, items))
        assert math.ceil(sum(items) / 100) <= found["bins"] <= len(items)
        assert found["excess"] >= 0.0
        assert 0.0 <= found["opened_early"] <= 1.0
        assert 0.0 <= found["room_left"] < 1.0


class TestCases:
    def test_items_follow_the_distribution(self):
        items = draw_items(100_000, np.random.default_rng(0))
        assert all(type(item) is int for item in items)
        assert (min(items), max(items)) == (1, 100)
        assert np.mean(items) == pytest.approx(45 * math.gamma(1 + 1 / 3), rel=0.01)
        assert np.median(items) == pytest.approx(45 * math.log(2) ** (1 / 3), abs=1)

    def test_they_are_those_of_the_rng_and_stay_hidden(self, problem: Problem):
        for stage in (0, 1):
            first, again, other = (problem.draw_cases(np.random.default_rng(s), stage) for s in (1, 1, 2))
            assert [c.answer for c in first] == [c.answer for c in again]
            assert [c.answer for c in first] != [c.answer for c in other]
            assert all(c.inputs == {"capacity": 100} for c in first)
        assert [len(c.answer) for c in problem.draw_held_out(np.random.default_rng(1))] == [5000, 5000]

    def test_totals_decide_over_several_sequences(self):
        short = {"excess": 1.0, "opened_early": 1.0, "room_left": 0.0, "bins": 2, "least": 1}
        long = {"excess": 0.0, "opened_early": 0.0, "room_left": 0.5, "bins": 9, "least": 9}
        assert aggregate([Result(Case(None), metrics) for metrics in (short, long)]) == pytest.approx(
            {"excess": 0.1, "opened_early": 0.1, "room_left": 0.45, "bins": 11, "least": 10}
        )


class TestHonestNeighbours:
    @pytest.mark.parametrize(
        "priority",
        [
            lambda item, bins: [0] * len(bins),
            lambda item, bins: tuple(float(b) for b in bins),
            lambda item, bins: np.full(len(bins), -np.inf),
            lambda item, bins: np.full(len(bins), np.inf),
            lambda item, bins: bins == 100,
            lambda item, bins: np.arange(len(bins), dtype=np.int8),
        ],
    )
    def test_these_priorities_are_accepted(self, priority: Priority):
        assert pack(priority)["bins"] >= 3

    def test_changing_the_bins_that_were_shown_changes_nothing(self):
        def priority(item: int, bins: Any) -> Any:
            answer = first_fit(item, bins)
            bins[:] = 100
            return answer

        assert pack(priority) == pack(first_fit)

    def test_a_bin_may_be_filled_to_the_brim(self):
        assert pack(first_fit, Case({"capacity": 100}, [60, 40, 100]))["bins"] == 2


class TestCheats:
    @pytest.mark.parametrize(
        ("choice", "reason"),
        [
            (2, "from 0 to 1, got 2"),
            (-1, "from 0 to 1, got -1"),
            (10**30, "from 0 to 1, got 1000"),
            (0.0, r"whole number from 0 to 1, got 0\.0"),
            (math.nan, "whole number"),
            (math.inf, "whole number"),
            (True, "whole number from 0 to 1, got True"),
            (None, "whole number from 0 to 1, got None"),
            ("0", "whole number"),
            ([0], "whole number"),
            (1j, "whole number"),
            (np.array([0]), "whole number"),
            ({"bin": 0}, "whole number"),
            ("0" * 10**6, "whole number"),
        ],
    )
    def test_these_choices_are_refused_with_the_reason(self, choice: Any, reason: str):
        oracle = packing(0)
        with pytest.raises(Invalid, match=reason) as caught:
            oracle(choice)
        assert len(str(caught.value)) < 200
        assert oracle.chosen == [0]

    def test_a_bin_without_room_is_refused(self):
        with pytest.raises(Invalid, match="bin 0 has room for 10, but the item is 50"):
            packing(0, 0)(0)

    def test_the_first_item_is_not_chosen_for_in_advance(self):
        with pytest.raises(Invalid, match="first request must be None"):
            serve(CASE)(0)

    def test_nothing_can_be_asked_after_the_last_item(self):
        oracle = packing(0, 0, 1, 2, 1, 0)
        for request in (0, None):
            with pytest.raises(Invalid, match="all items are packed"):
                oracle(request)
        assert score(CASE, None, oracle)["bins"] == 3

    def test_leaving_items_out_is_refused(self):
        for choices in ((), (0, 0, 1), (0, 0, 1, 2, 1)):
            with pytest.raises(Invalid, match=rf"only {len(choices)} of 6 items were packed"):
                score(CASE, None, packing(*choices))
        with pytest.raises(Invalid, match="only 0 of 6"):
            score(CASE, None, serve(CASE))

    def test_one_item_is_shown_at_a_time(self):
        oracle = serve(CASE)
        assert oracle(None) == 60
        with pytest.raises(Invalid):
            oracle(None)
        assert oracle(0) == 30

    @pytest.mark.parametrize("output", [None, 0, {"excess": -1.0}, [[0, 1]], math.nan, "packed"])
    def test_what_run_returns_is_ignored(self, output: Any):
        oracle = packing(0, 0, 1, 2, 1, 0)
        assert score(CASE, output, oracle)["excess"] == 0.0

    @pytest.mark.parametrize(
        ("tamper", "reason"),
        [
            (lambda oracle: oracle.chosen.__setitem__(4, 0), "holds more than its capacity"),
            (lambda oracle: oracle.chosen.__setitem__(slice(None), [0] * 6), "holds more than its capacity"),
            (lambda oracle: oracle.chosen.__setitem__(3, 7), "or nothing"),
            (lambda oracle: oracle.chosen.pop(), "only 5 of 6"),
        ],
    )
    def test_the_choices_are_recounted(self, tamper: Any, reason: str):
        oracle = packing(0, 0, 1, 2, 1, 0)
        tamper(oracle)
        with pytest.raises(Invalid, match=reason):
            score(CASE, None, oracle)

    @pytest.mark.parametrize(
        ("priority", "reason"),
        [
            (lambda item, bins: np.zeros(len(bins) + 1), "returned shape"),
            (lambda item, bins: 0.0, "returned shape"),
            (lambda item, bins: [], "returned shape"),
            (lambda item, bins: np.zeros((len(bins), 1)), "returned shape"),
            (lambda item, bins: np.full(len(bins), np.nan), "returned NaN"),
            (lambda item, bins: None, "returned shape"),
        ],
    )
    def test_priorities_that_are_none_fail_in_the_sandbox(self, priority: Priority, reason: str):
        with pytest.raises(ValueError, match=reason):
            pack(priority)

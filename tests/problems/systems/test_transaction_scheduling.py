from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baselines.systems.transaction_scheduling import PROGRAM
from problems.systems import transaction_scheduling as problem
from problems.systems.transaction_scheduling import lower_bound, makespan, starts
from tests.problems.hostile import NO_LISTS, check_declaration, first_case, reject, seed_program, with_entry

R, W, NOTHING = 0, 1, [-1, 0]
ORDER = list(range(100))

accesses = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 1)), min_size=1, max_size=4)
workloads = st.lists(
    accesses.map(lambda found: [[k, w if k >= 0 else 0] for k, w in dict(found).items()]),
    min_size=2,
    max_size=5,
)


def serial(order: list[int], workload: list[Any], begin: list[int]) -> bool:
    """Whether every conflict is met in the order given."""
    for i, first in enumerate(order):
        for second in order[i + 1 :]:
            for a, (key, write) in enumerate(workload[first]):
                for b, (other, also) in enumerate(workload[second]):
                    is_conflict = key == other >= 0 and (write or also)
                    if is_conflict and begin[first] + a >= begin[second] + b:
                        return False
    return True


def test_the_seed_is_weaker_than_the_baseline():
    cases = problem.cases(np.random.default_rng(0), 0)
    program = seed_program(problem)
    found = [problem.score(case, problem.run(program, case.inputs)) for case in cases]
    check_declaration(problem, {key: float(np.mean([one[key] for one in found])) for key in found[0]})
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    for case, seed in zip(cases, found, strict=True):
        assert problem.score(case, names["greedy"](case.inputs))["stretch"] < seed["stretch"]


def test_conflicts_by_hand():
    workload = [[[0, W], [1, R]], [[0, R], [1, R]], [[1, W], [2, W]], [NOTHING, [2, R]]]
    # 1 reads key 0 after 0 wrote it; 2 writes key 1 after both have read it; 3 reads key 2 after 2 wrote it
    assert starts(workload, [0, 1, 2, 3]) == [0, 1, 3, 4]
    assert makespan(workload, [0, 1, 2, 3]) == 6
    # readers share: 3 and 2 the other way round, 1 before the write of 0
    assert starts(workload, [3, 1, 0, 2]) == [1, 0, 3, 0]


def test_readers_share_a_key_and_writers_do_not():
    assert makespan([[[0, R]]] * 5, [0, 1, 2, 3, 4]) == 1
    assert makespan([[[0, W]]] * 5, [0, 1, 2, 3, 4]) == 5
    assert makespan([[[0, W]], [[0, R]], [[0, R]]], [0, 1, 2]) == 2


def test_a_bound_by_hand():
    # three writes of one key with a head of 2 and tails of 3, 0, 0: ticks 2, 3, 4; the long tail goes first
    short, long = [NOTHING, NOTHING, [0, W]], [NOTHING, NOTHING, [0, W], NOTHING, NOTHING, NOTHING]
    workload = [short, long, short]
    assert lower_bound(workload) == 6
    assert lower_bound([*workload, *workload]) == 8
    assert lower_bound([[NOTHING] * 9, [[0, W]]]) == 9


@settings(max_examples=60, deadline=None)
@given(workloads)
def test_schedules_keep_the_order_of_conflicts_and_no_order_is_below_the_bound(workload: list[Any]):
    bound = lower_bound(workload)
    for order in permutations(range(len(workload))):
        begin = starts(workload, order)
        assert serial(list(order), workload, begin)
        assert makespan(workload, order) >= bound


@settings(max_examples=60, deadline=None)
@given(workloads)
def test_nothing_could_begin_a_tick_earlier(workload: list[Any]):
    order = list(range(len(workload)))
    begin = starts(workload, order)
    for number in order:
        if begin[number]:
            earlier = [*begin[:number], begin[number] - 1]
            assert not serial(order[: number + 1], workload, earlier)


def test_workloads_are_drawn_from_the_secret():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    assert [case.inputs for case in first] == [case.inputs for case in again]
    assert all(a.inputs != b.inputs for a, b in zip(first, other, strict=True))
    for case in first + problem.held_out(np.random.default_rng(1)):
        assert len(case.inputs) == 100
        for transaction in case.inputs:
            keys = [key for key, _ in transaction if key >= 0]
            assert len(keys) == len(set(keys))
        assert case.answer >= max(map(len, case.inputs))


def test_in_a_queue_one_begins_per_tick():
    case = problem.held_out(np.random.default_rng(0))[0]
    assert sorted(starts(case.inputs, ORDER))[-1] >= 99
    assert case.answer >= 100


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: Any):
    assert reject(problem, output)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (ORDER[:-1], "must have 100 entries, got 99"),
        ([*ORDER, 0], "must have 100 entries, got 101"),
        ([0, *ORDER[:-1]], "must name every transaction once"),
        ([0] * 100, "must name every transaction once"),
        (with_entry(ORDER, 3, 100), "must lie in"),
        (with_entry(ORDER, 3, -1), "must lie in"),
        (with_entry(ORDER, 3, 3.0), "must be a plain integer, got float"),
        (with_entry(ORDER, 1, True), "must be a plain integer, got bool"),
        (with_entry(ORDER, 1, "1"), "must be a plain integer, got str"),
        (with_entry(ORDER, 1, [1]), "must be a plain integer, got list"),
        (with_entry(ORDER, 1, 1 << 20000), "must lie in"),
        (with_entry(ORDER, 1, np.int64(1)), "must be a plain integer"),
        (np.arange(100.0), "must hold plain numbers"),
        ({"order": ORDER, "stretch": 1.0}, "must be a list, got dict"),
        ([1.0, [[], [], []]], "must have 100 entries, got 2"),
    ],
    ids=range(15),
)
def test_tricks_are_refused(output: Any, said: str):
    assert said in reject(problem, output)


def test_changing_the_transactions_changes_nothing():
    def order(transactions: list[Any]) -> list[int]:
        for transaction in transactions:
            transaction[:] = [[-1, 0]]
        return ORDER

    case = first_case(problem)
    honest = problem.score(case, ORDER)
    shown = first_case(problem).inputs  # a copy crosses to the sandbox
    assert problem.score(case, problem.run(SimpleNamespace(order=order), shown)) == honest


def test_an_array_will_do():
    case = first_case(problem)
    assert problem.score(case, np.arange(100)) == problem.score(case, ORDER)

from __future__ import annotations

from itertools import chain, combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.baselines.systems.multicloud_broadcast import PROGRAM
from evaluators.contract import Case
from problems.systems import multicloud_broadcast as problem
from tests.problems.hostile import (
    NO_LISTS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    seed_program,
    with_entry,
)


def network(price: dict[tuple[int, int], int], parts: dict[tuple[int, int], int], ends: list[int]) -> Case:
    regions = 1 + max(chain(*price))
    prices, room = np.zeros((regions, regions), dtype=int), np.zeros((regions, regions), dtype=int)
    for (a, b), cents in price.items():
        prices[a, b], room[a, b] = cents, parts.get((a, b), 16)
    told = {"price": prices, "parts": room, "source": 0, "destinations": ends}
    return Case(told, answer=problem.lower_bound(told))


# 0 reaches 1 and 2 directly, at 10 each; over 1 it is cheaper to 2, but only 4 parts fit
TRIANGLE = {(0, 1): 10, (0, 2): 10, (1, 2): 3}
CASE = network(TRIANGLE, {(1, 2): 4}, [1, 2])
DIRECT = [[[0, 1], [0, 2]]] * 16
RELAYED = [[[0, 1], [1, 2]]] * 4 + [[[0, 1], [0, 2]]] * 12


def test_the_seed_is_valid_and_weaker_than_the_baseline():
    cases = problem.cases(np.random.default_rng(0), 0)
    program = seed_program(problem)
    found = [problem.score(case, problem.run(program, case.inputs)) for case in cases]
    check_declaration(problem, {key: float(np.mean([one[key] for one in found])) for key in found[0]})
    names: dict[str, Any] = {}
    exec(PROGRAM.replace("process_time() + 2.0", "process_time() + 0.05"), names)
    better = [problem.score(case, names["plan"](case.inputs))["cost"] for case in cases[:4]]
    assert np.mean(better) < np.mean([one["cost"] for one in found[:4]])


def test_costs_by_hand():
    assert CASE.answer == pytest.approx(16 * 10 + 4 * 3 + 12 * 10, rel=2e-6)
    assert problem.score(CASE, RELAYED)["cost"] == pytest.approx(1.0, rel=2e-6)
    direct = problem.score(CASE, DIRECT)
    assert direct["cost"] == pytest.approx(320 / 292, rel=2e-6)
    assert direct["links"] == 2 / 3
    assert direct["spread"] == 0.0  # every part travels alike


def test_a_link_crossed_twice_by_one_part_is_paid_once():
    doubled = [[[0, 1], [0, 2], [0, 1]]] * 16
    assert problem.score(CASE, doubled) == problem.score(CASE, DIRECT)


def test_links_that_help_nobody_are_paid_too():
    case = network({**TRIANGLE, (2, 1): 5}, {}, [1, 2])
    wasteful = [[[0, 1], [0, 2], [2, 1]]] * 16
    assert problem.score(case, wasteful)["cost"] > problem.score(case, DIRECT)["cost"]


def test_no_plan_of_small_networks_is_below_the_bound():
    rng = np.random.default_rng(0)
    for _ in range(6):
        drawn = problem.draw(rng, clouds=(2, 2), ends=2, tightness=1.0)
        links = [tuple(link) for link in np.argwhere(drawn["parts"]).tolist()]
        case = Case(drawn, answer=problem.lower_bound(drawn))
        least = np.inf
        for chosen in chain.from_iterable(combinations(links, size) for size in (2, 3)):
            plan = [[list(link) for link in chosen]] * 16
            try:
                least = min(least, problem.score(case, plan)["cost"])
            except problem.Invalid:
                continue
        assert 1.0 <= least < 1.5


def test_networks_are_drawn_from_the_secret_and_direct_links_have_room():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        assert np.array_equal(one.inputs["price"], same.inputs["price"])
        assert not np.array_equal(one.inputs["price"], different.inputs["price"])
    for case in first + problem.held_out(np.random.default_rng(1)):
        source, ends = case.inputs["source"], case.inputs["destinations"]
        assert (case.inputs["parts"][source, ends] == 16).all()
        assert source not in ends
        plan = [[[source, end] for end in ends]] * 16
        assert problem.score(case, plan)["cost"] >= 1.0


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: Any):
    assert reject(problem, output, CASE)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (DIRECT[:-1], "must have 16 entries, got 15"),
        (RELAYED[:1] * 5 + DIRECT[:11], "5 parts cross the link 1 -> 2, which has room for 4"),
        ([[[0, 1]]] * 16, "part 0 does not reach destination 2"),
        ([[[0, 2], [2, 1]]] * 16, "crosses the link 2 -> 1, which is not there"),
        ([[[1, 2], [0, 2]]] * 16, "part 0 does not reach destination 1"),
        (with_entry(DIRECT, 3, []), "must have 1 to 9 entries, got 0"),
        (with_entry(DIRECT, 3, [[0, 1]] * 10), "must have 1 to 9 entries, got 10"),
        (with_entry(DIRECT, 3, 0, [0, 1, 2]), "must have 2 entries, got 3"),
        (with_entry(DIRECT, 3, 0, [0, 3]), "must lie in [0, 2], got 3"),
        (with_entry(DIRECT, 3, 0, [-3, 1]), "must lie in"),
        (with_entry(DIRECT, 3, 0, [0, 1.0]), "must be a plain integer, got float"),
        (with_entry(DIRECT, 3, 0, [False, True]), "must be a plain integer, got bool"),
        (with_entry(DIRECT, 3, 0, [0, 0]), "which is not there"),
        (with_entry(DIRECT, 3, 0, "01"), "must be a list, got str"),
        (with_entry(DIRECT, 3, None), "must be a list, got NoneType"),
        ({"cost": 1.0, "plan": DIRECT}, "must be a list, got dict"),
        (with_entry(DIRECT, 3, 0, [0, 1 << 20000]), "must lie in"),
    ],
    ids=range(17),
)
def test_tricks_are_refused(output: Any, said: str):
    assert said in reject(problem, output, CASE)


def test_changing_the_network_changes_nothing():
    case = first_case(problem)
    honest = problem.score(case, seed_output(problem))

    def plan(told: dict[str, Any]) -> Any:
        made = seed_program(problem).plan(told)
        told["price"][:] = 0
        told["parts"][:] = 16
        told["destinations"].clear()
        return made

    assert problem.score(case, problem.run(SimpleNamespace(plan=plan), first_case(problem).inputs)) == honest


def test_arrays_will_do():
    assert problem.score(CASE, [np.array(links) for links in DIRECT]) == problem.score(CASE, DIRECT)

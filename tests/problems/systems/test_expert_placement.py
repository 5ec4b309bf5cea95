from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baselines.systems.expert_placement import PROGRAM
from evaluators.contract import Case, Invalid
from problems.systems import expert_placement as problem
from tests.problems.hostile import check_declaration, seed_program

FIRST = np.array([[0, 1], [2, 3]])


def model(*loads: list[int], first: Any = FIRST) -> Case:
    return Case(None, answer=problem.Model(np.array(loads), len(first), first))


def simulate(program: Any, case: Case) -> dict[str, float]:
    oracle = problem.serve(case)
    return problem.score(case, problem.run(program, case.inputs, oracle), oracle)


def balancer(place: Any) -> Any:
    made = type("Balancer", (), {"__init__": lambda self, *terms: None, "place": staticmethod(place)})
    return SimpleNamespace(Balancer=made)


STAY = balancer(lambda step, loads, placement: placement)


def test_the_seed_is_weaker_than_the_baseline_and_better_than_staying():
    cases = problem.cases(np.random.default_rng(0), 0)
    seed = [simulate(seed_program(problem), case) for case in cases]
    combined = {key: float(np.mean([one[key] for one in seed])) for key in seed[0]}
    check_declaration(problem, combined)
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    short = Case(None, answer=cases[1].answer._replace(loads=cases[1].answer.loads[:30]))
    found = simulate(SimpleNamespace(**names), short)["overhead"]
    assert found < simulate(seed_program(problem), short)["overhead"]
    assert combined["overhead"] < np.mean([simulate(STAY, case)["overhead"] for case in cases])


def test_waiting_by_hand():
    # devices hold 30 and 10, then 20 and 20: waiting 30 / 20 - 1, then 0
    metrics = simulate(STAY, model([10, 20, 5, 5], [10, 10, 10, 10]))
    assert metrics["waiting"] == 0.25
    assert metrics["moves"] == 0
    assert metrics["overhead"] == 0.25


def test_copies_share_a_load_and_moves_are_counted():
    first = np.array([[0, 0], [1, 0]])
    metrics = simulate(STAY, model([30, 10], first=first))
    assert metrics["waiting"] == 0.0  # 20 on each device: two thirds of 30, and a third with 10
    assert metrics["copies"] == 3
    swapped = balancer(lambda step, loads, placement: np.array([[0, 2], [1, 3]]))
    metrics = simulate(swapped, model([1, 1, 1, 1], [1, 1, 1, 1]))
    assert metrics["moves"] == 1.0  # two in the first of two steps
    assert metrics["overhead"] == 0.002


def test_the_order_of_slots_and_a_copy_less_are_no_moves():
    first = np.array([[0, 1, 1], [2, 3, 3]])
    turned = balancer(lambda step, loads, placement: placement[:, ::-1])
    assert simulate(turned, model([1, 1, 1, 1], first=first))["moves"] == 0
    more = balancer(lambda step, loads, placement: np.array([[0, 0, 1], [2, 3, 3]]))
    assert simulate(more, model([1, 1, 1, 1], first=first))["moves"] == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 99), min_size=4, max_size=4), min_size=1, max_size=4), st.integers(0, 99)
)
def test_any_placement_has_an_overhead_of_at_least_0(loads: list[list[int]], seed: int):
    rng = np.random.default_rng(seed)
    shuffled = balancer(
        lambda step, told, placement: rng.permutation(placement.ravel()).reshape(placement.shape)
    )
    metrics = simulate(shuffled, model(*loads))
    assert metrics["overhead"] >= 0
    assert metrics["waiting"] <= 1 + 1e-12  # two devices


def test_models_are_drawn_from_the_secret_and_others_are_held_out():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        assert np.array_equal(one.answer.loads, same.answer.loads)
        assert not np.array_equal(one.answer.loads, different.answer.loads)
        assert one.inputs is None
        assert one.answer.loads.shape == (80, 32)
        assert one.answer.loads.min() >= 0
    held_out = problem.held_out(np.random.default_rng(1))
    assert {case.answer.loads.shape[1] for case in held_out} == {64, 24}
    assert all(case.answer.devices * 6 >= case.answer.loads.shape[1] for case in held_out)


def test_a_balancer_learns_the_loads_of_a_step_only_after_it():
    told = []

    def place(step: int, loads: Any, placement: Any) -> Any:
        told.append(loads.tolist())
        return placement

    simulate(balancer(place), model([1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]))
    assert told == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]


class TestCheats:
    @pytest.mark.parametrize(
        ("placement", "said"),
        [
            ([[0, 1], [2, 3]], "got list"),
            (None, "got NoneType"),
            ("stay", "got str"),
            (np.array([0, 1, 2, 3]), "of shape (2, 2)"),
            (np.array([[0, 1], [2, 3], [0, 1]]), "of shape (2, 2)"),
            (np.array([[0.0, 1.0], [2.0, 3.0]]), "got float64"),
            (np.array([[0, 1], [2, 3]], dtype=complex), "got complex128"),
            (np.array([[True, True], [False, True]]), "got bool"),
            (np.array([[0, 1], [2, 4]]), "from 0 to 3"),
            (np.array([[0, 1], [2, -1]]), "from 0 to 3"),
            (np.array([[0, 1], [2, 2]]), "expert 3 is on no device"),
            (np.array([[0, 0], [0, 0]]), "expert 1 is on no device"),
            (np.full((2, 2), 2**63, dtype=np.uint64), "from 0 to 3"),
            (np.zeros((10**4, 10**3), dtype=np.int8), "of shape (2, 2)"),
        ],
        ids=range(14),
    )
    def test_what_is_no_placement_is_refused(self, placement: Any, said: str):
        oracle = problem.serve(model([1, 1, 1, 1]))
        oracle(None)
        with pytest.raises(Invalid) as caught:
            oracle(placement)
        assert said in str(caught.value)
        assert oracle.waits == []

    def test_nothing_is_placed_before_the_first_request_or_after_the_last_step(self):
        case = model([1, 1, 1, 1])
        oracle = problem.serve(case)
        with pytest.raises(Invalid, match="first request must be None"):
            oracle(FIRST)
        oracle(None)
        assert oracle(FIRST) is None
        for request in (FIRST, None):
            with pytest.raises(Invalid, match="all steps are served"):
                oracle(request)
        assert problem.score(case, None, oracle)["overhead"] == 0

    def test_whoever_stops_early_is_refused(self):
        case = model([1, 1, 1, 1], [1, 1, 1, 1])
        oracle = problem.serve(case)
        oracle(None)
        for done in (0, 1):
            with pytest.raises(Invalid, match=f"ended after {done} of 2 steps"):
                problem.score(case, {"overhead": 0.0}, oracle)
            oracle(FIRST)
        assert problem.score(case, None, oracle)["waiting"] == 0

    def test_changing_a_placement_after_it_was_given_changes_nothing(self):
        case = model([10, 20, 5, 5], [10, 20, 5, 5])
        oracle = problem.serve(case)
        oracle(None)
        given_ = FIRST.copy()
        oracle(given_)
        given_[:] = given_[::-1]
        oracle(FIRST.copy())
        assert problem.score(case, None, oracle) == simulate(STAY, case)

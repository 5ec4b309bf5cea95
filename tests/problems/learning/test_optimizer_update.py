from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.baselines.learning.optimizer_update import PROGRAM
from evaluators.contract import Case, Invalid
from problems.learning import optimizer_update as problem
from problems.learning.networks import draw_network
from tests.problems.hostile import check_declaration, seed_program

KINDS = (*problem.TRAINED, *problem.WITHHELD)


def small(kind: str = "clusters", steps: int = 10, count: int = 2) -> Case:
    networks = [draw_network(np.random.default_rng([7, i]), kind, steps) for i in range(count)]
    return Case(None, answer=[(network, problem.reference(network)) for network in networks])


def train(program: Any, case: Case) -> dict[str, float]:
    oracle = problem.serve(case)
    return problem.score(case, problem.run(program, case.inputs, oracle), oracle)


def rule(update: Any) -> Any:
    made = type("Optimizer", (), {"__init__": lambda self, *terms: None, "update": staticmethod(update)})
    return SimpleNamespace(Optimizer=made)


def descent(rate: float) -> Any:
    return rule(lambda step, parameters, gradient, loss: parameters - rate * gradient)


CASE = small()
FIRST = [network.first for network, _ in CASE.answer]


def test_the_seed_is_weaker_than_the_baseline():
    cases = problem.cases(np.random.default_rng(0), 0)
    seed = [train(seed_program(problem), case) for case in cases]
    combined = {key: float(np.mean([one[key] for one in seed])) for key in seed[0]}
    check_declaration(problem, combined)
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    found = np.mean([train(SimpleNamespace(**names), case)["log_loss_ratio"] for case in cases])
    assert found < combined["log_loss_ratio"]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind: str):
    network = draw_network(np.random.default_rng(0), kind, 3)
    _, gradient = network.gradient(network.first, 1)
    assert gradient.shape == network.first.shape
    for at in range(0, len(gradient), max(1, len(gradient) // 9)):
        moved = [network.first.copy() for _ in range(2)]
        moved[0][at] += 1e-5
        moved[1][at] -= 1e-5
        ends = [network.gradient(one, 1)[0] for one in moved]
        assert gradient[at] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_descent_with_the_best_rate_scores_nothing(kind: str):
    case = small(kind, steps=20, count=1)
    found = [train(descent(rate), case)["log_loss_ratio"] for rate in problem.RATES]
    assert min(found) == pytest.approx(0, abs=1e-12)


def test_standing_still_is_worse_than_learning():
    assert train(descent(0.0), CASE)["log_loss_ratio"] > train(descent(0.05), CASE)["log_loss_ratio"]
    assert train(descent(0.0), CASE)["travel"] == -9.0


def test_networks_are_drawn_from_the_secret_and_other_kinds_are_held_out():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        assert one.inputs is None
        (a, best), (b, again_best), (c, _) = one.answer[0], same.answer[0], different.answer[0]
        assert np.array_equal(a.first, b.first)
        assert best == again_best
        assert a.first.shape != c.first.shape or not np.array_equal(a.first, c.first)
    held_out = problem.held_out(np.random.default_rng(1))
    assert [case.name.split(",")[0] for case in held_out[:2]] == list(problem.WITHHELD)
    assert len(held_out[2].answer[0][0].batches) == 2 * problem.STEPS


def test_a_network_that_is_lost_stays_where_it_stood():
    def explode(step: int, parameters: Any, gradient: Any, loss: float) -> Any:
        return parameters - 0.05 * gradient if step < 5 else parameters + 1e7

    def stop(step: int, parameters: Any, gradient: Any, loss: float) -> Any:
        return parameters - 0.05 * gradient if step < 5 else parameters

    assert train(rule(explode), CASE) == train(rule(stop), CASE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_none_lose_a_network_and_nothing_else(value: float):
    metrics = train(rule(lambda step, parameters, gradient, loss: np.full_like(parameters, value)), CASE)
    assert metrics["log_loss_ratio"] > 0
    assert all(np.isfinite(list(metrics.values())))


class TestCheats:
    @pytest.mark.parametrize(
        ("request_", "said"),
        [
            (None, "for all 2 networks"),
            (FIRST[:1], "for all 2 networks"),
            ([*FIRST, FIRST[0]], "for all 2 networks"),
            ({"0": FIRST[0], "1": FIRST[1]}, "for all 2 networks"),
            (np.array([1.0, 2.0]), "for all 2 networks"),
            ([FIRST[0], FIRST[1][:-1]], "must return an array of floats"),
            ([FIRST[0], FIRST[1].tolist()], "got list"),
            ([FIRST[0], None], "got NoneType"),
            ([FIRST[0], FIRST[1].astype(complex)], "got complex128"),
            ([FIRST[0], FIRST[1].astype(np.float32)], "got float32"),
            ([FIRST[0], FIRST[1] > 0], "got bool"),
            ([FIRST[0], FIRST[1][None]], "must return an array of floats"),
        ],
        ids=range(12),
    )
    def test_what_is_no_step_of_all_networks_is_refused(self, request_: Any, said: str):
        oracle = problem.serve(CASE)
        oracle(None)
        with pytest.raises(Invalid) as caught:
            oracle(request_)
        assert said in str(caught.value)

    def test_nothing_is_taken_before_the_first_request_or_after_the_last_step(self):
        oracle = problem.serve(CASE)
        with pytest.raises(Invalid, match="first request must be None"):
            oracle(FIRST)
        problem.run(descent(0.1), None, oracle)
        for request in (FIRST, None):
            with pytest.raises(Invalid, match="all steps have been made"):
                oracle(request)

    def test_whoever_stops_early_is_refused(self):
        oracle = problem.serve(CASE)
        with pytest.raises(Invalid, match="after 0 steps"):
            problem.score(CASE, {"log_loss_ratio": -4.0}, oracle)
        oracle(None)
        oracle(FIRST)
        with pytest.raises(Invalid, match="after 1 steps"):
            problem.score(CASE, None, oracle)

    def test_what_is_told_holds_no_data_and_no_test_loss(self):
        oracle = problem.serve(CASE)
        told = oracle(None)
        assert set(told) == {"steps", "networks"}
        assert set(told["networks"][0]) == {"gradient", "loss", "parameters"}
        assert set(oracle(FIRST)["networks"][0]) == {"gradient", "loss"}
        assert told["networks"][0]["loss"] != CASE.answer[0][0].loss(FIRST[0])

    def test_changing_what_was_given_or_told_changes_nothing(self):
        def vandal(step: int, parameters: Any, gradient: Any, loss: float) -> Any:
            new = parameters - 0.05 * gradient
            parameters[:] = 0
            gradient[:] = 1e9
            return new

        honest = train(descent(0.05), CASE)
        assert train(rule(vandal), CASE) == honest
        oracle = problem.serve(CASE)
        told = oracle(None)
        for _ in range(10):
            for one in told["networks"]:
                one.pop("parameters", None)
            given = [
                now - 0.05 * one["gradient"]
                for now, one in zip(oracle.parameters, told["networks"], strict=True)
            ]
            told = oracle(given)
            for array in given:
                array[:] = 0
        assert problem.score(CASE, None, oracle) == honest

    def test_the_first_parameters_told_are_a_copy_or_unused(self):
        oracle = problem.serve(CASE)
        before = [network.first.copy() for network, _ in CASE.answer]
        for one in oracle(None)["networks"]:
            one["parameters"][:] = 5.0
        assert all(
            np.array_equal(a, network.first) for a, (network, _) in zip(before, CASE.answer, strict=True)
        )

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baselines.algorithms.psro_meta_solver import NASH, PROGRAM
from evaluators.contract import Case, Invalid
from problems.algorithms import psro_meta_solver as problem
from tests.problems.hostile import check_declaration, seed_program

SCISSORS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
BIASED = np.array([[0, -1, 2], [1, 0, -3], [-2, 3, 0]])  # rock, paper, scissors with stakes 1, 2, 3
RULES: dict[str, Any] = {}
exec(NASH, RULES)


def play(program: Any, case: Case) -> tuple[dict[str, float], problem.Arena]:
    oracle = problem.serve(case)
    return problem.score(case, problem.run(program, case.inputs, oracle), oracle), oracle


def solver(explore: Any, answer: Any = None) -> Any:
    methods = {
        "__init__": lambda self, steps: None,
        "explore": lambda self, step, payoffs: explore(payoffs),
        "answer": lambda self, step, payoffs: (answer or explore)(payoffs),
    }
    return SimpleNamespace(MetaSolver=type("MetaSolver", (), methods))


def equal(payoffs: Any) -> Any:
    return np.ones(len(payoffs))


GAME = problem.cases(np.random.default_rng(0), 0)[0]


def test_the_seed_is_weaker_than_the_baseline():
    cases = problem.cases(np.random.default_rng(0), 0)
    seed = [play(seed_program(problem), case)[0] for case in cases]
    combined = {key: float(np.mean([one[key] for one in seed])) for key in seed[0]}
    check_declaration(problem, combined)
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    found = [play(SimpleNamespace(**names), case)[0]["log_exploitability"] for case in cases]
    assert np.mean(found) < combined["log_exploitability"]


@pytest.mark.parametrize("rule", ["nash", "replicator", "rectified"])
def test_the_published_rules_find_the_equilibrium_of_rock_paper_scissors(rule: str):
    mixture = RULES[rule](SCISSORS)
    assert mixture / mixture.sum() == pytest.approx([1 / 3] * 3, abs=1e-6)


def test_the_equilibrium_of_a_biased_game_is_the_published_one():
    # each is played as often as the stake of the pair that leaves it out: 3 : 2 : 1
    mixture = RULES["nash"](BIASED)
    assert mixture == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=1e-9)
    assert problem.exploitability(BIASED, [Fraction(3), Fraction(2), Fraction(1)]) == 0
    assert problem.exploitability(BIASED, [Fraction(1)] * 3) == Fraction(1, 3)


def test_the_double_oracle_completes_rock_paper_scissors_in_two_steps():
    oracle = problem.Arena(np.array(BIASED))
    told = oracle(None)
    sizes = []
    while told is not None:
        mixture = RULES["nash"](told["payoffs"]).astype(float)
        sizes.append(len(set(oracle.population)))
        told = oracle({"explore": mixture, "answer": mixture})
    assert sizes[:3] == [1, 2, 3]
    assert oracle.shares[3] == pytest.approx(0, abs=1e-9)


def test_fictitious_play_is_the_equal_mixture_of_best_responses():
    _, oracle = play(solver(equal), GAME)
    counts = np.zeros(100)
    counts[oracle.population[0]] = 1
    for joined in oracle.population[1:]:
        assert int((GAME.answer @ counts).argmax()) == joined  # sums of whole numbers have no rounding
        counts[joined] += 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any))
def test_no_mixture_is_exploited_by_less_than_nothing_and_floats_agree(weights: list[int]):
    exact = problem.exploitability(BIASED, [Fraction(w) for w in weights])
    assert exact >= 0
    share = np.array(weights) / sum(weights)
    assert float((BIASED @ share).max()) == pytest.approx(float(exact), abs=1e-12)


@pytest.mark.parametrize("kind", [*problem.TRAINED, *problem.WITHHELD])
def test_games_are_symmetric_and_zero_sum(kind: str):
    payoffs = {**problem.TRAINED, **problem.WITHHELD}[kind](np.random.default_rng(0), 60)
    assert payoffs.dtype == np.int64
    assert np.array_equal(payoffs, -payoffs.T)
    assert payoffs.any()


def test_games_are_drawn_from_the_secret_and_other_kinds_are_held_out():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        assert one.inputs is None
        assert np.array_equal(one.answer, same.answer)
        assert not np.array_equal(one.answer, different.answer)
    names = [case.name.split(",")[0] for case in problem.held_out(np.random.default_rng(1))]
    assert names[:2] == list(problem.WITHHELD)


def test_what_is_explored_decides_who_joins_and_what_is_answered_decides_the_score():
    first, _ = play(solver(equal, RULES["nash"]), GAME)
    second, _ = play(solver(equal, equal), GAME)
    assert first["distinct"] == second["distinct"]
    assert first["log_exploitability"] != second["log_exploitability"]


ONE = np.ones(1)


class TestCheats:
    @pytest.mark.parametrize(
        ("weights", "said"),
        [
            ([1.0], "got list"),
            (None, "got NoneType"),
            (np.ones(2), "must return 1 floats"),
            (np.ones((1, 1)), "must return 1 floats"),
            (np.ones(1, dtype=int), "got int64"),
            (np.ones(1, dtype=complex), "got complex128"),
            (np.ones(1, dtype=bool), "got bool"),
            (np.array([-1.0]), "in [0, 1e100]"),
            (np.array([np.nan]), "in [0, 1e100]"),
            (np.array([np.inf]), "in [0, 1e100]"),
            (np.array([0.0]), "sum > 0"),
            (np.array([1e-200]), "sum > 0"),
        ],
        ids=range(12),
    )
    @pytest.mark.parametrize("which", ["explore", "answer"])
    def test_what_is_no_mixture_is_refused(self, weights: Any, said: str, which: str):
        oracle = problem.serve(GAME)
        oracle(None)
        with pytest.raises(Invalid) as caught:
            oracle({"explore": ONE, "answer": ONE, which: weights})
        assert said in str(caught.value)
        assert oracle.shares == []
        assert len(oracle.population) == 1

    @pytest.mark.parametrize(
        "request_",
        [None, ONE, [ONE, ONE], {"explore": ONE}, {"explore": ONE, "answer": ONE, "score": -3.0}, {}],
    )
    def test_what_is_no_pair_of_mixtures_is_refused(self, request_: Any):
        oracle = problem.serve(GAME)
        oracle(None)
        with pytest.raises(Invalid, match="must hold a mixture"):
            oracle(request_)

    def test_nothing_is_asked_before_the_first_request_or_after_the_last_step(self):
        with pytest.raises(Invalid, match="first request must be None"):
            problem.serve(GAME)({"explore": ONE, "answer": ONE})
        _, oracle = play(solver(equal), GAME)
        for request in (None, {"explore": np.ones(41), "answer": np.ones(41)}):
            with pytest.raises(Invalid, match="all steps have been made"):
                oracle(request)

    def test_whoever_stops_early_is_refused(self):
        oracle = problem.serve(GAME)
        oracle(None)
        oracle({"explore": ONE, "answer": ONE})
        with pytest.raises(Invalid, match="after 1 of 40 steps"):
            problem.score(GAME, {"log_exploitability": -3.0}, oracle)

    def test_changing_the_payoffs_that_were_told_changes_nothing(self):
        def vandal(payoffs: Any) -> Any:
            payoffs[:] = 0
            return equal(payoffs)

        assert play(solver(vandal), GAME)[0] == play(solver(equal), GAME)[0]
        oracle = problem.serve(GAME)
        oracle(None)["payoffs"][:] = 7
        assert np.array_equal(oracle.payoffs, problem.cases(np.random.default_rng(0), 0)[0].answer)

    def test_only_payoffs_within_the_population_are_told(self):
        oracle = problem.serve(GAME)
        told = oracle(None)
        assert set(told) == {"steps", "payoffs"}
        assert told["payoffs"].shape == (1, 1)
        assert oracle({"explore": ONE, "answer": ONE})["payoffs"].shape == (2, 2)

    def test_weights_of_any_scale_mean_the_same(self):
        large = play(solver(lambda payoffs: 1e90 * equal(payoffs)), GAME)[0]
        assert large["log_exploitability"] == pytest.approx(
            play(solver(equal), GAME)[0]["log_exploitability"]
        )
        assert large["log_exploitability"] >= math.log10(problem.LEAST)

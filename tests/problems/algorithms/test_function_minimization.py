from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Case, Exhausted, Invalid, Program, Result
from evaluators.problems.loading import Problem, load_problem
from evaluators.sandbox import plain
from evaluators.source.files import SourceFiles
from evaluators.source.modules import import_source
from problems.algorithms import function_minimization as problem_module
from problems.algorithms.function_minimization import SHAPES, draw_landscape, run, score, serve


def a_case(kind: str = "ellipsoid", dim: int = 3, budget: int = 50, seed: int = 1) -> Case:
    rng = np.random.default_rng(seed)
    inputs = {"dim": dim, "low": -5.0, "high": 5.0, "budget": budget, "seed": 7}
    return Case(inputs=inputs, answer=draw_landscape(kind, dim, rng))


def search_with(search: Any, case: Case) -> dict[str, float]:
    oracle = serve(case)
    try:
        output = run(SimpleNamespace(search=search), case.inputs, oracle)
    except Exhausted:
        output = None
    return score(case, output, oracle)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load_problem("function_minimization")


def seed_program(problem: Problem, *changes: tuple[str, str]) -> Any:
    text = problem.seed.text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return import_source(SourceFiles("seed", "program.py", {"program.py": text}))


def evaluate(problem: Problem, program: Any, seed: int) -> dict[str, float]:
    results = []
    for case in problem.draw_cases(np.random.default_rng(seed)):
        oracle = serve(case)
        run(program, case.inputs, oracle)
        results.append(Result(case, problem.score_output(case, None, oracle)))
    return problem.combine(results)


class TestLandscapes:
    @pytest.mark.parametrize("kind", SHAPES)
    @pytest.mark.parametrize("dim", [2, 10])
    def test_the_minimum_is_zero_and_at_the_centre(self, kind: str, dim: int):
        rng = np.random.default_rng(5)
        for _ in range(5):
            landscape = draw_landscape(kind, dim, rng)
            assert (np.abs(landscape.centre) <= 4.0).all()
            assert landscape.regret(landscape.centre[None, :]) == pytest.approx(
                0.0, abs=1e-9 * landscape.scale
            )
            near = landscape.centre + 1e-2 * rng.standard_normal((200, dim))
            far = rng.uniform(-5, 5, (200, dim))
            assert (landscape.regret(near) > 0).all()
            assert np.median(landscape.regret(near)) < np.median(landscape.regret(far))
            assert landscape.typical == pytest.approx(np.median(landscape.regret(far)), rel=0.7)
            assert np.allclose(landscape.rotation @ landscape.rotation.T, np.eye(dim))

    def test_cases_are_those_of_the_rng(self, problem: Problem):
        first, again, other = (problem.draw_cases(np.random.default_rng(s)) for s in (1, 1, 2))
        assert [c.inputs for c in first] == [c.inputs for c in again]
        assert all((a.answer.centre == b.answer.centre).all() for a, b in zip(first, again, strict=True))
        assert first[0].answer.centre.tolist() != other[0].answer.centre.tolist()
        assert len(first) == 12
        assert all(260 <= case.inputs["budget"] <= 500 for case in first)
        assert {case.answer.kind for case in problem.draw_held_out(np.random.default_rng(1))} == set(SHAPES)

    def test_the_inputs_say_nothing_of_the_function(self, problem: Problem):
        for case in problem.draw_cases(np.random.default_rng(3)):
            assert set(case.inputs) == {"dim", "low", "high", "budget", "seed"}
            plain.encode(case.inputs)


class TestScore:
    def test_the_seed_is_honest_and_crude(self, problem: Problem):
        scores = [evaluate(problem, seed_program(problem), seed)["solved"] for seed in range(5)]
        assert all(0.12 < value < 0.25 for value in scores)

    def test_better_constants_are_better(self, problem: Problem):
        better = seed_program(problem, ("SHRINK = 0.95", "SHRINK = 0.7"), ("BATCH = 20", "BATCH = 8"))
        for seed in range(5):
            assert (
                evaluate(problem, better, seed)["solved"]
                > evaluate(problem, seed_program(problem), seed)["solved"] + 0.05
            )

    def test_only_the_best_value_that_was_served_counts(self):
        case = a_case()
        found = search_with(
            lambda evaluate, **_: evaluate(np.vstack([case.answer.centre, np.zeros(3)])), case
        )
        assert found["solved"] == 1.0
        lying = search_with(
            lambda evaluate, **_: (evaluate(np.zeros((1, 3))), {"solved": 1.0, "best": -1e9})[1], case
        )
        regret = float(case.answer.regret(np.zeros((1, 3)))[0])
        assert lying["solved"] == pytest.approx(math.log10(case.answer.typical / regret) / 8)

    def test_it_does_not_depend_on_scale_and_offset(self):
        case = a_case()
        shifted = Case(
            case.inputs,
            type(case.answer)(
                *(getattr(case.answer, n) for n in ("kind", "centre", "rotation", "weights")),
                scale=case.answer.scale * 50,
                offset=case.answer.offset + 3,
                typical=case.answer.typical * 50,
            ),
        )
        points = np.random.default_rng(0).uniform(-5, 5, (20, 3))
        a, b = (search_with(lambda evaluate, **_: evaluate(points), c) for c in (case, shifted))
        assert a == pytest.approx(b)

    def test_measures_tell_how_it_searched(self):
        case = a_case(budget=60)
        points = np.random.default_rng(0).uniform(-5, 5, (60, 3))
        at_once = search_with(lambda evaluate, **_: evaluate(points), case)
        one_by_one = search_with(lambda evaluate, **_: [evaluate(p[None]) for p in points], case)
        still = search_with(lambda evaluate, **_: [evaluate(np.zeros((1, 3))) for _ in range(30)], case)
        assert at_once["log2_batch"] == pytest.approx(math.log2(60))
        assert one_by_one["log2_batch"] == 0.0
        assert one_by_one["solved"] == pytest.approx(at_once["solved"])
        assert one_by_one["exploration"] > 0.2
        assert still["exploration"] == 0.0
        assert (still["used"], at_once["used"]) == (0.5, 1.0)

    def test_doing_nothing_is_refused(self):
        with pytest.raises(Invalid, match="evaluated no point"):
            search_with(lambda evaluate, **_: None, a_case())


class TestHonestNeighbours:
    """What is close to a cheat and is none."""

    @pytest.mark.parametrize(
        "points",
        [
            [[0.0, 0.0, 0.0]],
            [[-5.0, 5.0, 0.0]],
            [[0, 1, 2]],
            np.zeros((1, 3), dtype=np.float32),
            np.zeros((1, 3), dtype=np.int64),
            np.zeros((50, 3)),
            np.array([[-0.0, 5e-324, 1e-300]]),
        ],
    )
    def test_these_requests_are_served(self, points: Any):
        values = serve(a_case())(points)
        assert values.shape == (len(points),)
        assert np.isfinite(values).all()

    def test_the_last_batch_counts_as_far_as_the_budget_goes(self):
        case = a_case(budget=10)
        oracle = serve(case)
        oracle(np.full((9, 3), 4.0))
        with pytest.raises(Exhausted, match="budget of 10 evaluations is spent"):
            oracle(np.vstack([case.answer.centre, np.zeros((4, 3))]))
        assert oracle.used == 10
        assert score(case, None, oracle)["solved"] == 1.0


NAN = math.nan


class TestCheats:
    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            (None, "needs an array of real numbers"),
            ("0 0 0", "needs an array of real numbers"),
            (0.0, "needs an array of real numbers"),
            ({"points": [[0.0, 0.0, 0.0]]}, "needs an array of real numbers"),
            ([], "needs an array of real numbers"),
            ([0.0, 0.0, 0.0], "needs an array of real numbers"),
            ([[0.0, 0.0, "0"]], "needs an array of real numbers"),
            ([[0.0, 0.0, True]], "needs an array of real numbers"),
            ([[0.0, 0.0, None]], "needs an array of real numbers"),
            ([[0.0, 0.0, 0j]], "needs an array of real numbers"),
            ([[0.0, 0.0, 0.0], [0.0]], "needs an array of real numbers"),
            ([[10**400, 0, 0]], "needs an array of real numbers"),
            ([[NAN, 0.0, 0.0]], "not finite"),
            ([[0.0, math.inf, 0.0]], "not finite"),
            ([[0.0, 0.0, 5.0000001]], r"outside \[-5, 5\]; clip it"),
            ([[-1e308, 0.0, 0.0]], "outside"),
            ([[10**300, 0, 0]], "outside"),
            (np.zeros((1, 3), dtype=bool), "needs an array of real numbers"),
            (np.zeros((1, 3), dtype=complex), "needs an array of real numbers"),
            (np.array([["a", "b", "c"]]), "needs an array of real numbers"),
            (np.zeros((1, 4)), r"needs shape \(k, 3\)"),
            (np.zeros((3,)), r"needs shape \(k, 3\)"),
            (np.zeros((1, 1, 3)), r"needs shape \(k, 3\)"),
            (np.zeros((0, 3)), "k from 1 to 10000"),
            (np.zeros((10_001, 3)), "k from 1 to 10000"),
            (np.array(1.0), r"needs shape \(k, 3\)"),
            (np.array([[NAN, 0, 0]], dtype=np.float16), "not finite"),
        ],
    )
    def test_these_requests_are_refused_with_the_reason(self, request_: Any, reason: str):
        oracle = serve(a_case())
        with pytest.raises(Invalid, match=reason):
            oracle(request_)
        assert oracle.used == 0

    def test_calls_beyond_the_budget_are_not_served(self):
        case = a_case(budget=5)
        oracle = serve(case)
        oracle(np.full((5, 3), 4.0))
        for _ in range(3):
            with pytest.raises(Exhausted):
                oracle(case.answer.centre[None])
        assert oracle.used == 5
        assert score(case, None, oracle)["solved"] < 0.5

    def test_an_oversized_batch_does_not_reach_beyond_it(self):
        case = a_case(budget=5)
        oracle = serve(case)
        with pytest.raises(Exhausted):
            oracle(np.vstack([np.full((5, 3), 4.0), case.answer.centre]))
        assert oracle.best > 0

    def test_changing_arrays_after_the_call_changes_nothing(self):
        case = a_case()
        oracle = serve(case)
        points = np.full((1, 3), 4.0)
        values = oracle(points)
        best = oracle.best
        points[:] = case.answer.centre
        values[:] = -1e9
        assert oracle.best == best
        assert oracle.best_point is not None
        assert oracle.best_point.tolist() == [4.0] * 3

    def test_a_changed_budget_in_the_inputs_changes_nothing(self):
        case = a_case(budget=5)
        oracle = serve(case)

        def search(evaluate: Any, **inputs: Any) -> None:
            inputs["budget"] = 10**6
            for _ in range(100):
                evaluate(np.zeros((1, 3)))

        with pytest.raises(Exhausted):
            run(SimpleNamespace(search=search), dict(case.inputs), oracle)
        assert oracle.used == 5

    @pytest.mark.parametrize("output", [None, NAN, {"solved": 9.0}, [1.0], "x", np.zeros(3)])
    def test_what_search_returns_is_ignored(self, output: Any):
        case = a_case()
        oracle = serve(case)
        oracle(np.zeros((1, 3)))
        assert score(case, output, oracle) == score(case, None, oracle)

    @given(st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=1, max_size=30))
    def test_no_points_score_above_the_bound(self, points: list[list[float]]):
        case = a_case("peaks", budget=20)
        found = search_with(lambda evaluate, **_: evaluate(points), case)
        assert found["solved"] <= 1.0
        assert found["used"] <= 1.0


def test_the_goal_states_the_numbers(problem: Problem):
    assert "search(evaluate, dim, low, high, budget, seed)" in problem.goal
    assert f"/ {problem_module.DECADES:g}" in problem.goal
    assert problem.seed == Program({"program.py": problem_module.SEED})


def test_each_evaluation_meets_functions_that_nobody_has_met():
    case = problem_module.cases(np.random.default_rng(1), 0)[7]
    one, other = (problem_module.vary(np.random.default_rng(seed), case) for seed in (2, 3))
    points = np.random.default_rng(4).uniform(-5, 5, (200, case.inputs["dim"]))
    values = [serve(each)(points) for each in (case, one, other)]
    assert len({float(each.min()) for each in values}) == 3
    assert abs(np.corrcoef(values[1], values[2])[0, 1]) < 0.95
    assert (one.answer.kind, one.answer.scale, one.answer.typical) == (
        case.answer.kind,
        case.answer.scale,
        case.answer.typical,
    )
    assert one.answer.regret(one.answer.centre[None]) == pytest.approx(0, abs=1e-9)
    assert one.name == case.name

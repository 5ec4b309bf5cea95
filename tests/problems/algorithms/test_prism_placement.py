from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from benchmarks.baselines.algorithms import prism_placement as exact
from evaluators.contract import Case
from problems.algorithms import prism_placement as problem
from tests.problems.hostile import (
    NO_LISTS,
    check_declaration,
    first_case,
    reject,
    seed_output,
    seed_program,
    with_entry,
)

SMALL = Case(inputs=[{"gpus": 2, "models": [[20, 6, 3], [40, 1, 1], [10, 9, 9]]}])


@pytest.fixture(scope="module")
def optimum() -> list[list[int]]:
    return exact.solve(first_case(problem), 0, np.random.default_rng(0))


def test_the_seed_is_valid_and_crude():
    metrics = problem.score(first_case(problem), seed_output(problem))
    assert metrics["inverse_pressure"] == pytest.approx(17.251998, abs=1e-6)
    check_declaration(problem, metrics)


def test_the_optimum_is_the_published_one_to_the_last_digit(optimum):
    case = first_case(problem)
    rounded = []
    for instance, placement in zip(case.inputs, optimum, strict=True):
        load, free = [0.0] * instance["gpus"], [80] * instance["gpus"]
        for (size, rate, slo), gpu in zip(instance["models"], placement, strict=True):
            load[gpu] += rate / slo
            free[gpu] -= size
        rounded.append(max(busy / left for busy, left in zip(load, free, strict=True)))
    assert 1 / np.mean(rounded) == 25.255971749535238  # as published, in floating point
    assert problem.score(case, optimum)["inverse_pressure"] == problem.OPTIMUM == 25.25597174953524


def test_the_exact_search_agrees_with_enumeration():
    rng = np.random.default_rng(4)
    for _ in range(20):
        models = [[int(rng.integers(*span)) for span in ((10, 30), (1, 10), (5, 10))] for _ in range(6)]
        valid = [
            p
            for p in product(range(3), repeat=6)
            if all(sum(models[i][0] for i in range(6) if p[i] == g) < 80 for g in range(3))
        ]
        best = min(exact._pressure(3, models, list(p)) for p in valid)
        assert exact._pressure(3, models, exact.optimal(3, models)) == best


def test_the_published_greedy_method_scores_what_is_known_of_it():
    class Greedy:
        @staticmethod
        def place(gpus: int, models: list[list[int]]) -> list[int]:
            load, free, result = [0.0] * gpus, [80] * gpus, [0] * len(models)
            for i in sorted(range(len(models)), key=lambda i: -models[i][1] / models[i][2]):
                open_ones = [g for g in range(gpus) if models[i][0] <= free[g] and free[g] > 0]
                gpu = min(open_ones, key=lambda g: load[g] / free[g])
                load[gpu] += models[i][1] / models[i][2]
                free[gpu] -= models[i][0]
                result[i] = gpu
            return result

    metrics = problem.score(first_case(problem), problem.run(Greedy, first_case(problem).inputs))
    assert metrics["inverse_pressure"] == pytest.approx(20.8916, abs=1e-4)


def test_a_small_instance_by_hand():
    metrics = problem.score(SMALL, [[0, 1, 1]])
    assert metrics["inverse_pressure"] == float(1 / max(Fraction(2, 60), Fraction(2, 30)))


def test_held_out_instances_are_fresh_and_of_the_same_kind():
    case = problem.held_out(np.random.default_rng(0))[0]
    assert case.inputs != first_case(problem).inputs
    assert len(case.inputs) == 50
    assert all(len(one["models"]) == 2 * one["gpus"] for one in case.inputs)
    problem.score(case, problem.run(seed_program(problem), case.inputs))


def test_a_program_that_alters_its_models_gains_nothing(optimum):
    class Vandal:
        @staticmethod
        def place(gpus: int, models: list[list[int]]) -> list[int]:
            placement = seed_program(problem).place(gpus, [list(model) for model in models])
            for model in models:
                model[1] = 0
            models.clear()
            return placement

    case = first_case(problem)
    output = problem.run(Vandal, case.inputs)
    assert problem.score(case, output) == problem.score(case, seed_output(problem))


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object):
    assert reject(problem, output)


@pytest.mark.parametrize(
    "value", [True, 0.0, None, "0", -1, 9, 1 << 20000, 1j, [0], np.int64(0)], ids=range(10)
)
def test_no_gpus_are_refused(value: object):
    assert "the GPU of model 0 in placement 3" in reject(
        problem, with_entry(seed_output(problem), 3, 0, value)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p[:20], "50 entries, got 20"),  # only the easy ones
        (lambda p: [*p, p[0]], "50 entries, got 51"),
        (lambda p: with_entry(p, 4, None), "placement 4 must be a list"),
        (lambda p: with_entry(p, 4, []), "placement 4 must have"),
        (lambda p: with_entry(p, 4, p[4][:-1]), "placement 4 must have"),
        (lambda p: with_entry(p, 4, [*p[4], 0]), "placement 4 must have"),
        (lambda p: with_entry(p, 4, [0] * len(p[4])), "GPU 0 in placement 4 carries"),
        (lambda p: with_entry(p, 4, [float(g) for g in p[4]]), "plain integer, got float"),
        (lambda p: with_entry(p, 4, {i: [] for i in range(5)}), "placement 4 must be a list, got dict"),
        (lambda p: with_entry(p, 4, np.array(p[4], dtype=float)), "array of float64"),
    ],
)
def test_tricks_are_refused(change, said: str):
    assert said in reject(problem, change(seed_output(problem)))


def test_a_full_gpu_is_refused_and_one_gb_less_is_not():
    full = Case(inputs=[{"gpus": 2, "models": [[40, 1, 5], [40, 1, 5], [10, 9, 9]]}])
    assert "GPU 0 in placement 0 carries 80 GB" in reject(problem, [[0, 0, 1]], full)
    nearly = Case(inputs=[{"gpus": 2, "models": [[40, 1, 5], [39, 1, 5], [10, 9, 9]]}])
    assert problem.score(nearly, [[0, 0, 1]])["inverse_pressure"] == 2.5

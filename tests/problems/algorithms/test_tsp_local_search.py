from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baselines.algorithms import tsp_local_search as baseline
from evaluators.contract import Case, Result
from problems.algorithms import tours
from problems.algorithms import tsp_local_search as problem
from tests.problems.hostile import NO_LISTS, check_declaration, reject, seed_program, with_entry


@pytest.fixture(scope="module")
def drawn() -> list[Case]:
    return problem.cases(np.random.default_rng(0), 0)


def test_the_seed_is_weaker_than_the_known_rule_and_than_a_longer_search(drawn):
    def mean(program: object) -> dict[str, float]:
        return aggregate([problem.run(program, case.inputs) for case in drawn])

    def aggregate(tours: list[Any]) -> dict[str, float]:
        scored = zip(drawn, tours, strict=True)
        return problem.aggregate([Result(case, problem.score(case, tour)) for case, tour in scored])

    seed = mean(seed_program(problem))
    check_declaration(problem, seed)
    known = mean(SimpleNamespace(utility=lambda d, p: d / (1 + p), strength=lambda progress: 20.0))
    assert 0 < known["excess"] < seed["excess"] - 0.001
    long = [baseline.solve(case, 0.5, np.random.default_rng(0)) for case in drawn]
    searched = aggregate(long)
    assert 0 < searched["excess"] < seed["excess"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_lower_bound_is_one_and_the_search_finds_small_optima(number: int):
    cities = np.random.default_rng(number).integers(0, 100, (7, 2))
    lengths = tours.edge_lengths(cities)
    shortest = min(tours.tour_length(lengths, (0, *rest)) for rest in permutations(range(1, 7)))
    bound = tours.lower_bound(lengths)
    assert 0.8 * shortest <= bound <= shortest
    found = tours.guided_local_search(
        lengths, rounds=30, strength=lambda progress: 20.0, utility=lambda d, p: d / (1 + p)
    )
    assert sorted(found) == list(range(7))
    assert tours.tour_length(lengths, found) <= 1.1 * shortest


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40))
def test_local_search_keeps_a_tour_and_never_makes_it_longer(number: int, count: int):
    rng = np.random.default_rng(number)
    lengths = tours.edge_lengths(rng.integers(0, 1000, (count, 2)))
    start = rng.permutation(count).tolist()
    search = tours.LocalSearch(lengths, start)
    search.improve(range(count))
    assert sorted(search.tour) == list(range(count))
    assert [search.place[city] for city in search.tour] == list(range(count))
    assert tours.tour_length(lengths, search.tour) <= tours.tour_length(lengths, start)


def test_cities_on_a_circle_have_their_polygon_as_best_tour():
    angles = 2 * np.pi * np.random.default_rng(2).permutation(60) / 60
    cities = np.rint(5000 + 4000 * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(int)
    lengths = tours.edge_lengths(cities)
    best = tours.tour_length(lengths, np.argsort(angles))
    bound = tours.lower_bound(lengths)
    assert best * 0.99 <= bound <= best
    case = Case({"cities": cities, "rounds": 20})
    metrics = problem.score(case, problem.run(seed_program(problem), case.inputs))
    assert metrics["excess"] == pytest.approx(best / bound - 1)


def test_lengths_are_rounded_to_whole_numbers():
    lengths = tours.edge_lengths(np.array([[0, 0], [3, 4], [1, 1], [0, 1]]))
    assert lengths.tolist()[0] == [0, 5, 1, 1]
    assert tours.tour_length(lengths, [0, 1, 2, 3]) == 5 + 4 + 1 + 1


def test_instances_are_drawn_and_held_out_ones_are_larger(drawn):
    other = problem.cases(np.random.default_rng(1), 0)
    assert not np.array_equal(drawn[0].inputs["cities"], other[0].inputs["cities"])
    assert [len(case.inputs["cities"]) for case in problem.held_out(np.random.default_rng(0))] == [200, 200]


def test_rules_without_an_order_still_give_a_tour(drawn):
    case = Case({**drawn[0].inputs, "rounds": 20})
    for value in (np.nan, np.inf, -np.inf):
        program = SimpleNamespace(
            utility=lambda d, p, value=value: np.full(len(d), value), strength=lambda progress: 100.0
        )
        assert problem.score(case, problem.run(program, case.inputs))["excess"] > 0


@pytest.mark.parametrize("output", NO_LISTS)
def test_no_lists_are_refused(output: object, drawn):
    assert reject(problem, output, drawn[0])


@pytest.mark.parametrize(
    "value", [100, -1, True, 1.0, None, "1", 1j, [1], 1 << 20000, np.int64(1)], ids=range(10)
)
def test_no_cities_are_refused(value: object, drawn):
    assert "entry 5 of the tour must" in reject(problem, with_entry(list(range(100)), 5, value), drawn[0])


@pytest.mark.parametrize(
    ("tour", "said"),
    [
        ([0] * 100, "city 1 is left out"),
        ([*range(99), 0], "city 99 is left out"),
        ([*range(98), 0, 1], "city 98 is left out"),
        (list(range(99)), "100 entries, got 99"),
        ([*range(100), 0], "100 entries, got 101"),
        ([0, 1, 2], "100 entries, got 3"),
        (np.arange(100.0), "float64"),
        (np.arange(100).reshape(100, 1), "plain integer, got ndarray"),
    ],
)
def test_tricks_are_refused(tour: object, said: str, drawn):
    assert said in reject(problem, tour, drawn[0])
    assert problem.score(drawn[0], list(range(100)))["excess"] > 1

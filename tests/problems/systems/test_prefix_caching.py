from __future__ import annotations

from itertools import permutations, product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baselines.systems.prefix_caching import PROGRAM
from evaluators.contract import Case
from problems.systems import prefix_caching as problem
from tests.problems.hostile import NO_LISTS, check_declaration, first_case, reject, seed_output, seed_program


def table(texts: list[list[int]], lengths: list[list[int]] | None = None) -> Case:
    cells = np.array(texts)
    sizes = np.ones_like(cells) if lengths is None else np.array(lengths)
    return Case({"lengths": sizes, "texts": cells}, answer=problem.upper_bound(sizes, cells))


def arrangement(rows: list[int], columns: list[list[int]]) -> dict[str, Any]:
    return {"rows": np.array(rows), "columns": np.array(columns)}


SMALL = table([[7, 1], [8, 1], [7, 2]], [[10, 3], [20, 3], [10, 5]])
VALID = arrangement([0, 2, 1], [[0, 1], [1, 0], [0, 1]])


def test_the_seed_is_weaker_than_the_baseline():
    cases = problem.cases(np.random.default_rng(0), 0)
    program = seed_program(problem)
    found = [problem.score(case, problem.run(program, case.inputs)) for case in cases]
    check_declaration(problem, {key: float(np.mean([one[key] for one in found])) for key in found[0]})
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    for case, seed in zip(cases, found, strict=True):
        assert seed["hits"] < problem.score(case, names["arrange"](case.inputs))["hits"] <= 1


def test_hits_by_hand():
    # asked: (7, 1), (7, 2), (1 | 8): the text 7 is served once; text 1 of column 1 came two questions before
    metrics = problem.score(SMALL, VALID)
    assert SMALL.answer == 10 + 3
    assert metrics["hits"] == 10 / 13
    assert metrics["served"] == 10 / 51
    # rows 1 and 0 share the text 1 if both begin with column 1
    shared = problem.score(SMALL, arrangement([1, 0, 2], [[1, 0], [1, 0], [0, 1]]))
    assert shared["hits"] == 3 / 13
    # the order of cells counts: 7 in the second place of the line before is no prefix
    assert problem.score(SMALL, arrangement([0, 2, 1], [[1, 0], [0, 1], [0, 1]]))["hits"] == 0


def test_equal_numbers_in_different_columns_are_different_texts():
    case = table([[5, 6], [6, 5]])
    crossed = arrangement([0, 1], [[0, 1], [1, 0]])
    assert problem.score(Case(case.inputs, answer=1), crossed)["hits"] == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=3, max_size=3), st.integers(0, 99))
def test_no_arrangement_exceeds_the_bound(texts: list[tuple[int, int]], seed: int):
    cells = np.array(texts)
    sizes = np.random.default_rng(seed).integers(1, 9, (2, 3))[[[0, 1]] * 3, cells]
    case = Case({"lengths": sizes, "texts": cells}, answer=1)
    most = max(
        problem.score(case, arrangement(list(rows), list(columns)))["hits"]
        for rows in permutations(range(3))
        for columns in product([[0, 1], [1, 0]], repeat=3)
    )
    assert most <= problem.upper_bound(sizes, cells)


def test_the_bound_is_reached_where_one_column_has_all_repeats():
    case = table([[1, 0], [2, 1], [1, 2], [2, 3]])
    assert problem.score(case, arrangement([0, 2, 1, 3], [[0, 1]] * 4))["hits"] == 1.0


def test_tables_are_drawn_from_the_secret_and_texts_have_their_lengths():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        assert np.array_equal(one.inputs["texts"], same.inputs["texts"])
        assert not np.array_equal(one.inputs["texts"], different.inputs["texts"])
    for case in first + problem.held_out(np.random.default_rng(3)):
        lengths, texts = case.inputs["lengths"], case.inputs["texts"]
        assert lengths.min() >= 1
        for column in range(texts.shape[1]):
            pairs = np.unique(np.stack([texts[:, column], lengths[:, column]]), axis=1)
            assert pairs.shape[1] == len(np.unique(texts[:, column]))
        assert 0 < case.answer < lengths.sum()


def test_columns_of_a_group_follow_from_their_leader():
    _, texts = problem.draw(np.random.default_rng(0), problem.Kind(4, 1, 0.5, 0.1, 0.0), 300)
    counts = [len(np.unique(texts[:, column])) for column in range(4)]
    leaders = [c for c in range(4) if all(follows(texts[:, c], texts[:, other]) for other in range(4))]
    assert leaders
    assert min(counts) > 1


def follows(leader: Any, other: Any) -> bool:
    pairs = np.unique(np.stack([leader, other]), axis=1)
    return pairs.shape[1] == len(np.unique(leader))


@pytest.mark.parametrize("output", NO_LISTS)
def test_what_is_no_dict_is_refused(output: Any):
    assert "dict" in reject(problem, output, SMALL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hits": 1.0}, "and no other"),
        ({"rows": [0, 1, 2]}, "must be an integer array of shape (3,), got list"),
        ({"rows": np.array([0, 1])}, "must be an integer array of shape (3,)"),
        ({"rows": np.array([0, 0, 1])}, "each of 0, ..., 2 once"),
        ({"rows": np.array([0, 1, 3])}, "from 0 on"),
        ({"rows": np.array([0, 1, -1])}, "from 0 on"),
        ({"rows": np.array([0.0, 1.0, 2.0])}, "got float64"),
        ({"rows": np.array([False, True, True])}, "got bool"),
        ({"columns": np.array([[0, 1], [0, 1]])}, "of shape (3, 2)"),
        ({"columns": np.array([[0, 0], [1, 1], [0, 1]])}, "row 0 does not"),
        ({"columns": np.array([[0, 1], [0, 1], [1, 1]])}, "row 2 does not"),
        ({"columns": np.array([[0, 2], [0, 1], [1, 0]])}, "row 0 does not"),
        ({"columns": np.full((3, 2), 2**63, dtype=np.uint64)}, "from 0 on"),
        ({"columns": np.zeros((3, 2), dtype=complex)}, "got complex128"),
        ({"columns": None}, "got NoneType"),
        ({"columns": np.zeros((10**4, 10**3), dtype=np.int8)}, "of shape (3, 2)"),
    ],
    ids=range(16),
)
def test_tricks_are_refused(change: dict[str, Any], said: str):
    assert said in reject(problem, {**VALID, **change}, SMALL)


def test_a_key_that_is_missing_is_refused():
    assert "keys" in reject(problem, {"rows": VALID["rows"]}, SMALL)


def test_changing_the_table_changes_nothing():
    case, shown = first_case(problem), first_case(problem).inputs
    honest = problem.score(case, seed_output(problem))

    def arrange(told: dict[str, Any]) -> Any:
        made = seed_program(problem).arrange(told)
        told["texts"][:] = 0
        told["lengths"][:] = 10**6
        return made

    assert problem.score(case, problem.run(SimpleNamespace(arrange=arrange), shown)) == honest


def test_smaller_integers_will_do():
    small = {key: value.astype(np.int8) for key, value in VALID.items()}
    assert problem.score(SMALL, small) == problem.score(SMALL, VALID)

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.analysis.diversity import effective_children, effective_number, effective_programs
from evaluators.contract import Program


@given(st.integers(1, 12), st.integers(0, 5))
def test_clones_are_one_and_orthogonal_ones_are_all(count, seed):
    rng = np.random.default_rng(seed)
    assert effective_number(np.tile(rng.random(5) + 0.1, (count, 1))) == pytest.approx(1.0)
    lengths = rng.random(count) + 0.5  # only directions count
    assert effective_number(np.diag(lengths)) == pytest.approx(count)


@settings(max_examples=40)
@given(st.integers(2, 10), st.integers(0, 1000))
def test_it_lies_between_and_does_not_depend_on_the_order(count, seed):
    vectors = np.random.default_rng(seed).random((count, 6)) + 1e-3
    number = effective_number(vectors)
    assert 1 - 1e-9 <= number <= count + 1e-9
    assert effective_number(vectors[::-1]) == pytest.approx(number)


def test_two_kinds_in_equal_numbers_are_two():
    assert effective_number(np.repeat(np.eye(2), 4, axis=0)) == pytest.approx(2.0)
    assert effective_number(np.empty((0, 3))) == 0.0


def program(text: str) -> Program:
    return Program({"program.py": text})


def test_programs_that_differ_in_a_comment_are_one_and_in_everything_more():
    one = "def f(x):\n    return x + 1\n"
    assert effective_programs([program(one), program(one + "# note\n")]) == pytest.approx(1.0)
    other = "import math\n\nclass Walker:\n    def go(self, steps):\n        while steps:\n            steps -= 1\n"
    near = effective_programs([program(one), program(one.replace("1", "2"))])
    far = effective_programs([program(one), program(other)])
    assert 1.0 < near < far <= 2.0
    assert effective_programs([]) == 0.0


class Four:
    """What is asked of an index, of four programs on two islands."""

    def __init__(self) -> None:
        self.programs = [program(text) for text in ("x = 1\n", "y = [2]\n", "x = 1\n", "def f(): pass\n")]

    def islands(self) -> list[int]:
        return [0, 1]

    def latest(self, count: int, island: int) -> list[int]:
        return [number for number in (3, 2, 1, 0) if number % 2 == island][:count]

    def record(self, number: int) -> SimpleNamespace:
        return SimpleNamespace(program=self.programs[number])


def test_the_latest_children_of_each_island_are_told() -> None:
    found = effective_children(Four())
    assert found[0] == pytest.approx(1.0)
    assert 1.2 < found[1] <= 2.0

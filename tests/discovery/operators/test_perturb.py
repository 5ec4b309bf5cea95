from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.types import OperatorError
from discovery.operators.perturb import Perturb, perturb
from discovery.programs.constants import find
from discovery.programs.fingerprint import fingerprint
from evaluators.text.blocks import check_frozen
from tests.discovery.operator_programs import OTHER, RICH, compiles, frozen, job, program, rngs


def children(text: str, tries: int = 200) -> set[str]:
    found = (perturb(program(text), rng) for rng in rngs(tries))
    return {child.text for child in found if child is not None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = a - b\n", {f"x = a {operator} b\n" for operator in ("+", "*", "/", "//", "%", "**")}),
        ("x = a<b\n", {f"x = a{operator}b\n" for operator in ("<=", ">", ">=", "==", "!=")}),
        ("x = a and b\n", {"x = a or b\n"}),
        ("x = np.min(a)\n", {"x = np.max(a)\n"}),
        ("x = a[1]\n", {"x = a[0]\n", "x = a[2]\n"}),
        ("x = a[0]\n", {"x = a[1]\n"}),
        ("x = a  # one\ny = b\n", {"y = b  # one\nx = a\n"}),
    ],
)
def test_the_children_of_a_program_are_these(text: str, expected: set[str]):
    assert children(text) == expected


def test_one_to_three_numbers_move_mostly_a_little_and_sometimes_far():
    text = "A = [0.1, 0.2, 0.3, 0.4, 1.0]\n"
    changes = []
    for child in children(text, 400):
        pairs = zip(find(program(child)), (0.1, 0.2, 0.3, 0.4, 1.0), strict=True)
        moved = [abs(one.value - was) for one, was in pairs if one.value != was]
        assert 1 <= len(moved) <= 3
        changes += moved
    assert 0.01 < np.median(changes) < 0.1
    assert max(changes) > 1


def test_an_int_moves_at_least_by_one():
    numbers = [
        find(program(child))[0].value for child in children("n = 30\n") if len(find(program(child))) == 1
    ]
    assert 30 not in numbers
    assert {29, 31} <= set(numbers)


@pytest.mark.parametrize("text", [RICH, OTHER])
@given(number=st.integers(0, 2**32 - 1))
def test_children_compile_differ_keep_the_frozen_part_and_repeat(text: str, number: int):
    child = perturb(program(text), np.random.default_rng(number))
    assert child is not None
    assert compiles(child.text)
    assert frozen(child.text) == frozen(text)
    assert check_frozen(program(text), child) is None
    assert fingerprint(child) != fingerprint(program(text))
    assert perturb(program(text), np.random.default_rng(number)) == child


def test_the_operator_names_its_parent_or_says_why_not():
    proposal = Perturb().propose(job("perturb", "x = a[0]\n"), np.random.default_rng(0), None)
    assert (proposal.program.text, proposal.parents) == ("x = a[1]\n", ("parent0",))
    for nothing in ("x = y\n", "", "def f(:\n"):
        with pytest.raises(OperatorError, match="parent0 has nothing that can be perturbed"):
            Perturb().propose(job("perturb", nothing), np.random.default_rng(0), None)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.types import OperatorError
from discovery.operators.splice import Splice, splice
from discovery.programs.constants import find
from discovery.programs.fingerprint import fingerprint
from evaluators.text.blocks import check_frozen
from tests.discovery.operator_programs import OTHER, RICH, compiles, frozen, job, program, rngs


def children(first: str, second: str, tries: int = 200) -> set[str]:
    found = (splice(program(first), program(second), rng) for rng in rngs(tries))
    return {child.text for child in found if child is not None}


def test_programs_of_one_skeleton_exchange_runs_of_numbers():
    first, second = "A = [0.1, 0.2, 0.3]\nb = 0.4\n", "A = [0.5, 0.2, 0.7]\nb = 0.8\n"
    mixed = {tuple(one.value for one in find(program(text))) for text in children(first, second)}
    assert mixed == {
        (0.5, 0.2, 0.3, 0.4), (0.1, 0.2, 0.7, 0.4), (0.1, 0.2, 0.3, 0.8),
        (0.5, 0.2, 0.7, 0.4), (0.1, 0.2, 0.7, 0.8), (0.5, 0.2, 0.3, 0.8),
    }  # fmt: skip


def test_lists_of_one_name_exchange_a_run_of_elements():
    first, second = "A = [a, b, c]  # mine\n", "A = [d, e, f]\nx = 1\n"
    found = children("a = b = c = d = e = f = 0\n" + first, second)
    assert {"[a, e, c]", "[d, e, c]", "[a, e, f]", "[d, e, f]"} <= {
        text.split("= ")[-1].split("  #")[0] for text in found
    }
    assert all("# mine" in text for text in found if "A = " in text)


def test_functions_of_one_name_are_exchanged_whole():
    first = "def f(x):\n    # here\n    return x\n\n\ny = 2\n"
    second = "@staticmethod\ndef f(x):\n\n    # there\n    return x + 1\n"
    assert "@staticmethod\ndef f(x):\n\n    # there\n    return x + 1\n\n\ny = 2\n" in children(first, second)


def test_values_of_one_name_are_exchanged():
    assert "x = b * 2\nb = 3\n" in children("x = a\nb = 3\n", "x = b * 2\n")


def test_names_that_cannot_be_read_there_do_not_come_along():
    assert children("def f(p):\n    return p\n", "def g(q):\n    return q * zeta\n") == set()
    assert children("zeta = 1\n\n\ndef f(p):\n    return p\n", "def g(q):\n    return zeta\n")


def test_statements_are_indented_as_they_stand():
    first = "def f(a):\n    for i in a:\n        if i:\n            a = i\n    return a\n"
    second = "def g(a):\n  if a:\n    a = 5\n    a = 6\n  return a\n"
    assert (
        "def f(a):\n    for i in a:\n        if a:\n          a = 5\n          a = 6\n    return a\n"
        in children(first, second)
    )


def test_what_is_certain_to_fail_is_not_made():
    assert all("0.5(" not in text for text in children("x = f(1)\n", "y = 0.5 * 0.5\n"))


def test_expressions_keep_their_meaning_by_brackets():
    found = children("def f(a, b):\n    return a * b\n", "def f(a, b):\n    c = a + b\n    return c\n")
    assert "def f(a, b):\n    return (a + b) * b\n" in found


@pytest.mark.parametrize(
    "pair", [(RICH, OTHER), (OTHER, RICH), (RICH, RICH.replace("0.3", "0.35").replace("1.5", "1.25"))]
)
@given(number=st.integers(0, 2**32 - 1))
def test_children_compile_differ_keep_the_frozen_part_and_repeat(pair: tuple[str, str], number: int):
    first, second = map(program, pair)
    child = splice(first, second, np.random.default_rng(number))
    assert child is not None
    assert compiles(child.text)
    assert frozen(child.text) == frozen(first.text)
    assert check_frozen(first, child) is None
    assert fingerprint(child) not in (fingerprint(first), fingerprint(second))
    assert splice(first, second, np.random.default_rng(number)) == child


def test_the_operator_names_both_parents_or_says_why_not():
    proposal = Splice().propose(job("splice", RICH, OTHER), np.random.default_rng(0), None)
    assert proposal.parents == ("parent0", "parent1")
    with pytest.raises(OperatorError, match="two different programs"):
        Splice().propose(job("splice", RICH), np.random.default_rng(0), None)
    with pytest.raises(OperatorError, match="no piece of parent1 fits into parent0"):
        Splice().propose(job("splice", "x = 1\n", "def f(:\n"), np.random.default_rng(0), None)

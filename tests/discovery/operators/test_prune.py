from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.types import OperatorError
from discovery.operators.prune import Prune, prune
from discovery.programs.fingerprint import fingerprint
from evaluators.contract import Program
from evaluators.text.blocks import check_frozen
from tests.discovery.operator_programs import OTHER, RICH, compiles, frozen, job, program, rngs


def children(text: str, tries: int = 150) -> set[str]:
    found = (prune(program(text), rng) for rng in rngs(tries))
    return {child.text for child in found if child is not None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\ny = 2\n", {"x = 1\n", "y = 2\n"}),
        ("x = 1  # one\n\n# two\ny = 2\n", {"\n# two\ny = 2\n", "x = 1  # one\n\n# two\n"}),
        ("x = 1; y = 2\n", {"pass; y = 2\n", "x = 1; pass\n"}),
        ("x = 1\n", {"pass\n"}),
        ("x = a + b * c\n", {"x = a\n", "x = b * c\n", "x = a + b\n", "x = a + c\n", "pass\n"}),
        ("x = f(a, *b) if c else -d\n", {
            "x = f(a, *b)\n", "x = -d\n", "x = a if c else -d\n", "x = f(a, *b) if c else d\n", "pass\n",
        }),
        ("x = (a + b) * c\n", {"x = a + b\n", "x = c\n", "x = (a) * c\n", "x = (b) * c\n", "pass\n"}),
        ("if a or b:\n    c()\n    d()\n", {
            "if a:\n    c()\n    d()\n", "if b:\n    c()\n    d()\n", "if a or b:\n    d()\n",
            "if a or b:\n    c()\n", "c()\nd()\n", "pass\n",
        }),
        ("for i in a:\n  b(i)\n\n  c()\n", {"for i in a:\n\n  c()\n", "for i in a:\n  b(i)\n\n", "pass\n",
            "for i in a:\n  i\n\n  c()\n"}),
        ("while a: b()\n", {"b()\n", "while a: pass\n", "pass\n"}),
        ("if a:\n    b()\nelif c:\n    d()\n", {
            "b()\n", "if c:\n    d()\n", "if a:\n    pass\nelif c:\n    d()\n",
            "if a:\n    b()\nelif c:\n    pass\n", "if a:\n    b()\npass\n", "pass\n",
        }),
    ],
)  # fmt: skip
def test_the_children_of_a_program_are_these(text: str, expected: set[str]):
    assert children(text) == expected


def test_a_body_keeps_the_strings_of_several_lines_in_it():
    text = 'if a:\n    b = """one\n    two"""\n'
    assert children(text) == {"if a:\n    pass\n", "pass\n"}


def test_a_name_that_is_still_read_is_not_lost():
    assert children("import math\nx = math.pi\n") == {"import math\n"}
    assert children("def f():\n    return 1\n\n\ny = f()\n") == {
        "def f():\n    pass\n\n\ny = f()\n",
        "def f():\n    return 1\n\n\n",
    }


def test_decorators_go_with_their_function():
    assert "x = 1\n" in children("@cache\n@other(1)\ndef f():\n    return 1\nx = 1\n")


def test_a_break_is_not_left_outside_its_loop():
    assert children("for i in a:\n    break\n") == {"pass\n", "for i in a:\n    pass\n"}


@pytest.mark.parametrize("text", [RICH, OTHER])
@given(number=st.integers(0, 2**32 - 1))
def test_children_compile_differ_keep_the_frozen_part_and_repeat(text: str, number: int):
    child = prune(program(text), np.random.default_rng(number))
    assert child is not None
    assert compiles(child.text)
    assert frozen(child.text) == frozen(text)
    assert check_frozen(program(text), child) is None
    assert fingerprint(child) != fingerprint(program(text))
    assert prune(program(text), np.random.default_rng(number)) == child


def test_only_the_blocks_of_several_files_change():
    files = {"program.py": "# EVOLVE-BLOCK-START\nx = 1\n# EVOLVE-BLOCK-END\ny = 2\n", "other.py": "z = 3\n"}
    child = prune(Program(files), np.random.default_rng(0))
    assert child is not None
    assert child.files == {**files, "program.py": files["program.py"].replace("x = 1\n", "")}


def test_the_operator_names_its_parent_or_says_why_not():
    proposal = Prune().propose(job("prune", "x = 1\n"), np.random.default_rng(0), None)
    assert (proposal.program.text, proposal.parents) == ("pass\n", ("parent0",))
    for nothing in (
        "pass\n",
        "",
        "def f(:\n",
        "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\nx = 1\n",
        "# EVOLVE-BLOCK-END\n",
    ):
        with pytest.raises(OperatorError, match="parent0 has nothing that can be left out"):
            Prune().propose(job("prune", nothing), np.random.default_rng(0), None)

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import ContractError, Measure, Program
from evaluators.text.measures import ALONE, NAMES, axis_values, measure_program

TEXT = '''"""A program."""
import math


class Box:
    side = 2.5


def area(box, scale=1.0):
    if box.side > 0 and scale:
        return scale * box.side ** 2
    return [math.sqrt(x) for x in range(10) if x] or -1j


for i in range(3):
    total = (lambda t: t + i)(0)
    total += i
'''


def measure(text: str, *names: str) -> dict[str, float]:
    return measure_program(Program({"program.py": text}), names)


def test_every_measure_counts_what_it_says():
    found = measure(TEXT, *NAMES)
    assert {name: found[name] for name in NAMES if name not in ("ast_nodes", "ast_depth")} == {
        "branches": 3,  # if, and, or
        "loops": 2,  # for, list comprehension
        "constants": 8,  # 2.5 1.0 0 2 10 1j 3 0
        "functions": 2,
        "classes": 1,
        "calls": 4,
        "comparisons": 1,
        "arithmetic": 5,  # *, **, unary -, +, +=
        "assignments": 3,
        "comprehensions": 1,
        "imports": 1,
        "returns": 2,
        "vector_words": 0,  # of C only
        "arrays": 0,
        "code_bytes": len(TEXT),
        "code_lines": 11,
    }


def test_axes_are_read_from_metrics_or_code_in_order_and_novelty_is_left_to_the_search():
    axes = (
        Measure("code_bytes", 0, 9, source="code"),
        Measure("new", 0, 1, source="novelty"),
        Measure("x", 0, 1),
    )
    assert axis_values(axes, Program({"program.py": "a = 1"}), {"x": 0.5, "new": 0.2}) == (5.0, ALONE, 0.5)
    assert axis_values(axes[2:], Program({"program.py": "a = "}), {"x": 2}) == (2.0,)


def test_tree_sizes_by_hand():
    # Module, Assign, Name, Constant
    assert measure("a = 1", "ast_nodes", "ast_depth", "constants") == {
        "ast_nodes": 4,
        "ast_depth": 3,
        "constants": 1,
    }
    # Module, Assign, Name, BinOp, Constant, Constant
    assert measure("a = 1 + 2", "ast_nodes", "ast_depth") == {"ast_nodes": 6, "ast_depth": 4}
    assert measure("", "ast_nodes", "code_bytes", "code_lines") == {
        "ast_nodes": 1,
        "code_bytes": 0,
        "code_lines": 0,
    }


def test_comments_and_layout_change_nothing_but_bytes():
    plain, wide = "x = 1\ny = x\n", "# why\n\nx   =   1 # one\n\n\ny = x\n"
    names = [name for name in NAMES if name != "code_bytes"]
    assert measure(plain, *names) == measure(wide, *names)
    assert measure(plain, "code_bytes") == {"code_bytes": len(plain)}


def test_files_add_up():
    one = Program({"program.py": "a = 1\n", "lib.py": "def f():\n    return 2\n"})
    assert measure_program(one, ["ast_nodes", "functions", "code_bytes", "ast_depth"]) == {
        "ast_nodes": 4 + 5,
        "functions": 1,
        "code_bytes": 6 + 22,
        "ast_depth": 4,
    }


def test_bools_and_texts_are_no_numeric_constants():
    assert measure("a = [True, None, 'x', 1]", "constants") == {"constants": 1}


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n  if x:\n   y = 1\n",
        "x = '\0'\n",
        "\ud800",
        "(" * 5000,
        "x" * 300_000,
        "-" * 50_000 + "1",
        "a" + ".b" * 50_000,
    ],
)
def test_text_that_does_not_parse_is_measured_roughly(text: str):
    found = measure(text, *NAMES)
    assert all(value >= 0 for value in found.values())
    assert found["code_bytes"] >= len(text)


def test_rough_counts_of_other_languages():
    text = "#include <math.h>\nint f(int a) {\n  for (;;)\n    if (a > 3) a += 2;\n  return a;\n}\n"
    found = measure_program(Program({"f.c": text}, "f.c"), ["loops", "branches", "returns", "code_lines"])
    assert found == {"loops": 1, "branches": 1, "returns": 1, "code_lines": 6}


@given(st.text(max_size=200))
def test_any_text_has_finite_measures(text: str):
    found = measure(text, *NAMES)
    assert set(found) == set(NAMES)
    assert all(0 <= value < 1e9 for value in found.values())


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ContractError, match="code measure 'ast_node' is unknown; did you mean 'ast_nodes'"):
        measure("", "ast_node")
    with pytest.raises(ContractError, match="choose from ast_nodes, ast_depth"):
        measure("", "zzzzzz")


def test_a_kilobyte_is_measured_in_a_moment():
    text = "def f(a, b):\n    x = a * 0.5 + b\n    if x > b:\n        x -= 2.5\n    return x\n" * 13
    program = Program({"program.py": text})
    start = time.process_time()
    for _ in range(100):
        measure_program(program, ("ast_nodes", "branches"))
    assert (time.process_time() - start) / 100 < 0.003  # 0.0004 measured; the rest is for slow machines

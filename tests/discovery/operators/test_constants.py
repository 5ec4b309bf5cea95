from __future__ import annotations

import ast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.programs.constants import ConstantError, find, replace, template
from discovery.programs.languages.python_numbers import SMALLEST_INT_SCALE
from evaluators.contract import Program


def program(text: str, **others: str) -> Program:
    return Program({"program.py": text, **others})


def values(text: str) -> list[float]:
    return [constant.value for constant in find(program(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 0.5\n", [0.5]),
        ("x = -0.5\n", [-0.5]),
        ("x = y - 0.5\n", [0.5]),
        ("x = 1.0\ny = 0.0\n", [1.0, 0.0]),
        ("def f(a=0.0, b=3):\n    t = 0.0\n    return a + b + t\n", [0.0, 3]),
        ("x = max(0.0, min(1.0, y * 0.3))\n", [0.3]),
        ("x = max(0.4, y)\n", [0.4]),
        ("x = 1.0 - p\ny += 1.0\nz = y - 0.0\n", []),
        ("x = 1.0 + p\ny = x - 1.0\n", [1.0, 1.0]),
        ("x = 1.0 * p + 2.0\ny += 0.5\n", [1.0, 2.0, 0.5]),
        ("slack = 1e-12\nbest = -1e18\nhuge = 1e400\n", []),
        ("x = True\ny = None\nz = '0.5'\nw = 2j\n", []),
        ("n = 30\nm = 2\nk = -1\n", [30]),
        ("x = y ** 3\nx = y ** 0.3\n", [0.3]),
        ("x = y[5] + y[3:9] + y[i + 7] + y[int(0.3 * n)]\n", [0.3]),
        ("for i in range(10):\n    pass\n", []),
        ("f(8, n=9, seed=42, axis=3)\n", [9]),
        ("x = y % 7 + (y << 4) + (y & 12) + 60 * y\n", [60]),
        ("if n > 5 and n == 6:\n    pass\n", [5]),
        ("x = [3, 4, 1]\n", [3, 4]),
        ("x = [0, 0.25, 1]\n", [0, 0.25, 1]),
        ("shape = (3, 4)\nx = zeros((3, 4))\n", [3, 4]),
        ("x = ('relu', 64, 0.1)\n", [64, 0.1]),
        ("x = {5: 0.5, 6: 7}\n", [0.5, 7]),
        ("x = 0xFF\ny = 1_000\n", [1000]),
        ('x = f"{y * 0.5:.3f}" + "0.5"\n', []),
        ("x: Literal[3] = 4\n", [4]),
        ("match x:\n    case 0.5:\n        y = 0.25\n", [0.25]),
        ("x = lambda t: t * 0.5\nreturn_ = 5 if t else 0.25\n", [0.5, 5, 0.25]),
        ("x = (-\n  0.5)\n", []),
        ("def f(:\n", []),
        ("", []),
    ],
)
def test_what_is_tunable(text: str, expected: list[float]):
    assert values(text) == expected


def test_ints_between_floats_are_floats_and_pure_ints_stay():
    mixed = find(program("x = [0, 0.25, 4]\n"))
    assert [one.is_int for one in mixed] == [False, False, False]
    assert replace(program("x = [0, 0.25, 4]\n"), [0.1, 0.25, 3.9]).text == "x = [0.1, 0.25, 3.9]\n"
    assert replace(program("x = [5, 9]\n"), [5.6, 8.4]).text == "x = [6, 8]\n"


def test_the_numbers_of_one_list_or_column_share_the_largest_scale():
    table = find(
        program("P = [\n    (0.02, 30.0, 7),\n    (-0.9, 10.0, 9),\n]\nQ = [0.1, -0.4]\nr = 0.3\ns = 0.0\n")
    )
    assert [one.scale for one in table] == [0.9, 30.0, 9, 0.9, 30.0, 9, 0.4, 0.4, 0.3, 1.0]
    assert [one.is_int for one in table[:3]] == [False, False, True]


def test_small_ints_have_room_to_move():
    assert find(program("n = 3\n"))[0].scale == SMALLEST_INT_SCALE


def test_only_what_stands_in_the_blocks_is_found():
    text = "a = 0.1\n# EVOLVE-BLOCK-START\nb = 0.2\n# EVOLVE-BLOCK-END\nc = 0.3\n"
    assert values(text) == [0.2]
    several = Program({"program.py": text, "other.py": "d = 0.4\n", "notes.txt": "e = 0.5\n"})
    assert [one.value for one in find(several)] == [0.2]
    free = Program({"program.py": "d = 0.4\n", "a.py": "e = 0.5\n", "notes.txt": "f = 0.6\n"})
    assert [(one.path, one.value) for one in find(free)] == [("a.py", 0.5), ("program.py", 0.4)]
    assert replace(free, [1.5, 2.5]).files == {
        "program.py": "d = 2.5\n",
        "a.py": "e = 1.5\n",
        "notes.txt": "f = 0.6\n",
    }
    assert values("# EVOLVE-BLOCK-START\nx = 0.5\n") == []


def test_places_count_characters():
    text = 'x = "ä€"; y = -0.5\r\nz = [\f0.25]\n'
    found = find(program(text))
    lines = text.split("\r\n")
    assert [(one.line, lines[one.line - 1][one.col : one.end_col]) for one in found] == [
        (1, "-0.5"),
        (2, "0.25"),
    ]
    assert replace(program(text), [1.5, 2.5]).text == 'x = "ä€"; y = 1.5\r\nz = [\f2.5]\n'


def test_only_the_tokens_change():
    text = "x  =  0.50 # half\ny=-.25;z = 1e-3\n"
    assert replace(program(text), [0.5, -0.25, 0.001]).text == text
    assert replace(program(text), [0.5, -0.5, 0.002]).text == "x  =  0.50 # half\ny=-0.5;z = 0.002\n"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("x = 2.0**y\n", "x = (-3.0)**y\n"),
        ("x = -2.0**y\n", "x = -(-3.0)**y\n"),
        ("x = y**2.0\n", "x = y**-3.0\n"),
        ("x = y-2.0\n", "x = y--3.0\n"),
        ("x = 2.0.real\n", "x = (-3.0).real\n"),
        ("x = y if z else.5\n", "x = y if z else -3.0\n"),
        ("x = 2.if z else y\n", "x = -3.0 if z else y\n"),
    ],
)
def test_a_negative_value_means_itself_wherever_it_lands(text: str, filled: str):
    child = replace(program(text), [-3.0])
    assert child.text.replace("  ", " ") == filled
    ast.parse(child.text)


def test_wrong_values_are_refused():
    with pytest.raises(ConstantError, match="must be 1 numbers, got 2"):
        replace(program("x = 0.5\n"), [1.0, 2.0])
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ConstantError, match="finite"):
            replace(program("x = 0.5\n"), [bad])


def test_numpy_values_are_written_as_plain_numbers():
    assert replace(program("x = 0.5\nn = 7\n"), np.array([0.1, 8.6])).text == "x = 0.1\nn = 9\n"


def test_an_absurd_int_is_kept_in_bounds():
    assert replace(program("n = 7\n"), [1e300]).text == f"n = {2**53}\n"


def test_a_template_is_cached_by_content():
    assert template(program("x = 0.5\n")) is template(Program({"program.py": "x = 0.5\n"}))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6))
def test_what_was_put_in_is_what_python_reads(numbers: list[float]):
    text = "A = [0.1, -0.2]\nb = f(0.3, k=-4.5)\nc = x**0.5 - 6.5\n"
    child = replace(program(text), numbers)
    read = [node.value for node in ast.walk(ast.parse(child.text)) if isinstance(node, ast.Constant)]
    assert sorted(read) == sorted(abs(number) for number in numbers)
    again = replace(child, [0.0] * len(find(child))) if len(find(child)) == 6 else None
    if again is not None and all(1e-6 <= abs(number) <= 1e6 for number in numbers):
        assert tuple(one.value for one in find(child)) == tuple(numbers)

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.programs.fingerprint import fingerprint, skeleton
from evaluators.contract import Program

BASE = """
import math


def area(r):
    if r > 0:
        return math.pi * r**2
    return 0.5
"""


def program(text: str) -> Program:
    return Program({"program.py": text})


def test_it_is_32_hex_digits_and_stays_what_it_was():
    assert fingerprint(program("x = 1\n")) == fingerprint(program("x = 1\n"))
    assert len(fingerprint(program(BASE))) == 32
    assert int(fingerprint(program(BASE)), 16) >= 0


@pytest.mark.parametrize(
    "same",
    [
        BASE.replace("import math", "import math  # for pi"),
        BASE.replace("def area(r):", 'def area(r):\n    """The area."""'),
        BASE.replace("def area(r):", "def area(r: float) -> float:"),
        BASE.replace("math.pi * r**2", "(math.pi * (r ** 2))"),
        BASE.replace("\n    return 0.5", "\n    pass\n    return 0.50"),
        '"""A module."""\n' + BASE,
        BASE.replace("    ", "\t"),
        BASE.replace("\n", "\r\n"),
    ],
)
def test_how_it_is_written_does_not_count(same: str):
    assert same != BASE
    assert fingerprint(program(same)) == fingerprint(program(BASE))


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("area", "size"),
        BASE.replace("0.5", "0.25"),
        BASE.replace("0.5", "'0.5'"),
        BASE.replace("r > 0", "r >= 0"),
        BASE.replace("r > 0", "r > 0.0"),
        BASE.replace("r > 0", "r > False"),
        BASE.replace("math.pi * r**2", "r**2 * math.pi"),
        BASE.replace("    return 0.5\n", "    return -0.5\n"),
        BASE.replace("    return 0.5\n", ""),
        BASE.replace("import math", "import math as math"),
        BASE + "area(1)\n",
    ],
)
def test_what_it_does_counts(other: str):
    if "as math" in other:
        other = other.replace("as math", "as maths")
    assert fingerprint(program(other)) != fingerprint(program(BASE))


def test_annotations_of_a_class_body_count_because_dataclasses_read_them():
    def of(annotation: str) -> str:
        return fingerprint(program(f"class A:\n    x{annotation} = 3\n"))

    assert of(": int") != of(": ClassVar[int]")
    assert fingerprint(program("x: int = 3\n")) == fingerprint(program("x = 3\n"))


@pytest.mark.parametrize(
    "text", ["def f(:\n", "x = '\\0'\0", "(" * 5000, "-" * 20000 + "1", "not python at all"]
)
def test_texts_that_do_not_parse_count_by_their_words(text: str):
    assert fingerprint(program(text)) == fingerprint(program(f"  {text}\n\n"))
    assert fingerprint(program(text)) != fingerprint(program(text + " x"))


def test_other_files_paths_and_the_entry_count():
    one = Program({"program.py": "x = 1", "notes.txt": "a  b"})
    assert fingerprint(one) == fingerprint(Program({"notes.txt": "a b\n", "program.py": "x=1"}))
    assert fingerprint(one) != fingerprint(Program({"program.py": "x = 1", "note.txt": "a b"}))
    assert fingerprint(one) != fingerprint(Program({"program.py": "x = 1", "notes.txt": "a c"}))
    two = {"a.py": "x = 1", "b.py": "x = 1"}
    assert fingerprint(Program(two, "a.py")) != fingerprint(Program(two, "b.py"))


def test_a_strange_escape_raises_no_warning():
    assert fingerprint(program("x = '\\d'\n")) == fingerprint(program("x = '\\\\d'\n"))


def test_the_skeleton_forgets_numbers_and_their_signs_and_nothing_else():
    assert skeleton(program(BASE)) == skeleton(program(BASE.replace("0.5", "-3")))
    assert skeleton(program(BASE)) != skeleton(program(BASE.replace("0.5", "None")))
    assert skeleton(program(BASE)) != skeleton(program(BASE.replace("area", "size")))
    assert skeleton(program(BASE)) != skeleton(program(BASE.replace("0.5", "True")))


@given(
    st.lists(
        st.sampled_from(["x = [y, z]", "List = x", "f(x)(y)", "f(x, y)", "x = -1", "x = [y], z", "x += 1"])
    )
)
def test_different_trees_have_different_fingerprints(lines: list[str]):
    text = "\n".join(lines)
    reversed_text = "\n".join(reversed(lines))
    is_same = ast.dump(ast.parse(text)) == ast.dump(ast.parse(reversed_text))
    assert (fingerprint(program(text)) == fingerprint(program(reversed_text))) == is_same


def test_a_number_too_long_to_be_printed_counts_by_its_words():
    long, other = (Program({"p.py": f"X = 0x{digit * 5000}\n"}, "p.py") for digit in "ef")
    assert fingerprint(long) == fingerprint(long) != fingerprint(other)
    assert skeleton(long)

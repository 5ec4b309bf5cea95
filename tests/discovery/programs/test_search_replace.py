from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.programs.search_replace import (
    MAX_EDITS,
    MAX_PROGRAM_CHARS,
    MAX_REPLY_CHARS,
    Edit,
    EditError,
    apply_edits,
    diff_edits,
    format_edits,
    has_edits,
    parse_edits,
)
from evaluators.contract import Program

FREE = """import math


def area(r):
    return 3.14 * r * r


def volume(r):
    x = r
    return 4 / 3 * 3.14 * x**3


def width(r):
    x = r
    return 2 * x
"""

MARKED = """import math

LIMIT = 3
# EVOLVE-BLOCK-START
STEP = 0.5


def grow(x):
    return x + STEP
# EVOLVE-BLOCK-END


def run():
    LIMIT = 3
    return grow(LIMIT)
"""


def program(text: str, **others: str) -> Program:
    return Program({"program.py": text, **{path.replace("__", "/") + ".py": t for path, t in others.items()}})


def block(search: str, replace: str, head: str = "") -> str:
    return f"{head}<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


def apply(text: str, reply: str) -> str:
    return apply_edits(program(text), parse_edits(reply)).text


# Lines that a diff may trip over: repeated, blank, indented, fenced, marker-like.
LINES = st.sampled_from(
    [
        "",
        " ",
        "x = 1",
        "    x = 1",
        "y = 2",
        "=======",
        "<<<<<<< SEARCH",
        ">>>>>>> REPLACE",
        "```",
        "\tz",
        "a\r",
    ]
)
TEXTS = st.lists(LINES | st.text("abc =<>\r\t`é", max_size=4), max_size=25).map("\n".join)


@given(TEXTS, TEXTS)
def test_a_diff_turns_the_old_text_into_the_new_one(old: str, new: str) -> None:
    edits = diff_edits(old, new)
    if old == new:
        assert edits == ()
    else:
        assert apply_edits(program(old), edits).text == new


@given(TEXTS, TEXTS)
def test_formatted_edits_read_back_as_they_were(old: str, new: str) -> None:
    if edits := diff_edits(old, new, path="program.py"):
        assert len(edits) <= MAX_EDITS
        assert parse_edits(format_edits(edits)) == edits


@given(st.text(alphabet="<>= SEARCHREPLACE\n\rab`", max_size=400))
def test_any_text_parses_or_is_refused_with_a_reason(reply: str) -> None:
    try:
        edits = parse_edits(reply)
    except EditError:
        return
    assert edits


def test_blocks_are_found_among_prose_and_fences() -> None:
    reply = (
        "Idea: better pi.\n\n```python\n"
        + block("    return 3.14 * r * r", "    return math.pi * r * r")
        + "```\nand\n```\n"
        + block("    return 2 * x", "    return 2.0 * x")
        + "```\n"
    )
    assert has_edits(reply)
    after = apply(FREE, reply)
    assert after == FREE.replace("3.14 * r * r", "math.pi * r * r").replace("2 * x\n", "2.0 * x\n")


def test_a_reply_with_windows_line_ends_applies() -> None:
    reply = block("    return 2 * x", "    return 2.0 * x").replace("\n", "\r\n")
    assert apply(FREE, reply) == FREE.replace("return 2 * x", "return 2.0 * x")


def test_marker_lengths_may_differ_from_the_usual_and_from_each_other() -> None:
    reply = "<<<<<<<<< SEARCH\n    return 2 * x\n=======\n    return 3 * x\n>>>>>>>>> REPLACE"
    assert apply(FREE, reply) == FREE.replace("return 2 * x", "return 3 * x")


@pytest.mark.parametrize(
    "search",
    [
        "    return 2 * x   ",  # trailing space
        "return 2 * x",  # lost indentation
        "        return 2 * x",  # too much
        "    return  2*x".replace("2*x", "2 * x"),  # inner space
        "\n    return 2 * x\n",  # blank lines around
        "```python\n    return 2 * x\n```",  # fences inside
    ],
)
def test_white_space_and_wrapping_do_not_prevent_a_match(search: str) -> None:
    indent = re.search(r"( *)return", search)
    replace = (indent[1] if indent else "") + "return 5 * x"
    assert apply(FREE, block(search, replace)) == FREE.replace("return 2 * x", "return 5 * x")


def test_a_replacement_takes_over_the_shift_of_its_search() -> None:
    reply = block("x = r\nreturn 2 * x", "x = r\nif x:\n    x += 1\n\nreturn 2 * x")
    assert apply(FREE, reply) == FREE.replace(
        "    return 2 * x", "    if x:\n        x += 1\n\n    return 2 * x"
    )


def test_context_lines_keep_the_programs_own_white_space() -> None:
    text = "def f():\n\treturn 1   \n\nx = 2\n"
    assert apply(text, block("\treturn 1\n\nx = 2", "\treturn 1\n\nx = 3")) == text.replace("2", "3")


def test_an_ambiguous_block_is_refused_with_the_lines_it_may_mean() -> None:
    with pytest.raises(EditError, match=r"block 1: .*occur 2 times \(lines 9, 14\); add lines"):
        apply(FREE, block("    x = r", "    x = r + 1"))


def test_a_block_that_matches_nothing_shows_what_is_nearest() -> None:
    with pytest.raises(EditError) as caught:
        apply(FREE, block("def area(r):", "def area(q):") + block("    return 3.0 * r * r", "    return 1"))
    assert "block 1" not in str(caught.value)
    assert "block 2: its SEARCH lines are not in the program" in str(caught.value)
    assert "nearest are lines 3-7 of program.py:" in str(caught.value)
    assert "    return 3.14 * r * r" in str(caught.value)
    assert caught.value.may_correct


def test_every_failing_block_is_named() -> None:
    with pytest.raises(EditError, match=r"(?s)block 1: .*block 3: "):
        apply(FREE, block("one()", "1") + block("def width(r):", "def width(q):") + block("qqqqqq", "2"))


def test_blocks_refer_to_the_program_as_shown_and_not_to_each_other() -> None:
    reply = block("def area(r):", "def volume(r):") + block("def volume(r):", "def area(r):")
    assert apply(FREE, reply).count("def volume(r):\n    return 3.14") == 1


def test_blocks_may_share_context_but_not_changed_lines() -> None:
    shared = block("def width(r):\n    x = r", "def width(q):\n    x = r") + block(
        "    x = r\n    return 2 * x", "    x = r\n    return x"
    )
    assert "def width(q):\n    x = r\n    return x\n" in apply(FREE, shared)
    clash = block("    return 2 * x", "    return 3 * x") + block("    return 2 * x", "    return 4 * x")
    with pytest.raises(EditError, match="block 2: another block changes line 15 too"):
        apply(FREE, clash)


def test_the_same_block_twice_counts_once() -> None:
    once = block("    return 2 * x", "    return 3 * x")
    assert apply(FREE, once + once) == apply(FREE, once)


def test_a_block_can_delete_and_insert() -> None:
    assert apply(FREE, "<<<<<<< SEARCH\nimport math\n=======\n>>>>>>> REPLACE") == FREE.removeprefix(
        "import math\n"
    )
    assert apply(FREE, block("import math", "import math\nimport sys")).startswith(
        "import math\nimport sys\n\n"
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("no block at all", "no SEARCH/REPLACE block"),
        ("<<<<<<< SEARCH\na\n=======\nb\n", "block 1 is not closed"),
        (
            "<<<<<<< SEARCH\na\n=======\nb\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE",
            "block 1 is not closed",
        ),
        ("<<<<<<< SEARCH\na\n>>>>>>> REPLACE", "block 1 has no line `=======`"),
        (block("a", "b") * (MAX_EDITS + 1), f"more than {MAX_EDITS}"),
        (block("import math", "import math"), "leaves the program as it was"),
        ("<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE", "SEARCH is empty"),
    ],
)
def test_unusable_replies_are_refused_with_the_reason(reply: str, reason: str) -> None:
    with pytest.raises(EditError, match=re.escape(reason)):
        apply(FREE, reply)


@pytest.mark.parametrize("reply", ["", " \n\t\n", "x" * (MAX_REPLY_CHARS + 1)])
def test_an_empty_or_huge_reply_is_not_worth_a_second_question(reply: str) -> None:
    with pytest.raises(EditError) as caught:
        parse_edits(reply)
    assert not caught.value.may_correct


def test_a_megabyte_of_openings_is_refused_quickly() -> None:
    with pytest.raises(EditError):
        parse_edits("<<<<<<< SEARCH\n" * (MAX_REPLY_CHARS // 15))


def test_a_program_cannot_grow_without_bound() -> None:
    with pytest.raises(EditError, match="grew to"):
        apply(FREE, block("import math", "x = 1\n" * (MAX_PROGRAM_CHARS // 6)))


def test_only_the_evolve_block_changes() -> None:
    after = apply(MARKED, block("STEP = 0.5", "STEP = 0.7"))
    assert after == MARKED.replace("0.5", "0.7")


def test_frozen_lines_may_be_quoted_as_context() -> None:
    reply = block(
        "LIMIT = 3\n# EVOLVE-BLOCK-START\nSTEP = 0.5", "LIMIT = 3\n# EVOLVE-BLOCK-START\nSTEP = 0.9"
    )
    assert apply(MARKED, reply) == MARKED.replace("0.5", "0.9")


def test_a_frozen_copy_of_the_line_does_not_make_it_ambiguous() -> None:
    text = MARKED.replace("STEP = 0.5", "LIMIT = 3")
    assert apply(text, block("LIMIT = 3", "LIMIT = 4")).split("\n")[4] == "LIMIT = 4"


@pytest.mark.parametrize(
    "reply",
    [
        block("import math", "import os"),
        block("    return grow(LIMIT)", "    return 1e9"),
        block("# EVOLVE-BLOCK-END", "x = 1"),
        block("    return x + STEP\n# EVOLVE-BLOCK-END", "    return x"),
        block("# EVOLVE-BLOCK-START\nSTEP = 0.5", "STEP = 0.5\n# EVOLVE-BLOCK-START"),
        block("STEP = 0.5", "STEP = 0.5\n# EVOLVE-BLOCK-END\nx = 1\n# EVOLVE-BLOCK-START"),
        block("STEP = 0.5", "STEP = 0.5\n# EVOLVE-BLOCK-START"),
    ],
)
def test_no_edit_touches_frozen_text(reply: str) -> None:
    with pytest.raises(EditError):
        apply(MARKED, reply)


@given(TEXTS, TEXTS)
def test_whatever_applies_keeps_the_frozen_text(old: str, new: str) -> None:
    head, tail = (
        MARKED.split("STEP = 0.5", maxsplit=1)[0],
        "# EVOLVE-BLOCK-END" + MARKED.split("# EVOLVE-BLOCK-END")[1],
    )
    try:
        after = apply_edits(program(f"{head}{old}\n{tail}"), diff_edits(f"{head}{old}", f"{head}{new}"))
    except EditError:
        return
    assert after.text.startswith(head)
    assert after.text.endswith(tail)


def test_an_unmarked_file_beside_a_marked_one_is_frozen() -> None:
    both = program(MARKED, util="def help():\n    return 1\n")
    with pytest.raises(EditError, match=r"frozen text \(util.py, line 2\)"):
        apply_edits(both, parse_edits(block("    return 1", "    return 2")))


def test_a_block_goes_to_the_file_named_above_it() -> None:
    both = program("x = 1\n", lib__util="x = 1\n")
    after = apply_edits(both, parse_edits(block("x = 1", "x = 2", head="### `lib/util.py`\n```python\n")))
    assert dict(after.files) == {"program.py": "x = 1\n", "lib/util.py": "x = 2\n"}
    with pytest.raises(EditError, match="occur 2 times"):
        apply_edits(both, parse_edits(block("x = 1", "x = 2")))


def test_a_block_without_a_name_is_looked_for_in_every_file() -> None:
    both = program("x = 1\n", lib__util="y = 1\n")
    after = apply_edits(both, (Edit(("y = 1",), ("y = 2",)), Edit(("x = 1",), ("x = 3",), path="unknown.py")))
    assert dict(after.files) == {"program.py": "x = 3\n", "lib/util.py": "y = 2\n"}

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.programs.rewrites import apply_rewrite, code_blocks, restore_frozen
from discovery.programs.search_replace import EditError
from evaluators.contract import Program
from evaluators.text.blocks import check_frozen

HEAD = "import math\n\n# EVOLVE-BLOCK-START\n"
TAIL = "# EVOLVE-BLOCK-END\n\n\ndef run():\n    return f(2)\n"
OLD = "def f(x):\n    return x\n"
NEW = "def f(x):\n    return math.sqrt(x)\n"
BASE = Program({"program.py": HEAD + OLD + TAIL})
TWO = Program({"program.py": HEAD + OLD + TAIL + "# EVOLVE-BLOCK-START\nz = 1\n# EVOLVE-BLOCK-END\n"})


def fenced(code: str, info: str = "python", mark: str = "```") -> str:
    return f"Idea: roots.\n\n{mark}{info}\n{code}{mark}\n"


def rewritten(reply: str, base: Program = BASE) -> str:
    return apply_rewrite(base, reply).text


@pytest.mark.parametrize(
    "reply",
    [
        fenced(NEW),
        fenced(NEW, ""),
        fenced(NEW, "py"),
        fenced(NEW, mark="~~~"),
        fenced(NEW, mark="`````"),
        fenced("# EVOLVE-BLOCK-START\n" + NEW + "# EVOLVE-BLOCK-END\n"),
        fenced(HEAD + NEW + TAIL),
        fenced((HEAD + NEW + TAIL).replace("math\n", "os\n").replace("f(2)", "1e9")),
        fenced((HEAD + NEW + TAIL).replace("# EVOLVE-BLOCK-START\n", "").replace("# EVOLVE-BLOCK-END\n", "")),
        fenced(NEW).replace("\n", "\r\n"),
        NEW,
        fenced("x = f(1)\n") + fenced(NEW),
        fenced(NEW) + "Use it like this:\n" + fenced("f(1)\n"),
        fenced("pip install numpy\n" * 9, "bash") + fenced(NEW),
    ],
)
def test_the_new_text_goes_between_the_markers_and_the_rest_stays(reply: str) -> None:
    assert rewritten(reply) == HEAD + NEW + TAIL


def test_without_markers_the_whole_text_is_replaced() -> None:
    assert rewritten(fenced(NEW), Program({"program.py": OLD})) == NEW


def test_a_block_inside_a_class_gets_its_indentation_back() -> None:
    text = "class A:\n    # EVOLVE-BLOCK-START\n    def f(self):\n        pass\n    # EVOLVE-BLOCK-END\n"
    after = rewritten(fenced("def g(self):\n    return 1\n"), Program({"program.py": text}))
    assert after == text.replace("def f(self):\n        pass", "def g(self):\n        return 1")


def test_a_fence_inside_the_code_does_not_cut_it_off() -> None:
    code = 'def f(x):\n    """Doc.\n\n```\nexample\n```\n"""\n    return 7\n'
    assert rewritten(fenced(code)) == HEAD + code + TAIL


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I am sorry, but I cannot help.", "no code"),
        ("Sorry", "no code"),
        ("```python\ndef f(x):\n    return", "not closed"),
        (fenced(OLD), "leaves the program as it was"),
        (fenced("# EVOLVE-BLOCK-START\n" + NEW), "EVOLVE-BLOCK"),
        (fenced(NEW + TAIL.replace("f(2)", "1e9") + HEAD.split("\n\n")[1]), "EVOLVE-BLOCK"),
        (fenced("x = 1\n# EVOLVE-BLOCK-END\nimport os\n# EVOLVE-BLOCK-START\ny = 2\n"), "EVOLVE-BLOCK"),
        (fenced("a = '''\n# EVOLVE-BLOCK-START\nb\n# EVOLVE-BLOCK-END\n'''\n" * 2), "EVOLVE-BLOCK"),
        ("", "empty"),
    ],
)
def test_replies_that_cannot_be_placed_are_refused_with_the_reason(reply: str, reason: str) -> None:
    with pytest.raises(EditError, match=re.escape(reason)):
        rewritten(reply)


def test_a_block_that_swallows_frozen_text_is_refused() -> None:
    base = Program({"program.py": HEAD + OLD + TAIL + 'y = 1  # """\n'})
    with pytest.raises(EditError, match="swallows"):
        rewritten(fenced('def f(x):\n    return 0\n\n\nD = """\n'), base)


def test_several_blocks_need_their_markers() -> None:
    with pytest.raises(EditError, match="2 EVOLVE-BLOCKs"):
        rewritten(fenced(NEW), TWO)
    both = (
        "# EVOLVE-BLOCK-START\n"
        + NEW
        + "# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\nz = 2\n# EVOLVE-BLOCK-END\n"
    )
    assert rewritten(fenced(both), TWO) == TWO.text.replace(OLD, NEW).replace("z = 1", "z = 2")


@pytest.mark.parametrize("name", ["`lib/util.py`\n", "### lib/util.py\n\n", "File: lib/util.py\n"])
def test_files_are_told_apart_by_the_name_above(name: str) -> None:
    base = Program({"program.py": "x = 1\n", "lib/util.py": "y = 1\n"})
    after = apply_rewrite(
        base, f"Idea: two.\n\n{name}```python\ny = 2\n```\n\n`program.py`\n```python\nx = 2\n```\n"
    )
    assert dict(after.files) == {"program.py": "x = 2\n", "lib/util.py": "y = 2\n"}
    after = apply_rewrite(base, "```python lib/util.py\ny = 3\n```\n")
    assert dict(after.files) == {"program.py": "x = 1\n", "lib/util.py": "y = 3\n"}


@given(
    st.lists(
        st.sampled_from(
            [
                "```",
                "```python",
                "~~~",
                "def f(x):",
                "    return 1",
                "'''",
                "EVOLVE-BLOCK-END",
                "# EVOLVE-BLOCK-START",
                "# EVOLVE-BLOCK-END",
                "",
                "import math",
                "x = 1",
            ]
        ),
        max_size=14,
    )
)
def test_whatever_the_reply_the_frozen_text_stays(lines: list[str]) -> None:
    try:
        child = apply_rewrite(BASE, "\n".join(lines))
    except EditError:
        return
    assert check_frozen(BASE, child) is None
    assert child.text.startswith(HEAD)
    assert child.text.endswith(TAIL)


@given(st.text(alphabet="`~ \nab", max_size=300))
def test_fenced_blocks_are_found_in_any_text(reply: str) -> None:
    assert all("```" not in block.text.split("\n")[0] or block.text for block in code_blocks(reply))


def test_a_broken_frozen_part_is_restored_from_the_seed() -> None:
    hacked = Program({"program.py": (HEAD + NEW + TAIL).replace("f(2)", "1e9"), "extra.py": "x = 1\n"})
    assert restore_frozen(BASE, hacked) == Program({"program.py": HEAD + NEW + TAIL})
    with pytest.raises(EditError):
        restore_frozen(TWO, hacked)
    free = Program({"program.py": OLD})
    assert restore_frozen(free, hacked) is hacked

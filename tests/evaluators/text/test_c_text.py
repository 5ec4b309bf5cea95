from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evaluators.contract import Program
from evaluators.text import c_text
from evaluators.text.blocks import check_frozen
from evaluators.text.measures import NAMES, measure_program


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in c_text.tokens(text)]


def test_tokens_by_hand():
    assert kinds('#define N 8 // n\nx->y += .5e-3f; /* a\nb */ \'c\' "d//\\"e"') == [
        ("directive", "#define N 8 // n"),
        ("name", "x"),
        ("mark", "->"),
        ("name", "y"),
        ("mark", "+="),
        ("number", ".5e-3f"),
        ("mark", ";"),
        ("comment", "/* a\nb */"),
        ("char", "'c'"),
        ("string", '"d//\\"e"'),
    ]


def test_a_directive_goes_on_after_a_backslash_and_through_a_comment():
    found = c_text.tokens("  #define A 1 \\\n + 2 /* x\n y */ + 3\nint b;")
    assert found[0].text == "#define A 1 \\\n + 2 /* x\n y */ + 3"
    assert [token.text for token in c_text.inside(found[0])] == ["#", "define", "A", "1", "+", "2", "+", "3"]
    assert [token.text for token in found[1:]] == ["int", "b", ";"]


def test_a_hash_inside_a_line_starts_no_directive():
    assert kinds("a # b") == [("name", "a"), ("mark", "#"), ("name", "b")]


@pytest.mark.parametrize(
    "text", ["/* open", '"open', "'o\nx", "#define \\", "// a \\\nb", "\\", "@$`\0", "1.2.3e+"]
)
def test_what_is_not_closed_is_still_tokens(text: str):
    assert "".join(token.text for token in c_text.tokens(text)) != ""


@given(st.text(alphabet=st.sampled_from("ab1.#\"'/*\\\n (){}[];-+=e"), max_size=60))
@example("#/*\n*/a\n#b")
@example("/**//**/#x")
def test_tokens_lie_in_order_and_only_space_is_between(text: str):
    at = 0
    for token in c_text.tokens(text):
        assert not text[at : token.start].replace("\\\n", "").strip()
        assert text[token.start : token.end] == token.text
        assert token.end > token.start
        at = token.end
    assert not text[at:].replace("\\\n", "").strip()
    c_text.words(text)


def test_words_are_equal_for_texts_that_compile_alike():
    one = "#define  N 8 // eight\nint f(void){return -3 - N;}"
    other = "/* f */\n#define N 8\nint f ( void ) {\n  return -3 - N ; }\n"
    assert c_text.words(one) == c_text.words(other)
    assert c_text.words("#define F(x) x\n") != c_text.words("#define F (x) x\n")
    assert c_text.words("a = -3 - 4;", number="0") == c_text.words("a = 5 - 40.5f;", number="0")


def test_brackets_pair():
    tokens = c_text.code("f(a[1], {2}) ]")
    assert c_text.matches(tokens) == {1: 10, 3: 5, 7: 9}


def test_measures_of_c_by_hand():
    text = """#include <math.h>
// a comment for (;;) if
static float table[4] = {1.0f, 2.0f, 3.0f, 4.0f};
float f(float x) { return x > 0 && x < 9 ? expf(x) : table[(int)-x]; }
void g(float *y, int n) {
    #pragma GCC ivdep
    for (int i = 0; i < n; i++) y[i] += f(y[i]);
}
"""
    found = measure_program(Program({"kernel.c": text}, "kernel.c"), NAMES)
    assert {name: found[name] for name in NAMES if name != "ast_nodes"} == {
        "ast_depth": 4,
        "branches": 2,
        "loops": 1,
        "constants": 8,
        "functions": 2,
        "classes": 0,
        "calls": 2,
        "comparisons": 3,
        "arithmetic": 4,
        "assignments": 3,
        "comprehensions": 0,
        "imports": 1,
        "returns": 1,
        "vector_words": 1,
        "arrays": 1,
        "code_bytes": len(text),
        "code_lines": 7,
    }
    assert found["ast_nodes"] > 50


SEED = """#include <math.h>
// EVOLVE-BLOCK-START
int a = 1;
// EVOLVE-BLOCK-END
int b = 2;
"""


@pytest.mark.parametrize("block", ["int a = 2;", "/* a */ int c = 3;", "#define A \\\n 3"])
def test_a_block_of_c_may_change(block: str):
    seed = Program({"kernel.c": SEED}, "kernel.c")
    assert check_frozen(seed, seed.with_text(SEED.replace("int a = 1;", block))) is None


@pytest.mark.parametrize("block", ["/* open", "#define A \\", 'char *s = "a\\', "int a; // b \\"])
def test_a_block_of_c_may_not_swallow_what_follows(block: str):
    seed = Program({"kernel.c": SEED}, "kernel.c")
    reason = check_frozen(seed, seed.with_text(SEED.replace("int a = 1;", block)))
    assert reason is not None
    assert "swallows" in reason

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evaluators.contract import Program
from evaluators.text import grammars
from evaluators.text.blocks import check_frozen
from evaluators.text.measures import NAMES, measure_program


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in grammars.tokens(text)]


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
    found = grammars.tokens("  #define A 1 \\\n + 2 /* x\n y */ + 3\nint b;")
    assert found[0].text == "#define A 1 \\\n + 2 /* x\n y */ + 3"
    assert [token.text for token in grammars.inside(found[0])] == [
        "#",
        "define",
        "A",
        "1",
        "+",
        "2",
        "+",
        "3",
    ]
    assert [token.text for token in found[1:]] == ["int", "b", ";"]


def test_a_hash_inside_a_line_starts_no_directive():
    assert kinds("a # b") == [("name", "a"), ("mark", "#"), ("name", "b")]


@pytest.mark.parametrize(
    "text", ["/* open", '"open', "'o\nx", "#define \\", "// a \\\nb", "\\", "@$`\0", "1.2.3e+"]
)
def test_what_is_not_closed_is_still_tokens(text: str):
    assert "".join(token.text for token in grammars.tokens(text)) != ""


@given(st.text(alphabet=st.sampled_from("ab1.#\"'/*\\\n (){}[];-+=e"), max_size=60))
@example("#/*\n*/a\n#b")
@example("/**//**/#x")
def test_tokens_lie_in_order_and_only_space_is_between(text: str):
    at = 0
    for token in grammars.tokens(text):
        assert not text[at : token.start].replace("\\\n", "").strip()
        assert text[token.start : token.end] == token.text
        assert token.end > token.start
        at = token.end
    assert not text[at:].replace("\\\n", "").strip()
    grammars.words(text)


def test_words_are_equal_for_texts_that_compile_alike():
    one = "#define  N 8 // eight\nint f(void){return -3 - N;}"
    other = "/* f */\n#define N 8\nint f ( void ) {\n  return -3 - N ; }\n"
    assert grammars.words(one) == grammars.words(other)
    assert grammars.words("#define F(x) x\n") != grammars.words("#define F (x) x\n")
    assert grammars.words("a = -3 - 4;", number="0") == grammars.words("a = 5 - 40.5f;", number="0")


def test_brackets_pair():
    tokens = grammars.read("f(a[1], {2}) ]").code
    assert grammars.matches(tokens) == {1: 10, 3: 5, 7: 9}


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


GRAMMARS = [grammars.C, grammars.CPP, grammars.CUDA, grammars.RUST]
WORST = {
    "brackets": "(", "braces": "{", "unclosed comments": "/*", "quotes": '"', "ticks": "'", "calls": "a(",
    "macros": "m!(", "less than": "a<", "templates": "template<", "raw strings": 'r#"', "raw": 'R"(',
    "directives": "#define A \\\n", "escaped": '#"\\', "conditions": "if(", "minus": "-", "lambdas": "[](){",
    "casts": "(a)", "commas": "a,", "ternaries": "a?", "hashes": "#\n", "nothing known": "@$`",
}  # fmt: skip


def work(text: str, grammar: grammars.Grammar) -> int:
    """How many calls it takes to read a text, those into libraries included (tree-sitter calls back every 100 steps)."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        grammars.read.__wrapped__(text, grammar)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda one: one.module)
@pytest.mark.parametrize("piece", WORST.values(), ids=WORST)
def test_the_work_grows_no_faster_than_the_text(piece: str, grammar: grammars.Grammar):
    work("", grammar)
    small, large = (work(piece * (size // len(piece)), grammar) for size in (500, 4_000))
    assert large < 12 * small + 500


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda one: one.module)
def test_a_name_of_40_000_letters_is_one_token(grammar: grammars.Grammar):
    [token] = grammars.read("x" * 40_000, grammar).code
    assert (token.kind, token.end) == ("name", 40_000)


def test_a_text_whose_repair_takes_too_long_is_cut_into_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grammars, "_MOST_STEPS_IN_REPAIR", 3)
    text = "m!(/* a */ " * 400
    reading = grammars.read.__wrapped__(text, grammars.C)
    assert [token.text for token in reading.code[:4]] == ["m", "!", "(", "m"]
    assert (len(reading.code), len(reading.comments), reading.stretches) == (1200, 400, ())


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda one: one.module)
@given(st.text(alphabet=st.sampled_from("ab1.#\"'/*\\\n (){}[];-+=er<>!&é"), max_size=40))
def test_every_character_but_space_is_in_one_token(grammar: grammars.Grammar, text: str):
    at = 0
    for token in grammars.tokens(text, grammar):
        assert not text[at : token.start].replace("\\\n", "").strip()
        assert text[token.start : token.end] == token.text
        at = token.end
    assert not text[at:].replace("\\\n", "").strip()


def test_a_process_that_reads_no_such_text_loads_no_grammar():
    code = (
        "import sys; import evaluators.worker, evaluators.checking.check, discovery.prompts.question\n"
        "import discovery.operators.splice, discovery.programs.rewrites, discovery.cli.main\n"
        "from discovery.programs.fingerprint import fingerprint; from evaluators.contract import Program\n"
        "fingerprint(Program({'program.py': 'x = 1'})); fingerprint(Program({'a.sql': 'select'}, 'a.sql'))\n"
        "print([name for name in sys.modules if name.startswith('tree_sitter')])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"

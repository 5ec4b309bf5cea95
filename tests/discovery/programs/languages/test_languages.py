"""What is known of each language: its files, fences, tokens, numbers, definitions, smoke check, pieces."""

from __future__ import annotations

import numpy as np
import pytest

from discovery.core import plugins
from discovery.core.errors import ConfigError
from discovery.core.types import Context, Evaluation, Individual
from discovery.operators.chat import read_child
from discovery.operators.perturb import perturb
from discovery.operators.prune import prune
from discovery.operators.splice import splice
from discovery.programs import constants
from discovery.programs.fingerprint import fingerprint, skeleton
from discovery.programs.languages import language
from discovery.programs.languages.text import PLAIN, Text
from discovery.programs.search_replace import EditError
from discovery.programs.static_checks import static_fault
from discovery.prompts.question import compose
from evaluators.contract import Program, Status
from evaluators.text.blocks import check_frozen

CPP = """#include <vector>
// EVOLVE-BLOCK-START
template <typename T>
T total(const std::vector<T> &values) {
    const int chunk = 64;
    T sum = 0; // of all
    for (const auto &value : values) sum += value * 0.25;
    if (sum > 100'000) sum = 7;
    return sum;
}

namespace inner {
class Queue {
  public:
    int size() const { return count; }

  private:
    int count = 12;
};
}
// EVOLVE-BLOCK-END
"""
CUDA = """// EVOLVE-BLOCK-START
#define TILE 32
__global__ void add(const float *x, float *y, int n) {
    __shared__ float tile[TILE];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    for (int k = 0; k < 8; k++) tile[k] = 0.125f;
    if (i < n) y[i] = x[i] + tile[0];
}
void launch(const float *x, float *y, int n) { add<<<n / 256, 256>>>(x, y, n); }
// EVOLVE-BLOCK-END
"""
RUST = """// EVOLVE-BLOCK-START
const TILE: usize = 64;

#[inline]
pub fn total<'a>(values: &'a [f32]) -> f32 {
    let mut sum: f32 = 0.0; // of all
    for value in values.iter() {
        if *value > 16.5 { sum += value * 0.25; } else { sum -= 1.5e-3; }
    }
    let text = r#"a "quoted" // no comment"#;
    match text.len() { 0 => {}, _ => sum += 2.0 }
    loop { break; }
    sum
}

impl Queue {
    fn size(&self) -> usize { self.count + 12 }
}
// EVOLVE-BLOCK-END
"""
PYTHON = "TILE = 64\n\ndef total(values):\n    return sum(values) * 0.25  # of all\n"
C = """#define TILE 64
float total(const float *x, int n) { /* of all */
    float s = 0;
    for (int i = 0; i < n; i++) s += x[i] * 0.25f;
    return s;
}
"""
TEXTS = {"a.cpp": CPP, "a.cu": CUDA, "a.rs": RUST, "a.py": PYTHON, "a.c": C}
NAMES = {
    "a.c": "C",
    "a.h": "C",
    "a.cpp": "C++",
    "a.hpp": "C++",
    "a.cu": "CUDA",
    "a.rs": "Rust",
    "a.py": "Python",
    "a.go": "Go",
    "A.java": "Java",
    "a.mjs": "JavaScript",
    "a.ts": "TypeScript",
    "a.sql": "SQL",
    "index.html": "HTML",
    "a.tex": "LaTeX",
    "a.scm": "Lisp",
    "README.md": "Markdown",
    "prompt.txt": "plain-text",
    "a.zig": "plain-text",
    "Makefile": "plain-text",
    "folder.py/a": "plain-text",
}


def program(path: str, text: str | None = None) -> Program:
    return Program({path: TEXTS[path] if text is None else text}, path)


def question(one: Program) -> str:
    parent = Individual(one, Evaluation(Status.OK, 1.0), "p1")
    context = Context("goal", "speed", "maximize", one)
    return "\n".join(message["content"] for message in compose("rewrite", (parent,), context))


@pytest.mark.parametrize(("path", "name"), NAMES.items())
def test_a_file_is_in_the_language_of_its_ending(path: str, name: str):
    assert language.of(path).name == name


@pytest.mark.parametrize("path", TEXTS)
def test_comments_and_space_do_not_count_but_everything_else_does(path: str):
    one = program(path)
    other = one.with_text(one.text.replace("of all", "of nothing").replace(" * ", "  *  "))
    assert other.text != one.text
    assert fingerprint(other) == fingerprint(one)
    assert fingerprint(one.with_text(one.text.replace("(", "(q, ", 1))) != fingerprint(one)


@pytest.mark.parametrize("path", [path for path in TEXTS if path != "a.cu"])
def test_numbers_count_but_not_in_the_skeleton(path: str):
    one = program(path)
    other = one.with_text(one.text.replace("0.25", "0.75"))
    assert fingerprint(other) != fingerprint(one)
    assert skeleton(other) == skeleton(one)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.c", [64, 0.25]),
        ("a.cpp", [64, 0.25, 7, 12]),
        ("a.cu", [32, 0.125, 256]),
        ("a.rs", [64, 16.5, 0.25, 0.0015, 12]),
        ("a.py", [64, 0.25]),
    ],
)
def test_what_may_be_tuned(path: str, expected: list[float]):
    assert [one.value for one in constants.find(program(path))] == expected


def test_other_values_keep_the_suffix_of_a_rust_number():
    one = program("a.rs", "const A: u32 = 64u32;\nconst B: f32 = 0.25_f32 + 0.125f32;\n")
    assert constants.replace(one, [32, 0.5]).text.startswith("const A: u32 = 32u32;\n")
    assert "0.5f32" in constants.replace(one, [32, 0.5]).text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.c", {"total"}),
        ("a.cpp", {"total", "size"}),
        ("a.cu", {"add", "launch"}),
        ("a.rs", {"total", "size"}),
        ("a.py", {"TILE", "total"}),
        ("a.zig", set()),
    ],
)
def test_definitions(path: str, expected: set[str]):
    text = TEXTS.get(path, "fn total() f32 { return 1; }")
    assert {one.name for one in language.of(path).definitions(text)} == expected


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.cpp", "return sum;", "return (sum;"),
        ("a.cu", "tile[0]", "tile[0"),
        ("a.rs", "sum\n}", "sum\n"),
        ("a.py", "return", "return ("),
    ],
)
def test_a_smoke_check_sees_what_is_certain_to_fail(path: str, before: str, after: str):
    one = program(path)
    assert language.of(path).fault(one.text) is None
    child = one.with_text(one.text.replace(before, after, 1))
    assert static_fault(one, child) is not None
    assert static_fault(child, child) is None or path == "a.py"  # the first program has it too


def test_a_bracket_in_a_text_or_comment_is_none():
    rust = "fn f<'a>(x: &'a str) -> char { let c = '('; let s = \"[\"; /* { /* } */ */ ')' }\n"
    assert language.of("a.rs").fault(rust) is None
    assert language.of("a.cpp").fault('auto s = R"x(})x"; // {\n') is None


@pytest.mark.parametrize("path", ["a.cpp", "a.cu", "a.rs", "a.c"])
def test_operators_without_a_model_make_children_that_differ_and_pair_their_brackets(path: str):
    one = program(path)
    known = language.of(path)
    for operator in (perturb, prune):
        made = [operator(one, np.random.default_rng([1, i])) for i in range(40)]
        texts = {child.text for child in made if child is not None}
        assert len(texts) > 4, operator
        assert all(known.fault(text) is None for text in texts)
        assert all(check_frozen(one, one.with_text(text)) is None for text in texts)


def test_statements_of_rust_are_pieces():
    one = program("a.rs")
    texts = {child.text for i in range(200) if (child := prune(one, np.random.default_rng([2, i])))}
    assert any("for value" not in text and "loop" in text for text in texts)
    assert any("{ sum += value * 0.25; }\n    }" in text and "else" not in text for text in texts)
    assert any("fn size" not in text for text in texts)


def test_pieces_of_another_program_come_in():
    first = program("a.rs")
    second = first.with_text(RUST.replace("loop { break; }", "while sum > 9.5 { sum /= 3.0; }"))
    texts = {child.text for i in range(60) if (child := splice(first, second, np.random.default_rng([3, i])))}
    assert any("loop { sum /= 3.0; }" in text for text in texts)
    assert all(language.of("a.rs").fault(text) is None for text in texts)


def test_operators_without_a_model_leave_plain_text_alone():
    text = "x = 1\nif x > 2:\n    x = 3.5\n"  # would be Python
    one = program("prompt.txt", text)
    rng = np.random.default_rng(1)
    assert perturb(one, rng) is None
    assert prune(one, rng) is None
    assert splice(one, program("prompt.txt", text.replace("3.5", "4.5")), rng) is None
    assert constants.find(one) == ()
    assert static_fault(one, program("prompt.txt", "def (")) is None


@pytest.mark.parametrize(("path", "name"), NAMES.items())
def test_questions_name_the_language_and_never_another(path: str, name: str):
    told = question(program(path, TEXTS.get(path, "some words\n")))
    article = "an" if name == "HTML" else "a"
    assert f"You improve {article} {name} program" in told
    assert f"in one fenced {name} block" in told
    assert f"```{language.of(path).fences[0]}\n" in told
    if name != "Python":
        assert "ython" not in told


@pytest.mark.parametrize("path", NAMES)
def test_the_fences_of_a_language_are_read_and_others_are_not(path: str):
    one = program(path, "old words\n")
    for word in ("", *language.of(path).fences):
        assert read_child("rewrite", one, f"Idea: x.\n\n```{word}\nnew words\n```\n").text == "new words\n"
    if language.of(path).name != "Python":
        with pytest.raises(EditError):
            read_child("rewrite", one, "```python\nprint(1)\n```\n")
    with pytest.raises(EditError):
        read_child("rewrite", one, "```brainfuck\n+++\n```\n")


def test_prose_without_a_fence_is_no_text_in_a_language_of_which_nothing_is_known():
    with pytest.raises(EditError, match="no code"):
        read_child("rewrite", program("a.sql", "select 1;\n"), "I would select 2 instead.")


def test_two_packages_may_not_claim_an_ending(monkeypatch: pytest.MonkeyPatch):
    both = {"one": PLAIN, "two": Text("Two", (".two", ""), ("two",))}
    monkeypatch.setattr(plugins, "load", lambda group: both)
    with pytest.raises(ConfigError, match="belong to two languages: plain-text and Two"):
        language._endings.__wrapped__()


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize(
    "text", ["", "\0", "é→\ud800", "{" * 400, "}" * 400, "/*", '"', "fn", "#", "a\r\nb", "'"]
)
def test_nothing_fails_on_foreign_text(path: str, text: str):
    known = language.of(path)
    one = program(path, text)
    known.tokens(text)
    known.numbers(text)
    known.definitions(text)
    known.fault(text)
    fingerprint(one)
    for operator in (perturb, prune):
        operator(one, np.random.default_rng(1))

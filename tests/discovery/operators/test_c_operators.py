"""The operators that need no model, on C programs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from discovery.core.types import Context, Evaluation, Individual
from discovery.operators.c import loops as c_loops
from discovery.operators.chat import read_child
from discovery.operators.perturb import perturb
from discovery.operators.prune import prune
from discovery.operators.splice import splice
from discovery.programs import constants
from discovery.programs.fingerprint import fingerprint, skeleton
from discovery.programs.languages import language
from discovery.programs.languages.statements import Source
from discovery.programs.search_replace import EditError
from discovery.prompts.question import compose
from evaluators.contract import Program, Status
from evaluators.text import grammars
from evaluators.text.blocks import check_frozen, editable

GCC = shutil.which("gcc")

SOFTMAX = """#include <math.h>
#include <stdint.h>
// EVOLVE-BLOCK-START
#define CHUNK 64

static double largest_of(const float *x, int64_t n) {
    double largest = -INFINITY;
    for (int64_t j = 0; j < n; j++)
        if (x[j] > largest) largest = x[j];
    return largest;
}

void softmax(const float *x, float *y, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++) {
        double largest = largest_of(x + i * cols, cols);
        double sum = 0.0; // of what follows
        for (int64_t j = 0; j < cols; j++) {
            double e = exp((double)x[i * cols + j] - largest);
            sum += e;
        }
        for (int64_t j = 0; j < cols; j++)
            y[i * cols + j] = exp(x[i * cols + j] - largest) / sum + 0.25 * 0.0;
    }
}
// EVOLVE-BLOCK-END
"""

OTHER = """#include <math.h>
#include <stdint.h>
// EVOLVE-BLOCK-START
#define CHUNK 128

void softmax(const float *x, float *y, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++) {
        float largest = x[i * cols], sum = 0;
        for (int64_t j = 0; j < cols; j++) largest = fmaxf(largest, x[i * cols + j]);
        for (int64_t j = 0; j < cols; j++) sum += y[i * cols + j] = expf(x[i * cols + j] - largest);
        for (int64_t j = 0; j < cols; j++) y[i * cols + j] /= sum;
    }
}
// EVOLVE-BLOCK-END
"""

MATMUL = """#include <stdint.h>
// EVOLVE-BLOCK-START
void matmul(const float *a, const float *b, float *c, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            float sum = 0;
            for (int64_t k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
            c[i * n + j] = sum;
        }
}
// EVOLVE-BLOCK-END
"""


def kernel(text: str) -> Program:
    return Program({"kernel.c": text}, "kernel.c")


def children(make: Callable[[np.random.Generator], Program | None], count: int) -> list[str]:
    found = (make(np.random.default_rng([3, i])) for i in range(count))
    return list(dict.fromkeys(child.text for child in found if child is not None))


def faults(texts: list[str]) -> list[str]:
    """What gcc has against them."""
    if GCC is None:
        pytest.skip("gcc is not installed")
    command = [GCC, "-fsyntax-only", "-std=gnu11", "-x", "c", "-"]
    runs = (subprocess.run(command, input=text.encode(), capture_output=True, check=False) for text in texts)
    return [run.stderr.decode() for run in runs if run.returncode]


class TestFingerprint:
    def test_comments_and_space_do_not_count(self):
        other = (
            SOFTMAX.replace("// of what follows", "/* sum */")
            .replace("    ", "\t")
            .replace("sum += e", "sum+=e")
        )
        assert fingerprint(kernel(other)) == fingerprint(kernel(SOFTMAX))

    def test_numbers_count_but_not_in_the_skeleton(self):
        other = kernel(SOFTMAX.replace("0.25", "-0.5").replace("CHUNK 64", "CHUNK 32"))
        assert fingerprint(other) != fingerprint(kernel(SOFTMAX))
        assert skeleton(other) == skeleton(kernel(SOFTMAX))
        assert skeleton(kernel(OTHER)) != skeleton(kernel(SOFTMAX))


class TestConstants:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("#define TILE 64", [64]),
            ("#define F(x) ((x) * 64)", []),
            ("enum { UNROLL = 8, LAST };", [8]),
            ("const int chunk = 128, more = 2;", [128]),
            ("#pragma GCC unroll 4\n", [4]),
            ("#pragma pack(4)\n", []),
            ("float table[256] = {17, 18, 19};", []),
            ("void f(int n) { if (n < 16) g(n + 32u); }", [16, 32]),
            ("void f(int n) { for (int i = 0; i + 8 < n; i += 8) g(i << 4, i & 15, i % 7); }", []),
            ("int f(void) { return 0x40 + 010 + 2; }", []),
            ("__attribute__((aligned(64))) int a;", []),
            ("float c = 0.125f, d = -1.5e-3, e = 1.0f, f = 0.5, g = 1e9f;", [0.125, -0.0015]),
            ("float f(float x) { return x-0.125f; }", [0.125]),
            ('// 64\n/* 3.5 */ char *s = "64";', []),
        ],
    )
    def test_what_may_be_tuned(self, text: str, expected: list[float]):
        assert [one.value for one in constants.find(kernel(text))] == expected

    def test_frozen_numbers_may_not(self):
        text = "#define A 64\n// EVOLVE-BLOCK-START\n#define B 32\n// EVOLVE-BLOCK-END\n#define C 16\n"
        assert [(one.value, one.line, one.col) for one in constants.find(kernel(text))] == [(32, 3, 10)]

    def test_new_values_keep_the_rest_and_sizes_stay_positive(self):
        text = "#define TILE 64u // tile\nfloat f(float x) { return x-0.125f; }\n"
        child = constants.replace(kernel(text), [-3.0, -0.25])
        assert child.text == "#define TILE 1u // tile\nfloat f(float x) { return x- -0.25f; }\n"
        assert constants.replace(kernel(text), [64, 0.125]).text == text
        assert skeleton(child) == skeleton(kernel(text))


class TestSyntax:
    def test_statements_by_hand(self):
        text = "int a;\nvoid f(int n) {\n if (n) g(); else { h(); }\n do n--; while (n);\n x: for (;;) #pragma p\n;\n}\n"
        source = Source("k.c", text, (), grammars.C)
        [declaration, function] = source.top
        assert (declaration.kind, function.kind, source.function_name(function)) == (
            "declaration",
            "function",
            "f",
        )
        assert [(one.kind, source.segment(one)) for one in function.parts[:3]] == [
            ("if", "if (n) g(); else { h(); }"),
            ("do", "do n--; while (n);"),
            ("label", "x:"),
        ]

    @pytest.mark.parametrize(
        "text", ["do", "{ do }", "if (a) else", "for (", "} } {", "case", "x ?", "else else", "# a"]
    )
    def test_nonsense_is_statements_too(self, text: str):
        source = Source("k.c", text, (), grammars.C)
        assert source.top[-1].last <= len(source.tokens)
        for piece in Source("k.c", text, editable(kernel(text))["kernel.c"], grammars.C).statements:
            assert source.segment(piece)

    def test_deep_brackets_do_not_overflow(self):
        text = "void f(void) " + "{" * 3000 + "}" * 3000
        assert prune(kernel(text), np.random.default_rng(1)) is not None


class TestPrune:
    def test_some_children_by_hand(self):
        text = "void f(float *y, int n) {\n    y[0] = 1;\n    if (n > 3) y[1] = expf((float)n) + 2;\n}\n"
        found = {
            child.replace("void f(float *y, int n) ", "")
            for child in children(lambda rng: prune(kernel(text), rng), 150)
        }
        assert {
            "{\n    if (n > 3) y[1] = expf((float)n) + 2;\n}\n",
            "{\n    y[0] = 1;\n}\n",
            "{\n    y[0] = 1;\n    y[1] = expf((float)n) + 2;\n}\n",
            "{\n    y[0] = 1;\n    if (n > 3) ;\n}\n",
            "{\n    y[0] = 1;\n    if (n > 3) y[1] = expf((float)n);\n}\n",
            "{\n    y[0] = 1;\n    if (n > 3) y[1] = expf(n) + 2;\n}\n",
            "{\n    y[0] = 1;\n    if (n > 3) y[1] = ((float)n) + 2;\n}\n",
        } <= found

    def test_declarations_in_use_stay(self):
        found = children(lambda rng: prune(kernel(SOFTMAX), rng), 120)
        assert len(found) > 20
        assert len(faults(found[:30])) <= 2
        assert all("double sum" in child or "sum += e" not in child for child in found)

    def test_an_unused_function_goes(self):
        text = "static int g(int x) { return x; }\nvoid f(int *y) { *y = 1; }\n"
        assert "void f(int *y) { *y = 1; }\n" in children(lambda rng: prune(kernel(text), rng), 60)


class TestPerturb:
    @pytest.mark.parametrize("text", [SOFTMAX, MATMUL])
    def test_children_keep_what_is_frozen_and_most_compile(self, text: str):
        found = children(lambda rng: perturb(kernel(text), rng), 80)
        assert len(found) >= 25
        assert all(check_frozen(kernel(text), kernel(child)) is None for child in found)
        assert len(faults(found[:25])) <= 3

    def test_loops_are_exchanged(self):
        text = "void f(void) { for (int i = 0; i < n; i++) { for (int j = 0; j < m; j++) g(i, j); } }"
        start, end, new = changed(c_loops.interchange, text)
        assert text[:start] + new + text[end:] == (
            "void f(void) { for (int j = 0; j < m; j++) { for (int i = 0; i < n; i++) g(i, j); } }"
        )

    def test_loops_are_fused_and_split(self):
        text = "void f(void) { for (int i = 0; i < n; i++) a[i] = 1; for (int i = 0;i < n;i++) { b[i] = a[i]; } }"
        assert changed(c_loops.fuse, text.replace("i = 0;i < n;i++", "i = 0; i < n; i++"))[2].split() == (
            [
                "for",
                "(int",
                "i",
                "=",
                "0;",
                "i",
                "<",
                "n;",
                "i++)",
                "{",
                "a[i]",
                "=",
                "1;",
                "b[i]",
                "=",
                "a[i];",
                "}",
            ]
        )
        text = "void f(void) { for (int i = 0; i < n; i++) { float t = 2; a[i] = t; b[i] = 1; } }"
        head = "for (int i = 0; i < n; i++)"
        assert (
            changed(c_loops.split, text)[2].split()
            == f"{head} {{ float t = 2; a[i] = t; }} {head} {{ b[i] = 1; }}".split()
        )

    def test_loops_are_cut_into_strips_that_can_be_tuned(self):
        text = "void f(long n) { for (long i = 0; i < n; i++) a[i] = 1; }"
        start, end, new = changed(c_loops.strip, text)
        child = text[:start] + new + text[end:]
        length = next(number for number in c_loops.STRIPS if f"ii += {number}" in child)
        assert f"for (long i = ii; i < (ii + {length} < n ? ii + {length} : n); i++) a[i] = 1;" in child

    def test_precision_is_lowered_in_a_whole_function(self):
        found = children(lambda rng: perturb(kernel(SOFTMAX), rng), 300)
        assert any(
            "float sum = 0.0f;" in child
            and "expf((float)x" in child
            and "double" not in child[child.index("softmax") :]
            for child in found
        )


def changed(mode: Callable[..., c_loops.Edit | None], text: str) -> c_loops.Edit:
    edit = mode(language.sources(kernel(text))[0], np.random.default_rng(0))
    assert edit is not None
    return edit


class TestSplice:
    def test_pieces_of_the_other_come_in_where_their_names_are_known(self):
        found = children(lambda rng: splice(kernel(SOFTMAX), kernel(OTHER), rng), 60)
        assert any("#define CHUNK 128" in child and "largest_of" in child for child in found)
        assert any(
            "float largest = x[i * cols], sum = 0;" in child and "#define CHUNK 64" in child
            for child in found
        )
        assert all(check_frozen(kernel(SOFTMAX), kernel(child)) is None for child in found)
        assert len(faults(found)) <= len(found) // 4

    def test_programs_that_differ_in_numbers_exchange_some_of_them(self):
        other = SOFTMAX.replace("CHUNK 64", "CHUNK 32").replace("0.25", "0.75")
        found = children(lambda rng: splice(kernel(SOFTMAX), kernel(other), rng), 30)
        one, another = SOFTMAX.replace("CHUNK 64", "CHUNK 32"), SOFTMAX.replace("0.25", "0.75")
        assert set(found) == {one, another}


class TestModels:
    def test_prompts_speak_of_c(self):
        parent = Individual(kernel(SOFTMAX), Evaluation(Status.OK, 1.0), "p1")
        context = Context("goal", "speedup", "maximize", kernel(SOFTMAX))
        system, user = compose("rewrite", (parent,), context)
        assert "You improve a C program" in system["content"]
        assert (
            "`void softmax(const float *x, float *y, int64_t rows, int64_t cols)` callable as it is"
            in system["content"]
        )
        assert "largest_of(" not in system["content"]
        assert "```c\n#include <math.h>" in user["content"]
        assert "in one fenced C block" in user["content"]
        assert "ython" not in system["content"] + user["content"]

    def test_a_rewrite_in_c_is_read(self):
        block = OTHER.split("// EVOLVE-BLOCK-START\n")[1].split("// EVOLVE-BLOCK-END", maxsplit=1)[0]
        child = read_child("rewrite", kernel(SOFTMAX), f"Idea: faster.\n\n```c\n{block}```\n")
        assert child.text == OTHER
        assert read_child("rewrite", kernel(SOFTMAX), f"```cpp\n{OTHER}```\n").text == OTHER

    def test_a_python_block_is_no_c(self):
        with pytest.raises(EditError):
            read_child("rewrite", kernel(SOFTMAX), "```python\nprint(1)\n```\n")

    def test_a_fragment_in_place_of_a_diff_is_refused(self):
        with pytest.raises(EditError, match="largest_of"):
            read_child("diff", kernel(SOFTMAX), f"```c\n{OTHER}```\n")

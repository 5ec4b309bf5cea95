"""What is said of a kernel's text: by the compiler, and by the rules."""

from evaluators.contract import Program
from evaluators.kernels import feedback
from evaluators.kernels.rules import find_forbidden
from tests.evaluators.kernels.test_tolerance import make_task

LOG = """kernel.c: In function 'softmax':
kernel.c:8:48: warning: unused variable 'q' [-Wunused-variable]
    8 |   int q;
      |       ^
kernel.c:9:3: error: 't' undeclared (first use in this function)
    9 |   t = 1;
      |   ^
kernel.c:9:3: note: each undeclared identifier is reported only once
kernel.c:12:27: optimized: loop vectorized using 64 byte vectors
kernel.c:14:27: optimized: loop vectorized using 32 byte vectors
"""


def test_errors_come_first_with_the_lines_they_point_at():
    words = feedback.compiler_errors(LOG)
    assert words.startswith("kernel.c:9:3: error: 't' undeclared")
    assert "9 |   t = 1;" in words
    assert "note" not in words
    assert words.index("error") < words.index("warning")


def test_remarks_are_warnings_and_vectorised_loops():
    words = feedback.compiler_remarks(LOG)
    assert "unused variable" in words
    assert "64 byte vectors" in words
    assert "error" not in words
    assert feedback.vectorised_loops(LOG) == 2


def test_the_linker_is_heard():
    words = feedback.compiler_errors(
        "/usr/bin/ld: /tmp/x.o: undefined reference to `cblas_sgemm'\ncollect2: error"
    )
    assert "cblas_sgemm" in words


def test_a_flood_of_errors_is_cut_and_made_harmless():
    words = feedback.compiler_errors(
        "".join(f"kernel.c:{n}:1: error: ```\x1b[31m{'x' * 99}\n" for n in range(999))
    )
    assert len(words) < 2000
    assert "```" not in words
    assert "\x1b" not in words


TASK = make_task(forbidden=("matmul", "dot"))


def find(text, file="kernel.py"):
    return find_forbidden(Program({file: text}, file), TASK)


def test_forbidden_names_are_found_where_they_are_used():
    assert "uses matmul" in find("import numpy as np\nnp.matmul(a, b)\n")
    assert "uses matmul" in find("c = a @ b\n")
    assert "uses dot" in find("from numpy import dot as d\n")
    assert "uses dot" in find("getattr(np, 'dot')(a, b)\n")
    assert "uses dot" in find("def broken(:\n  dot(a)\n")
    assert "uses dot" in find("void f() { dot(a); }", "kernel.c")


def test_words_about_them_are_not():
    assert find('"""No dot here."""\n# nor matmul\ndotted = 1\n') == ""
    assert find("// dot\n/* matmul */ int dots;", "kernel.c") == ""

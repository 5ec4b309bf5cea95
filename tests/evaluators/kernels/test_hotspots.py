"""Where a kernel spends its instructions: callgrind's report, and a real one where valgrind is."""

import shutil
from contextlib import closing

import pytest

from evaluators.contract import Limits, Program
from evaluators.kernels import hotspots
from evaluators.kernels.bench.client import Bench
from evaluators.problems.loading import load_problem
from tests.evaluators.kernels.tasks import SOFTMAX, quick_judge, write_problem
from tests.evaluators.kernels.test_tolerance import make_task

PROGRAM = Program({"kernel.c": "int a;\nint b;\nint hot;\n", "more.h": "int c;\n"}, "kernel.c")
REPORT = """# callgrind format
version: 1
positions: line
events: Ir
summary: 1000

fl=/scratch/kernel.c
fn=work
1 50
3 500
cfn=exp
calls=7 0
3 400
fi=/scratch/more.h
1 100
fe=/scratch/kernel.c
3 50
9999 10

fl=./math/e_exp.c
fn=exp'2
77 290
"""

needs_valgrind = pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")


def test_lines_have_their_own_instructions_and_not_those_of_what_they_call():
    assert hotspots.describe(REPORT, PROGRAM).splitlines() == [
        "hot spots, by share of instructions:",
        " 55% kernel.c:3: int hot;",
        " 29% in exp, a library's",
        " 10% more.h:1: int c;",
        "  5% kernel.c:1: int a;",
    ]


@pytest.mark.parametrize("report", ["", "fl=kernel.c\nfn=f\n1 x\n-3 7\n", "1 99999999999999999999999999 5\n"])
def test_a_report_that_is_none_says_nothing(report):
    assert hotspots.describe(report, PROGRAM) == ""


def test_a_report_is_made_harmless_and_short():
    forged = f"fn={'x' * 5000}\x1b[31m```\n1 100\n" + "".join(f"fn=f{i}\n1 100\n" for i in range(8))
    words = hotspots.describe(forged, PROGRAM)
    assert len(words) < 400
    assert "\x1b" not in words


def test_the_driver_reads_inputs_and_calls_the_kernel():
    task = make_task()
    text = hotspots.driver(task, "kernel.c", {"n": 3}, {})
    assert '#include "kernel.c"' in text
    assert "fread(x, sizeof(float), 3, discovery_file)" in text
    assert "int64_t n = 3;" in text
    assert "total(x, y, n);" in text


def test_where_valgrind_is_missing_nothing_is_said():
    problem = load_problem("softmax")
    with closing(Bench("c", limits=Limits())) as bench:
        bench.valgrind = ""
        assert hotspots.find(bench, problem.seed, problem.kernel) == ""
        assert bench.profile("softmax", []) == ""


@needs_valgrind
def test_a_kernel_s_hottest_line_is_found_in_the_locks():
    problem = load_problem("csr_spmv")
    with closing(Bench("c", limits=Limits())) as bench:
        words = hotspots.find(bench, problem.seed, problem.kernel)
    first = words.splitlines()[1]
    assert "middle = (low + high) / 2" in first
    assert "% kernel.c:" in first


@needs_valgrind
def test_a_kernel_that_ends_in_the_driver_has_no_hot_spots():
    problem = load_problem("histogram")
    text = problem.seed.text.replace("for (", "_exit(3);\n  for (", 1)
    leaving = Program({"kernel.c": f"#include <unistd.h>\n{text}"}, "kernel.c")
    with closing(Bench("c", limits=Limits())) as bench:
        assert hotspots.find(bench, leaving, problem.kernel) == ""


@needs_valgrind
def test_only_the_fastest_are_profiled(tmp_path):
    problem = write_problem(tmp_path, SOFTMAX, "softmax")
    slow = problem.seed.text.replace(
        "float m = -INFINITY, s = 0;",
        "float m = -INFINITY, s = 0;\n    volatile int w = 0; for (int k = 0; k < 2000; k++) w = k;",
    )
    with closing(quick_judge(problem)) as judge:
        assert "hot spots" in judge.evaluate(problem.seed).feedback
        assert "hot spots" not in judge.evaluate(problem.seed.with_text(slow)).feedback
        assert "hot spots" not in judge.evaluate(problem.kernel.baseline.program).feedback

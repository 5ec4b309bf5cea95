"""Kernels for a GPU on a machine without one: checked by Triton's interpreter, never scored."""

import importlib.util
from pathlib import Path

import pytest

from evaluators.checking.check import check_problem
from evaluators.checking.findings import Level
from evaluators.contract import Program, Status
from evaluators.kernels.judge import KernelJudge
from evaluators.kernels.withheld import is_withheld
from evaluators.problems.loading import load_problem
from evaluators.sandbox.base import SandboxError
from tests.evaluators.kernels import triton_programs
from tests.evaluators.kernels.tasks import SOFTMAX_TRITON, quick_judge, write_problem

FAKE = Path(__file__).parent / "fake_triton"
HAS_TRITON = importlib.util.find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed (1 GB)")

PLAIN = """import math
import triton
import triton.language as tl

@triton.jit
def rows_of(x, out, cols):
    at = 4 * cols * tl.program_id(0)
    row = tl.load(x + at, cols)
    e = [math.exp(value - max(row)) for value in row]
    tl.store(out + at, [value / sum(e) for value in e])

def softmax(x, out, rows, cols):
    if rows:
        rows_of[(rows,)](x, out, cols)
"""
"""A kernel for the stand-in, which knows no vectors."""


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    return write_problem(tmp_path_factory.mktemp("softmax"), SOFTMAX_TRITON, "softmax")


@pytest.fixture(scope="module")
def judge(problem):
    """Judges by Triton's own interpreter."""
    made = quick_judge(problem)
    yield made
    made.close()


@pytest.fixture
def plain_judge(problem, monkeypatch):
    """Judges by the stand-in."""
    monkeypatch.syspath_prepend(str(FAKE))
    made = quick_judge(problem)
    yield made
    made.close()


def test_without_triton_a_problem_says_what_to_install(problem, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "triton" else real(name, *rest)
    )
    with pytest.raises(
        SandboxError, match=r"Triton is not installed: pip install 'code-discovery\[triton\]'"
    ):
        KernelJudge(problem, secret=b"test")


def test_a_correct_kernel_has_no_score_but_a_reason_and_a_remedy(plain_judge):
    evaluation = plain_judge.evaluate(Program({"kernel.py": PLAIN}, "kernel.py"))
    assert evaluation.status is Status.REJECTED
    assert is_withheld(evaluation)
    assert evaluation.score is None
    assert not any(name.startswith("speedup") for name in evaluation.metrics)
    assert "run this problem on a machine with one" in evaluation.reason
    assert evaluation.cases_done == evaluation.cases_total > 0


@pytest.mark.parametrize(
    ("old", "new", "status", "reason"),
    [
        ("value / sum(e)", "value / sum(e) * 1.01", Status.INVALID, "rows=4, cols=33"),
        ("(rows,)]", "(rows - 1,)]", Status.INVALID, "not filled completely"),
        ("for value in e])", "for value in e] + [0.0])", Status.CRASHED, "outside its buffers"),
        ("tl.load(x + at, cols)", "tl.load(x + at, cols + 1)[:cols]", Status.CRASHED, "outside its buffers"),
        ("tl.store(out", "tl.store(x + at, row)\n    tl.store(out", Status.CRASHED, "wrote to an input"),
        (
            "        rows_of[(rows,)](x, out, cols)",
            "        rows_of[(rows,)](x, out, cols)\n        for i in range(rows):\n            tl.state[0] = i\n"
            "            rows_of.fn(x.data_ptr(), out.data_ptr(), cols)",
            Status.INVALID,
            "right even when its kernels do nothing",
        ),
        ("import triton\nimport triton.language as tl", "tl = None", Status.ERROR, "imports no triton"),
    ],
)
def test_all_checks_apply_to_kernels_that_python_launches(plain_judge, old, new, status, reason):
    assert old in PLAIN
    evaluation = plain_judge.evaluate(Program({"kernel.py": PLAIN.replace(old, new)}, "kernel.py"))
    assert evaluation.status is status, evaluation.reason
    assert reason in evaluation.reason
    assert not is_withheld(evaluation)


def test_check_warns_that_there_is_no_score_here(plain_judge, problem):
    def evaluate(_program):
        return plain_judge.evaluate(Program({"kernel.py": PLAIN}, "kernel.py"))

    found = check_problem(problem, evaluate)
    assert {finding.level for finding in found if finding.title == "no score on this machine"} == {
        Level.WARNING
    }
    assert not [finding for finding in found if finding.title.endswith("fails")]


@needs_triton
@pytest.mark.parametrize("name", triton_programs.HONEST)
def test_every_honest_triton_kernel_passes(judge, name):
    evaluation = judge.evaluate(Program({"kernel.py": triton_programs.HONEST[name]}, "kernel.py"))
    assert is_withheld(evaluation), (evaluation.reason, evaluation.feedback)


@needs_triton
@pytest.mark.hostile
@pytest.mark.parametrize("name", triton_programs.ATTACKS)
def test_no_attack_in_triton_passes(judge, name):
    evaluation = judge.evaluate(Program({"kernel.py": triton_programs.ATTACKS[name]}, "kernel.py"))
    assert evaluation.status is not Status.OK
    assert evaluation.reason
    assert not is_withheld(evaluation), evaluation.metrics


@needs_triton
def test_the_shipped_problem_s_seed_and_baseline_pass():
    problem = load_problem("softmax_triton")
    judge = KernelJudge(problem, secret=b"test")
    try:
        for program in (problem.seed, problem.kernel.baseline.program):
            evaluation = judge.evaluate(program)
            assert is_withheld(evaluation), evaluation.reason
    finally:
        judge.close()
